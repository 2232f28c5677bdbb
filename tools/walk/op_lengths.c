/* op_lengths.c - the walk with axes of other lengths, and with dims from the other end. */
#include "op_walk.h"

#include <stdlib.h>
#include <string.h>

/* ---- other lengths ---- */

/* Numbers `from` in the text, as words of their own, become `to`. */
static const char *with_number(gr_arena *a, const char *text, int64_t from, int64_t to)
{
    const char *made = "";
    while (*text) {
        char *end;
        bool digit = *text >= '0' && *text <= '9';
        long long v = digit ? strtoll(text, &end, 10) : 0;
        if (digit && (*end == '.' || *end == 'e')) v = -1; /* no length */
        made = !digit ? gr_arena_printf(a, "%s%c", made, *text) : gr_arena_printf(a, "%s%.*s", made, v == from ? 0 : (int)(end - text), text);
        if (digit && v == from) made = gr_arena_printf(a, "%s%lld", made, (long long)to);
        text = digit ? end : text + 1;
    }
    return made;
}

/* The case's inputs with axes of length `from` made `to` long; NULL: makes no sense, as integers
 * below 0. */
static const char *with_length(gr_arena *a, const op_case *c, int64_t from, int64_t to)
{
    operand in[MAX_IN];
    const char *why;
    int n = trial_operands(c->inputs, in, &why);
    const char *text = "";
    for (int i = 0; i < n; i++) {
        operand *o = &in[i];
        text = gr_arena_printf(a, "%s%s%c", text, i ? "; " : "", o->kind);
        if (o->kind == 'i') text = gr_arena_printf(a, "%s%lld", text, o->classes == from && to > 0 ? (long long)to : (long long)o->classes);
        for (int k = 0; k < o->type.rank; k++) {
            if (o->type.dim[k] == from) o->type.dim[k] = to;
            text = gr_arena_printf(a, "%s %lld", text, (long long)o->type.dim[k]);
        }
        if (o->kind == 'i' && o->classes == from && to == 0 && gr_numel(&o->type) > 0) return NULL;
    }
    return text;
}

/* 1: with the length so the node is as it should; 0: refused with a message; -1: wrong. */
static int try_length(const op_case *c, int64_t from, int64_t to, const op_more *more)
{
    gr_arena *a = gr_arena_create();
    op_case other = {c->op, c->attrs, with_length(a, c, from, to)};
    int result = other.inputs ? op_try_way(&other, (op_way){.real = GR_FLOAT64, .optional = true, .as = OP_LENGTHS}, more) : 0;
    if (result == 0 && other.inputs) {
        other.attrs = with_number(a, c->attrs, from, to);
        result = strcmp(other.attrs, c->attrs) ? op_try_way(&other, (op_way){.real = GR_FLOAT64, .optional = true, .as = OP_LENGTHS}, more) : 0;
    }
    if (result > 0 && !op_is_composite(&other, more)) {
        unsigned all;
        int inside = op_sequences(&other, more, &all) ? op_try_way(&other, (op_way){.real = GR_FLOAT64, .steps = STEPS, .optional = true, .as = OP_LENGTHS}, more) : 1;
        result = inside < 0 ? -1 : result;
    }
    gr_arena_destroy(a);
    return result;
}

bool op_walk_lengths(const op_case *c, const op_more *more, bool met[2])
{
    operand in[MAX_IN];
    const char *why;
    int n = trial_operands(c->inputs, in, &why);
    int64_t tried[64];
    int count = 0;
    bool good = true;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < in[i].type.rank; k++) {
            int64_t length = in[i].type.dim[k];
            bool seen = length > 60;
            if (length < 2) met[length] = true;
            for (int j = 0; j < count; j++) seen |= tried[j] == length;
            if (seen) continue;
            tried[count++] = length;
            for (int to = 0; to < 2; to++) {
                int result = length == to ? 0 : try_length(c, length, to, more);
                met[to] |= result > 0;
                good &= result >= 0;
            }
        }
    return good;
}

/* ---- dims from the other end ---- */

static bool is_dim(const gr_attr_spec *s)
{
    static const char *const name[] = {"dim", "dims", "dim0", "dim1", "start_dim", "end_dim"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (strcmp(s->name, name[i]) == 0) return true;
    return false;
}

/* The attributes' text with dims that are counted from the end counted from the start, and the other
 * way; NULL: there are none. */
static const char *turned(trial *t)
{
    gr_attr *attr = gr_attr_defaults(t->arena, t->op);
    const char *why = "", *text = "";
    bool any = false;
    int rank = t->in[0].type.rank > t->out[0]->type.rank ? t->in[0].type.rank : t->out[0]->type.rank;
    gr_attrs_parse(t->arena, t->op, t->c->attrs + strspn(t->c->attrs, ", "), attr, &why);
    for (int i = 0; i < gr_op_num_attrs(t->op); i++) {
        const gr_attr_spec *s = &t->op->attrs[i];
        if (!attr[i].given) continue;
        if (is_dim(s) && s->kind == GR_ATTR_INT && rank) attr[i].i += attr[i].i < 0 ? rank : -rank, any = true;
        if (is_dim(s) && s->kind == GR_ATTR_INTS && rank && attr[i].n) {
            int64_t *d = GR_NEW_ARRAY(t->arena, int64_t, attr[i].n);
            for (int k = 0; k < attr[i].n; k++) d[k] = attr[i].ints[k] + (attr[i].ints[k] < 0 ? rank : -rank);
            attr[i].ints = d;
            any = true;
        }
        text = gr_arena_printf(t->arena, "%s%s%s=%s", text, *text ? ", " : "", s->name, gr_attr_text(t->arena, s, &attr[i]));
    }
    return any ? text : NULL;
}

bool op_walk_turned(const op_case *c, const op_more *more)
{
    trial t = trial_begin(GR_FLOAT64, c, 0, 0, more);
    trial_look(&t, OP_DIMS);
    bool good = trial_outside(&t) || trial_failed(&t, "is refused");
    const char *attrs = good && t.num_in && t.input[0] ? turned(&t) : NULL;
    op_case other = {c->op, attrs, c->inputs};
    if (attrs) {
        trial u = trial_begin(GR_FLOAT64, &other, 0, 0, more);
        trial_look(&u, OP_DIMS);
        gr_eval *x = eval_create(t.arena, t.graph);
        trial_fill(&t, x);
        good = trial_run(&t, x) && (trial_outside(&u) || trial_failed(&u, "is refused"));
        gr_eval *y = eval_create(u.arena, u.graph);
        if (good) trial_fill(&u, y);
        good = good && trial_run(&u, y);
        for (int i = 0; good && i < t.num_out; i++)
            good = trial_distance(eval_value(x, t.out[i]), eval_value(y, u.out[i])) == 0 || trial_failed(&u, "is another node than with dims from the other end");
        if (good) trial_compared(&u, 1, 0);
        trial_end(&u);
    }
    trial_end(&t);
    return good;
}

