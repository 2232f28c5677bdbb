/* session.c - opening a model, compiling programs, states.
 *
 *     open:     model -> data source (facts, axes) -> raw graph -> recipe -> diagnostics
 *     compile:  raw graph -> passes -> program -> schedule -> states in the store -> run */
#include "train/session.h"
#include "pass/frozen.h"
#include "train/groups.h"
#include "train/cut.h"
#include "train/init.h"
#include "train/loss.h"
#include "train/machine.h"
#include "train/metrics.h"
#include "train/progress.h"
#include "train/rounding.h"
#include "train/update.h"

#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

static int open_data(gr_session *s, gr_error *e)
{
    gr_doc *section = gr_model_section(s->model, "data");
    if (!section) return 0;
    gr_data_options o = {.seed = s->options.seed, .facts_only = s->options.facts_only,
                         .metadata = gr_tensors_metadata(&s->loaded, "data")};
    s->data = gr_data_open(s->model, section, &o, e);
    if (!s->data) gr_model_no_facts(s->model);
    return s->data || (gr_diag_count(s->diag) > 0 && e->status == GR_OK) ? 0 : -1;
}

static int find_field(const gr_session *s, const gr_model_input *in)
{
    const gr_field *list;
    int n = s->data && in->from ? gr_data_fields(s->data, &list) : 0;
    for (int i = 0; i < n; i++)
        if (strcmp(list[i].name, in->from) == 0) return i;
    return -1;
}

static void unknown_field(gr_session *s, const gr_model_input *in)
{
    const gr_field *list;
    int n = gr_data_fields(s->data, &list);
    const char **names = GR_NEW_ARRAY(s->arena, const char *, n + 1);
    for (int i = 0; i < n; i++) names[i] = list[i].name;
    gr_diag_error(s->diag, in->from_at, "the data source has no field '%s'%s", in->from, gr_suggest_term(s->arena, in->from, names));
}

/* The lengths of axes are those of a full batch. */
static void take_axes(gr_session *s)
{
    s->num_inputs = gr_model_inputs(s->model, &s->inputs);
    s->inputs = gr_arena_copy(s->arena, s->inputs, (size_t)s->num_inputs * sizeof *s->inputs); /* each graph makes the model's again */
    for (int i = 0; i < s->num_inputs; i++) {
        const gr_model_input *in = &s->inputs[i];
        int f = find_field(s, in);
        if (f < 0) {
            const gr_field *known; /* without files a source may have none to tell of */
            if (in->from && s->data && gr_data_fields(s->data, &known) > 0) unknown_field(s, in);
            continue;
        }
        const gr_field *list;
        gr_data_fields(s->data, &list);
        const gr_type *t = &list[f].type;
        if (t->rank != in->rank) {
            gr_diag_error(s->diag, in->at, "'%s' has %d %s, but field '%s' of the data source is %s", in->name, in->rank,
                          in->rank == 1 ? "axis" : "axes", in->from, gr_type_text(s->arena, t));
            continue;
        }
        for (int k = 0; k < in->rank; k++)
            if (in->axis[k]) gr_model_set_axis(s->model, in->axis[k], t->dim[k]);
    }
}

int gr_session_tell(const gr_session *s, gr_error *e)
{
    gr_diag_tell(s->diag, &s->options.say);
    return gr_set_error(e, GR_EINVAL, "%s", "");
}

void gr_session_note(const gr_session *s, const char *fmt, ...)
{
    if (s->options.quiet) return;
    va_list args;
    va_start(args, fmt);
    gr_say(&s->options.say, GR_NOTE, gr_arena_printf(s->arena, "graphrun: %s\n", gr_arena_vprintf(s->arena, fmt, args)));
    va_end(args);
}

/* Says all that is wrong with the model; 0 if nothing is. */
static int report(const gr_session *s, gr_error *e) { return gr_diag_count(s->diag) ? gr_session_tell(s, e) : 0; }

static int open_model(gr_session *s, const char *path, gr_error *e)
{
    s->model = gr_model_read(s->arena, path, &s->options.model, s->diag, e);
    if (!s->model) return report(s, e) ? GR_EINVAL : e->status;
    if (s->options.weights && gr_session_read_weights(s, s->options.weights, false, e)) return e->status;
    if (open_data(s, e)) return report(s, e) ? GR_EINVAL : e->status;
    gr_graph *raw = gr_model_graph(s->model);
    take_axes(s);
    s->recipe = gr_recipe_read(s->model, raw);
    gr_metrics_resolve(s);
    if (raw && gr_diag_count(s->diag) > 0) { /* what else is wrong? */
        gr_request r = {0};
        gr_pass_expand(raw, &r);
    }
    gr_model_check_unused(s->model);
    return report(s, e);
}

gr_session *gr_session_open(const char *path, const gr_session_options *o, gr_error *e)
{
    gr_arena *a = gr_arena_create_in(o->memory ? o->memory : &gr_system_memory);
    if (!a) {
        gr_set_error(e, GR_ENOMEM, "out of memory");
        return NULL;
    }
    gr_session *volatile s = NULL;
    gr_frame frame;
    *e = (gr_error){0};
    if (gr_try(a, &frame)) {
        s = GR_NEW(a, gr_session);
        s->arena = a;
        s->options = *o;
        s->diag = gr_diag_create(a);
        int status = open_model(s, path, e);
        if (status == 0 && !(s->store = gr_store_create(gr_arena_memory(a)))) status = gr_set_error(e, GR_ENOMEM, "out of memory");
        gr_end_try(a, &frame);
        if (status == 0) return s;
    } else {
        gr_caught(a, e);
    }
    if (s) gr_session_close(s);
    else gr_arena_destroy(a);
    return NULL;
}

void gr_session_close(gr_session *s)
{
    if (!s) return;
    while (s->num_execs > 0) gr_session_drop(s, s->num_execs - 1);
    gr_pool_destroy(s->pool);
    gr_pool_destroy(s->alone);
    if (s->store) gr_store_destroy(s->store);
    gr_data_close(s->data);
    gr_arena_destroy(s->arena);
}

/* ---- the graph ---- */

typedef struct preparation {
    gr_session *session;
    const gr_want *want;
} preparation;

/* Initialisers are text until states are filled; a mistake in one is to be known before. */
static int check_initialisers(gr_session *s, const gr_graph *root)
{
    int faults = 0;
    for (int i = 0; i < root->num_states; i++) {
        const gr_state *state = root->states[i];
        gr_error e = {0};
        if (!state->init || state->value->type.dtype == GR_UNKNOWN) continue;
        if (!gr_init_check(state->init, state->name, &state->value->type, &e)) continue;
        gr_diag_error(s->diag, state->value->node->at, "%s", e.message);
        faults++;
    }
    return faults ? -1 : 0;
}

/* Whether the sum of several losses is needed; where nobody asks for it, it is not there. */
static bool wants_total(const gr_want *w, const gr_recipe *r)
{
    bool wants = w->update || w->metrics || (w->grad && !w->of) || (w->of && r->minimize && strcmp(w->of, r->minimize) == 0);
    for (int i = 0; w->fetch && w->fetch[i]; i++) wants = wants || strcmp(w->fetch[i], GR_TOTAL_LOSS) == 0;
    return wants;
}

/* After expansion: metrics, and carries that become states. */
static int prepare(void *data, gr_graph *root)
{
    preparation *p = data;
    const gr_recipe *r = p->session->recipe;
    if (check_initialisers(p->session, root)) return -1;
    if (gr_groups_check(r, root) || (p->want->update && gr_groups_freeze(r, root))) return -1;
    if (p->want->metrics && gr_metrics_emit(r, root, p->want->counts)) return -1;
    if (wants_total(p->want, r) && gr_loss_total(r, root)) return -1;
    if ((p->want->metrics || p->want->update) && r->minimize) gr_loss_emit(r, root);
    if (p->want->cut) return p->want->cut(p->want->cut_data, root);
    if (!p->want->update && !p->want->metrics) return 0;
    if (gr_carry_names(root, r)) return -1;
    const char *cut = r->bptt ? gr_cut_axis(root, r) : NULL;
    if (r->bptt && !cut) return -1;
    if (!p->session->cut_known) p->session->cut = cut;
    return gr_carry_states(root, r, cut, p->want->update);
}

const int64_t gr_assumed_lengths[GR_MAX_ASSUMED] = {101, 103, 107, 109, 113, 127, 131, 137};

/* A length that no other axis has, so that mixing axes up still shows. */
static int64_t assumed_length(gr_session *s, const char *axis)
{
    for (int i = 0; i < s->num_assumed; i++)
        if (strcmp(s->assumed[i], axis) == 0) return gr_assumed_lengths[i];
    if (s->num_assumed == GR_MAX_ASSUMED) return -1;
    s->assumed[s->num_assumed] = gr_arena_strdup(s->arena, axis);
    return gr_assumed_lengths[s->num_assumed++];
}

static int64_t wanted_length(void *data, const char *axis)
{
    preparation *p = data;
    const gr_want *w = p->want;
    for (int i = 0; i < w->num_axes; i++)
        if (strcmp(w->axes[i].axis, axis) == 0) return w->axes[i].length;
    bool has_data = gr_model_section(p->session->model, "data") && !(p->session->data && gr_data_unread(p->session->data));
    return w->assume_axes && !has_data ? assumed_length(p->session, axis) : -1;
}

/* What is fetched: what is asked for, and the loss where it is measured. */
static const char *const *fetch_list(gr_session *s, const gr_want *w)
{
    int n = 0;
    while (w->fetch && w->fetch[n]) n++;
    const char **list = GR_NEW_ARRAY(s->arena, const char *, n + 2);
    for (int i = 0; i < n; i++) list[i] = w->fetch[i];
    if ((w->update || w->metrics) && s->recipe->minimize) list[n++] = s->recipe->minimize;
    return n ? list : NULL;
}

static gr_graph *make_graph(gr_session *s, const gr_want *w, const char *last, gr_arena *a)
{
    const double start = gr_seconds();
    preparation p = {.session = s, .want = w};
    for (int i = 0; i < w->num_axes; i++) gr_model_feed_axis(s->model, w->axes[i].axis, w->axes[i].length);
    gr_graph *g = gr_model_graph(s->model);
    gr_request r = {.arena = a, .fetch = fetch_list(s, w), .grad = w->grad, .of = w->of, .minimize = s->recipe->minimize,
                    .train = w->update, .training = w->training, .keep_all = w->keep_all, .frozen = w->frozen,
                    .packed_dtype = w->packed_dtype, .prepare = prepare,
                    .prepare_data = &p, .axis_length = wanted_length, .axis_data = &p};
    if (w->update && s->recipe->optimizer.op) {
        r.update = gr_update_emit;
        r.update_data = s->recipe;
    }
    if (g) g = gr_run_passes(g, &r, last);
    for (int i = 0; i < w->num_axes; i++) gr_model_feed_axis(s->model, w->axes[i].axis, -1);
    s->passing += gr_seconds() - start;
    return g;
}

gr_graph *gr_session_graph(gr_session *s, const gr_want *w, const char *last) { return make_graph(s, w, last, s->arena); }

/* ---- states ---- */

static int fill_state(gr_session *s, const gr_state *state, gr_error *e)
{
    bool is_new;
    const gr_type *t = &state->value->type;
    void *data = gr_store_get(s->store, state->name, t, &is_new, e);
    if (!data) return e->status;
    if (!is_new) return 0;
    if (state->reset) /* also after the programs that have it are gone */
        *GR_PUSH(s->arena, s->resets, s->num_resets, s->cap_resets) =
            (gr_reset){gr_arena_strdup(s->arena, state->name), gr_arena_strdup(s->arena, state->init), gr_arena_strdup(s->arena, state->reset)};
    int loaded = gr_session_fill_loaded(s, state, t, data, e);
    if (loaded) return loaded < 0 ? e->status : 0;
    return gr_init_fill(gr_arena_memory(s->arena), state->init, s->options.seed, state->name, t, data, e) ? e->status : 0;
}

void *gr_session_state(gr_session *s, const char *name, gr_type *t)
{
    for (int i = 0; i < gr_store_count(s->store); i++)
        if (strcmp(gr_store_name(s->store, i), name) == 0) return gr_store_data(s->store, i, t);
    return NULL;
}

int gr_session_reset(gr_session *s, const char *when, gr_error *e)
{
    for (int i = 0; i < s->num_resets; i++) {
        const gr_reset *r = &s->resets[i];
        gr_type t;
        void *data = strcmp(r->when, when) == 0 ? gr_session_state(s, r->state, &t) : NULL;
        if (data && gr_init_fill(gr_arena_memory(s->arena), r->init, s->options.seed, r->state, &t, data, e)) return e->status;
    }
    return 0;
}

/* ---- programs ---- */

#define FROZEN "frozen:" /* begins the names of states that are made of weights alone */

static bool same_want(const gr_want *a, const gr_want *b)
{
    if (a->update != b->update || a->training != b->training || a->metrics != b->metrics || a->counts != b->counts ||
        a->keep_all != b->keep_all || a->frozen != b->frozen || a->detached != b->detached || a->packed_dtype != b->packed_dtype || a->cut || b->cut || a->num_axes != b->num_axes)
        return false;
    if (a->fetch || a->grad || b->fetch || b->grad || a->of || b->of) return false;
    for (int i = 0; i < a->num_axes; i++)
        if (strcmp(a->axes[i].axis, b->axes[i].axis) != 0 || a->axes[i].length != b->axes[i].length) return false;
    return true;
}

static void find_feeds(gr_exec *x)
{
    gr_session *s = x->session;
    x->field = GR_NEW_ARRAY(x->arena, int, s->num_inputs + 1);
    for (int i = 0; i < s->num_inputs; i++) x->field[i] = find_field(s, &s->inputs[i]);
    gr_type t;
    x->batches = gr_run_feed(x->run, GR_BATCHES_INPUT, &t);
    x->last = gr_run_feed(x->run, GR_LAST_INPUT, &t);
    gr_exec_set_accumulated(x, 1, true);
    x->lr = GR_NEW_ARRAY(x->arena, void *, s->recipe->num_lrs + 1);
    for (int i = 0; i < s->recipe->num_lrs; i++) {
        x->lr[i] = gr_run_feed(x->run, gr_update_lr_input(x->arena, i), &t);
        gr_exec_set_lr(x, i, s->recipe->lrs[i].lr);
    }
}

/* The run of x->graph. carried: also the states that are reset, which those who share a detached program have
 * of their own. */
static int build_run(gr_session *s, gr_exec *x, bool carried, gr_error *e)
{
    x->program = gr_program_create_for(x->arena, x->graph, s->options.threads, e);
    if (!x->program || gr_exec_schedule(x, e)) return e->status;
    for (int i = 0; i < x->graph->num_states; i++)
        if ((carried || !x->graph->states[i]->reset) && fill_state(s, x->graph->states[i], e)) return e->status;
    if (x->want.detached) return 0;
    x->run = gr_run_create(x->program, x->schedule, x->pool, s->store, s->options.seed, e);
    return x->run ? 0 : e->status;
}

/* A frozen state of other programs that is the same; NULL: none. */
static const char *same_frozen(const gr_session *s, const gr_type *t, const void *data)
{
    for (int i = 0; i < gr_store_count(s->store); i++) {
        gr_type other;
        const void *held = gr_store_data(s->store, i, &other);
        if (strncmp(gr_store_name(s->store, i), FROZEN, strlen(FROZEN)) == 0 && gr_type_equal(&other, t) &&
            memcmp(held, data, (size_t)gr_numel(t) * gr_dtype_size(t->dtype)) == 0)
            return gr_store_name(s->store, i);
    }
    return NULL;
}

/* The value as a state of the store, which programs of other lengths have in common. */
static int keep_frozen(gr_session *s, gr_state *state, const void *data, gr_error *e)
{
    const gr_type *t = &state->value->type;
    const char *same = same_frozen(s, t, data);
    bool is_new; /* asked for here, so that nobody fills it again */
    if (same) state->name = same;
    void *to = gr_store_get(s->store, state->name, t, &is_new, e);
    if (to && is_new) memcpy(to, data, (size_t)gr_numel(t) * gr_dtype_size(t->dtype));
    return to ? 0 : e->status;
}

/* Runs a graph whose results are to be frozen, and keeps them. It changes no state (gr_keep_frozen); those that a
 * later program carries, and its workspace, are its own and go with it, so that the session's store gets weights,
 * and what is made of them, alone. */
static int run_once(gr_session *s, gr_exec *x, gr_exec *once, int n, const gr_border *b, gr_store *own, gr_error *e)
{
    once->run = gr_run_create(once->program, once->schedule, once->pool, own, s->options.seed, e);
    if (!once->run) return e->status;
    if (gr_exec_step(once, 0, e)) return e->status ? (int)e->status : gr_set_error(e, GR_ESTATE, "the weights could not be prepared");
    for (int i = 0; i < n && !e->status; i++)
        keep_frozen(s, gr_graph_find_state(x->graph, b[i].state), gr_run_result(once->run, b[i].state, NULL), e);
    return e->status;
}

/* What depends on weights alone becomes states; they are filled by a run of the graph made again. */
static int freeze(gr_session *s, gr_exec *x, gr_error *e)
{
    gr_border *b;
    gr_exec once = {.session = s, .want = x->want, .arena = x->arena};
    once.want.detached = true;
    once.graph = make_graph(s, &x->want, NULL, x->arena);
    int n = gr_cut_frozen(x->graph, gr_arena_printf(x->arena, FROZEN "%d", s->num_frozen++), &b);
    if (!n) return 0;
    gr_keep_frozen(once.graph, n, b);
    if (build_run(s, &once, false, e) || gr_rounding_measure(s, once.graph, e)) return e->status;
    gr_store *own = gr_store_create(gr_arena_memory(s->arena));
    if (!own) return gr_set_error(e, GR_ENOMEM, "out of memory");
    gr_store_share(own, s->store);
    const int status = run_once(s, x, &once, n, b, own, e);
    gr_run_destroy(once.run);
    gr_store_destroy(own);
    return status;
}

static int build_exec(gr_session *s, gr_exec *x, gr_error *e)
{
    x->graph = make_graph(s, &x->want, NULL, x->arena);
    if (!x->graph) return gr_session_tell(s, e);
    if ((x->want.frozen && freeze(s, x, e)) || build_run(s, x, !x->want.detached, e)) return e->status;
    if (x->run) find_feeds(x);
    *GR_PUSH(s->arena, s->execs, s->num_execs, s->cap_execs) = x;
    return 0;
}

void gr_session_drop(gr_session *s, int i)
{
    gr_exec *x = s->execs[i];
    memmove(&s->execs[i], &s->execs[i + 1], (size_t)(--s->num_execs - i) * sizeof *s->execs);
    gr_run_destroy(x->run);
    gr_arena_destroy(x->arena);
}

/* What is made of it lives in its own arena, so that it can be dropped. */
static int build_guarded(gr_session *s, gr_exec *x, gr_error *e)
{
    gr_frame frame;
    if (!(x->arena = gr_arena_create_in(gr_arena_memory(s->arena)))) return gr_set_error(e, GR_ENOMEM, "out of memory");
    if (!gr_try(x->arena, &frame)) return gr_caught(x->arena, e);
    int status = build_exec(s, x, e);
    gr_end_try(x->arena, &frame);
    return status;
}

/* Which axis is cut is known once the model is expanded. */
static int find_cut(gr_session *s, const gr_want *w, gr_error *e)
{
    const gr_want plain = {.update = w->update, .metrics = w->metrics};
    if (s->cut_known || !s->recipe->bptt) return 0;
    if (!gr_session_graph(s, &plain, "expand")) return gr_session_tell(s, e);
    s->cut_known = true;
    return 0;
}

static gr_axis_size *copy_axes(gr_arena *a, const gr_want *w)
{
    gr_axis_size *axes = GR_NEW_ARRAY(a, gr_axis_size, w->num_axes);
    for (int i = 0; i < w->num_axes; i++) axes[i] = (gr_axis_size){gr_arena_strdup(a, w->axes[i].axis), w->axes[i].length};
    return axes;
}

static gr_exec *compile(gr_session *s, const gr_want *w, gr_error *e)
{
    for (int i = 0; i < s->num_execs; i++)
        if (same_want(&s->execs[i]->want, w)) return s->execs[i];
    gr_exec *volatile made = NULL, *volatile x = NULL;
    gr_frame frame;
    *e = (gr_error){0};
    if (gr_try(s->arena, &frame)) {
        x = GR_NEW(s->arena, gr_exec);
        x->session = s;
        x->want = *w;
        x->want.axes = copy_axes(s->arena, w);
        if (build_guarded(s, x, e) == 0) made = x;
        gr_end_try(s->arena, &frame);
    } else {
        gr_caught(s->arena, e);
    }
    if (!made && x) {
        gr_run_destroy(x->run);
        gr_arena_destroy(x->arena);
    }
    return made;
}

/* What the session's options say about the weights of a program. */
static int take_options(const gr_session *s, gr_want *w, gr_error *e)
{
    const gr_session_options *o = &s->options;
    if (gr_is_half(o->weights_dtype) && (w->update || w->grad))
        return gr_set_error(e, GR_EINVAL, "weights kept as %s are for inference: %s needs float32", gr_dtype_name(o->weights_dtype),
                            w->update ? "training" : "a gradient");
    if (gr_is_half(o->weights_dtype) && o->model.real == GR_FLOAT64)
        return gr_set_error(e, GR_EINVAL, "weights are kept as %s for products in float32, not in float64", gr_dtype_name(o->weights_dtype));
    w->frozen = !w->update && (w->frozen || o->inference || gr_is_half(o->weights_dtype));
    w->packed_dtype = w->frozen ? o->weights_dtype : GR_UNKNOWN;
    return 0;
}

gr_exec *gr_session_compile(gr_session *s, const gr_want *want, gr_error *e)
{
    gr_frame frame;
    bool cuts = s->recipe->bptt && (want->update || want->metrics) && !want->num_axes;
    gr_want whole = *want, *w = &whole;
    *e = (gr_error){0};
    if (take_options(s, w, e)) return NULL;
    gr_want piece = *w;
    if (!cuts) return compile(s, w, e);
    if (!gr_try(s->arena, &frame)) {
        gr_caught(s->arena, e);
        return NULL;
    }
    int status = find_cut(s, w, e);
    gr_end_try(s->arena, &frame);
    if (status) return NULL;
    const gr_axis_size axis = {s->cut, s->recipe->bptt};
    piece.axes = &axis;
    piece.num_axes = 1;
    return compile(s, gr_cut_full_pieces(s) > 1 ? &piece : w, e);
}
