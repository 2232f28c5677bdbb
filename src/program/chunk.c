/* chunk.c - what stands between two loops is made chunk by chunk, beside the steps that read it.
 *
 * The product that feeds a layer from the one before runs over the whole sequence, so the
 * layer could not start before the other has ended. Cut into chunks of a few steps, in a
 * loop around the product and the layer's own, it needs of the other layer no more than
 * what it reads (conflict.c finds that from the addresses), and of itself memory for one
 * chunk, which stays in the cache:
 *
 *     loop A of T steps                loop A of T steps
 *     P, all T steps            ->     loop of chunks { P, c steps;  loop B, c steps }
 *     loop B of T steps
 *
 * What T is not a multiple of c comes first, as a loop of one shorter chunk.
 *
 * Only what treats its steps alike and reads loop A, at once or through others of the kind, is
 * taken along. To cut rows changes no bit, and c is a function of shapes alone. */
#include "program/build.h"
#include <string.h>

#define CHUNK_ROWS 128 /* of a product: enough to use what it packs */
#define MOST_STEPS 8

/* A loop with what feeds it. */
typedef struct nest {
    int loop;            /* outermost; feeders stand outside of all loops, before it */
    int64_t steps, c;    /* of the loop; of a chunk, even, so that rings of two go round */
    int sign;            /* 1 or -1: the way the loop goes through time */
    bool *feeds;         /* by template */
    int first;           /* the first of them */
} nest;

typedef struct chunker {
    gr_build *b;
    gr_program *p;
    nest *list; int count, cap;
    int *nest_of;        /* by template: 1 + the nest that it feeds; 0: none */
    int *nest_at;        /* by loop: 1 + the nest that it is; 0: none */
    int64_t *written;    /* by buffer: steps of a loop that writes it step by step, negative in reverse; 0: none */
    bool *small;         /* by buffer: of feeders and their loop alone */
    int *wanted;         /* by buffer: 1 + the loop that reads it, at once or through its feeders */
} chunker;

static int64_t size_of(const gr_operand *o) { return (int64_t)gr_dtype_size(o->tensor.dtype); }

/* ---- slots: where the steps of a sequence lie in its buffer ------------------ */

/* Step t of it lies in elements [offset + t step, offset + (t + 1) step) of the buffer. */
typedef struct slots { int buffer; int64_t offset, step; } slots;

/* The operand of something outside loops whose leading axis is T steps or T times some rows. */
static bool slots_of(const gr_operand *o, int64_t steps, slots *s)
{
    const gr_tensor *t = &o->tensor;
    if (o->buffer < 0 || t->rank < 1 || t->dim[0] < steps || t->dim[0] % steps) return false;
    int64_t rows = t->dim[0] / steps, last = (rows - 1) * t->stride[0];
    for (int i = 1; i < t->rank; i++) {
        if (t->stride[i] < 0 || t->dim[i] == 0) return false;
        last += (t->dim[i] - 1) * t->stride[i];
    }
    *s = (slots){o->buffer, o->offset, rows * t->stride[0]};
    return last < s->step;
}

/* Does an operand of the loop read, or write, its own step of the sequence and nothing else? */
static bool in_slot(const gr_program *p, const gr_template *t, const gr_operand *o, const slots *s, const nest *n)
{
    int64_t count[GR_MAX_LOOPS] = {1, 1, 1, 1}, low, high;
    for (int l = t->loop; l >= 0; l = p->loops[l].parent) count[p->loops[l].depth] = p->loops[l].count;
    int64_t first = s->offset + (n->sign < 0 ? (n->steps - 1) * s->step : 0), size = size_of(o);
    if (o->ring[0] || o->stride[0] != n->sign * s->step || !gr_operand_bounds(o, 1, count, &low, &high)) return false;
    return low >= first * size && high <= (first + s->step) * size;
}

/* ---- what feeds a loop --------------------------------------------------------- */

/* Whether operand x of template u, in the loop or one of its feeders, goes through the steps as
 * the slots do. */
static bool follows_steps(const chunker *k, const nest *n, const gr_template *u, const gr_operand *x, const slots *s)
{
    slots other;
    if (u->loop >= 0) return in_slot(k->p, u, x, s, n);
    return slots_of(x, n->steps, &other) && other.step == s->step && other.offset / s->step == s->offset / s->step;
}

/* How template u, in the loop or one of its feeders, reads what t makes: 1 step by step, 0 not
 * at all, -1 otherwise. A feeder may also write over it. */
static int reads_steps(const chunker *k, const nest *n, const gr_template *t, const gr_template *u)
{
    int found = 0;
    for (int o = 0; o < t->num_out; o++) {
        slots s;
        if (!slots_of(&t->out[o], n->steps, &s)) return -1;
        for (int i = 0; i < u->num_in; i++) {
            if (u->in[i].buffer != s.buffer) continue;
            if (!follows_steps(k, n, u, &u->in[i], &s)) return -1;
            found = 1;
        }
        for (int i = 0; i < u->num_out; i++)
            if (u->out[i].buffer == s.buffer && !follows_steps(k, n, u, &u->out[i], &s)) return -1;
    }
    return found;
}

static bool may_feed(const chunker *k, const nest *n, int t)
{
    const gr_loop_info *l = &k->p->loops[n->loop];
    const gr_template *x = &k->p->templates[t];
    bool read = false;
    if (x->loop >= 0 || x->num_out == 0 || k->nest_of[t]) return false;
    for (int u = t + 1; u < l->last; u++) {
        const gr_template *y = &k->p->templates[u];
        if (u < l->first && !n->feeds[u]) {
            if (!gr_may_swap(x, y)) return false;
            continue;
        }
        int how = reads_steps(k, n, x, y);
        if (how < 0) return false;
        read = read || how > 0;
    }
    return read && gr_steps_apart(k->b->a, x, n->steps);
}

static bool reads_loop(const chunker *k, const nest *n, const gr_template *t)
{
    for (int i = 0; i < t->num_in; i++)
        if (t->in[i].buffer >= 0 && k->written[t->in[i].buffer] == n->sign * n->steps) return true;
    return false;
}

static bool reads_feeder(const chunker *k, const nest *n, const gr_template *t, int before)
{
    for (int u = n->first; u < before; u++)
        for (int o = 0; n->feeds[u] && o < k->p->templates[u].num_out; o++)
            if (gr_touches(t->in, t->num_in, k->p->templates[u].out[o].buffer)) return true;
    return false;
}

static void want_inputs(chunker *k, const gr_template *t, int loop)
{
    for (int i = 0; i < t->num_in; i++)
        if (t->in[i].buffer >= 0) k->wanted[t->in[i].buffer] = loop + 1;
}

static bool is_wanted(const chunker *k, const gr_template *t, int loop)
{
    for (int i = 0; i < t->num_out; i++)
        if (t->out[i].buffer >= 0 && k->wanted[t->out[i].buffer] == loop + 1) return true;
    return false;
}

/* Those of the feeders stay that lead from another loop to this one. */
static int find_feeders(chunker *k, nest *n)
{
    const gr_program *p = k->p;
    int count = 0;
    n->first = p->loops[n->loop].first;
    for (int t = p->loops[n->loop].first; t < p->loops[n->loop].last; t++) want_inputs(k, &p->templates[t], n->loop);
    for (int t = p->loops[n->loop].first - 1; t >= 0; t--) {
        if (!is_wanted(k, &p->templates[t], n->loop) || !may_feed(k, n, t)) continue;
        n->feeds[t] = true;
        n->first = t;
        want_inputs(k, &p->templates[t], n->loop);
    }
    for (int t = n->first; t < p->loops[n->loop].first; t++) {
        const gr_template *x = &p->templates[t];
        n->feeds[t] = n->feeds[t] && (reads_loop(k, n, x) || reads_feeder(k, n, x, t));
        count += n->feeds[t];
    }
    return count;
}

/* ---- how many steps ---------------------------------------------------------- */

static int deepest(const gr_program *p, int loop)
{
    int depth = p->loops[loop].depth;
    for (int l = loop + 1; l < p->num_loops && gr_loop_within(p, l, loop); l++)
        if (p->loops[l].depth > depth) depth = p->loops[l].depth;
    return depth;
}

/* Rings must begin anew with each chunk. */
static bool rings_fit(const nest *n, const gr_operand *o, int count)
{
    for (int i = 0; i < count; i++)
        if (o[i].ring[0] && n->c % o[i].ring[0]) return false;
    return true;
}

static bool choose_steps(const chunker *k, nest *n)
{
    const gr_program *p = k->p;
    int64_t rows = 1;
    for (int t = n->first; t < p->loops[n->loop].first; t++) {
        const gr_template *x = &p->templates[t];
        bool product = n->feeds[t] && x->node && (x->node->op->traits & GR_CONTRACTION);
        int64_t columns = product ? x->out[0].tensor.dim[x->out[0].tensor.rank - 1] : 0, all = 1;
        for (int i = 0; i < x->out[0].tensor.rank; i++) all *= x->out[0].tensor.dim[i];
        if (columns > 0 && all / columns / n->steps > rows) rows = all / columns / n->steps;
    }
    n->c = CHUNK_ROWS / rows / 2 * 2;
    if (n->c < 2) n->c = 2;
    if (n->c > MOST_STEPS) n->c = MOST_STEPS;
    for (int t = p->loops[n->loop].first; t < p->loops[n->loop].last; t++)
        if (!rings_fit(n, p->templates[t].in, p->templates[t].num_in) || !rings_fit(n, p->templates[t].out, p->templates[t].num_out))
            return false;
    return n->steps >= 2 * n->c;
}

static void find_nest(chunker *k, int loop)
{
    const gr_loop_info *l = &k->p->loops[loop];
    nest n = {.loop = loop, .steps = l->count, .sign = l->reverse ? -1 : 1};
    if (l->parent >= 0 || l->rows || l->count < 4 || deepest(k->p, loop) + 1 >= GR_MAX_LOOPS) return;
    n.feeds = gr_arena_array(k->b->a, (size_t)k->p->num_templates + 1, sizeof *n.feeds);
    if (find_feeders(k, &n) == 0 || !choose_steps(k, &n)) return;
    *GR_PUSH(k->b->a, k->list, k->count, k->cap) = n;
    k->nest_at[loop] = k->count;
    for (int t = n.first; t < l->first; t++)
        if (n.feeds[t]) k->nest_of[t] = k->count;
}

/* ---- memory for a chunk alone -------------------------------------------------- */

/* Which buffers of feeders nobody else reads: they hold one chunk. */
static void find_small(const chunker *k, bool *small)
{
    const gr_program *p = k->p;
    int *owner = gr_arena_array(k->b->a, (size_t)p->num_buffers + 1, sizeof *owner);
    for (int t = 0; t < p->num_templates; t++) {
        const gr_template *x = &p->templates[t];
        for (int o = 0; k->nest_of[t] && o < x->num_out; o++) {
            const gr_buffer *b = &p->buffers[x->out[o].buffer];
            const nest *n = &k->list[k->nest_of[t] - 1];
            slots s;
            bool whole = slots_of(&x->out[o], n->steps, &s) && s.offset < s.step && b->slots == 1 && b->type.rank > 0 &&
                         b->type.dim[0] == n->steps && gr_numel(&b->type) == n->steps * s.step;
            owner[x->out[o].buffer] = k->nest_of[t];
            small[x->out[o].buffer] = b->kind == GR_BUFFER_ARENA && whole;
        }
    }
    for (int t = 0; t < p->num_templates; t++) {
        const gr_template *x = &p->templates[t];
        int loop = x->loop >= 0 ? gr_loop_below(p, x->loop, -1) : -1, mine = loop >= 0 ? k->nest_at[loop] : k->nest_of[t];
        for (int i = 0; i < x->num_in; i++)
            if (x->in[i].buffer >= 0 && owner[x->in[i].buffer] != mine) small[x->in[i].buffer] = false;
        for (int i = 0; i < x->num_out; i++)
            if (x->out[i].buffer >= 0 && owner[x->out[i].buffer] != mine) small[x->out[i].buffer] = false;
    }
}

/* ---- rebuilding the program ---------------------------------------------------- */

typedef struct rebuild {
    chunker *k;
    gr_template *templates; int num_templates, cap_templates;
    gr_loop_info *loops; int num_loops, cap_loops;
    int *now;            /* by old loop: what it has become */
} rebuild;

/* Steps [begin, begin + count * c) of a nest, in order of execution. */
typedef struct piece { const nest *n; int64_t begin, count, c; } piece;

static int64_t lowest_step(const piece *x) { return x->n->sign > 0 ? x->begin : x->n->steps - x->begin - x->c; }

/* Element `step` of a sequence's slots at the chunk's first step and from chunk to chunk. */
static void go_by_chunks(const chunker *k, const piece *x, gr_operand *o, int64_t step)
{
    if (k->small[o->buffer]) return;
    o->offset += step * lowest_step(x);
    o->stride[0] = x->n->sign * step * x->c;
}

static gr_operand feeder_operand(const chunker *k, const piece *x, const gr_operand *from)
{
    gr_operand o = *from;
    int64_t rows = o.tensor.dim[0] / x->n->steps;
    o.tensor.dim[0] = rows * x->c;
    go_by_chunks(k, x, &o, rows * o.tensor.stride[0]);
    return o;
}

static gr_operand loop_operand(const chunker *k, const piece *x, const gr_operand *from)
{
    gr_operand o = *from;
    if (o.buffer < 0) return o;
    for (int l = GR_MAX_LOOPS - 1; l > 0; l--) {
        o.stride[l] = o.stride[l - 1];
        o.ring[l] = o.ring[l - 1];
        o.ring_shift[l] = o.ring_shift[l - 1];
    }
    o.stride[0] = o.ring[0] = o.ring_shift[0] = 0;
    if (o.ring[1]) {
        o.ring_shift[1] = (int32_t)((o.ring_shift[1] + x->begin) % o.ring[1]);
        return o;
    }
    int64_t step = x->n->sign * o.stride[1];
    if (k->small[o.buffer] && x->n->sign < 0) o.offset -= step * (x->n->steps - x->c); /* its own first is the last of the chunk */
    if (k->small[o.buffer]) return o;
    o.offset += o.stride[1] * x->begin;
    o.stride[0] = o.stride[1] * x->c;
    return o;
}

static gr_template *add_copy_of(rebuild *r, const gr_template *t, int loop)
{
    gr_arena *a = r->k->b->a;
    gr_template *c = GR_PUSH(a, r->templates, r->num_templates, r->cap_templates);
    *c = *t;
    c->loop = loop;
    return c;
}

static gr_template *add_own(rebuild *r, const gr_template *t, int loop)
{
    gr_template *c = add_copy_of(r, t, loop);
    c->in = gr_arena_copy(r->k->b->a, t->in, sizeof *t->in * (size_t)t->num_in);
    c->out = gr_arena_copy(r->k->b->a, t->out, sizeof *t->out * (size_t)t->num_out);
    return c;
}

static void add_feeder(rebuild *r, const piece *x, const gr_template *t, int loop)
{
    gr_template *c = add_own(r, t, loop);
    for (int i = 0; i < c->num_in; i++)
        if (c->in[i].buffer >= 0 && gr_has_steps(t, i, x->n->steps)) c->in[i] = feeder_operand(r->k, x, &t->in[i]);
    for (int i = 0; i < c->num_out; i++) c->out[i] = feeder_operand(r->k, x, &t->out[i]);
    c->steps = x->c;
    gr_template_measure(r->k->b, c);
}

static int add_loop(rebuild *r, gr_loop_info l)
{
    *GR_PUSH(r->k->b->a, r->loops, r->num_loops, r->cap_loops) = l;
    return r->num_loops - 1;
}

/* The loop of chunks, then the nest's own loops in it. */
static int add_loops(rebuild *r, const piece *x)
{
    const gr_program *p = r->k->p;
    int root = x->n->loop, chunks = add_loop(r, p->loops[root]);
    r->loops[chunks].count = x->count;
    r->loops[chunks].chunks = true;
    for (int l = root; l < p->num_loops && gr_loop_within(p, l, root); l++) {
        r->now[l] = add_loop(r, p->loops[l]);
        gr_loop_info *own = &r->loops[r->now[l]];
        own->depth++;
        own->parent = l == root ? chunks : r->now[own->parent];
        if (l != root) continue;
        own->count = x->c;
        own->begin = x->begin;
        own->steps = x->n->steps;
    }
    return chunks;
}

static void add_piece(rebuild *r, const piece *x)
{
    const gr_program *p = r->k->p;
    const gr_loop_info *old = &p->loops[x->n->loop];
    int first = r->num_templates, chunks = add_loops(r, x);
    for (int t = x->n->first; t < old->first; t++)
        if (x->n->feeds[t]) add_feeder(r, x, &p->templates[t], chunks);
    int shift = r->num_templates - old->first;
    for (int t = old->first; t < old->last; t++) {
        gr_template *c = add_own(r, &p->templates[t], r->now[p->templates[t].loop]);
        for (int i = 0; i < c->num_in; i++) c->in[i] = loop_operand(r->k, x, &p->templates[t].in[i]);
        for (int i = 0; i < c->num_out; i++) c->out[i] = loop_operand(r->k, x, &p->templates[t].out[i]);
    }
    for (int l = chunks; l < r->num_loops; l++) {
        r->loops[l].first = l == chunks ? first : r->loops[l].first + shift;
        r->loops[l].last = l == chunks ? r->num_templates : r->loops[l].last + shift;
    }
}

/* What all steps of the loop share is older than one of its pieces, if there are two. */
static void add_nest(rebuild *r, const nest *n)
{
    const gr_program *p = r->k->p;
    piece rest = {n, 0, 1, n->steps % n->c}, main = {n, rest.c, n->steps / n->c, n->c};
    if (rest.c) add_piece(r, &rest);
    add_piece(r, &main);
    for (int l = n->loop; rest.c && l < p->num_loops && gr_loop_within(p, l, n->loop); l++) r->now[l] = -1;
}

static void add_others(rebuild *r)
{
    const gr_program *p = r->k->p;
    int open = -1; /* the last outermost loop whose loops have been added */
    for (int t = 0; t < p->num_templates; t++) {
        int loop = p->templates[t].loop >= 0 ? gr_loop_below(p, p->templates[t].loop, -1) : -1;
        if (r->k->nest_of[t]) continue;
        if (loop >= 0 && r->k->nest_at[loop]) {
            add_nest(r, &r->k->list[r->k->nest_at[loop] - 1]);
            t = p->loops[loop].last - 1;
            continue;
        }
        for (int l = loop; loop >= 0 && loop != open && l < p->num_loops && gr_loop_within(p, l, loop); l++) {
            r->now[l] = add_loop(r, p->loops[l]);
            gr_loop_info *own = &r->loops[r->now[l]];
            if (own->parent >= 0) own->parent = r->now[own->parent];
            own->first += r->num_templates - t;
            own->last += r->num_templates - t;
        }
        open = loop;
        add_copy_of(r, &p->templates[t], loop >= 0 ? r->now[p->templates[t].loop] : -1);
    }
}

static void shrink_buffers(const chunker *k)
{
    for (int t = 0; t < k->p->num_templates; t++)
        for (int o = 0; k->nest_of[t] && o < k->p->templates[t].num_out; o++) {
            const nest *n = &k->list[k->nest_of[t] - 1];
            gr_buffer *b = &k->p->buffers[k->p->templates[t].out[o].buffer];
            if (!k->small[b - k->p->buffers] || b->type.dim[0] != n->steps) continue;
            b->type.dim[0] = n->c;
            b->bytes = ((size_t)gr_numel(&b->type) * gr_dtype_size(b->type.dtype) + 63) / 64 * 64;
        }
}

/* ---- all ------------------------------------------------------------------------ */

static void find_written(const chunker *k)
{
    const gr_program *p = k->p;
    for (int t = 0; t < p->num_templates; t++) {
        const gr_template *x = &p->templates[t];
        if (x->loop < 0) continue;
        int64_t steps = p->loops[gr_loop_below(p, x->loop, -1)].count;
        for (int o = 0; o < x->num_out; o++)
            if (x->out[o].stride[0] && !x->out[o].ring[0]) k->written[x->out[o].buffer] = x->out[o].stride[0] > 0 ? steps : -steps;
    }
}

void gr_chunk_loops(gr_build *b)
{
    gr_program *p = b->p;
    chunker k = {.b = b, .p = p};
    k.nest_of = GR_NEW_ARRAY(b->a, int, p->num_templates + 1);
    k.nest_at = GR_NEW_ARRAY(b->a, int, p->num_loops + 1);
    k.written = GR_NEW_ARRAY(b->a, int64_t, p->num_buffers + 1);
    k.small = GR_NEW_ARRAY(b->a, bool, p->num_buffers + 1);
    k.wanted = GR_NEW_ARRAY(b->a, int, p->num_buffers + 1);
    find_written(&k);
    for (int l = 0; l < p->num_loops; l++) find_nest(&k, l);
    if (k.count == 0) return;
    find_small(&k, k.small);
    rebuild r = {.k = &k, .now = GR_NEW_ARRAY(b->a, int, p->num_loops + 1)};
    for (int l = 0; l < p->num_loops; l++) r.now[l] = -1;
    add_others(&r);
    shrink_buffers(&k);
    for (int i = 0; i < p->num_buffers; i++)
        if (p->buffers[i].loop >= 0) p->buffers[i].loop = r.now[p->buffers[i].loop];
    p->templates = r.templates, p->num_templates = r.num_templates, b->cap_templates = r.cap_templates;
    p->loops = r.loops, p->num_loops = r.num_loops, b->cap_loops = r.cap_loops;
}
