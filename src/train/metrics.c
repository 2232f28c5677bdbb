/* metrics.c - metrics as results of the graph, and adding them up over batches. */
#include "train/metrics.h"
#include "pass/lift.h"
#include "train/figure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const gr_metric *metric_of(const gr_metric_spec *x) { return x->call.op->data; }

/* ---- into the graph ---- */

/* A value by name; "node.port" of an op with one output is the node itself. */
static gr_value *metric_input(gr_graph *root, const char *name)
{
    gr_value *v = gr_graph_find_name(root, name);
    const char *dot = strrchr(name, '.');
    if (!v && dot) v = gr_graph_find_name(root, gr_arena_strndup(root->arena, name, (size_t)(dot - name)));
    return v ? gr_lift(v) : NULL;
}

/* The op that counts classes for x, on the same inputs and with what attributes it shares. */
static void emit_counts(gr_emitter *e, gr_graph *root, const gr_metric_spec *x, gr_value *const *from, int number)
{
    gr_arena *a = root->arena;
    const gr_op *op = gr_registry_find(root->registry, metric_of(x)->counts);
    const gr_type *t = from[0] ? &from[0]->type : NULL;
    if (!op || !t || !t->rank || t->dim[t->rank - 1] > GR_MAX_COUNTED_CLASSES) return;
    int ports = gr_op_num_inputs(op);
    gr_value **in = GR_NEW_ARRAY(a, gr_value *, ports + 1), *out;
    int *port = GR_NEW_ARRAY(a, int, ports + 1);
    gr_attr *attr = gr_attr_defaults(a, op);
    const char *name;
    for (int p = 0; p < ports; p++) {
        int q = gr_op_input(x->call.op, op->inputs[p].name);
        in[p] = q < 0 ? NULL : from[q];
        port[p + 1] = p + 1;
    }
    for (int i = 0; op->attrs && op->attrs[i].name; i++) {
        int k = gr_op_attr(x->call.op, op->attrs[i].name);
        if (k >= 0) attr[i] = x->call.attr[k];
    }
    gr_apply apply = {.op = op, .name = "counts", .at = x->call.at, .num_in = ports, .in = in, .port = port, .attr = attr};
    if (gr_apply_op(e, &apply, &out, &name, 1) == 1)
        gr_graph_add_result(root, root->num_results, gr_arena_printf(a, "counts:%d", number), out);
}

/* Whether an earlier metric counts the classes of the same values. */
static bool is_counted(const gr_recipe *r, int number)
{
    const gr_metric_spec *x = &r->metrics[number];
    for (int i = 0; i < number; i++) {
        const gr_metric_spec *y = &r->metrics[i];
        if (!metric_of(y)->counts || strcmp(metric_of(x)->counts, metric_of(y)->counts) != 0) continue;
        if (strcmp(x->in[0], y->in[0]) == 0 && strcmp(x->in[1], y->in[1]) == 0) return true;
    }
    return false;
}

static int emit_metric(gr_emitter *e, gr_graph *root, const gr_metric_spec *x, bool counts, int number)
{
    int ports = gr_op_num_inputs(x->call.op);
    gr_value **in = GR_NEW_ARRAY(root->arena, gr_value *, ports + 1), *out[GR_METRIC_MAX_SUMS];
    const char *names[GR_METRIC_MAX_SUMS];
    int *port = GR_NEW_ARRAY(root->arena, int, ports + 1);
    for (int p = 0; p < ports; p++) {
        port[p + 1] = p + 1;
        if (!x->in[p]) continue;
        in[p] = metric_input(root, x->in[p]);
        if (in[p]) continue;
        gr_diag_error(root->diag, x->in_at[p], "no value is called '%s'", x->in[p]);
        return -1;
    }
    gr_apply apply = {.op = x->call.op, .at = x->call.at, .num_in = ports, .in = in, .port = port, .attr = x->call.attr};
    int n = gr_apply_op(e, &apply, out, names, GR_METRIC_MAX_SUMS);
    if (n >= 0 && counts) emit_counts(e, root, x, in, number);
    for (int i = 0; i < n; i++)
        gr_graph_add_result(root, root->num_results, gr_arena_printf(root->arena, "metric:%d:%d", number, i), out[i]);
    return n < 0 ? -1 : 0;
}

int gr_metrics_emit(const gr_recipe *r, gr_graph *root, bool counts)
{
    gr_emitter *e = gr_emitter_create(root, GR_FORWARD);
    int status = 0;
    for (int i = 0; i < r->num_metrics; i++) {
        gr_emitter_at(e, gr_arena_printf(root->arena, "metric%d", i), r->metrics[i].call.at);
        bool count = counts && metric_of(&r->metrics[i])->counts && !is_counted(r, i);
        if (emit_metric(e, root, &r->metrics[i], count, i)) status = -1;
    }
    return status;
}

/* ---- names of classes ---- */

/* The field that x's targets are fed from; NULL: they are no Input, or fed by hand. */
static const char *target_field(const gr_session *s, const gr_metric_spec *x)
{
    int target = gr_op_input(x->call.op, "target");
    if (!s->data || target < 0 || !x->in[target]) return NULL;
    size_t n = strcspn(x->in[target], "."); /* "tags.output" is "tags" */
    for (int i = 0; i < s->num_inputs; i++)
        if (strncmp(s->inputs[i].name, x->in[target], n) == 0 && !s->inputs[i].name[n]) return s->inputs[i].from;
    return NULL;
}

const char *const *gr_metric_classes(const gr_session *s, const gr_metric_spec *x, int *count)
{
    const char *field = target_field(s, x);
    return field ? gr_data_vocab(s->data, field, count) : NULL;
}

static void resolve_class(gr_session *s, const gr_metric_spec *x, const char *attr, gr_attr *a)
{
    char *end;
    int n = 0;
    const char *const *names = gr_metric_classes(s, x, &n);
    for (a->i = 0; names && a->i < n; a->i++)
        if (strcmp(names[a->i], a->s) == 0) return;
    a->i = strtoll(a->s, &end, 10);
    if (end != a->s && !*end && a->i >= 0) return;
    if (!names && s->options.facts_only) return;
    const char **list = GR_NEW_ARRAY(s->arena, const char *, n + 1);
    for (int i = 0; i < n; i++) list[i] = names[i];
    const char *near = gr_nearest(a->s, list);
    gr_diag_error(s->diag, x->call.at, "%s: no class of the targets is called '%s'%s%s%s", attr, a->s, near ? ", did you mean '" : "",
                  near ? near : names ? "" : "; they have no names, so write its number", near ? "'?" : "");
}

void gr_metrics_resolve(gr_session *s)
{
    for (int i = 0; i < s->recipe->num_metrics; i++) {
        gr_metric_spec *x = &s->recipe->metrics[i];
        const gr_attr_spec *spec = x->call.op->attrs;
        int n = gr_op_num_attrs(x->call.op);
        gr_attr *attr = gr_arena_copy(s->arena, x->call.attr, (size_t)n * sizeof *attr);
        const char *field = target_field(s, x);
        for (int k = 0; k < n; k++) {
            if (!spec[k].choices) continue;
            if (spec[k].kind == GR_ATTR_STRING && attr[k].present && strcmp(spec[k].choices, GR_METRIC_CLASS) == 0)
                resolve_class(s, x, spec[k].name, &attr[k]);
            int eos = field && !attr[k].present && strcmp(spec[k].choices, GR_METRIC_EOS) == 0 ? gr_data_special(s->data, field, GR_EOS) : -1;
            if (eos >= 0) attr[k] = (gr_attr){.present = true, .i = eos};
        }
        x->call.attr = attr;
    }
}

/* ---- over batches ---- */

gr_meter *gr_meter_create(gr_session *s)
{
    gr_meter *m = GR_NEW(s->arena, gr_meter);
    m->recipe = s->recipe;
    m->num_metrics = s->recipe->num_metrics;
    m->sum = gr_arena_array(s->arena, (size_t)m->num_metrics + 1, sizeof *m->sum);
    const gr_field *list;
    m->room = gr_arena_array(s->arena, (s->data ? (size_t)gr_data_fields(s->data, &list) : 0) + 1, sizeof *m->room);
    m->counts = gr_arena_array(s->arena, (size_t)m->num_metrics + 1, sizeof *m->counts);
    m->text = gr_arena_array(s->arena, (size_t)m->num_metrics + 1, sizeof *m->text);
    return m;
}

static void clear_sum(gr_meter_sum *sum)
{
    for (int64_t i = 0; i < sum->size; i++) sum->value[i] = 0;
}

void gr_meter_clear(gr_meter *m)
{
    m->batches = m->examples = 0;
    m->num_terms = 0;
    for (int i = 0; i < m->num_metrics; i++) {
        clear_sum(&m->counts[i]);
        for (int k = 0; k < GR_METRIC_MAX_SUMS; k++) clear_sum(&m->sum[i][k]);
    }
    memset(m->text, 0, (size_t)m->num_metrics * sizeof *m->text);
}

void gr_meter_size(gr_arena *a, gr_meter_sum *sum, int64_t size)
{
    if (sum->size == size) return;
    sum->size = size;
    sum->value = GR_NEW_ARRAY(a, double, size);
}

static void add_elements(gr_arena *a, gr_meter_sum *sum, const void *data, const gr_type *t)
{
    gr_meter_size(a, sum, gr_numel(t));
    for (int64_t i = 0; i < sum->size; i++) sum->value[i] += gr_element(data, t->dtype, i);
}

/* Numbers of the first sequence of a batch, shown through the vocabulary. */
static void show_text(char *to, const int32_t *ids, const gr_type *t, const char *const *vocab, int words, bool spaced)
{
    int64_t stride = 1, length = gr_numel(t);
    for (int i = 0; i < t->rank; i++) { /* the others than the batch axis, at its first row */
        if (!t->axis[i] || strcmp(t->axis[i], "batch") != 0) continue;
        length /= t->dim[i] ? t->dim[i] : 1;
        if (i == t->rank - 1) stride = t->dim[i];
    }
    size_t used = 0;
    for (int64_t i = 0; i < length && used + 1 < GR_METRIC_TEXT; i++) {
        int32_t id = ids[i * stride];
        int n = vocab && id >= 0 && id < words
                    ? snprintf(to + used, GR_METRIC_TEXT - used, "%s%s", spaced && i ? " " : "", vocab[id])
                    : snprintf(to + used, GR_METRIC_TEXT - used, "%s%d", i ? " " : "", id);
        used += (size_t)n;
    }
}

static void add_counts(gr_meter *m, const gr_exec *x, int i)
{
    char name[48];
    snprintf(name, sizeof name, "counts:%d", i);
    gr_type t;
    const void *data = gr_run_result(x->run, name, &t);
    if (data) add_elements(x->session->arena, &m->counts[i], data, &t);
}

static void add_metric(gr_meter *m, const gr_exec *x, int i)
{
    add_counts(m, x, i);
    const gr_metric *metric = metric_of(&x->session->recipe->metrics[i]);
    for (int k = 0; k < GR_METRIC_MAX_SUMS; k++) {
        char name[48];
        snprintf(name, sizeof name, "metric:%d:%d", i, k);
        gr_type t;
        const void *data = gr_run_result(x->run, name, &t);
        if (!data) return;
        if (metric->finish) {
            add_elements(x->session->arena, &m->sum[i][k], data, &t);
        } else if (t.dtype == GR_INT32) {
            int words = 0;
            const char *const *vocab = x->session->data ? gr_data_vocab(x->session->data, NULL, &words) : NULL;
            show_text(m->text[i], data, &t, vocab, words, vocab && gr_data_is_words(x->session->data, NULL));
        }
    }
}

static bool term_part(const gr_exec *x, int term, int part, double *number)
{
    char name[48];
    snprintf(name, sizeof name, "loss:%d:%d", term, part);
    gr_type t;
    const void *data = gr_run_result(x->run, name, &t);
    if (data) *number = gr_element(data, t.dtype, 0);
    return data != NULL;
}

static void add_loss(gr_meter *m, const gr_exec *x)
{
    double part[4];
    for (int i = 0; i < GR_LOSS_TERMS && term_part(x, i, 0, &part[0]); i++) {
        for (int k = 1; k < 4; k++) term_part(x, i, k, &part[k]);
        if (i == m->num_terms) m->term[m->num_terms++] = (gr_meter_term){.loss = (int)part[3], .factor = part[2]};
        if (part[1] == 0) continue; /* a mean of nothing is NaN */
        m->term[i].sum += part[0] * part[1];
        m->term[i].count += part[1];
    }
}

void gr_meter_add(gr_meter *m, const gr_exec *x)
{
    add_loss(m, x);
    for (int i = 0; i < m->num_metrics; i++) add_metric(m, x, i);
    m->batches++;
}

double gr_meter_part(const gr_meter *m, int loss)
{
    double sum = 0;
    int terms = 0;
    for (int i = 0; i < m->num_terms; i++) {
        if (m->term[i].loss != loss) continue;
        sum += m->term[i].factor * (m->term[i].sum / m->term[i].count);
        terms++;
    }
    return terms ? sum : (double)NAN;
}

double gr_meter_loss(const gr_meter *m)
{
    double loss = m->num_terms ? 0 : (double)NAN;
    for (int i = 0; m->num_terms && i < m->recipe->num_losses; i++)
        if (m->recipe->losses[i].weight != 0) loss += m->recipe->losses[i].weight * gr_meter_part(m, i);
    return loss;
}

double gr_meter_value(const gr_meter *m, const gr_recipe *r, int i)
{
    const gr_metric *metric = metric_of(&r->metrics[i]);
    const double *sum[GR_METRIC_MAX_SUMS];
    int64_t size[GR_METRIC_MAX_SUMS];
    for (int k = 0; k < GR_METRIC_MAX_SUMS; k++) {
        sum[k] = m->sum[i][k].value;
        size[k] = m->sum[i][k].size;
    }
    const gr_sums sums = {r->metrics[i].call.attr, sum, size};
    return metric->finish && m->batches ? metric->finish(&sums) : NAN;
}

void gr_meter_print(const gr_meter *m, const gr_recipe *r, char *to, size_t size)
{
    size_t used = 0;
    char text[GR_FIGURE];
    if (r->minimize) used = (size_t)snprintf(to, size, "loss %s", gr_figure(text, gr_meter_loss(m)));
    for (int i = 0; r->num_losses > 1 && i < r->num_losses && used < size; i++)
        used += (size_t)snprintf(to + used, size - used, "%s%s %s%s", i ? ", " : " (", r->losses[i].name, gr_figure(text, gr_meter_part(m, i)),
                                 i == r->num_losses - 1 ? ")" : "");
    for (int i = 0; i < m->num_metrics && used < size; i++) {
        bool number = metric_of(&r->metrics[i])->finish != NULL;
        int n = number ? snprintf(to + used, size - used, "  %s %s", r->metrics[i].label, gr_figure(text, gr_meter_value(m, r, i)))
                       : snprintf(to + used, size - used, "  %s \"%s\"", r->metrics[i].label, m->text[i]);
        used += (size_t)n;
    }
}
