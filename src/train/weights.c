/* weights.c - states to and from safetensors.
 *
 * Weights stand under PyTorch's names, a tied one under each of its names. What else a
 * checkpoint holds stands under "state:NAME", which no parameter can be called. */
#include "train/session.h"

#include <string.h>

#define STATE_PREFIX "state:"

static bool is_state_name(const char *name) { return strncmp(name, STATE_PREFIX, strlen(STATE_PREFIX)) == 0; }

static bool is_best_name(const char *name) { return strncmp(name, GR_BEST_PREFIX, strlen(GR_BEST_PREFIX)) == 0; }

static bool is_carried_name(const char *name)
{
    return strncmp(name, STATE_PREFIX "epoch:", strlen(STATE_PREFIX "epoch:")) == 0 ||
           strncmp(name, STATE_PREFIX "batch:", strlen(STATE_PREFIX "batch:")) == 0;
}

int gr_session_read_weights(gr_session *s, const char *path, bool resume, gr_error *e)
{
    s->resume = resume;
    if (gr_safetensors_read(s->arena, path, &s->loaded, e)) return e->status;
    s->loaded_used = GR_NEW_ARRAY(s->arena, bool, s->loaded.count + 1);
    const char *data = resume && s->data ? gr_tensors_metadata(&s->loaded, "data") : NULL;
    const char *changed = data ? gr_data_changed_vocab(s->data, data) : NULL;
    if (changed)
        return gr_set_error(e, GR_EINVAL, "%s was made with other data: '%s' of the data source was another vocabulary", path, changed);
    return 0;
}

static const gr_named_tensor *loaded_tensor(gr_session *s, const char *name)
{
    const gr_named_tensor *t = gr_tensors_find(&s->loaded, name);
    if (t) s->loaded_used[t - s->loaded.tensor] = true;
    return t;
}

/* A state by any of its names; all of them count as used. */
static const gr_named_tensor *find_loaded(gr_session *s, const gr_state *state)
{
    if (!state->weight) return s->resume ? loaded_tensor(s, gr_arena_printf(s->arena, STATE_PREFIX "%s", state->name)) : NULL;
    const gr_named_tensor *t = loaded_tensor(s, state->name);
    for (int i = 0; i < state->num_aliases; i++) {
        const gr_named_tensor *other = loaded_tensor(s, state->alias[i]);
        if (!t) t = other;
    }
    return t;
}

static bool same_shape(const gr_named_tensor *t, const gr_type *want)
{
    bool same = t->rank == want->rank;
    for (int k = 0; same && k < t->rank; k++) same = t->dim[k] == want->dim[k];
    return same;
}

/* Bit for bit where dtypes agree; doubles into floats only where nothing is lost. */
static int convert(const gr_named_tensor *t, const gr_type *want, void *data, gr_error *e)
{
    int64_t n = gr_numel(want);
    if (t->dtype == want->dtype) {
        memcpy(data, t->data, (size_t)n * gr_dtype_size(t->dtype));
        return 0;
    }
    for (int64_t i = 0; i < n; i++) {
        double x = gr_element(t->data, t->dtype, i);
        if (want->dtype == GR_FLOAT64) ((double *)data)[i] = x;
        else if (want->dtype == GR_FLOAT32) ((float *)data)[i] = (float)x;
        else if (want->dtype == GR_INT32) ((int32_t *)data)[i] = (int32_t)x;
        else ((uint8_t *)data)[i] = x != 0;
        if (gr_element(data, want->dtype, i) != x && x == x)
            return gr_set_error(e, GR_EINVAL, "tensor %s holds %.17g, which its place in the model cannot hold; "
                                "use --dtype float64", t->name, x);
    }
    return 0;
}

int gr_session_fill_loaded(gr_session *s, const gr_state *state, const gr_type *want, void *data, gr_error *e)
{
    const gr_named_tensor *t = find_loaded(s, state);
    if (!t || !same_shape(t, want)) return 0; /* gr_session_check_weights says what is wrong */
    return convert(t, want, data, e) ? -1 : 1;
}

/* ---- what does not fit ---- */

static const char *tensor_text(gr_arena *a, const gr_named_tensor *t)
{
    gr_type type = {.dtype = t->dtype, .rank = t->rank};
    memcpy(type.dim, t->dim, sizeof type.dim);
    return gr_type_text(a, &type);
}

static const char *faults_of_states(gr_session *s, const gr_exec *x)
{
    const char *text = "";
    for (int i = 0; i < x->graph->num_states; i++) {
        const gr_state *state = x->graph->states[i];
        if ((!state->weight && !s->resume) || state->reset) continue; /* what is carried need not be there */
        const gr_named_tensor *t = find_loaded(s, state);
        const gr_type *want = &state->value->type;
        if (!t)
            text = gr_arena_printf(s->arena, "%s\n  missing: %s %s", text, state->name, gr_type_text(s->arena, want));
        else if (!same_shape(t, want))
            text = gr_arena_printf(s->arena, "%s\n  another shape: %s is %s, the model wants %s", text, state->name,
                                   tensor_text(s->arena, t), gr_type_text(s->arena, want));
    }
    return text;
}

static const char *faults_of_file(gr_session *s)
{
    const char *text = "";
    for (int i = 0; i < s->loaded.count; i++) {
        const gr_named_tensor *t = &s->loaded.tensor[i];
        if (s->loaded_used[i] || is_carried_name(t->name) || (is_state_name(t->name) && !s->resume) || is_best_name(t->name)) continue;
        text = gr_arena_printf(s->arena, "%s\n  not in the model: %s %s", text, t->name, tensor_text(s->arena, t));
    }
    return text;
}

const char *gr_session_weight_faults(gr_session *s, const gr_exec *x)
{
    const char *states = faults_of_states(s, x);
    return gr_arena_printf(s->arena, "%s%s", states, faults_of_file(s));
}

int gr_session_check_weights(gr_session *s, const gr_exec *x, gr_error *e)
{
    if (!s->loaded_used) return 0;
    const char *faults = gr_session_weight_faults(s, x);
    if (!*faults) return 0;
    const char *path = s->options.weights ? s->options.weights : "the checkpoint";
    if (s->options.partial && !s->resume) {
        gr_session_note(s, "of %s not all was taken:%s", path, faults);
        return 0;
    }
    gr_say(&s->options.say, GR_ERROR, gr_arena_printf(s->arena, "graphrun: error: %s does not fit the model:%s\n", path, faults));
    return gr_set_error(e, GR_EINVAL, "%s", "");
}

/* ---- writing ---- */

typedef struct writer {
    gr_arena *arena;
    gr_tensors out;
    int cap_tensors, cap_keys, cap_values;
} writer;

static void add_tensor(writer *w, const char *name, const gr_type *t, const void *data)
{
    gr_named_tensor *to = GR_PUSH(w->arena, w->out.tensor, w->out.count, w->cap_tensors);
    *to = (gr_named_tensor){.name = name, .dtype = t->dtype, .rank = t->rank, .data = data};
    memcpy(to->dim, t->dim, sizeof to->dim);
}

static void add_pair(writer *w, const char *key, const char *value)
{
    int n = w->out.num_metadata;
    if (!value) return;
    *GR_PUSH(w->arena, w->out.key, w->out.num_metadata, w->cap_keys) = key;
    *GR_PUSH(w->arena, w->out.value, n, w->cap_values) = value;
}

static void add_states(writer *w, gr_session *s, const gr_exec *x, bool all)
{
    for (int i = 0; i < x->graph->num_states; i++) {
        const gr_state *state = x->graph->states[i];
        gr_type t;
        void *data = gr_session_state(s, state->name, &t);
        if (!data || (!state->weight && !all)) continue;
        add_tensor(w, state->weight ? state->name : gr_arena_printf(w->arena, STATE_PREFIX "%s", state->name), &t, data);
        for (int k = 0; k < state->num_aliases && state->weight; k++) add_tensor(w, state->alias[k], &t, data);
    }
    add_pair(w, "format", "pt");
    add_pair(w, "model", gr_model_name(s->model));
    if (s->data) add_pair(w, "data", gr_data_metadata(s->data));
}

static int write_states(gr_session *s, const gr_exec *x, const char *path, const gr_extra *extra, gr_error *e)
{
    gr_arena *a = gr_arena_create_in(gr_arena_memory(s->arena));
    gr_frame frame;
    int status = GR_ENOMEM;
    if (a && gr_try(a, &frame)) {
        writer w = {.arena = a};
        add_states(&w, s, x, extra != NULL);
        for (int i = 0; extra && extra->pairs[i]; i += 2) add_pair(&w, extra->pairs[i], extra->pairs[i + 1]);
        for (int i = 0; extra && i < extra->num_tensors; i++)
            *GR_PUSH(a, w.out.tensor, w.out.count, w.cap_tensors) = extra->tensor[i];
        int r = gr_safetensors_write(path, &w.out, e);
        gr_end_try(a, &frame);
        gr_arena_destroy(a);
        return r;
    }
    gr_arena_destroy(a);
    return gr_set_error(e, status, "out of memory while writing %s", path);
}

int gr_session_save(gr_session *s, const gr_exec *x, const char *path, gr_error *e)
{
    return write_states(s, x, path, NULL, e);
}

int gr_session_checkpoint(gr_session *s, const gr_exec *x, const char *path, const gr_extra *extra, gr_error *e)
{
    return write_states(s, x, path, extra, e);
}
