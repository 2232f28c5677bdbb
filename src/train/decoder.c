/* decoder.c - programs that are fed a prefix or a step, and what runs once before them. */
#include "train/decoder.h"
#include "train/piece.h"

#include <string.h>

enum { MAX_AXES = 2 * GR_MAX_RANK, SOURCE_PROBE = 4, LEAST_ROOM = 64, MOST_ROOM = 1 << 16 };

/* What the feed does not reach: it runs once, and its results become states. */
typedef struct rest {
    int64_t source;           /* length */
    gr_exec *exec;            /* NULL: there is nothing */
    const gr_piece *piece;    /* of whose borders it is */
    int64_t begun;            /* the beginning for which it has run */
} rest;

/* What it does reach, for so many items at once. */
typedef struct part {
    int64_t time, source;     /* lengths */
    int64_t room;             /* of a step: the decoder's; 0: it is a prefix */
    gr_piece piece;
    rest *rest;
} part;

typedef struct output { /* one of what is fetched */
    const char *name;
    int axis;                 /* of time; -1: none */
    int64_t n, cap;           /* numbers at one time; more for a longer source */
    double *value;
} output;

struct gr_decoder {
    gr_session *session;
    const gr_generate_spec *spec;
    const gr_model_input *feed, *lengths, *source, *source_lengths; /* all but feed may be NULL */
    const char *time_axis, *source_axis;
    const char *fetch[3];
    output out[2]; int num_out;
    bool step;
    const char *fault;        /* why not */
    int64_t limit;            /* no more than so many items at once; 0: any */
    int64_t room;             /* steps whose past is kept, if need be */
    part **parts; int num_parts, cap_parts;
    part *at;                 /* the one in use */
    part *stepping;           /* that of the steps since the beginning, or NULL */
    int64_t beginning;        /* counts */
    const int32_t *source_item; int64_t source_count;
    int32_t *item; int num_items, cap_items;
};

struct gr_decoder_mark {
    int32_t *item; int num_items, cap_items;
    char *states; size_t size;
};

/* ---- inputs and their axes ---- */

static const gr_model_input *find_input(const gr_session *s, const char *name)
{
    for (int i = 0; i < s->num_inputs; i++)
        if (strcmp(s->inputs[i].name, name) == 0) return &s->inputs[i];
    return NULL;
}

static bool has_axis(const gr_model_input *in, const char *axis)
{
    for (int k = 0; in && k < in->rank; k++)
        if (in->axis[k] && strcmp(in->axis[k], axis) == 0) return true;
    return false;
}

/* The lengths of one example: `time` items fed, `source` items of the source, all else 1. */
static int axes_of(const gr_decoder *d, int64_t time, int64_t source, gr_axis_size *axes)
{
    int n = 0;
    const gr_model_input *both[2] = {d->feed, d->source};
    for (int i = 0; i < 2; i++)
        for (int k = 0; both[i] && k < both[i]->rank; k++) {
            const char *axis = both[i]->axis[k];
            if (!axis) continue;
            int64_t length = d->time_axis && strcmp(axis, d->time_axis) == 0       ? time
                             : d->source_axis && strcmp(axis, d->source_axis) == 0 ? source
                                                                                   : 1;
            axes[n++] = (gr_axis_size){axis, length};
        }
    return n;
}

static const char *key_of(const gr_model_input *in) { return in->from ? in->from : in->name; }

static bool is_lengths_of(const gr_model_input *in, const gr_model_input *of, gr_arena *a)
{
    return strcmp(key_of(in), gr_arena_printf(a, "%s_lengths", key_of(of))) == 0 ||
           strcmp(in->name, gr_arena_printf(a, "%s_lengths", of->name)) == 0;
}

static bool is_lengths(const gr_model_input *in)
{
    const char *key = key_of(in);
    size_t n = strlen(key), m = strlen("lengths");
    return in->dtype == GR_INT32 && n >= m && strcmp(key + n - m, "lengths") == 0;
}

/* By name ("source_lengths" of "source"); else one that stands alone is the source's, or the feed's
 * where there is no source. */
static void find_lengths(gr_decoder *d)
{
    const gr_session *s = d->session;
    for (int i = 0; d->source && i < s->num_inputs; i++)
        if (is_lengths_of(&s->inputs[i], d->source, s->arena)) d->source_lengths = &s->inputs[i];
    for (int i = 0; i < s->num_inputs; i++) {
        const gr_model_input *in = &s->inputs[i];
        if (!is_lengths(in) || in == d->source_lengths) continue;
        if (!d->source || d->source_lengths || is_lengths_of(in, d->feed, s->arena)) d->lengths = in;
        else d->source_lengths = in;
    }
}

static int check_items(const gr_model_input *in, const char *key, gr_error *e)
{
    bool named = in->rank > 0;
    for (int k = 0; k < in->rank; k++) named = named && (in->axis[k] || in->dim[k] == 1);
    if (named && in->dtype == GR_INT32) return 0;
    return gr_set_error(e, GR_EINVAL, "generate: %s '%s' must be an Input of integers whose axes have names ([time, batch])", key,
                        in->name);
}

static int find_inputs(gr_decoder *d, gr_error *e)
{
    gr_session *s = d->session;
    const gr_generate_spec *spec = d->spec;
    if (!spec->feed || !spec->from)
        return gr_set_error(e, GR_EINVAL, "%s has no `generate` section; write generate: {feed: INPUT, from: LOGITS}",
                            gr_model_path(s->model));
    if (!(d->feed = find_input(s, spec->feed)))
        return gr_set_error(e, GR_EINVAL, "generate: the model has no Input '%s' to feed", spec->feed);
    if (spec->source && !(d->source = find_input(s, spec->source)))
        return gr_set_error(e, GR_EINVAL, "generate: the model has no Input '%s' for the source", spec->source);
    if (check_items(d->feed, "feed", e) || (d->source && check_items(d->source, "source", e))) return e->status;
    for (int k = 0; d->source && k < d->source->rank; k++)
        if (d->source->axis[k] && !has_axis(d->feed, d->source->axis[k])) d->source_axis = d->source->axis[k];
    if (d->source && !d->source_axis)
        return gr_set_error(e, GR_EINVAL, "generate: '%s' and '%s' must have time axes of different names ([source_time, batch] "
                            "and [time, batch]), for their lengths differ", spec->source, spec->feed);
    find_lengths(d);
    return 0;
}

/* ---- which way ---- */

/* The typed graph at these lengths, its results what is fetched. */
static gr_graph *typed_graph(gr_decoder *d, int64_t time, int64_t source, gr_error *e)
{
    gr_axis_size axes[MAX_AXES];
    gr_want w = {.fetch = d->fetch, .axes = axes, .num_axes = axes_of(d, time, source, axes)};
    gr_graph *g = gr_session_graph(d->session, &w, "expand");
    if (!g) gr_session_tell(d->session, e);
    return g;
}

static gr_stepwise *compare(gr_decoder *d, int64_t time, int64_t other, gr_graph **g, gr_graph **h, gr_error *e)
{
    if (!(*g = typed_graph(d, time, SOURCE_PROBE, e)) || !(*h = typed_graph(d, other, SOURCE_PROBE, e))) return NULL;
    return gr_stepwise_create(*g, time, *h, other, d->spec->feed, d->lengths ? d->lengths->name : NULL);
}

static bool results_step(const gr_stepwise *s, int n, gr_value *const *results)
{
    for (int i = 0; s && i < n; i++) {
        gr_reach r = gr_reach_of(s, results[i]);
        if (r != GR_REACH_STEP && r != GR_REACH_LAST) return false;
    }
    return s != NULL;
}

/* The axis of `feed` that is time: not the one called `batch` or shared with the source; of
 * several, that over which a loop runs. */
static int find_time(gr_decoder *d, gr_error *e)
{
    const char *first = NULL;
    int candidates = 0;
    for (int k = 0; k < d->feed->rank; k++) {
        const char *axis = d->feed->axis[k];
        if (!axis || strcmp(axis, "batch") == 0 || has_axis(d->source, axis)) continue;
        if (!first) first = axis;
        candidates++;
    }
    for (int k = 0; candidates > 1 && k < d->feed->rank; k++) {
        gr_graph *g, *h;
        if (!(d->time_axis = d->feed->axis[k])) continue;
        gr_stepwise *s = compare(d, 2, 3, &g, &h, e);
        if (e->status) return e->status;
        if (s && gr_stepwise_loops(s)) return 0;
    }
    d->time_axis = first;
    if (first) return 0;
    return gr_set_error(e, GR_EINVAL, "generate: '%s' has no axis of time: one with a name that is not `batch`%s", d->feed->name,
                        d->source ? " and not of the source" : "");
}

/* The length of time that the model's vars give, which it was trained with: what is longer slides.
 * An answer to a source does not, its beginning is needed. */
static int64_t own_length(const gr_decoder *d)
{
    gr_var v = gr_model_var(d->session->model, d->time_axis);
    return !d->source && v.kind == GR_VAR_INT && v.i > 0 ? v.i : 0;
}

static int add_outputs(gr_decoder *d, const gr_stepwise *s, const gr_graph *g, const gr_graph *h, gr_error *e)
{
    if (!s)
        return gr_set_error(e, GR_EINVAL, "generate: with another length of '%s' the model is another graph, not only of other sizes",
                            d->time_axis);
    for (int i = 0; d->fetch[i]; i++) {
        const gr_value *v = g->results[i];
        output *o = &d->out[d->num_out++];
        *o = (output){.name = d->fetch[i], .axis = gr_time_axis(s, v, h->results[i]), .n = gr_numel(&v->type)};
        if (o->axis >= 0) o->n /= v->type.dim[o->axis];
        if (gr_reach_of(s, v) == GR_REACH_NONE || gr_reach_of(s, v) == GR_REACH_LENGTH)
            return gr_set_error(e, GR_EINVAL, "generate: '%s' does not depend on '%s'", o->name, d->spec->feed);
        if (o->axis < 0 && !gr_type_equal(&v->type, &h->results[i]->type))
            return gr_set_error(e, GR_EINVAL, "generate: '%s' is %s: does it have one row a step?", o->name,
                                gr_type_text(d->session->arena, &v->type));
    }
    return 0;
}

static const char *fault_of(const gr_decoder *d, const gr_stepwise *s, const gr_graph *g)
{
    for (int i = 0; i < d->num_out; i++) {
        const gr_node *n = gr_stepwise_fault(s, g->results[i]);
        if (n) return gr_arena_printf(d->session->arena, "'%s' (%s) mixes the steps of '%s'", n->name, n->op->name, d->time_axis);
    }
    return gr_arena_printf(d->session->arena, "'%s' is not computed step by step along '%s'", d->out[0].name, d->time_axis);
}

static int choose_way(gr_decoder *d, bool prefix, gr_error *e)
{
    gr_graph *g, *h;
    if (find_time(d, e)) return e->status;
    d->limit = own_length(d);
    d->room = d->limit ? d->limit : GR_USUAL_ROOM;
    gr_stepwise *s = compare(d, 2, d->limit == 2 ? 1 : 3, &g, &h, e);
    if (e->status || add_outputs(d, s, g, h, e)) return e->status;
    d->step = !prefix && results_step(s, d->num_out, g->results);
    if (!d->step) d->fault = fault_of(d, s, g);
    if (!d->step) return 0;
    s = compare(d, 1, 2, &g, &h, e);
    d->step = results_step(s, d->num_out, g ? g->results : NULL);
    if (!d->step) d->fault = s ? fault_of(d, s, g) : "with one step the model is another graph, not only of other sizes";
    return e->status;
}

static bool shows_another(const gr_decoder *d) { return d->spec->show && strcmp(d->spec->show, d->spec->from) != 0; }

gr_decoder *gr_decoder_create(gr_session *s, bool prefix, gr_error *e)
{
    gr_decoder *d = GR_NEW(s->arena, gr_decoder);
    d->session = s;
    d->spec = &s->recipe->generate;
    *e = (gr_error){0};
    if (find_inputs(d, e)) return NULL;
    d->fetch[0] = d->spec->from;
    d->fetch[1] = shows_another(d) ? d->spec->show : NULL;
    return choose_way(d, prefix, e) ? NULL : d;
}

bool gr_decoder_steps(const gr_decoder *d) { return d->step; }
const char *gr_decoder_fault(const gr_decoder *d) { return d->step ? NULL : d->fault; }

/* Prompts of about the same length share a program. */
void gr_decoder_reserve(gr_decoder *d, int64_t items)
{
    int64_t room = LEAST_ROOM;
    while (room < items && room < MOST_ROOM) room *= 2;
    d->room = d->limit && d->limit < room ? d->limit : room;
}

int64_t gr_decoder_room(const gr_decoder *d) { return d->stepping ? d->stepping->piece.room : 0; }
int64_t gr_decoder_classes(const gr_decoder *d) { return d->out[0].n; }
const gr_model_input *gr_decoder_feed_input(const gr_decoder *d) { return d->feed; }
const gr_model_input *gr_decoder_source_input(const gr_decoder *d) { return d->source; }

/* ---- programs ---- */

static bool same_borders(const part *p, const rest *r)
{
    const gr_piece *a = &p->piece, *b = r->piece;
    bool same = r->source == p->source && a->num_borders == b->num_borders;
    for (int i = 0; same && i < a->num_borders; i++) same = strcmp(a->borders[i].state, b->borders[i].state) == 0;
    return same;
}

/* The rest of p; prefixes of all lengths have it in common. */
static rest *find_rest(gr_decoder *d, const part *p, const gr_want *w, gr_error *e)
{
    for (int i = 0; i < d->num_parts; i++)
        if (same_borders(p, d->parts[i]->rest)) return d->parts[i]->rest;
    rest *r = GR_NEW(d->session->arena, rest);
    *r = (rest){.source = p->source, .piece = &p->piece};
    return !p->piece.begins || (r->exec = gr_before_compile(d->session, w, &p->piece, e)) ? r : NULL;
}

/* room: of a step; 0: a prefix. */
static part *make_part(gr_decoder *d, int64_t time, int64_t room, gr_error *e)
{
    gr_session *s = d->session;
    gr_axis_size axes[MAX_AXES];
    part *p = GR_NEW(s->arena, part);
    *p = (part){.time = time, .source = d->source_count, .room = room};
    const gr_want w = {.fetch = d->fetch, .axes = axes, .num_axes = axes_of(d, time, p->source, axes), .frozen = d->step};
    const gr_piece_spec spec = {.axis = d->time_axis, .feed = d->spec->feed, .lengths = d->lengths ? d->lengths->name : NULL,
                                .step = room > 0, .room = room};
    if (gr_piece_compile(s, &w, &spec, &p->piece, e)) return NULL;
    if (!d->num_parts && gr_session_check_weights(s, p->piece.exec, e)) return NULL;
    if (!(p->rest = find_rest(d, p, &w, e))) return NULL;
    *GR_PUSH(s->arena, d->parts, d->num_parts, d->cap_parts) = p;
    return p;
}

static part *find_part(gr_decoder *d, int64_t time, int64_t room, gr_error *e)
{
    for (int i = 0; i < d->num_parts; i++) {
        part *p = d->parts[i];
        if (p->time == time && p->source == d->source_count && (p->room == room || (room && p->room && !p->piece.room))) return p;
    }
    return make_part(d, time, room, e);
}

/* ---- running ---- */

static void put_items(void *to, const gr_type *t, const int32_t *item, int64_t n)
{
    int32_t *at = to;
    for (int64_t i = 0; i < n && i < gr_numel(t); i++) at[i] = item[i];
}

/* Every Input that the program reads; n items are fed. */
static int feed_inputs(gr_decoder *d, gr_exec *x, const int32_t *item, int64_t n, gr_error *e)
{
    gr_session *s = d->session;
    for (int i = 0; i < s->num_inputs; i++) {
        const gr_model_input *in = &s->inputs[i];
        gr_type t;
        void *to = gr_run_feed(x->run, in->name, &t);
        if (!to) continue;
        int32_t length = (int32_t)(in == d->source_lengths ? d->source_count : n);
        if (in == d->feed) put_items(to, &t, item, n);
        else if (in == d->source) put_items(to, &t, d->source_item, d->source_count);
        else if (in == d->source_lengths || in == d->lengths) put_items(to, &t, &length, 1);
        else
            return gr_set_error(e, GR_EINVAL, "generate: '%s' depends on the Input '%s', which nobody feeds; it is neither `feed` nor "
                                "`source` nor their lengths", d->spec->from, in->name);
    }
    return 0;
}

static int run(gr_decoder *d, gr_exec *x, gr_error *e)
{
    if (gr_run_step(x->run, d->num_items) == 0) return 0;
    return gr_set_error(e, GR_ESTATE, "generate: the model could not be run");
}

/* Once after each beginning; what it gives is kept as states. */
static int run_rest(gr_decoder *d, rest *r, gr_error *e)
{
    if (r->begun == d->beginning) return 0;
    if (r->exec && (feed_inputs(d, r->exec, NULL, 0, e) || run(d, r->exec, e))) return e->status;
    for (int i = 0; i < r->piece->num_borders; i++) {
        gr_type t, from;
        const gr_border *b = &r->piece->borders[i];
        void *to = gr_session_state(d->session, b->state, &t);
        const size_t bytes = (size_t)gr_numel(&t) * gr_dtype_size(t.dtype);
        if (b->node) memcpy(to, gr_run_result(r->exec->run, b->state, &from), bytes);
        else memset(to, 0, bytes);
    }
    r->begun = d->beginning;
    return 0;
}

/* The last time's numbers out of [before, time, after]. */
static void read_output(gr_arena *a, const gr_exec *x, output *o)
{
    gr_type t;
    const void *data = gr_run_result(x->run, o->name, &t);
    int64_t length = o->axis < 0 ? 1 : t.dim[o->axis], after = 1;
    for (int k = o->axis + 1; o->axis >= 0 && k < t.rank; k++) after *= t.dim[k];
    o->n = gr_numel(&t) / length;
    if (o->n > o->cap) o->value = GR_NEW_ARRAY(a, double, o->n), o->cap = o->n;
    for (int64_t i = 0; i < o->n; i++)
        o->value[i] = gr_element(data, t.dtype, (i / after * length + length - 1) * after + i % after);
}

static int run_part(gr_decoder *d, part *p, const int32_t *item, gr_error *e)
{
    if (!p || run_rest(d, p->rest, e) || feed_inputs(d, p->piece.exec, item, p->time, e)) return e->status;
    d->at = p;
    return run(d, p->piece.exec, e);
}

/* The program of the next step; NULL: there is none, or no room for what it would look back to. */
static part *next_step(gr_decoder *d, gr_error *e)
{
    if (!d->step) return NULL;
    if (!d->stepping) d->stepping = find_part(d, 1, d->room, e);
    const int64_t room = d->stepping ? d->stepping->piece.room : 0;
    return room && d->num_items >= room ? NULL : d->stepping;
}

/* All that has been fed, or as much of its end as the model takes. */
static int run_prefix(gr_decoder *d, gr_error *e)
{
    int64_t length = d->limit && d->num_items > d->limit ? d->limit : d->num_items;
    part *p = find_part(d, length, 0, e);
    return p ? run_part(d, p, d->item + d->num_items - length, e) : (int)e->status;
}

int gr_decoder_begin(gr_decoder *d, const int32_t *source, int64_t n, gr_error *e)
{
    *e = (gr_error){0};
    if (d->source && n < 1) return gr_set_error(e, GR_EINVAL, "generate: the source is empty");
    d->beginning++;
    d->source_item = source;
    d->source_count = n;
    d->num_items = 0;
    d->at = d->stepping = NULL;
    return 0;
}

int gr_decoder_feed(gr_decoder *d, const int32_t *item, int64_t n, gr_error *e)
{
    *e = (gr_error){0};
    bool whole = false;
    for (int64_t i = 0; i < n; i++) {
        part *p = next_step(d, e);
        if (e->status || (p && run_part(d, p, &item[i], e))) return e->status;
        *GR_PUSH(d->session->arena, d->item, d->num_items, d->cap_items) = item[i];
        whole = !p;
    }
    if (whole && run_prefix(d, e)) return e->status;
    for (int i = 0; i < d->num_out; i++) read_output(d->session->arena, d->at->piece.exec, &d->out[i]);
    return 0;
}

gr_exec *gr_decoder_exec(const gr_decoder *d) { return d->at ? d->at->piece.exec : NULL; }
int64_t gr_decoder_count(const gr_decoder *d) { return d->num_items; }
const double *gr_decoder_logits(const gr_decoder *d) { return d->out[0].value; }

const double *gr_decoder_shown(const gr_decoder *d, int64_t *n)
{
    if (!d->spec->show) return NULL;
    const output *o = &d->out[d->num_out - 1];
    *n = o->n;
    return o->value;
}

/* ---- going back ---- */

gr_decoder_mark *gr_decoder_mark_create(gr_decoder *d) { return GR_NEW(d->session->arena, gr_decoder_mark); }

/* Copies the carries of the steps to (keep) or from `states`; gives their bytes. states
 * NULL: counts alone. */
static size_t copy_carries(const gr_decoder *d, char *states, bool keep)
{
    size_t at = 0;
    for (int i = 0; d->stepping && i < d->stepping->piece.num_borders; i++) {
        const gr_border *b = &d->stepping->piece.borders[i];
        gr_type t;
        if (!b->carry) continue;
        char *data = gr_session_state(d->session, b->state, &t);
        size_t size = (size_t)gr_numel(&t) * gr_dtype_size(t.dtype);
        if (states) memcpy(keep ? states + at : data, keep ? data : states + at, size);
        at += size;
    }
    return at;
}

void gr_decoder_keep(gr_decoder *d, gr_decoder_mark *m)
{
    size_t size = copy_carries(d, NULL, true);
    if (size > m->size) m->states = gr_arena_array(d->session->arena, size, 1), m->size = size;
    copy_carries(d, m->states, true);
    m->num_items = 0;
    for (int i = 0; i < d->num_items; i++) *GR_PUSH(d->session->arena, m->item, m->num_items, m->cap_items) = d->item[i];
}

void gr_decoder_go_back(gr_decoder *d, const gr_decoder_mark *m)
{
    copy_carries(d, m->states, false);
    d->num_items = 0;
    for (int i = 0; i < m->num_items; i++) *GR_PUSH(d->session->arena, d->item, d->num_items, d->cap_items) = m->item[i];
}
