/* source_walk.c - see source_walk.h. */
#include "source_walk.h"
#include "base/tensor.h"

#include <malloc.h>
#include <string.h>

enum { EPOCHS = 2, MAX_SPLITS = 16 };

const char *const source_check_names[SOURCE_NUM_CHECKS] = {"opens", "fields", "splits", "order", "fill", "memory"};

/* One opening of the section. */
typedef struct opened {
    gr_arena *arena;
    gr_data *d;
} opened;

typedef struct walk {
    source_report *r;
    const char *path;
    const gr_model_options *options;
    int64_t most;
    uint64_t *digest[MAX_SPLITS][EPOCHS]; /* of each batch that was read */
} walk;

GR_PRINTF(3, 4)
static void fault(walk *w, source_check c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (!w->r->of[c].failures++) vsnprintf(w->r->of[c].failure, sizeof w->r->of[c].failure, fmt, args);
    va_end(args);
}

static void expect(walk *w, source_check c, bool holds, const char *what, const gr_split *s, int64_t epoch, int64_t batch)
{
    w->r->at = c;
    w->r->of[c].count++;
    if (!holds) fault(w, c, "split '%s', epoch %lld, batch %lld: %s", s->name, (long long)epoch, (long long)batch, what);
}

/* ---- opening ---- */

static gr_data *open_section(walk *w, gr_arena *a, uint64_t seed)
{
    gr_error e = {0};
    gr_data *d = NULL;
    gr_diag *diag = gr_diag_create(a);
    gr_model *m = gr_model_read(a, w->path, w->options, diag, &e);
    gr_doc *section = m ? gr_model_section(m, "data") : NULL;
    gr_data_options how = {.seed = seed};
    if (section) d = gr_data_open(m, section, &how, &e);
    const char *said = gr_diag_message(diag, 0, &(gr_loc){0});
    if (!d || said) fault(w, SOURCE_OPENS, "%s", said ? said : *e.message ? e.message : "the model has no section 'data'");
    return said ? NULL : d;
}

static opened open_data(walk *w, uint64_t seed)
{
    opened o = {.arena = gr_arena_create()};
    gr_frame frame;
    w->r->of[SOURCE_OPENS].count++;
    if (!o.arena) {
        fault(w, SOURCE_OPENS, "out of memory");
    } else if (gr_try(o.arena, &frame)) {
        o.d = open_section(w, o.arena, seed);
        gr_end_try(o.arena, &frame);
    } else {
        fault(w, SOURCE_OPENS, "%s", gr_arena_fault(o.arena));
    }
    return o;
}

static void close_data(opened *o)
{
    gr_data_close(o->d);
    gr_arena_destroy(o->arena);
}

/* ---- what a batch holds ---- */

static uint64_t mix(uint64_t h, const void *data, size_t bytes)
{
    for (const unsigned char *p = data, *end = p + bytes; p < end; p++) h = (h ^ *p) * 0x100000001b3; /* FNV-1a */
    return h;
}

static uint64_t digest_of(const gr_data *d, const gr_tensor *field)
{
    uint64_t h = 0xcbf29ce484222325;
    for (int i = 0; i < d->num_fields; i++) {
        h = mix(h, field[i].dim, (size_t)field[i].rank * sizeof *field[i].dim);
        h = mix(h, field[i].data, (size_t)gr_tensor_numel(&field[i]) * gr_dtype_size(field[i].dtype));
    }
    return h;
}

static bool within_vocabulary(const gr_data *d, const gr_field *f, const gr_tensor *t)
{
    int n = 0;
    if (t->dtype != GR_INT32 || !d->num_texts || !gr_data_vocab(d, f->name, &n)) return true;
    for (int64_t i = 0; i < gr_tensor_numel(t); i++)
        if (((const int32_t *)t->data)[i] >= n) return false;
    return true;
}

static void check_batch(walk *w, const gr_data *d, const gr_split *s, int64_t epoch, int64_t batch, const gr_tensor *field)
{
    for (int i = 0; i < d->num_fields; i++) {
        const gr_field *f = &d->fields[i];
        expect(w, SOURCE_FIELDS, within_vocabulary(d, f, &field[i]),
               gr_arena_printf(w->r->arena, "the field '%s' holds a number that its vocabulary lacks", f->name), s, epoch, batch);
    }
}

static void check_declared(walk *w, const gr_data *d)
{
    for (int i = 0; i < d->num_fields; i++) {
        const gr_port *p = d->desc->fields;
        while (p->name && !(p->flags & GR_PORT_VARIADIC) && strcmp(p->name, d->fields[i].name)) p++;
        w->r->of[SOURCE_FIELDS].count++;
        if (!p->name) fault(w, SOURCE_FIELDS, "the field '%s' is not declared in gr_source.fields", d->fields[i].name);
    }
    for (const gr_port *p = d->desc->fields; p->name; p++) {
        int i = 0;
        while (i < d->num_fields && strcmp(p->name, d->fields[i].name)) i++;
        if (i == d->num_fields && !(p->flags & (GR_PORT_VARIADIC | GR_PORT_OPTIONAL)))
            fault(w, SOURCE_FIELDS, "the field '%s' is declared, not GR_PORT_OPTIONAL, and not given", p->name);
    }
}

/* ---- splits ---- */

static void check_splits(walk *w, const gr_data *d)
{
    for (int i = 0; i < d->num_splits; i++) {
        const gr_split *a = &d->splits[i];
        w->r->of[SOURCE_SPLITS].count++;
        if (a->batches < 1) fault(w, SOURCE_SPLITS, "the split '%s' has no batches", a->name);
        for (int k = 0; k < i; k++) {
            const gr_split *b = &d->splits[k];
            if (!strcmp(a->name, b->name)) fault(w, SOURCE_SPLITS, "two splits are called '%s'", a->name);
            if (a->begin < b->end && b->begin < a->end)
                fault(w, SOURCE_SPLITS, "the splits '%s' and '%s' have %lld to %lld in common", b->name, a->name,
                      (long long)(a->begin > b->begin ? a->begin : b->begin), (long long)(a->end < b->end ? a->end : b->end));
        }
    }
}

/* What is learnt and what is held back for tests must not depend on chance. */
static bool same_splits(walk *w, const gr_data *d, const gr_data *other, const char *seed)
{
    bool same = d->num_splits == other->num_splits;
    for (int i = 0; same && i < d->num_splits; i++) {
        const gr_split *a = &d->splits[i], *b = &other->splits[i];
        same = !strcmp(a->name, b->name) && a->begin == b->begin && a->end == b->end && a->batches == b->batches;
    }
    w->r->of[SOURCE_SPLITS].count++;
    if (!same) fault(w, SOURCE_SPLITS, "has other splits when it is opened again with %s seed", seed);
    return same;
}

/* ---- order ---- */

static int64_t num_batches(const walk *w, const gr_split *s) { return s->batches < w->most ? s->batches : w->most; }

/* Reads an epoch from batch `first`. what NULL: these are the digests to compare with. */
static void read_epoch(walk *w, gr_data *d, int split, int64_t epoch, int64_t first, const char *what)
{
    const gr_split *s = &d->splits[split];
    const gr_tensor *field;
    gr_error e = {0};
    int64_t b = first;
    if (gr_data_begin(d, s->name, epoch, first, &e) < 0) return fault(w, SOURCE_ORDER, "%s", e.message);
    for (; b < num_batches(w, s) && gr_data_next(d, &field, &e) > 0; b++) {
        if (what) {
            expect(w, SOURCE_ORDER, digest_of(d, field) == w->digest[split][epoch][b], what, s, epoch, b);
            continue;
        }
        check_batch(w, d, s, epoch, b, field);
        w->digest[split][epoch][b] = digest_of(d, field);
    }
    if (b < num_batches(w, s) && *e.message) return fault(w, SOURCE_ORDER, "%s", e.message);
    if (b < num_batches(w, s)) fault(w, SOURCE_ORDER, "the split '%s' ends after %lld of %lld batches", s->name, (long long)b, (long long)s->batches);
}

static void check_order(walk *w, gr_data *d)
{
    for (int k = 0; k < d->num_splits; k++)
        for (int64_t epoch = 0; epoch < EPOCHS; epoch++) {
            w->digest[k][epoch] = GR_NEW_ARRAY(w->r->arena, uint64_t, num_batches(w, &d->splits[k]) + 1);
            read_epoch(w, d, k, epoch, 0, NULL);
        }
    for (int k = 0; k < d->num_splits; k++)
        for (int64_t epoch = EPOCHS; epoch-- > 0;) {
            read_epoch(w, d, k, epoch, 0, "is another when its epoch is read again after another one; an epoch is to be a function of the "
                       "seed and its number alone");
            read_epoch(w, d, k, epoch, num_batches(w, &d->splits[k]) / 2, "is another when the epoch is begun in its middle");
        }
}

/* ---- one batch ---- */

/* Room for a batch, in which other bytes stood. */
static void poison(const gr_data *d, gr_tensor *field, int byte)
{
    for (int i = 0; i < d->num_fields; i++)
        memset(field[i].data, byte, (size_t)gr_numel(&d->fields[i].type) * gr_dtype_size(d->fields[i].type.dtype));
}

static void check_fill(walk *w, gr_data *d, int split)
{
    const gr_split *s = &d->splits[split];
    gr_tensor room[GR_MAX_FIELDS] = {{0}}, field[GR_MAX_FIELDS];
    gr_error e = {0};
    for (int i = 0; i < d->num_fields; i++)
        room[i].data = GR_NEW_ARRAY(w->r->arena, double, gr_numel(&d->fields[i].type) + 1);
    if (gr_data_begin(d, s->name, 1, s->batches, &e) < 0) return fault(w, SOURCE_FILL, "%s", e.message);
    for (int64_t b = num_batches(w, s); b-- > 0;)
        for (int again = 0; again < 2; again++) {
            if (!w->digest[split][1][b]) continue; /* it has failed before */
            poison(d, room, again ? 0xa5 : 0x5a);
            memcpy(field, room, sizeof field);
            gr_data_make(d, b, field);
            expect(w, SOURCE_FILL, digest_of(d, field) == w->digest[split][1][b], "has other bytes when batches are made from the last to the "
                   "first: fill is to be a function of the batch's number, and to write all of its fields", s, 1, b);
        }
}

/* ---- memory ---- */

static void check_memory(walk *w, gr_data *d, int split)
{
    const gr_split *s = &d->splits[split];
    gr_tensor field[GR_MAX_FIELDS];
    gr_error e = {0};
    memcpy(field, d->slot[0], sizeof field);
    if (gr_data_begin(d, s->name, 0, s->batches, &e) < 0) return fault(w, SOURCE_MEMORY, "%s", e.message);
    size_t used = mallinfo2().uordblks;
    gr_data_begin(d, s->name, 1, s->batches, &e);
    for (int64_t b = 0; b < num_batches(w, s); b++) gr_data_make(d, b, field);
    size_t more = mallinfo2().uordblks;
    w->r->of[SOURCE_MEMORY].count++;
    if (more > used) fault(w, SOURCE_MEMORY, "split '%s': begin or fill keeps %zu bytes of heap", s->name, more - used);
}

/* ---- all of it ---- */

static void walk_opened(walk *w, gr_data *d, gr_data *same)
{
    check_declared(w, d);
    check_splits(w, d);
    if (d->num_splits > MAX_SPLITS) return fault(w, SOURCE_SPLITS, "has %d splits; at most %d are looked at", d->num_splits, MAX_SPLITS);
    check_order(w, d);
    for (int k = 0; k < d->num_splits; k++)
        for (int64_t epoch = EPOCHS; epoch-- > 0;)
            read_epoch(w, same, k, epoch, 0, "is another when the data are opened again with the same seed");
    for (int k = 0; k < d->num_splits; k++) {
        check_fill(w, d, k);
        check_memory(w, d, k);
    }
}

bool source_walk(const char *model_path, const gr_model_options *o, int64_t most, source_report *r)
{
    walk w = {.r = r, .path = model_path, .options = o, .most = most};
    opened one = open_data(&w, 1), same = open_data(&w, 1), other = open_data(&w, 2);
    bool good = one.d && same.d && other.d;
    if (good && same_splits(&w, one.d, same.d, "the same") && same_splits(&w, one.d, other.d, "another")) walk_opened(&w, one.d, same.d);
    close_data(&one);
    close_data(&same);
    close_data(&other);
    for (int c = 0; c < SOURCE_NUM_CHECKS; c++) good &= !r->of[c].failures;
    return good;
}

bool source_walk_example(const gr_source *s, const gr_model_options *o, source_report *r)
{
    gr_model_options with_text = *o;
    with_text.text = gr_arena_printf(r->arena, "graphrun: 1\n%s", s->example);
    return source_walk(gr_arena_printf(r->arena, "the example of %s", s->name), &with_text, 64, r);
}
