/* compare_match.c - models of about as many parameters: a var is scaled.
 *
 * The number of parameters is taken to rise with the var. Not every value makes a model (heads that must
 * divide a width): those that do not are stepped over. */
#include "train/compare_work.h"

#include <stdlib.h>
#include <string.h>

#define MOST (1 << 20) /* no var is made larger */
#define TRIES 64       /* values in a row that make no model */

static int64_t count(gr_session *s, gr_error *e)
{
    const gr_want want = {.update = true, .training = true, .metrics = true};
    const gr_graph *g = gr_session_graph(s, &want, "expand");
    int64_t n = 0;
    if (!g) return gr_session_tell(s, e);
    for (int i = 0; i < g->num_states; i++)
        if (g->states[i]->trainable) n += gr_numel(&g->states[i]->value->type);
    return n;
}

int64_t gr_count_parameters(gr_session *s, gr_error *e)
{
    gr_frame frame;
    if (!gr_try(s->arena, &frame)) return gr_caught(s->arena, e);
    const int64_t n = count(s, e);
    gr_end_try(s->arena, &frame);
    return n;
}

typedef struct search {
    gr_compare_work *w;
    int contender;
    const char *var;
    int64_t target;
    int64_t best, best_count; /* nearest so far; best_count -1: none */
    int64_t least, most;      /* parameters of all that were tried */
    int tried;
} search;

/* Parameters of the model with the var at `value`; -1: there is no such model. */
static int64_t count_at(search *x, int64_t value)
{
    const gr_contender *k = &x->w->c->contender[x->contender];
    gr_session_options o = gr_compare_session(x->w, x->contender, 1);
    const char **sets = GR_NEW_ARRAY(x->w->arena, const char *, k->num_sets + 2);
    if (k->num_sets) memcpy(sets, k->sets, sizeof *sets * (size_t)k->num_sets);
    sets[k->num_sets] = gr_arena_printf(x->w->arena, "%s=%lld", x->var, (long long)value);
    o.model.sets = sets;
    o.facts_only = true;
    o.say = (gr_sink){0};
    gr_error e;
    gr_session *s = gr_session_open(k->path, &o, &e);
    const int64_t n = s ? gr_count_parameters(s, &e) : -1;
    gr_session_close(s);
    if (n < 0) return n;
    x->least = x->tried && x->least < n ? x->least : n;
    x->most = x->tried && x->most > n ? x->most : n;
    x->tried++;
    if (x->best_count < 0 || llabs(n - x->target) < llabs(x->best_count - x->target)) {
        x->best = value;
        x->best_count = n;
    }
    return n;
}

/* The first value from `from` on towards `to`, which is left out, that makes a model; `to`: none does. */
static int64_t feasible(search *x, int64_t from, int64_t to, int64_t *count)
{
    const int64_t way = from < to ? 1 : -1;
    for (int64_t v = from; v != to && llabs(v - from) < TRIES && !gr_compare_stopped(x->w); v += way)
        if ((*count = count_at(x, v)) >= 0) return v;
    return to;
}

/* A value whose model has `target` parameters at least, from the file's own by doubling; 0: there is none. */
static int64_t find_above(search *x, int64_t own)
{
    for (int64_t v = own, n; v <= MOST && !gr_compare_stopped(x->w); v *= 2) {
        const int64_t found = feasible(x, v, 2 * v, &n);
        if (found < 2 * v && n >= x->target) return found;
    }
    return 0;
}

/* Halves (low, high) until nothing is between them; low 0: none is known to be below. */
static void bisect(search *x, int64_t low, int64_t high)
{
    while (high - low > 1 && !gr_compare_stopped(x->w)) {
        const int64_t middle = low + (high - low) / 2;
        int64_t n, v = feasible(x, middle, high, &n);
        if (v == high && (v = feasible(x, middle - 1, low, &n)) == low) return;
        if (n < x->target) low = v;
        else high = v;
    }
}

/* The var as the file and --set have it. */
static int own_value(search *x, int64_t *own, gr_error *e)
{
    gr_session *s = x->w->open[x->contender];
    const gr_var v = gr_model_var(s->model, x->var);
    if (v.kind == GR_VAR_INT && v.i >= 1) {
        *own = v.i;
        return 0;
    }
    return gr_set_error(e, GR_EINVAL, "%s: --match-parameters scales a var that is a whole number from 1 up; '%s' is %s", gr_model_path(s->model),
                        x->var, v.kind == GR_VAR_NONE ? "no var of it" : v.kind == GR_VAR_INT ? "less" : "none");
}

static int match(search *x, gr_error *e)
{
    gr_contender *k = &x->w->c->contender[x->contender];
    gr_arena *a = x->w->arena;
    if (own_value(x, &k->matched_from, e)) return e->status;
    const int64_t above = find_above(x, k->matched_from);
    if (above) bisect(x, 0, above);
    if (gr_compare_stopped(x->w)) return gr_set_error(e, GR_ESTATE, "stopped while parameters were matched");
    const bool idle = x->tried > 1 && x->least == x->most && x->least != x->target; /* the var changes nothing */
    if (!above || x->best_count < 0 || idle)
        return gr_set_error(e, GR_EINVAL, "%s: no %s makes %lld parameters, as the first model has; it has %lld whatever the var is",
                            k->path, x->var, (long long)x->target, (long long)k->parameters);
    k->matched = gr_arena_strdup(a, x->var);
    k->matched_to = x->best;
    k->parameters = x->best_count;
    const char **sets = GR_NEW_ARRAY(a, const char *, k->num_sets + 2);
    if (k->num_sets) memcpy(sets, k->sets, sizeof *sets * (size_t)k->num_sets);
    sets[k->num_sets++] = gr_arena_printf(a, "%s=%lld", x->var, (long long)x->best);
    k->sets = sets;
    return 0;
}

int gr_compare_match(gr_compare_work *w, gr_error *e)
{
    const gr_comparison *c = w->c;
    for (int i = 0; w->options->match && i < c->num_contenders; i++) {
        const int first = gr_compare_first(c, i);
        if (i == first) continue;
        search x = {.w = w, .contender = i, .var = w->options->match, .target = c->contender[first].parameters, .best_count = -1};
        if (match(&x, e)) return e->status;
    }
    return 0;
}
