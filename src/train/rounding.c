/* rounding.c - weights that products keep with 16 bits: which, and how far from what they were. */
#include "train/rounding.h"
#include "base/half.h"

#include <math.h>
#include <string.h>

gr_dtype gr_half_by_name(const char *name)
{
    for (int t = GR_BFLOAT16; t <= GR_FLOAT16; t++)
        if (strcmp(name, gr_dtype_name((gr_dtype)t)) == 0) return (gr_dtype)t;
    return GR_UNKNOWN;
}

static bool is_measured(const gr_rounding *r, const char *name)
{
    for (int i = 0; i < r->num_parameters; i++)
        if (strcmp(r->parameter[i], name) == 0) return true;
    return false;
}

static float rounded(gr_dtype dtype, float x)
{
    return dtype == GR_BFLOAT16 ? gr_from_bf16(gr_to_bf16(x)) : gr_from_f16(gr_to_f16(x));
}

static int measure_weight(gr_session *s, const gr_state *state, gr_error *e)
{
    gr_rounding *r = &s->rounding;
    gr_type t;
    const float *x = gr_session_state(s, state->name, &t);
    double change = 0, size = 0;
    for (int64_t i = 0; x && i < gr_numel(&t); i++) {
        float y = rounded(r->dtype, x[i]);
        if (isinf(y) && !isinf(x[i]))
            return gr_set_error(e, GR_EINVAL, "%s holds numbers up to %g, but '%s' has %g: %s", gr_dtype_name(r->dtype),
                                r->dtype == GR_FLOAT16 ? 65504 : 3.39e38, state->name, (double)x[i],
                                r->dtype == GR_FLOAT16 ? "bfloat16 has room for it" : "keep the weights as float32");
        if (!isfinite(x[i])) continue;
        change += ((double)y - x[i]) * ((double)y - x[i]);
        size += (double)x[i] * x[i];
    }
    r->change += change;
    r->size += size;
    const char *name = gr_arena_strdup(s->arena, state->name);
    double share = size > 0 ? sqrt(change / size) : 0;
    if (!r->worst || share > r->worst_share) r->worst = name, r->worst_share = share;
    *GR_PUSH(s->arena, r->parameter, r->num_parameters, r->cap_parameters) = name;
    return 0;
}

/* Every weight that v is made of; v is frozen, so there is no loop. */
static int measure_value(gr_session *s, const gr_graph *g, const gr_value *v, gr_error *e)
{
    for (int i = 0; i < g->num_states; i++) {
        const gr_state *state = g->states[i];
        if (state->value != v) continue;
        bool counts = state->weight && v->type.dtype == GR_FLOAT32 && !is_measured(&s->rounding, state->name);
        return counts ? measure_weight(s, state, e) : 0;
    }
    for (int i = 0; i < v->node->num_in; i++)
        if (v->node->in[i] && measure_value(s, g, v->node->in[i], e)) return e->status;
    return 0;
}

int gr_rounding_measure(gr_session *s, const gr_graph *g, gr_error *e)
{
    for (int i = 0; i < g->num_results; i++) {
        if (!gr_is_half(g->results[i]->type.dtype)) continue;
        s->rounding.dtype = g->results[i]->type.dtype;
        if (measure_value(s, g, g->results[i], e)) return e->status;
    }
    return 0;
}

const char *gr_rounding_text(gr_session *s)
{
    const gr_rounding *r = &s->rounding;
    if (!s->options.weights_dtype) return NULL;
    if (!r->num_parameters)
        return gr_arena_printf(s->arena, "products keep no parameter as %s: none of them is a matrix that is large enough", gr_dtype_name(s->options.weights_dtype));
    return gr_arena_printf(s->arena, "products keep %d %s as %s, rounded by %.2g%% (root mean square; most in %s)", r->num_parameters,
                           r->num_parameters == 1 ? "parameter" : "parameters", gr_dtype_name(r->dtype),
                           r->size > 0 ? 100 * sqrt(r->change / r->size) : 0, r->worst);
}
