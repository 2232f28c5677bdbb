/* init_archive.c - which arrays of an .npz archive a starter model is of.
 *
 *     one array                  that one
 *     two, [n, ...] and [n]      the first, and what belongs to each of its examples
 *     --target NAME              NAME and the only other one
 *     else                       the user says: FILE.npz/NAME */
#include "init.h"
#include "io/npy.h"
#include "io/zip.h"

#include <string.h>

typedef struct archive {
    const char **name; /* of the arrays, without .npy */
    int count;
    const char *list;  /* "x, y" */
} archive;

static int read_names(init *x, archive *to, gr_error *e)
{
    const char *const *names = gr_zip_members(x->arena, x->path, e);
    int n = 0;
    if (!names) return e->status;
    while (names[n]) n++;
    to->name = GR_NEW_ARRAY(x->arena, const char *, n + 1);
    to->list = "";
    for (int i = 0; i < n; i++) {
        const size_t length = strlen(names[i]);
        if (length < 5 || strcmp(names[i] + length - 4, ".npy") != 0) continue;
        to->name[to->count] = gr_arena_strndup(x->arena, names[i], length - 4);
        to->list = gr_arena_printf(x->arena, "%s%s%s", to->list, to->count ? ", " : "", to->name[to->count]);
        to->count++;
    }
    return to->count ? 0 : gr_set_error(e, GR_EINVAL, "%s holds no arrays, whose names end in .npy (numpy.savez writes such archives)", x->path);
}

static int find(const archive *a, const char *name)
{
    for (int i = 0; i < a->count; i++)
        if (strcmp(a->name[i], name) == 0) return i;
    return -1;
}

static const char *member(const init *x, const archive *a, int i) { return gr_arena_printf(x->arena, "%s/%s", x->path, a->name[i]); }

/* Whether t may say what belongs to each example of x. */
static bool belongs(const gr_tensor *t, const gr_tensor *x)
{
    return x->rank >= 2 && (t->rank == 1 || (t->rank == 2 && t->dim[1] == 1)) && t->dim[0] == x->dim[0];
}

/* Of two arrays: *first is that of the examples; *second, what belongs to them, -1: neither does. */
static int pair_up(init *x, const archive *a, int *first, int *second, gr_error *e)
{
    gr_tensor t[2];
    for (int i = 0; i < 2; i++)
        if (gr_npy_read(x->arena, member(x, a, i), &t[i], e)) return e->status;
    const bool one = belongs(&t[1], &t[0]), other = belongs(&t[0], &t[1]);
    if (one != other) *first = other, *second = one;
    return 0;
}

static int undecided(const init *x, const archive *a, gr_error *e)
{
    return gr_set_error(e, GR_EINVAL, "%s holds the arrays %s: say which is to be read, %s/%s, and where something belongs to each of its examples, "
                        "--target %s/NAME", x->path, a->list, x->path, a->name[0], x->path);
}

/* The array to be read; -1 with e filled. x->target becomes a path where it is an array of the archive. */
static int choose(init *x, const archive *a, gr_error *e)
{
    int first = a->count == 1 ? 0 : -1, second = x->target ? find(a, x->target) : -1;
    if (x->target && second < 0) {
        if (a->count > 1) undecided(x, a, e);
        return first;
    }
    if (a->count == 2 && second >= 0) first = !second;
    else if (a->count == 2 && pair_up(x, a, &first, &second, e)) return -1;
    if (first < 0 || first == second) {
        undecided(x, a, e);
        return -1;
    }
    if (second >= 0) x->target = member(x, a, second);
    return first;
}

int init_archive(init *x, gr_error *e)
{
    archive a = {0};
    if (read_names(x, &a, e)) return e->status;
    const int i = choose(x, &a, e);
    if (i < 0) return e->status;
    x->path = member(x, &a, i);
    x->written = init_seen(x, x->path);
    return init_array(x, e);
}
