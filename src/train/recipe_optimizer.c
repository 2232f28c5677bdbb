/* recipe_optimizer.c - reads `optimizer` of the section `train`: its attributes, learning rates,
 * groups of parameters; and what is done to gradients before it. */
#include "graph/names.h"
#include "train/recipe_read.h"

#include <string.h>

typedef struct reader {
    gr_model *m;
    gr_recipe *recipe;
    const gr_op *op; /* the optimiser */
    int lr;          /* its attribute `lr` */
} reader;

/* ---- learning rates ---- */

static int find_attr(const gr_attr_spec *specs, const char *name)
{
    for (int i = 0; specs[i].name; i++)
        if (strcmp(specs[i].name, name) == 0) return i;
    return -1;
}

static void unknown_schedule(const reader *x, const gr_doc *d, const char *name)
{
    gr_arena *a = gr_model_arena(x->m);
    const char **names = NULL;
    int n = 0, cap = 0;
    for (const gr_lr_schedule *s = gr_lr_schedules; s->name; s++) *GR_PUSH(a, names, n, cap) = s->name;
    *GR_PUSH(a, names, n, cap) = NULL;
    gr_diag_error(gr_model_diag(x->m), d->at, "no schedule is called '%s'%s", name, gr_suggest_term(a, name, names));
}

/* Attributes that are right one by one. */
static bool take_schedule(const reader *x, const gr_attr_spec *specs, const gr_attr *attr, const gr_loc *at, gr_lr_spec *out)
{
    const gr_lr_schedule *s = out->schedule;
    int lr = find_attr(specs, "lr"), by = find_attr(specs, "by"), warmup = find_attr(specs, "warmup"), which = 0;
    int alias = s && s->lr_alias ? find_attr(specs, s->lr_alias) : -1;
    gr_diag *diag = gr_model_diag(x->m);
    out->attr = attr;
    out->lr = alias >= 0 && attr[alias].present ? attr[alias].f : attr[lr].f;
    out->by_step = by >= 0 && attr[by].i == 1;
    out->warmup = s && warmup < lr && warmup >= 0 ? 0 : attr[warmup].i;
    if (alias >= 0 && attr[alias].present && attr[lr].given) {
        gr_diag_error(diag, at[lr], "'lr' and '%s' are the same; give one of them", s->lr_alias);
        return false;
    }
    const char *why = s && s->wrong ? s->wrong(attr, &which) : NULL;
    if (why) gr_diag_error(diag, at[which], "'%s' %s", s->attrs[which].name, why);
    return !why;
}

/* `lr: {op: Step, lr: 0.1, step_size: 5}`; without `op` one number, with a warm-up. */
static bool read_schedule(const reader *x, gr_doc *d, gr_lr_spec *out)
{
    gr_doc *op = gr_doc_get(d, "op");
    d->used = true;
    if (op) {
        const char *name = gr_model_text(x->m, op);
        if (!name) return false;
        out->schedule = gr_lr_schedule_find(name);
        if (!out->schedule) {
            unknown_schedule(x, op, name);
            gr_model_pass_over(x->m, d);
            return false;
        }
    }
    gr_loc *at;
    const gr_attr_spec *specs = gr_lr_schedule_specs(gr_model_arena(x->m), out->schedule, &x->op->attrs[x->lr]);
    const gr_attr *attr = gr_model_attrs(x->m, d, specs, out->schedule ? out->schedule->name : "lr", NULL, &at);
    return attr && take_schedule(x, specs, attr, at, out);
}

/* One more rate of the recipe; NULL after a message. d: what stands under `lr`, a map. */
static gr_lr_spec *add_lr(reader *x, gr_lr_spec lr, gr_doc *d)
{
    gr_lr_spec *to = &x->recipe->lrs[x->recipe->num_lrs];
    *to = lr;
    if (d) to->at = d->at;
    if (d && d->kind == GR_DOC_MAP) {
        *to = (gr_lr_spec){.at = d->at};
        if (!read_schedule(x, d, to)) return NULL;
    }
    x->recipe->num_lrs++;
    return to;
}

/* `warmup: N` beside `lr` is the same as in its map. */
static void read_warmup(const reader *x, gr_doc *map, gr_lr_spec *lr)
{
    gr_doc *d = gr_doc_get(map, "warmup");
    int64_t n;
    if (!d || gr_model_int(x->m, d, 0, &n)) return;
    if (lr->warmup) gr_diag_error(gr_model_diag(x->m), d->at, "'warmup' is given twice: here and under 'lr'");
    lr->warmup = n;
}

/* ---- groups ---- */

/* The optimiser's attributes, none of which a group must give. */
static const gr_attr_spec *group_specs(const reader *x)
{
    int n = gr_op_num_attrs(x->op);
    gr_attr_spec *specs = GR_NEW_ARRAY(gr_model_arena(x->m), gr_attr_spec, n + 1);
    memcpy(specs, x->op->attrs, sizeof *specs * (size_t)n);
    for (int i = 0; i < n; i++)
        if (!specs[i].fallback) specs[i].fallback = "~";
    return specs;
}

static bool read_patterns(const reader *x, gr_doc *map, gr_group_spec *g)
{
    static const char *const keys[] = {"params", "frozen", "lr", NULL};
    gr_doc *d = gr_doc_get(map, "params");
    if (!d) {
        gr_recipe_missing_key(x->m, map, keys, "params", ": which parameters? As in {params: \"emb.*\", lr: 0.1}");
        return false;
    }
    int n = d->kind == GR_DOC_LIST ? d->count : 1;
    g->params = GR_NEW_ARRAY(gr_model_arena(x->m), const char *, n + 1);
    g->params_at = GR_NEW_ARRAY(gr_model_arena(x->m), gr_loc, n + 1);
    d->used = true;
    for (int i = 0; i < n; i++) {
        gr_doc *one = d->kind == GR_DOC_LIST ? d->item[i] : d;
        g->params_at[i] = one->at;
        if (!(g->params[i] = gr_model_text(x->m, one))) return false;
        g->num_params = i + 1;
    }
    if (n == 0) gr_diag_error(gr_model_diag(x->m), d->at, "the list is empty: which parameters?");
    return n > 0;
}

/* A frozen group has patterns and nothing else; false: there was more. */
static bool check_frozen(const reader *x, gr_doc *map)
{
    bool good = true;
    for (int i = 0; i < map->count; i++) {
        const gr_doc *d = map->item[i];
        if (strcmp(d->key, "params") == 0 || strcmp(d->key, "frozen") == 0) continue;
        gr_diag_error(gr_model_diag(x->m), d->key_at, "'%s' has no use here: the group is frozen, so nothing trains it", d->key);
        gr_model_pass_over(x->m, map->item[i]);
        good = false;
    }
    return good;
}

/* What the group gives, over what the optimiser has. */
static bool read_group_attrs(reader *x, gr_doc *map, gr_group_spec *g)
{
    static const char *const plain[] = {"params", "frozen", "warmup", NULL}, *const scheduled[] = {"params", "frozen", "warmup", "lr", NULL};
    const gr_call_spec *opt = &x->recipe->optimizer;
    gr_arena *a = gr_model_arena(x->m);
    int n = gr_op_num_attrs(x->op);
    gr_doc *lr = gr_doc_get(map, "lr");
    bool schedule = lr && lr->kind == GR_DOC_MAP;
    gr_loc *at;
    gr_attr *given = gr_model_attrs(x->m, map, group_specs(x), x->op->name, schedule ? scheduled : plain, &at);
    if (!given) return false;
    gr_attr *attr = gr_arena_copy(a, opt->attr, sizeof *attr * (size_t)n);
    for (int i = 0; i < n; i++)
        if (given[i].given) attr[i] = given[i];
        else at[i] = opt->attr_at ? opt->attr_at[i] : opt->at;
    g->attr = attr;
    g->attr_at = at;
    if (!lr && !gr_doc_get(map, "warmup")) return true;
    gr_lr_spec own = x->recipe->lrs[0];
    if (lr) own.lr = attr[x->lr].f;
    if (gr_doc_get(map, "warmup")) own.warmup = 0;
    g->lr = x->recipe->num_lrs;
    gr_lr_spec *to = add_lr(x, own, lr);
    if (to) read_warmup(x, map, to);
    return to != NULL;
}

static void read_group(reader *x, gr_doc *d)
{
    gr_group_spec *g = &x->recipe->groups[x->recipe->num_groups];
    gr_diag *diag = gr_model_diag(x->m);
    *g = (gr_group_spec){.at = d->at};
    d->used = true;
    if (d->kind != GR_DOC_MAP) {
        gr_diag_error(diag, d->at, "expected a map, as in {params: \"emb.*\", lr: 0.1}");
        return;
    }
    gr_doc *frozen = gr_doc_get(d, "frozen");
    static const gr_attr_spec flag = {"frozen", GR_ATTR_BOOL, "false", 0, 0, NULL, ""};
    bool good = read_patterns(x, d, g);
    if (frozen) {
        const char *text = gr_model_text(x->m, frozen), *why = "";
        gr_attr value = {0};
        if (!text) return;
        if (gr_attr_parse(gr_model_arena(x->m), &flag, text, &value, &why)) {
            gr_diag_error(diag, frozen->at, "'frozen' %s", why);
            return;
        }
        g->frozen = value.i != 0;
    }
    if (g->frozen) good = check_frozen(x, d) && good;
    else good = read_group_attrs(x, d, g) && good;
    if (good) x->recipe->num_groups++;
}

static void read_groups(reader *x, gr_doc *opt)
{
    gr_recipe *r = x->recipe;
    gr_doc *d = opt->kind == GR_DOC_MAP ? gr_doc_get(opt, "groups") : NULL;
    if (d && d->kind != GR_DOC_LIST)
        gr_diag_error(gr_model_diag(x->m), d->at, "expected a list, as in [{params: \"emb.*\", lr: 0.1}]");
    for (int i = 0; d && d->kind == GR_DOC_LIST && i < d->count; i++) read_group(x, d->item[i]);
    r->groups[r->num_groups++] = (gr_group_spec){.attr = r->optimizer.attr, .attr_at = r->optimizer.attr_at, .at = r->optimizer.at};
}

/* ---- the optimiser ---- */

/* Its first inputs are param, grad and lr, and every output is what an input becomes. */
static bool is_optimiser(const gr_op *op)
{
    for (const gr_port *out = op->outputs; out && out->name; out++)
        if (gr_op_input(op, out->name) < 0) return false;
    return op->inputs && gr_op_input(op, "param") == 0 && gr_op_input(op, "grad") == 1 && gr_op_input(op, "lr") == 2;
}

static int count_groups(gr_doc *opt)
{
    gr_doc *d = opt->kind == GR_DOC_MAP ? gr_doc_get(opt, "groups") : NULL;
    return d ? d->count : 0;
}

static void read_optimiser(reader *x, gr_doc *opt)
{
    static const char *const plain[] = {"groups", "warmup", NULL}, *const scheduled[] = {"groups", "warmup", "lr", NULL};
    gr_recipe *r = x->recipe;
    bool map = opt->kind == GR_DOC_MAP;
    gr_doc *lr = map ? gr_doc_get(opt, "lr") : NULL;
    bool schedule = lr && lr->kind == GR_DOC_MAP;
    if (!gr_recipe_call(x->m, opt, is_optimiser, "optimizer", schedule ? scheduled : plain, &r->optimizer)) {
        gr_model_pass_over(x->m, opt);
        return;
    }
    int n = count_groups(opt);
    r->lrs = GR_NEW_ARRAY(gr_model_arena(x->m), gr_lr_spec, n + 1);
    r->groups = GR_NEW_ARRAY(gr_model_arena(x->m), gr_group_spec, n + 1);
    x->op = r->optimizer.op;
    x->lr = gr_op_attr(x->op, "lr");
    if (x->lr < 0) {
        gr_diag_error(gr_model_diag(x->m), opt->at, "%s has no attribute 'lr', so it is no optimizer", x->op->name);
        return;
    }
    gr_lr_spec *main = add_lr(x, (gr_lr_spec){.lr = r->optimizer.attr[x->lr].f, .at = opt->at}, lr);
    if (map && main) read_warmup(x, opt, main);
    if (main) read_groups(x, opt);
    else gr_model_pass_over(x->m, opt);
}

/* ---- before it ---- */

/* `clip_grad_norm: 1` is the op ClipGradNorm with its only attribute given. */
static void read_clip(gr_model *m, gr_doc *train, const char *key, gr_recipe *r)
{
    gr_doc *d = gr_doc_get(train, key);
    if (!d) return;
    double bound;
    if (gr_model_float(m, d, &bound)) return;
    if (!(bound > 0)) {
        gr_diag_error(gr_model_diag(m), d->at, "%s must be above 0", key);
        return;
    }
    gr_registry *reg = gr_model_registry(m);
    for (int i = 0; i < gr_registry_count(reg); i++) {
        const gr_op *op = gr_registry_at(reg, i);
        if (!gr_same_name(op->name, key)) continue;
        gr_attr *attr = gr_attr_defaults(gr_model_arena(m), op);
        attr[0] = (gr_attr){.present = true, .given = true, .f = bound};
        r->clip[r->num_clips++] = (gr_call_spec){.op = op, .attr = attr, .at = d->at};
    }
}

void gr_recipe_read_optimizer(gr_model *m, gr_doc *train, const char *const *keys, gr_recipe *r)
{
    reader x = {.m = m, .recipe = r};
    gr_doc *opt = gr_doc_get(train, "optimizer");
    if (opt) read_optimiser(&x, opt);
    else gr_recipe_missing_key(m, train, keys, "optimizer", ", as in {op: SGD, lr: 0.1}");
    read_clip(m, train, "clip_grad_value", r);
    read_clip(m, train, "clip_grad_norm", r);
    gr_recipe_count(m, train, gr_train_counts, "accumulate", &r->accumulate);
}

void gr_recipe_check_watched(gr_model *m, const gr_recipe *r)
{
    for (int i = 0; i < r->num_lrs; i++) {
        const gr_lr_spec *lr = &r->lrs[i];
        const char *metric = lr->schedule && lr->schedule->watches ? gr_plateau_metric(lr->attr) : NULL;
        bool known = !metric || strcmp(metric, "loss") == 0;
        for (int k = 0; metric && k < r->num_metrics; k++) known = known || strcmp(r->metrics[k].label, metric) == 0;
        if (!known)
            gr_diag_error(gr_model_diag(m), lr->at, "%s watches '%s', but no metric is called so", lr->schedule->name, metric);
    }
}
