/* network.c - a model and its weights, opened once. */
#include "library/library.h"

#include <string.h>

/* ---- opening ---- */

static gr_session_options session_options(const gr_network_options *o, gr_told *told, const gr_memory *m)
{
    return (gr_session_options){
        .model = {.sets = o->sets, .plugins = o->plugins, .real = o->dtype ? o->dtype : GR_FLOAT32},
        .threads = o->threads ? o->threads : 1, .seed = o->seed, .weights = o->weights, .inference = true,
        .weights_dtype = o->weights_dtype, .facts_only = true, .unbound = true, .quiet = !o->notify,
        .say = gr_told_sink(told), .memory = m};
}

/* Where the model does not say what it generates from: what no node reads. */
static const char *const *usual_results(gr_session *s, const gr_graph *whole)
{
    const bool says = s->recipe->generate.from;
    const int n = says ? 1 : whole->num_results;
    const char **list = GR_NEW_ARRAY(s->arena, const char *, n + 1);
    for (int i = 0; i < n; i++) list[i] = says ? s->recipe->generate.from : whole->result_names[i];
    return list;
}

/* That the whole graph is right and the weights are its own; streams take parts of it. */
static int check_model(gr_network *n, gr_error *e)
{
    const gr_want whole = {.assume_axes = true};
    gr_session *s = n->session;
    gr_exec all = {.session = s};
    if (!(all.graph = gr_session_graph(s, &whole, "expand"))) return gr_session_tell(s, e);
    n->results = usual_results(s, all.graph);
    if (s->options.weights) s->options.weights = gr_arena_strdup(s->arena, s->options.weights);
    return gr_session_check_weights(s, &all, e);
}

static int open_session(gr_network *n, const char *path, const gr_network_options *o, gr_error *e)
{
    gr_session_options so = session_options(o, &n->told, n->memory);
    gr_frame frame;
    if (!(n->session = gr_session_open(path, &so, e))) return e->status;
    if (!gr_try(n->session->arena, &frame)) return gr_caught(n->session->arena, e);
    const int status = check_model(n, e);
    gr_end_try(n->session->arena, &frame);
    return status;
}

static int open_plainly(gr_network *n, const char *path, const gr_network_options *o, gr_error *e)
{
    const locale_t before = gr_enter_plain();
    const int status = open_session(n, path, o, e);
    gr_leave_plain(before);
    return status;
}

static int check_options(const gr_network_options *o, const char *path, const gr_memory *m, gr_failure **why)
{
    if (gr_lacks(path, "gr_network_open", "the path of the model file", why)) return GR_EINVAL;
    if (o->dtype && !gr_is_float(o->dtype)) return gr_refuse(m, why, GR_EINVAL, "dtype is GR_FLOAT32 or GR_FLOAT64");
    if (o->weights_dtype && !gr_is_half(o->weights_dtype))
        return gr_refuse(m, why, GR_EINVAL, "weights_dtype is GR_BFLOAT16 or GR_FLOAT16, or 0");
    if (o->weights_dtype && o->dtype == GR_FLOAT64)
        return gr_refuse(m, why, GR_EINVAL, "weights of 16 bits are for products in float32: leave out dtype or weights_dtype");
    if (o->threads < 0 || o->threads > 4096) return gr_refuse(m, why, GR_EINVAL, "threads is %d; it is at least 1, or 0 for one", o->threads);
    return 0;
}

int gr_network_open(const char *path, const gr_network_options *options, gr_network **to, gr_failure **why)
{
    gr_network_options o;
    gr_error e = {0};
    const gr_memory *m = &gr_system_memory;
    if (gr_lacks(to, "gr_network_open", "where the network is to go", why)) return GR_EINVAL;
    *to = NULL;
    if (gr_take_options(&o, sizeof o, options, "gr_network_options", m, why) || check_options(&o, path, m, why)) return GR_EINVAL;
    if (gr_check_memory(o.memory, why)) return GR_EINVAL;
    if (o.memory) m = o.memory;
    gr_network *n = gr_allocate_alone(m, sizeof *n);
    if (!n) return gr_refuse(m, why, GR_ENOMEM, "out of memory");
    *n = (gr_network){.own = *m, .memory = &n->own, .users = 1,
                      .told = {.memory = &n->own, .notify = o.notify, .notify_data = o.notify_data}};
    pthread_mutex_init(&n->lock, NULL);
    if (open_plainly(n, path, &o, &e) == 0) {
        *to = n;
        return 0;
    }
    gr_failed(m, &n->told, &e, why);
    gr_network_leave(n);
    return e.status;
}

void gr_network_leave(gr_network *n)
{
    if (atomic_fetch_sub(&n->users, 1) > 1) return;
    gr_session_close(n->session);
    gr_told_free(&n->told);
    pthread_mutex_destroy(&n->lock);
    gr_free(n);
}

void gr_network_close(gr_network *n)
{
    if (n) gr_network_leave(n);
}

/* ---- inputs ---- */

const char *gr_network_input(const gr_network *n, int i, gr_type *t)
{
    if (!n || i < 0 || i >= n->session->num_inputs) return NULL;
    const gr_model_input *in = &n->session->inputs[i];
    if (!t) return in->name;
    *t = (gr_type){.dtype = in->dtype, .rank = in->rank};
    memcpy(t->dim, in->dim, sizeof t->dim);
    memcpy(t->axis, in->axis, sizeof t->axis);
    for (int k = 0; k < t->rank; k++)
        if (t->axis[k]) t->dim[k] = -1; /* the model's usual length is no stream's */
    return in->name;
}

const gr_model_input *gr_network_find_input(const gr_network *n, const char *name)
{
    for (int i = 0; n && name && i < n->session->num_inputs; i++)
        if (strcmp(n->session->inputs[i].name, name) == 0) return &n->session->inputs[i];
    return NULL;
}

/* ---- vocabularies, which do not change after opening ---- */

/* NULL: none. */
static const char *const *vocabulary(const gr_network *n, const char *input, int *words)
{
    const gr_model_input *in = gr_network_find_input(n, input);
    return in && n->session->data ? gr_data_vocab(n->session->data, in->from, words) : NULL;
}

int gr_network_words(const gr_network *n, const char *input)
{
    int words = 0;
    return vocabulary(n, input, &words) ? words : 0;
}

const char *gr_network_word(const gr_network *n, const char *input, int32_t item)
{
    int words = 0;
    const char *const *list = vocabulary(n, input, &words);
    return list && item >= 0 && item < words ? list[item] : NULL;
}

bool gr_network_spaced(const gr_network *n, const char *input)
{
    int words;
    return vocabulary(n, input, &words) && gr_data_is_words(n->session->data, gr_network_find_input(n, input)->from);
}

static int64_t encode(const gr_network *n, gr_arena *a, const char *field, const char *text, int32_t *items, int64_t room, gr_error *e)
{
    gr_frame frame;
    int32_t *all;
    if (!gr_try(a, &frame)) return gr_caught(a, e);
    const int count = gr_data_encode(n->session->data, a, field, text, &all, e);
    for (int i = 0; i < count && i < room; i++) items[i] = all[i];
    gr_end_try(a, &frame);
    return count;
}

int64_t gr_network_encode(const gr_network *n, const char *input, const char *text, int32_t *items, int64_t room, gr_failure **why)
{
    const gr_model_input *in = gr_network_find_input(n, input);
    gr_error e = {0};
    if (gr_lacks(n, "gr_network_encode", "the network", why) || gr_lacks(input, "gr_network_encode", "the name of the Input", why) ||
        gr_lacks(text, "gr_network_encode", "the text", why) || (room > 0 && gr_lacks(items, "gr_network_encode", "the room for items", why)))
        return GR_EINVAL;
    if (!gr_network_words(n, input))
        return gr_refuse(n->memory, why, GR_EINVAL, in ? "the items of '%s' have no vocabulary" : "the model has no Input '%s'", input);
    gr_arena *a = gr_arena_create_in(n->memory);
    if (!a) return gr_refuse(n->memory, why, GR_ENOMEM, "out of memory");
    const int64_t count = encode(n, a, in->from, text, items, room, &e);
    gr_arena_destroy(a);
    return count < 0 ? gr_failed(n->memory, NULL, &e, why) : count;
}
