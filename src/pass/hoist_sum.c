/* hoist_sum.c - sums in a loop: terms that need no carry, and accumulators.
 *
 * A sum may add in any order (GR_SUM), so of
 *     g = x_t Wx + b_ih + h Wh + b_hh
 * the part x_t Wx + b_ih + b_hh becomes a node of its own, that is made before the loop.
 *
 * An accumulator is a carry that only gathers: next = carry + a_t + b_t + ... Its last value
 * is init + sum over t of each term: one node where the term's op can accumulate (a product
 * contracts over [time * rows]), a sum over the stacked term where that is in memory anyway,
 * and a loop that adds in place otherwise. */
#include "pass/hoist.h"
#include "pass/assemble.h"

/* ---- shaping sums ---- */

static void set_inputs(gr_node *n, gr_value **in, int num_in)
{
    n->in = in;
    n->num_in = n->port[1] = num_in;
}

static bool melts(const gr_node *outer, const gr_value *term, const gr_readers *readers, const bool *pinned)
{
    int i = gr_number(term->node);
    return gr_is_variadic_sum(term->node) && readers[i].n == 1 && !pinned[i] &&
           term->type.dtype == outer->out[0]->type.dtype;
}

void gr_flatten_sums(gr_graph *body)
{
    gr_number_nodes(body);
    gr_readers *readers = gr_find_readers(body);
    bool *pinned = gr_pinned_nodes(body);
    for (int i = 0; i < body->num_nodes; i++) {
        gr_node *n = body->nodes[i];
        if (!gr_is_variadic_sum(n)) continue;
        int count = 0;
        for (int k = 0; k < n->num_in; k++) count += n->in[k]->node->num_in + 1;
        gr_value **in = GR_NEW_ARRAY(body->arena, gr_value *, count + 1);
        count = 0;
        for (int k = 0; k < n->num_in; k++) {
            const gr_node *inner = n->in[k]->node;
            bool whole = !melts(n, n->in[k], readers, pinned);
            if (whole) in[count++] = n->in[k];
            for (int j = 0; !whole && j < inner->num_in; j++) in[count++] = inner->in[j];
        }
        set_inputs(n, in, count);
    }
    /* A sum that melted away has no reader now; its own terms must not count it as one. */
    gr_graph_sweep(body);
}

static bool split_sum(gr_graph *body, gr_node *n, const int *comp)
{
    gr_value **own = GR_NEW_ARRAY(body->arena, gr_value *, n->num_in + 1);
    gr_value **other = GR_NEW_ARRAY(body->arena, gr_value *, n->num_in + 1);
    int num_own = 0, num_other = 0;
    for (int k = 0; k < n->num_in; k++) {
        if (comp[gr_number(n->in[k]->node)] == comp[gr_number(n)]) own[num_own++] = n->in[k];
        else other[num_other++] = n->in[k];
    }
    if (!num_own || num_other < 2) return false;
    gr_node_spec spec = {.op = n->op, .name = n->name, .at = n->at, .phase = n->phase, .num_in = num_other,
                         .in = other, .attr = n->attr};
    gr_node *part = gr_node_add(body, &spec);
    gr_infer_node(body, part);
    own[num_own++] = part->out[0];
    set_inputs(n, own, num_own);
    return true;
}

/* carry + a + b: the terms of an accumulator are summed one by one. */
static bool adds_to_carry(const gr_graph *body, const gr_node *n)
{
    for (int c = 0; c < body->owner->scan->carries; c++)
        for (int k = 0; k < n->num_in; k++)
            if (body->results[c] == n->out[0] && n->in[k] == body->args[c]) return true;
    return false;
}

bool gr_split_sums(gr_graph *body, const int *comp, int num_nodes)
{
    bool changed = false;
    for (int i = 0; i < num_nodes; i++) {
        gr_node *n = body->nodes[i];
        if (gr_is_variadic_sum(n) && !adds_to_carry(body, n)) changed = split_sum(body, n, comp) || changed;
    }
    return changed;
}

/* ---- accumulators ---- */

static bool read_once(const gr_hoister *h, const gr_node *n)
{
    return h->readers[gr_number(n)].n == 1 && !h->pinned[gr_number(n)];
}

/* A view of one value whose only reader takes it to the sum: the view of the total will do. */
static bool is_peeled(const gr_hoister *h, const gr_node *n)
{
    return (n->op->traits & GR_VIEW) && n->num_in == 1 && n->num_out == 1 && h->place[gr_number(n)] == GR_WHOLE &&
           read_once(h, n);
}

static gr_node *maker(const gr_hoister *h, const gr_value *term)
{
    gr_node *n = term->node;
    while (is_peeled(h, n)) n = n->in[0]->node;
    return n;
}

static bool accumulates(const gr_hoister *h, const gr_node *n)
{
    return n->op->accumulate && n->num_out == 1 && h->place[gr_number(n)] == GR_WHOLE && read_once(h, n);
}

/* Whether the term over the whole sequence is in memory anyway, or takes no more of it than
 * what it is made from. */
static bool is_in_memory(const gr_hoister *h, const gr_value *term)
{
    const gr_node *n = term->node;
    gr_place place = h->place[gr_number(n)];
    if (place != GR_WHOLE) return place == GR_IN_LOOP;
    if (n->op->role == GR_ROLE_ARG || !read_once(h, n)) return true;
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i] && gr_place_of(h, n->in[i]) != GR_ONCE && gr_numel(&n->in[i]->type) >= gr_numel(&term->type))
            return true;
    return false;
}

static bool is_gather(const gr_hoister *h, int c, const gr_node **sum)
{
    const gr_value *arg = h->body->args[c], *next = h->body->results[c];
    const gr_readers *r = &h->readers[gr_number(arg->node)];
    const gr_node *n = next->node;
    int uses = 0, results = 0;
    if (!gr_is_variadic_sum(n) || r->n != 1 || r->list[0] != n || h->readers[gr_number(n)].n) return false;
    for (int i = 0; i < h->body->num_results; i++) {
        if (h->body->results[i] == arg) return false; /* every step's sum is wanted */
        results += h->body->results[i] == next;
    }
    for (int i = 0; i < n->num_in; i++) {
        uses += n->in[i] == arg;
        if (!gr_type_equal(&n->in[i]->type, &arg->type)) return false;
        if (n->in[i] != arg && gr_partition_find(h->groups, gr_number(n->in[i]->node)) ==
                                   gr_partition_find(h->groups, gr_number(n)))
            return false;
    }
    *sum = n;
    return uses == 1 && results == 1 && !gr_value_readers(gr_scan_history(h->scan, c));
}

static void claim_term(gr_hoister *h, gr_gather *a, gr_value *term)
{
    gr_node *made_by = maker(h, term);
    if (accumulates(h, made_by)) {
        for (gr_node *n = term->node; n != made_by; n = n->in[0]->node) h->deferred[gr_number(n)] = true;
        h->deferred[gr_number(made_by)] = true;
        return;
    }
    int i = gr_number(term->node);
    if (h->place[i] != GR_WHOLE || is_in_memory(h, term) || (term->node->op->traits & GR_RANDOM)) return;
    gr_partition_join(h->groups, i, gr_number(a->sum));
    h->place[i] = GR_IN_LOOP;
    h->gather[i] = a;
}

void gr_find_gathers(gr_hoister *h)
{
    for (int c = 0; c < h->scan->scan->carries; c++) {
        const gr_node *sum;
        if (!is_gather(h, c, &sum)) continue;
        gr_gather *a = GR_NEW(h->g->arena, gr_gather);
        a->arg = h->body->args[c];
        a->sum = h->body->results[c]->node;
        h->gather[gr_number(a->arg->node)] = h->gather[gr_number(a->sum)] = a;
        for (int i = 0; i < a->sum->num_in; i++)
            if (a->sum->in[i] != a->arg) claim_term(h, a, a->sum->in[i]);
    }
}

/* The sum over time of a deferred term, NULL where its op cannot after all. */
static gr_value *summed_by_op(gr_hoister *h, gr_value *v, const gr_node *made_by)
{
    if (v->node != made_by) {
        gr_value *in = summed_by_op(h, v->node->in[0], made_by);
        return in ? gr_copy_node(h->g, v->node, &in)->out[0] : NULL;
    }
    gr_value *total = NULL;
    if (gr_call_outside(h, v->node, v->node->op->accumulate, &total) != 0) return NULL;
    return total && gr_same_dims(&total->type, &v->type) ? total : NULL;
}

/* The deferred nodes behind a term: over the whole sequence after all where that takes no
 * more memory than there is, else in the accumulator's loop. */
static void settle_deferred(gr_hoister *h, gr_gather *a, gr_node *n, const gr_node *made_by, bool whole)
{
    if (n != made_by) settle_deferred(h, a, n->in[0]->node, made_by, whole);
    h->deferred[gr_number(n)] = false;
    if (whole) {
        gr_emit_whole(h, n);
        return;
    }
    h->place[gr_number(n)] = GR_IN_LOOP;
    h->gather[gr_number(n)] = a;
    *GR_PUSH(h->g->arena, a->kept, a->num_kept, a->cap_kept) = n;
}

static gr_value *summed(gr_hoister *h, gr_gather *a, gr_value *term)
{
    if (h->deferred[gr_number(term->node)]) {
        gr_node *made_by = maker(h, term);
        gr_value *total = summed_by_op(h, term, made_by);
        if (total) return total;
        settle_deferred(h, a, term->node, made_by, is_in_memory(h, term));
    }
    if (h->gather[gr_number(term->node)] == a || !is_in_memory(h, term)) return NULL;
    gr_value *stacked = gr_stacked_form(h, term);
    return gr_add_role(h->g, GR_ROLE_REDUCE_SUM, term->node, 1, &stacked, "dim=0")->out[0];
}

int gr_emit_gather(gr_hoister *h, gr_gather *a, gr_value **rest)
{
    gr_value **terms = GR_NEW_ARRAY(h->g->arena, gr_value *, a->sum->num_in + 1);
    int num_terms = 0, num_rest = 0, carry;
    gr_is_carry(a->arg, &carry);
    for (int i = 0; i < a->sum->num_in; i++) {
        if (a->sum->in[i] == a->arg) continue;
        gr_value *total = summed(h, a, a->sum->in[i]);
        if (total) terms[num_terms++] = total;
        else rest[num_rest++] = a->sum->in[i];
    }
    gr_value *init = gr_arg_outer(a->arg);
    double number;
    bool from_zero = gr_known_number(init, &number) && number == 0;
    if (!num_rest && (!from_zero || !num_terms)) terms[num_terms++] = init;
    if (num_terms > 1) a->total = gr_add_role(h->g, GR_ROLE_ADD, a->sum, num_terms, terms, NULL)->out[0];
    else if (num_terms) a->total = terms[0];
    if (!num_rest) h->total[carry] = a->total;
    return num_rest;
}
