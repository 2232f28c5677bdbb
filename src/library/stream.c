/* stream.c - one user of a network: memory of its own for programs that it shares.
 *
 *     network's store   weights, packed weights            read by all
 *     stream's store    what loops carry, workspace         its own
 *     binding           a plan's programs with their memory: inputs, results
 *
 * What a run of one stream writes no other thread reads or writes, so runs hold no lock: plans do not change once
 * made, the network's store only gets new entries, and those under the lock. */
#include "library/library.h"

#include <string.h>

/* What the run before the first piece gives (from NULL: it starts as zeros), and where the pieces have it. */
typedef struct border {
    const char *name;
    gr_type type;
    void *to;
    const void *from;
    size_t bytes;
} border;

typedef struct binding {
    struct binding *next;
    const gr_plan *plan;
    gr_run *run, *before;
    border *borders;
} binding;

struct gr_stream {
    gr_network *network;
    gr_arena *arena;
    gr_store *store;
    gr_pool *pool;
    binding *bindings, *at;
    atomic_bool busy; /* a thread is at work on it */
    bool begun;     /* a run was made since the beginning */
    int64_t runs;
};

/* ---- binding plans: under the network's lock ---- */

static int make_pool(gr_stream *s, gr_error *e)
{
    static const gr_topology one = {.cores = 1};
    const gr_session *of = s->network->session;
    const bool several = of->options.threads > 1;
    s->pool = gr_pool_create(s->network->memory, several ? of->topology : &one, several ? of->options.threads : 1, e);
    return s->pool ? 0 : e->status;
}

/* What is carried is the stream's own; all else is found in the network's store. */
static int own_states(gr_stream *s, const gr_exec *x, gr_error *e)
{
    for (int i = 0; i < x->graph->num_states; i++) {
        const gr_state *state = x->graph->states[i];
        if (state->reset && !gr_store_own(s->store, state->name, &state->value->type, e)) return e->status;
    }
    return 0;
}

static gr_run *make_run(gr_stream *s, const gr_exec *x, gr_error *e)
{
    if (own_states(s, x, e) || (!s->pool && make_pool(s, e))) return NULL;
    return gr_run_create(x->program, x->schedule, s->pool, s->store, s->network->session->options.seed, e);
}

static int bind_borders(gr_stream *s, binding *b, const gr_piece *p, gr_error *e)
{
    b->borders = GR_NEW_ARRAY(s->arena, border, p->num_borders + 1);
    for (int i = 0; i < p->num_borders; i++) {
        const gr_border *of = &p->borders[i];
        gr_type t = of->type;
        const void *from = of->node ? gr_run_result(b->before, of->state, &t) : NULL;
        void *to = gr_store_own(s->store, of->state, &t, e);
        if (!to) return e->status;
        b->borders[i] = (border){of->what, t, to, from, (size_t)gr_numel(&t) * gr_dtype_size(t.dtype)};
    }
    return 0;
}

/* One that fails stays without a plan: unbind() takes it away. */
static binding *bind(gr_stream *s, const gr_plan *p, gr_error *e)
{
    for (binding *b = s->bindings; b; b = b->next)
        if (b->plan == p) return b;
    binding *b = GR_NEW(s->arena, binding);
    b->next = s->bindings;
    s->bindings = b;
    if (p->before && !(b->before = make_run(s, p->before, e))) return NULL;
    if (!(b->run = make_run(s, p->piece.exec, e)) || bind_borders(s, b, &p->piece, e)) return NULL;
    b->plan = p;
    return b;
}

static void destroy_runs(binding *b)
{
    gr_run_destroy(b->run);
    gr_run_destroy(b->before);
}

/* What was made of a binding that failed. */
static void unbind(gr_stream *s, const gr_arena_mark *before)
{
    if (s->bindings && !s->bindings->plan) {
        destroy_runs(s->bindings);
        s->bindings = s->bindings->next;
    }
    gr_arena_rewind(s->arena, before);
}

/* ---- opening ---- */

/* Which plan a stream is to be bound to. */
typedef struct request {
    const gr_stream_options *options; /* NULL: of the kind that the stream is */
    const gr_axis_size *axes; int num_axes;
    const gr_plan *plan;              /* NULL: the one of these axes */
} request;

/* The plan that is asked for; NULL with e filled. */
static const gr_plan *find_plan(const gr_stream *s, const request *r, gr_session_mark *before, gr_error *e)
{
    gr_network *n = s->network;
    gr_arena *a = n->session->arena;
    const gr_plan *volatile p = NULL;
    gr_kind kind = s->at ? s->at->plan->kind : (gr_kind){0};
    gr_frame frame;
    if (r->plan) return r->plan;
    if (gr_try(a, &frame)) {
        if (!r->options || gr_kind_of(n, r->options, &kind, e) == 0) p = gr_plan_for(n, &kind, r->axes, r->num_axes, before, e);
        gr_end_try(a, &frame);
    } else {
        gr_caught(a, e);
    }
    return p;
}

static int bind_guarded(gr_stream *s, const gr_plan *p, gr_error *e)
{
    const gr_arena_mark before = gr_arena_mark_of(s->arena);
    binding *volatile b = NULL;
    gr_frame frame;
    if (gr_try(s->arena, &frame)) {
        b = bind(s, p, e);
        gr_end_try(s->arena, &frame);
    } else {
        gr_caught(s->arena, e);
    }
    if (b) s->at = b;
    else unbind(s, &before);
    return b ? 0 : (int)e->status;
}

/* What works in one arena opens no other's frame, which unwinding would leave open. What fails leaves nothing in the
 * network: neither programs nor the diagnostics that told why. */
static int attach(gr_stream *s, const request *r, gr_error *e)
{
    gr_session_mark before = gr_session_mark_of(s->network->session);
    gr_plan *plans = s->network->plans;
    const gr_plan *p = find_plan(s, r, &before, e);
    const int status = p ? bind_guarded(s, p, e) : (int)e->status;
    if (!status) return 0;
    s->network->plans = plans;
    gr_session_rewind(s->network->session, &before);
    return status;
}

static int attach_locked(gr_stream *s, const request *r, gr_failure **why)
{
    gr_network *n = s->network;
    gr_error e = {0};
    const locale_t before = gr_enter_plain();
    pthread_mutex_lock(&n->lock);
    const int status = attach(s, r, &e);
    if (status) gr_failed(n->memory, &n->told, &e, why);
    pthread_mutex_unlock(&n->lock);
    gr_leave_plain(before);
    return status;
}

static gr_stream *make_stream(gr_network *n)
{
    gr_arena *a = gr_arena_create_in(n->memory);
    gr_frame frame;
    if (!a) return NULL;
    if (!gr_try(a, &frame)) {
        gr_arena_destroy(a);
        return NULL;
    }
    gr_stream *s = GR_NEW(a, gr_stream);
    gr_end_try(a, &frame);
    *s = (gr_stream){.network = n, .arena = a, .store = gr_store_create(n->memory)};
    if (!s->store) {
        gr_arena_destroy(a);
        return NULL;
    }
    gr_store_share(s->store, n->session->store);
    atomic_fetch_add(&n->users, 1);
    return s;
}

int gr_stream_open(gr_network *n, const gr_stream_options *options, gr_stream **to, gr_failure **why)
{
    gr_stream_options o;
    if (gr_lacks(n, "gr_stream_open", "the network", why) || gr_lacks(to, "gr_stream_open", "where the stream is to go", why)) return GR_EINVAL;
    *to = NULL;
    if (gr_take_options(&o, sizeof o, options, "gr_stream_options", n->memory, why)) return GR_EINVAL;
    gr_stream *s = make_stream(n);
    if (!s) return gr_refuse(n->memory, why, GR_ENOMEM, "out of memory");
    const int status = attach_locked(s, &(request){.options = &o, .axes = o.axes, .num_axes = o.num_axes}, why);
    if (status) gr_stream_close(s);
    else *to = s;
    return status;
}

void gr_stream_close(gr_stream *s)
{
    if (!s) return;
    gr_network *n = s->network;
    for (binding *b = s->bindings; b; b = b->next) destroy_runs(b);
    gr_pool_destroy(s->pool);
    gr_store_destroy(s->store);
    gr_arena_destroy(s->arena);
    gr_network_leave(n);
}

static bool same_borders(const gr_plan *p, const gr_plan *q)
{
    bool same = p->piece.num_borders == q->piece.num_borders;
    for (int i = 0; same && i < p->piece.num_borders; i++) same = strcmp(p->piece.borders[i].state, q->piece.borders[i].state) == 0;
    return same;
}

static void copy_fed(gr_run *to, gr_run *from, const char *input)
{
    gr_type t, have;
    void *data = to ? gr_run_feed(to, input, &t) : NULL;
    const void *fed = from ? gr_run_feed(from, input, &have) : NULL;
    if (data && fed && gr_type_equal(&t, &have)) memcpy(data, fed, (size_t)gr_numel(&t) * gr_dtype_size(t.dtype));
}

/* Inputs whose shapes are the same keep what they were fed. */
static void keep_fed(const gr_session *of, const binding *to, const binding *from)
{
    for (int i = 0; to != from && i < of->num_inputs; i++) {
        copy_fed(to->run, from->run, of->inputs[i].name);
        copy_fed(to->before, from->before, of->inputs[i].name);
    }
}

static int resize(gr_stream *s, const gr_axis_size *axes, int num_axes, gr_failure **why)
{
    const binding *before = s->at;
    const int status = attach_locked(s, &(request){.axes = axes, .num_axes = num_axes}, why);
    if (status) return status;
    keep_fed(s->network->session, s->at, before);
    if (!same_borders(before->plan, s->at->plan)) s->begun = false;
    return 0;
}

static int enter(gr_stream *s, const char *function, gr_failure **why)
{
    return gr_lacks(s, function, "the stream", why) || gr_enter(&s->busy, s->network->memory, "stream", why) ? GR_EINVAL : 0;
}

int gr_stream_resize(gr_stream *s, const gr_axis_size *axes, int num_axes, gr_failure **why)
{
    if (enter(s, "gr_stream_resize", why)) return GR_EINVAL;
    const int status = resize(s, axes, num_axes, why);
    gr_leave(&s->busy);
    return status;
}

/* ---- states ---- */

void gr_stream_reset(gr_stream *s)
{
    if (s) s->begun = false;
}

static void copy_states(gr_stream *s, const gr_stream *from)
{
    for (int i = 0; from->begun && i < from->at->plan->piece.num_borders; i++)
        memcpy(s->at->borders[i].to, from->at->borders[i].to, from->at->borders[i].bytes);
    s->begun = from->begun;
}

/* Two streams, of which the second is only read, but must not run meanwhile. */
static int enter_both(gr_stream *s, const gr_stream *from, const char *function, gr_failure **why)
{
    if (gr_lacks(from, function, "the stream to copy", why) || enter(s, function, why)) return GR_EINVAL;
    if (s == from || !enter((gr_stream *)(uintptr_t)from, function, why)) return 0;
    gr_leave(&s->busy);
    return GR_EINVAL;
}

static void leave_both(gr_stream *s, const gr_stream *from)
{
    gr_leave(&s->busy);
    if (s != from) gr_leave(&((gr_stream *)(uintptr_t)from)->busy);
}

int gr_stream_copy_state(gr_stream *s, const gr_stream *from, gr_failure **why)
{
    if (enter_both(s, from, "gr_stream_copy_state", why)) return GR_EINVAL;
    int status = 0;
    if (s->network != from->network || !same_borders(s->at->plan, from->at->plan))
        status = gr_refuse(s->network->memory, why, GR_EINVAL, "the streams have states of different shapes, or of different networks");
    else if (s != from) copy_states(s, from);
    leave_both(s, from);
    return status;
}

static int make_clone(const gr_stream *s, gr_stream **to, gr_failure **why)
{
    gr_stream *c = make_stream(s->network);
    if (!c) return gr_refuse(s->network->memory, why, GR_ENOMEM, "out of memory");
    const int status = attach_locked(c, &(request){.plan = s->at->plan}, why);
    if (status) {
        gr_stream_close(c);
        return status;
    }
    copy_states(c, s);
    keep_fed(s->network->session, c->at, s->at);
    c->runs = s->runs; /* so that it draws what s would */
    *to = c;
    return 0;
}

int gr_stream_clone(const gr_stream *s, gr_stream **to, gr_failure **why)
{
    gr_stream *of = (gr_stream *)(uintptr_t)s;
    if (gr_lacks(to, "gr_stream_clone", "where the stream is to go", why)) return GR_EINVAL;
    *to = NULL;
    if (enter(of, "gr_stream_clone", why)) return GR_EINVAL;
    const int status = make_clone(s, to, why);
    gr_leave(&of->busy);
    return status;
}

/* ---- use ---- */

static int lacks_name(const gr_stream *s, const char *name, const gr_tensor *to, const char *function, gr_failure **why)
{
    return gr_lacks(s, function, "the stream", why) || gr_lacks(name, function, "the name", why) ||
           gr_lacks(to, function, "where the tensor is to go", why);
}

int gr_stream_input(gr_stream *s, const char *input, gr_tensor *to, gr_failure **why)
{
    gr_type t;
    if (lacks_name(s, input, to, "gr_stream_input", why)) return GR_EINVAL;
    void *data = gr_run_feed(s->at->run, input, &t);
    if (!data && s->at->before) data = gr_run_feed(s->at->before, input, &t);
    *to = data ? gr_tensor_over(data, &t) : (gr_tensor){.data = NULL};
    if (data) return 0;
    return gr_refuse(s->network->memory, why, GR_EINVAL,
                     gr_network_find_input(s->network, input) ? "no result of the stream needs '%s'" : "the model has no Input '%s'", input);
}

int gr_stream_result(gr_stream *s, const char *result, gr_tensor *to, gr_failure **why)
{
    gr_type t;
    if (lacks_name(s, result, to, "gr_stream_result", why)) return GR_EINVAL;
    const void *data = gr_run_result(s->at->run, result, &t);
    *to = data ? gr_tensor_over(data, &t) : (gr_tensor){.data = NULL};
    if (data) return 0;
    return gr_refuse(s->network->memory, why, GR_EINVAL, "the stream was not opened for '%s'; name it in 'results'", result);
}

const char *gr_stream_result_name(const gr_stream *s, int i)
{
    const char *const *results = s && i >= 0 ? s->at->plan->kind.results : NULL;
    for (int k = 0; results && k <= i; k++)
        if (!results[k]) return NULL;
    return results ? results[i] : NULL;
}

static int step(gr_stream *s, gr_run *run, gr_failure **why)
{
    char text[512];
    const int status = gr_run_step(run, s->runs);
    if (status == 0) return 0;
    const char *fault = gr_run_fault(run, text, sizeof text);
    return gr_refuse(s->network->memory, why, status, "%s", fault ? fault : "a value is not finite");
}

/* What is computed once, and the first values of what loops carry. */
static int begin(gr_stream *s, gr_failure **why)
{
    const binding *b = s->at;
    if (b->before) {
        const int status = step(s, b->before, why);
        if (status) return status;
    }
    for (int i = 0; i < b->plan->piece.num_borders; i++) {
        const border *x = &b->borders[i];
        if (x->from) memcpy(x->to, x->from, x->bytes);
        else memset(x->to, 0, x->bytes);
    }
    s->begun = true;
    return 0;
}

static int state(gr_stream *s, int i, const char **name, gr_tensor *to, gr_failure **why)
{
    if (i < 0 || i >= s->at->plan->piece.num_borders) return 0;
    const int status = s->begun ? 0 : begin(s, why);
    if (status) return status;
    const border *b = &s->at->borders[i];
    if (name) *name = b->name;
    *to = gr_tensor_over(b->to, &b->type);
    return 1;
}

int gr_stream_state(gr_stream *s, int i, const char **name, gr_tensor *to, gr_failure **why)
{
    if (gr_lacks(to, "gr_stream_state", "where the tensor is to go", why)) return GR_EINVAL;
    *to = (gr_tensor){.data = NULL};
    if (enter(s, "gr_stream_state", why)) return GR_EINVAL;
    const int status = state(s, i, name, to, why);
    gr_leave(&s->busy);
    return status;
}

int gr_stream_run(gr_stream *s, gr_failure **why)
{
    if (enter(s, "gr_stream_run", why)) return GR_EINVAL;
    int status = s->begun ? 0 : begin(s, why);
    if (!status) {
        status = step(s, s->at->run, why);
        s->runs++;
    }
    gr_leave(&s->busy);
    return status;
}
