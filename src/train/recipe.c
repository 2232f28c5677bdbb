/* recipe.c - reads the sections `train` and `metrics` of a model file. */
#include "base/count.h"
#include "train/recipe_read.h"
#include "graph/names.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- ops by role in the file ---- */

static bool is_metric(const gr_op *op) { return (op->traits & GR_METRIC) != 0; }

/* Names of the ops of a kind, NULL-ended and as one text. */
static const char *const *names_of_kind(gr_model *m, bool (*kind)(const gr_op *), const char **text)
{
    gr_registry *r = gr_model_registry(m);
    gr_arena *a = gr_model_arena(m);
    const char **names = GR_NEW_ARRAY(a, const char *, gr_registry_count(r) + 1);
    int n = 0;
    *text = "";
    for (int i = 0; i < gr_registry_count(r); i++)
        if (kind(gr_registry_at(r, i))) {
            names[n] = gr_registry_at(r, i)->name;
            *text = gr_arena_printf(a, "%s%s%s", *text, n++ ? ", " : "", gr_registry_at(r, i)->name);
        }
    return names;
}

static const gr_op *find_of_kind(gr_model *m, gr_doc *d, const char *name, bool (*kind)(const gr_op *), const char *what)
{
    const char *list;
    const char *const *names = names_of_kind(m, kind, &list);
    for (int i = 0; names[i]; i++)
        if (gr_same_name(names[i], name)) return gr_registry_find(gr_model_registry(m), names[i]);
    if (gr_op_named(gr_model_registry(m), name))
        gr_diag_error(gr_model_diag(m), d->at, "'%s' is an op, but no %s; there are: %s", name, what, list);
    else {
        gr_diag_error(gr_model_diag(m), d->at, "no %s is called '%s'%s", what, name, gr_suggest_term(gr_model_arena(m), name, names));
        gr_registry_hint_plugins(gr_model_registry(m), gr_model_diag(m));
    }
    return NULL;
}

/* A key of a metric may be one of its ports. */
static const char *const *and_ports(gr_arena *a, const char *const *skip, const gr_op *op)
{
    const char **list = NULL;
    int n = 0, cap = 0;
    for (int i = 0; skip && skip[i]; i++) *GR_PUSH(a, list, n, cap) = skip[i];
    for (int i = 0; i < gr_op_num_inputs(op); i++) *GR_PUSH(a, list, n, cap) = op->inputs[i].name;
    *GR_PUSH(a, list, n, cap) = NULL;
    return list;
}

bool gr_recipe_call(gr_model *m, gr_doc *d, bool (*kind)(const gr_op *), const char *what, const char *const *skip,
                    gr_call_spec *out)
{
    gr_doc *name = d->kind == GR_DOC_MAP ? gr_doc_get(d, "op") : d;
    d->used = true;
    if (!name || name->kind != GR_DOC_SCALAR) {
        gr_diag_error(gr_model_diag(m), d->at, "expected a name or a map with `op:`, as in {op: ...}");
        return false;
    }
    const char *text = gr_model_text(m, name);
    out->at = d->at;
    if (!text || !(out->op = find_of_kind(m, name, text, kind, what))) return false;
    gr_loc *at = NULL;
    if (out->op->traits & GR_METRIC) skip = and_ports(gr_model_arena(m), skip, out->op);
    out->attr = d->kind == GR_DOC_MAP ? gr_model_attrs(m, d, out->op->attrs, out->op->name, skip, &at)
                                      : gr_attr_defaults(gr_model_arena(m), out->op);
    out->attr_at = at;
    return out->attr != NULL;
}

/* ---- train ---- */

const gr_attr_spec gr_train_counts[] = {
    {"accumulate", GR_ATTR_INT, "1", 1, GR_MOST_COUNT, NULL, "batches an update"},
    {"epochs", GR_ATTR_INT, "~", 0, GR_MOST_COUNT, NULL, "times through the data; with steps, whichever comes first"},
    {"steps", GR_ATTR_INT, "~", 0, GR_MOST_COUNT, NULL, "training steps in all; with epochs, whichever comes first"},
    {"bptt", GR_ATTR_INT, "~", 1, GR_MOST_COUNT, NULL, "cuts a batch into pieces of so many steps"},
    {"valid_every", GR_ATTR_INT, "~", 1, GR_MOST_COUNT, NULL, "steps between validations; absent: after each epoch"},
    {0}};

const gr_attr_spec *gr_recipe_spec(const gr_attr_spec *specs, const char *name)
{
    while (strcmp(specs->name, name) != 0) specs++;
    return specs;
}

void gr_recipe_count(gr_model *m, gr_doc *map, const gr_attr_spec *specs, const char *key, int64_t *out)
{
    const gr_attr_spec *s = gr_recipe_spec(specs, key);
    gr_doc *d = gr_doc_get(map, key);
    int64_t n;
    if (!d && strcmp(s->fallback, "~") != 0) *out = strtoll(s->fallback, NULL, 10);
    if (!d || gr_model_int(m, d, (int64_t)s->min, &n)) return;
    if ((double)n <= s->max) *out = n;
    else gr_diag_error(gr_model_diag(m), d->at, "'%s' is at most %.10g, not %lld", key, s->max, (long long)n);
}

static void add_carry(gr_model *m, gr_doc *d, gr_recipe *r, int i)
{
    r->carry[i] = gr_model_text(m, d);
    r->carry_at[i] = d->at;
    if (r->carry[i]) r->num_carries = i + 1;
}

static void read_carries(gr_model *m, gr_doc *train, gr_recipe *r)
{
    gr_doc *d = gr_doc_get(train, "carry");
    if (!d) return;
    int n = d->kind == GR_DOC_LIST ? d->count : 1;
    r->carry = GR_NEW_ARRAY(gr_model_arena(m), const char *, n + 1);
    r->carry_at = GR_NEW_ARRAY(gr_model_arena(m), gr_loc, n + 1);
    d->used = true;
    if (d->kind != GR_DOC_LIST) add_carry(m, d, r, 0);
    else
        for (int i = 0; i < n; i++) add_carry(m, d->item[i], r, i);
}

static const char *const train_keys[] = {"minimize", "optimizer", "clip_grad_value", "clip_grad_norm", "accumulate",
                                         "epochs", "steps", "carry", "early_stopping", "best", "keep",
                                         "valid_every", "bptt", NULL};

void gr_recipe_missing_key(gr_model *m, gr_doc *map, const char *const *keys, const char *key, const char *what)
{
    if (!gr_model_nearly_has(map, keys, key)) gr_diag_error(gr_model_diag(m), map->key ? map->key_at : map->at, "missing key '%s'%s", key, what);
}

static void add_loss(gr_model *m, gr_doc *name, const char *text, gr_doc *weight, gr_recipe *r)
{
    gr_loss_spec *x = &r->losses[r->num_losses];
    *x = (gr_loss_spec){.name = text ? text : gr_model_text(m, name), .weight = 1, .at = text ? weight->key_at : name->at};
    if (!x->name || (weight && gr_model_float(m, weight, &x->weight))) return;
    for (int i = 0; i < r->num_losses; i++)
        if (strcmp(r->losses[i].name, x->name) == 0) {
            gr_diag_error(gr_model_diag(m), x->at, "'%s' is given twice; give it a weight: {%s: 2}", x->name, x->name);
            return;
        }
    if (weight && !isfinite(x->weight)) gr_diag_error(gr_model_diag(m), weight->at, "a weight must be finite");
    r->num_losses++;
}

/* `loss`, `[loss, aux]` or `{loss: 1, aux: 0.3}` */
static void read_losses(gr_model *m, gr_doc *d, gr_recipe *r)
{
    int n = d->kind == GR_DOC_LIST || d->kind == GR_DOC_MAP ? d->count : 1;
    r->losses = GR_NEW_ARRAY(gr_model_arena(m), gr_loss_spec, n + 1);
    d->used = true;
    if (n == 0) gr_diag_error(gr_model_diag(m), d->at, "no loss is named, as in {loss: 1, aux: 0.3}");
    for (int i = 0; i < n; i++) {
        if (d->kind == GR_DOC_MAP) add_loss(m, NULL, d->item[i]->key, d->item[i], r);
        else add_loss(m, d->kind == GR_DOC_LIST ? d->item[i] : d, NULL, NULL, r);
    }
    if (r->num_losses) r->minimize = r->num_losses > 1 || r->losses[0].weight != 1 ? GR_TOTAL_LOSS : r->losses[0].name;
}

static void read_train(gr_model *m, gr_recipe *r)
{
    gr_doc *train = gr_model_section(m, "train");
    if (!train) return;
    gr_diag *diag = gr_model_diag(m);
    if (train->kind != GR_DOC_MAP) {
        gr_diag_error(diag, train->at, "expected a map, as in {minimize: loss, optimizer: {op: SGD, lr: 0.1}, epochs: 10}");
        return;
    }
    gr_model_check_keys(m, train, "train", train_keys);
    gr_doc *loss = gr_doc_get(train, "minimize");
    if (!loss) gr_recipe_missing_key(m, train, train_keys, "minimize", ": the name of the loss");
    else read_losses(m, loss, r);
    gr_recipe_read_optimizer(m, train, train_keys, r);
    gr_recipe_count(m, train, gr_train_counts, "epochs", &r->epochs);
    gr_recipe_count(m, train, gr_train_counts, "steps", &r->steps);
    read_carries(m, train, r);
    gr_recipe_count(m, train, gr_train_counts, "bptt", &r->bptt);
    if (r->bptt) r->bptt_at = gr_doc_get(train, "bptt")->at;
}

/* ---- metrics ---- */

static int num_ports(const gr_op *op) { return gr_op_num_inputs(op); }

static gr_node *raw_node(gr_graph *raw, const char *name)
{
    if (!raw || !name) return NULL;
    gr_value *v = gr_graph_find_name(raw, name);
    if (v) return v->node;
    for (int i = 0; i < raw->num_nodes; i++)
        if (strcmp(raw->nodes[i]->name, name) == 0) return raw->nodes[i];
    return NULL;
}

bool gr_recipe_is_written(gr_model *m, const char *node)
{
    gr_doc *graph = gr_model_section(m, "graph");
    for (int i = 0; graph && graph->kind == GR_DOC_MAP && i < graph->count; i++)
        if (strcmp(graph->item[i]->key, node) == 0) return true;
    return false;
}

/* The node that holds a loss exists; else it is said here, once. */
static bool loss_exists(gr_model *m, gr_graph *raw, const gr_loss_spec *loss)
{
    if (raw_node(raw, loss->name)) return true;
    const char *node = gr_arena_strndup(gr_model_arena(m), loss->name, strcspn(loss->name, "."));
    if (raw_node(raw, node) || gr_recipe_is_written(m, node)) return true;
    const char **names = GR_NEW_ARRAY(gr_model_arena(m), const char *, raw->num_nodes + 1);
    for (int i = 0; i < raw->num_nodes; i++) names[i] = raw->nodes[i]->name;
    gr_diag_error(gr_model_diag(m), loss->at, "no node is called '%s'%s", loss->name, gr_suggest(gr_model_arena(m), loss->name, names));
    return false;
}

/* If one does not, there is no training. */
static void check_losses(gr_model *m, gr_graph *raw, gr_recipe *r)
{
    for (int i = 0; raw && i < r->num_losses; i++)
        if (!loss_exists(m, raw, &r->losses[i])) r->minimize = NULL;
}

/* An attribute that the metric shares with the loss (ignore_index, batch_first) is the loss's
 * where the metric is not given its own. */
static void attrs_of_loss(gr_arena *a, const gr_node *loss, gr_metric_spec *x)
{
    const gr_op *op = x->call.op;
    gr_attr *attr = gr_arena_copy(a, x->call.attr, sizeof *attr * (size_t)gr_op_num_attrs(op));
    for (int i = 0; i < gr_op_num_attrs(op); i++) {
        int k = gr_op_attr(loss->op, op->attrs[i].name);
        if (k >= 0 && loss->op->attrs[k].kind == op->attrs[i].kind && !attr[i].given && loss->attr[k].given) attr[i] = loss->attr[k];
    }
    x->call.attr = attr;
}

/* A bare metric reads what the ports of those names of the minimized node read, of several the first. */
static bool ports_of_loss(gr_model *m, gr_graph *raw, const gr_recipe *r, gr_metric_spec *x)
{
    const char *name = r->minimize ? r->losses[0].name : NULL;
    gr_node *loss = raw_node(raw, name);
    if (!loss) return false; /* the name of the loss is at fault, and reported as that */
    attrs_of_loss(gr_model_arena(m), loss, x);
    for (int p = 0; p < num_ports(x->call.op); p++) {
        const gr_port *port = &x->call.op->inputs[p];
        if (x->in[p]) continue;
        int q = gr_op_input(loss->op, port->name);
        if (q >= 0 && loss->port[q] < loss->port[q + 1]) {
            const gr_value *v = loss->in[loss->port[q]];
            x->in[p] = v->port ? gr_arena_printf(gr_model_arena(m), "%s.%s", v->node->name, v->port) : v->node->name;
        } else if (!(port->flags & GR_PORT_OPTIONAL)) {
            gr_diag_error(gr_model_diag(m), x->call.at,
                          "'%s' minimizes a %s, which has no input '%s'; write {op: %s, in: {%s: ...}}",
                          name, loss->op->name, port->name, x->call.op->name, port->name);
            return false;
        }
    }
    return true;
}

static bool take_port(gr_model *m, gr_metric_spec *x, int p, gr_doc *d)
{
    x->in[p] = gr_model_text(m, d);
    x->in_at[p] = d->at;
    return x->in[p] != NULL;
}

static void no_such_port(gr_model *m, gr_doc *in, int i, const gr_op *op)
{
    const char **names = GR_NEW_ARRAY(gr_model_arena(m), const char *, num_ports(op) + 1), *all = "";
    for (int p = 0; p < num_ports(op); p++) {
        names[p] = op->inputs[p].name;
        all = gr_arena_printf(gr_model_arena(m), "%s%s%s", all, p ? ", " : "", names[p]);
    }
    gr_doc *d = in->item[i];
    if (in->kind == GR_DOC_MAP)
        gr_diag_error(gr_model_diag(m), d->key_at, "%s has no input '%s'%s", op->name, d->key, gr_suggest_term(gr_model_arena(m), d->key, names));
    else gr_diag_error(gr_model_diag(m), d->at, "%s has %d input%s: %s", op->name, num_ports(op), gr_s(num_ports(op)), all);
}

static bool ports_given(gr_model *m, gr_doc *in, gr_metric_spec *x)
{
    const gr_op *op = x->call.op;
    in->used = true;
    if (in->kind == GR_DOC_SCALAR) return take_port(m, x, 0, in);
    for (int i = 0; i < in->count; i++) {
        int p = in->kind == GR_DOC_MAP ? gr_op_input(op, in->item[i]->key) : i;
        in->item[i]->used = true;
        if (p < 0 || p >= num_ports(op)) {
            no_such_port(m, in, i, op);
            return false;
        }
        if (!take_port(m, x, p, in->item[i])) return false;
    }
    for (int p = 0; p < num_ports(op); p++)
        if (!x->in[p] && !(op->inputs[p].flags & GR_PORT_OPTIONAL)) {
            gr_diag_error(gr_model_diag(m), in->at, "%s needs its input '%s'", op->name, op->inputs[p].name);
            return false;
        }
    return true;
}

const char *gr_metric_label(gr_arena *a, const char *name)
{
    char *to = gr_arena_alloc(a, 2 * strlen(name) + 1), *out = to;
    for (const char *s = name; *s; s++) {
        if (s > name && isupper((unsigned char)*s) && islower((unsigned char)s[-1])) *out++ = '_';
        *out++ = (char)tolower((unsigned char)*s);
    }
    return to;
}

static void read_metric(gr_model *m, gr_graph *raw, gr_doc *d, gr_recipe *r)
{
    static const char *const skip[] = {"in", "as", NULL};
    gr_metric_spec *x = &r->metrics[r->num_metrics];
    *x = (gr_metric_spec){0};
    if (!gr_recipe_call(m, d, is_metric, "metric", skip, &x->call)) return;
    gr_arena *a = gr_model_arena(m);
    gr_doc *in = d->kind == GR_DOC_MAP ? gr_doc_get(d, "in") : NULL, *as = d->kind == GR_DOC_MAP ? gr_doc_get(d, "as") : NULL;
    x->in = GR_NEW_ARRAY(a, const char *, num_ports(x->call.op));
    x->in_at = GR_NEW_ARRAY(a, gr_loc, num_ports(x->call.op));
    for (int p = 0; p < num_ports(x->call.op); p++) x->in_at[p] = d->at;
    for (int p = 0; d->kind == GR_DOC_MAP && p < num_ports(x->call.op); p++) {
        gr_doc *given = gr_doc_get(d, x->call.op->inputs[p].name);
        if (given && !take_port(m, x, p, given)) return;
    }
    if (as) x->label = gr_model_text(m, as);
    else x->label = d->kind == GR_DOC_SCALAR ? d->text : gr_metric_label(a, x->call.op->name);
    if (x->label && (in ? ports_given(m, in, x) : ports_of_loss(m, raw, r, x))) r->num_metrics++;
}

static void read_metrics(gr_model *m, gr_graph *raw, gr_recipe *r)
{
    gr_doc *d = gr_model_section(m, "metrics");
    if (!d) return;
    if (d->kind != GR_DOC_LIST) {
        gr_diag_error(gr_model_diag(m), d->at, "expected a list, as in [perplexity, {op: Accuracy, in: {...}}]");
        return;
    }
    r->metrics = GR_NEW_ARRAY(gr_model_arena(m), gr_metric_spec, d->count + 1);
    for (int i = 0; i < d->count; i++) read_metric(m, raw, d->item[i], r);
}

gr_recipe *gr_recipe_read(gr_model *m, gr_graph *raw)
{
    gr_recipe *r = GR_NEW(gr_model_arena(m), gr_recipe);
    r->epochs = r->steps = -1;
    read_train(m, r);
    check_losses(m, raw, r);
    read_metrics(m, raw, r);
    gr_doc *train = gr_model_section(m, "train");
    if (train && train->kind == GR_DOC_MAP) gr_recipe_read_watch(m, train, r);
    gr_recipe_check_watched(m, r);
    gr_recipe_read_generate(m, r);
    return r;
}
