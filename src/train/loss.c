/* loss.c - a loss taken apart into means.
 *
 *     loss = a mean1 + b mean2 + rest        loss of a split = a sum1 / n1 + b sum2 / n2 + rest's mean
 *
 * Ops say which scalars are means, and of how many elements (gr_mean_of). From the loss back to
 * them lead sums, differences, signs and constant factors; what else is met is a rest that
 * counts as much in every batch: a penalty on the weights, or a loss that sums and does not
 * average. */
#include "train/loss.h"
#include "graph/emit.h"
#include "pass/lift.h"

#include <string.h>

typedef struct terms {
    gr_emitter *emitter;
    gr_graph *root;
    int count;
    int loss;   /* which of the recipe is walked */
    int most;   /* how many terms there may be after it */
} terms;

bool gr_is_filled(const gr_value *v, double *number)
{
    const gr_node *n = v->node;
    if (n->op->role == GR_ROLE_FILL) {
        int a = gr_op_attr(n->op, "value");
        *number = a < 0 ? 0 : n->attr[a].f;
        return true;
    }
    if (n->op->role == GR_ROLE_CONSTANT) {
        const gr_attr *value = &n->attr[gr_op_attr(n->op, "value")];
        *number = value->n ? value->floats[0] : value->f;
        for (int64_t i = 1; i < value->n; i++)
            if (value->floats[i] != *number) return false;
        return true;
    }
    bool moves = (n->op->traits & GR_VIEW) || n->op->role == GR_ROLE_EXPAND || n->op->role == GR_ROLE_COPY ||
                 n->op->role == GR_ROLE_CAST;
    return moves && n->num_in > 0 && n->in[0] && gr_is_filled(n->in[0], number);
}

static const gr_mean *find_mean(const gr_graph *g, const gr_value *v)
{
    for (int i = 0; i < g->num_means; i++)
        if (g->means[i].mean == v) return &g->means[i];
    return NULL;
}

static void add_term(terms *t, gr_value *v, double factor, const gr_mean *mean)
{
    gr_value *part[4] = {v, mean ? mean->count : NULL, gr_emit_number(t->emitter, factor), gr_emit_number(t->emitter, t->loss)};
    if (!part[1]) part[1] = gr_emit_number(t->emitter, mean ? mean->n : 1);
    for (int i = 0; i < 4; i++)
        gr_graph_add_result(t->root, t->root->num_results, gr_arena_printf(t->root->arena, "loss:%d:%d", t->count, i), part[i]);
    t->count++;
}

/* What a node with two inputs multiplies its input `in` by; false: no constant. */
static bool constant_factor(const gr_node *n, int in, double *factor)
{
    double x;
    if (n->num_in != 2 || !n->in[1 - in] || !gr_is_filled(n->in[1 - in], &x)) return false;
    if (n->op->tape == GR_TAPE_MUL) *factor *= x;
    else if (n->op->tape == GR_TAPE_DIV && in == 0) *factor /= x;
    else return false;
    return true;
}

static void walk(terms *t, gr_value *v, double factor)
{
    const gr_node *n = v->node;
    const gr_mean *mean = find_mean(t->root, v);
    bool splits = n->op->tape == GR_TAPE_ADD || n->op->tape == GR_TAPE_SUB;
    bool passes = n->num_in && n->in[0] && gr_numel(&n->in[0]->type) == 1 &&
                  ((n->op->traits & GR_VIEW) || n->op->tape == GR_TAPE_COPY || n->op->tape == GR_TAPE_NEG);
    double first = factor, second = factor;
    if (!mean && splits && t->count + n->num_in <= t->most)
        for (int i = 0; i < n->num_in; i++) walk(t, n->in[i], i && n->op->tape == GR_TAPE_SUB ? -factor : factor);
    else if (!mean && passes) walk(t, n->in[0], n->op->tape == GR_TAPE_NEG ? -factor : factor);
    else if (!mean && constant_factor(n, 0, &first)) walk(t, n->in[0], first);
    else if (!mean && constant_factor(n, 1, &second)) walk(t, n->in[1], second);
    else add_term(t, v, factor, mean);
}

void gr_loss_emit(const gr_recipe *r, gr_graph *root)
{
    terms t = {.emitter = gr_emitter_create(root, GR_FORWARD), .root = root};
    for (; t.loss < r->num_losses; t.loss++) {
        gr_value *v = gr_find_value(root, r->losses[t.loss].name);
        if (!v || v->type.dtype == GR_UNKNOWN || gr_numel(&v->type) != 1) return; /* said elsewhere */
        gr_emitter_at(t.emitter, "loss_terms", v->node->at);
        t.most = GR_LOSS_TERMS - (r->num_losses - 1 - t.loss);
        walk(&t, gr_lift(v), 1);
    }
}

/* ---- the sum ---- */

static int wrong_loss(gr_graph *root, const gr_loss_spec *loss, const gr_value *v)
{
    if (!v) gr_diag_error(root->diag, loss->at, "no value is called '%s'", loss->name);
    else gr_diag_error(root->diag, loss->at, "'%s' is to be minimized, but is %s: a loss is one float; reduce it with Mean or Sum",
                       loss->name, gr_type_text(root->arena, &v->type));
    return -1;
}

int gr_loss_total(const gr_recipe *r, gr_graph *root)
{
    if (!r->minimize || strcmp(r->minimize, GR_TOTAL_LOSS) != 0) return 0;
    gr_emitter *e = gr_emitter_create(root, GR_FORWARD);
    gr_value *sum = NULL;
    for (int i = 0; i < r->num_losses; i++) {
        const gr_loss_spec *loss = &r->losses[i];
        gr_value *v = gr_find_value(root, loss->name);
        if (v) v = gr_lift(v);
        if (!v || gr_numel(&v->type) != 1 || !gr_is_float(v->type.dtype)) return wrong_loss(root, loss, v);
        gr_emitter_at(e, "train", loss->at);
        gr_value *both[2] = {v, gr_emit_number(e, loss->weight)};
        if (loss->weight != 1) v = gr_emit_tape(e, GR_TAPE_MUL, 2, both);
        sum = gr_emit_sum(e, sum, v);
    }
    if (sum) gr_graph_set_name(root, GR_TOTAL_LOSS, sum);
    return sum ? 0 : -1;
}
