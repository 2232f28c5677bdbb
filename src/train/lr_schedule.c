/* lr_schedule.c - the schedules, in one table. Names of attributes are PyTorch's. */
#include "train/lr_schedule.h"

#include <math.h>
#include <string.h>

#define END {0}
#define GAMMA(fallback) {"gamma", GR_ATTR_FLOAT, fallback, 0, 1e30, NULL, "What the rate is multiplied with."}

/* ---- steps down ---- */

static double step_at(const gr_attr *a, double lr, int64_t k) { return lr * pow(a[1].f, (double)(k / a[0].i)); }

static const gr_attr_spec step_attrs[] = {
    {"step_size", GR_ATTR_INT, NULL, 1, 1e15, NULL, "After how many the rate changes."}, GAMMA("0.1"), END};

static double multi_step_at(const gr_attr *a, double lr, int64_t k)
{
    int passed = 0;
    for (int64_t i = 0; i < a[0].n; i++) passed += k >= a[0].ints[i];
    return lr * pow(a[1].f, passed);
}

static const gr_attr_spec multi_step_attrs[] = {
    {"milestones", GR_ATTR_INTS, NULL, 0, 1e15, NULL, "Where the rate changes."}, GAMMA("0.1"), END};

static double exponential_at(const gr_attr *a, double lr, int64_t k) { return lr * pow(a[0].f, (double)k); }

static const gr_attr_spec exponential_attrs[] = {GAMMA(NULL), END};

/* ---- curves ---- */

static double cosine_at(const gr_attr *a, double lr, int64_t k)
{
    return a[1].f + (lr - a[1].f) * (1 + cos(M_PI * (double)k / (double)a[0].i)) / 2;
}

#define ETA_MIN {"eta_min", GR_ATTR_FLOAT, "0", 0, 1e30, NULL, "The least rate."}
static const gr_attr_spec cosine_attrs[] = {
    {"T_max", GR_ATTR_INT, NULL, 1, 1e15, NULL, "Where the least rate is reached; then it rises again."}, ETA_MIN, END};

static double warm_restarts_at(const gr_attr *a, double lr, int64_t k)
{
    int64_t length = a[0].i, mult = a[1].i;
    if (mult == 1) k %= length;
    else
        for (; k >= length; length *= mult) k -= length;
    return a[2].f + (lr - a[2].f) * (1 + cos(M_PI * (double)k / (double)length)) / 2;
}

static const gr_attr_spec warm_restarts_attrs[] = {
    {"T_0", GR_ATTR_INT, NULL, 1, 1e15, NULL, "How long the first descent is."},
    {"T_mult", GR_ATTR_INT, "1", 1, 1e6, NULL, "How much longer each is than the one before."}, ETA_MIN, END};

/* k, but no more than the whole; as a part of it */
static double part_done(const gr_attr *total, int64_t k) { return (double)(k < total->i ? k : total->i) / (double)total->i; }

static double linear_at(const gr_attr *a, double lr, int64_t k)
{
    return lr * (a[0].f + (a[1].f - a[0].f) * part_done(&a[2], k));
}

static const char *linear_wrong(const gr_attr *a, int *which)
{
    *which = 0;
    return a[0].f > 0 ? NULL : "must be above 0";
}

#define TOTAL_ITERS {"total_iters", GR_ATTR_INT, "5", 1, 1e15, NULL, "After how many the rate stays as it is."}
static const gr_attr_spec linear_attrs[] = {
    {"start_factor", GR_ATTR_FLOAT, "0.3333333333333333", 0, 1, NULL, "What lr is multiplied with at first."},
    {"end_factor", GR_ATTR_FLOAT, "1", 0, 1, NULL, "What it is multiplied with at last."}, TOTAL_ITERS, END};

static double constant_at(const gr_attr *a, double lr, int64_t k) { return k < a[1].i ? lr * a[0].f : lr; }

static const gr_attr_spec constant_attrs[] = {
    {"factor", GR_ATTR_FLOAT, "0.3333333333333333", 0, 1, NULL, "What lr is multiplied with at first."},
    {"total_iters", GR_ATTR_INT, "5", 0, 1e15, NULL, "After how many it is lr itself."}, END};

static double polynomial_at(const gr_attr *a, double lr, int64_t k) { return lr * pow(1 - part_done(&a[0], k), a[1].f); }

static const gr_attr_spec polynomial_attrs[] = {
    {"total_iters", GR_ATTR_INT, "5", 1, 1e15, NULL, "After how many the rate is 0."},
    {"power", GR_ATTR_FLOAT, "1", 0, 1e30, NULL, "The power of what is left."}, END};

/* lr * d_model^-1/2 * min(t^-1/2, t * warmup^-3/2), t = k + 1 */
static double noam_at(const gr_attr *a, double lr, int64_t k)
{
    double t = (double)k + 1, warmup = (double)a[1].i;
    return lr / sqrt((double)a[0].i) * fmin(1 / sqrt(t), t / (warmup * sqrt(warmup)));
}

static const gr_attr_spec noam_attrs[] = {
    {"d_model", GR_ATTR_INT, NULL, 1, 1e15, NULL, "The model's width."},
    {"warmup", GR_ATTR_INT, "4000", 1, 1e15, NULL, "For how many the rate rises."}, END};

/* ---- cycles ---- */

enum { ONE_TOTAL, ONE_EPOCHS, ONE_STEPS, ONE_PCT, ONE_ANNEAL, ONE_DIV, ONE_FINAL, ONE_THREE };

static int64_t one_cycle_total(const gr_attr *a) { return a[ONE_TOTAL].present ? a[ONE_TOTAL].i : a[ONE_EPOCHS].i * a[ONE_STEPS].i; }

static double anneal(const gr_attr *strategy, double from, double to, double part)
{
    return strategy->i == 0 ? to + (from - to) / 2 * (1 + cos(M_PI * part)) : from + (to - from) * part;
}

/* Up from lr / div_factor to lr; down, in three phases first as it came; at last to the least. */
static double one_cycle_at(const gr_attr *a, double lr, int64_t k)
{
    double total = (double)one_cycle_total(a), up = a[ONE_PCT].f * total - 1, first = lr / a[ONE_DIV].f;
    double least = first / a[ONE_FINAL].f, t = fmin((double)k, total - 1), start = up;
    if (t <= up) return anneal(&a[ONE_ANNEAL], first, lr, t / up);
    if (a[ONE_THREE].i) {
        double down = 2 * a[ONE_PCT].f * total - 2;
        if (t <= down) return anneal(&a[ONE_ANNEAL], lr, first, (t - up) / (down - up));
        start = down;
    }
    return anneal(&a[ONE_ANNEAL], a[ONE_THREE].i ? first : lr, least, (t - start) / (total - 1 - start));
}

static const char *one_cycle_wrong(const gr_attr *a, int *which)
{
    *which = ONE_TOTAL;
    bool both = a[ONE_EPOCHS].present && a[ONE_STEPS].present, any = a[ONE_EPOCHS].present || a[ONE_STEPS].present;
    if (a[ONE_TOTAL].present && any) return "is given, and so are epochs or steps_per_epoch: one or the other";
    if (!a[ONE_TOTAL].present && !both) return "is missing: how long is the cycle? Or give epochs and steps_per_epoch";
    double total = (double)one_cycle_total(a);
    if (total < 2) return "is too short for a rise and a fall";
    *which = ONE_PCT;
    double up = a[ONE_PCT].f * total - 1;
    if (up == 0 || up == total - 1) return "leaves no time for a rise or none for a fall";
    if (a[ONE_THREE].i && 2 * up >= total - 1) return "must be below 0.5 where there are three phases";
    *which = ONE_DIV;
    if (!(a[ONE_DIV].f > 0)) return "must be above 0";
    *which = ONE_FINAL;
    return a[ONE_FINAL].f > 0 ? NULL : "must be above 0";
}

static const gr_attr_spec one_cycle_attrs[] = {
    {"total_steps", GR_ATTR_INT, "~", 1, 1e15, NULL, "How long the cycle is."},
    {"epochs", GR_ATTR_INT, "~", 1, 1e7, NULL, "Times steps_per_epoch: the same."},
    {"steps_per_epoch", GR_ATTR_INT, "~", 1, 1e7, NULL, "Times epochs: how long the cycle is."},
    {"pct_start", GR_ATTR_FLOAT, "0.3", 0, 1, NULL, "The part of the cycle in which the rate rises."},
    {"anneal_strategy", GR_ATTR_CHOICE, "cos", 0, 0, "cos|linear", "The form of rise and fall."},
    {"div_factor", GR_ATTR_FLOAT, "25", 0, 1e30, NULL, "The first rate is lr / div_factor."},
    {"final_div_factor", GR_ATTR_FLOAT, "1e4", 0, 1e30, NULL, "The last rate is the first one / final_div_factor."},
    {"three_phase", GR_ATTR_BOOL, "false", 0, 0, NULL, "Fall as it rose, and then to the least."},
    END};

enum { CYCLIC_MAX, CYCLIC_UP, CYCLIC_DOWN, CYCLIC_MODE, CYCLIC_GAMMA };
enum { TRIANGULAR, TRIANGULAR2, EXP_RANGE };

static double cyclic_at(const gr_attr *a, double lr, int64_t k)
{
    double up = (double)a[CYCLIC_UP].i, down = a[CYCLIC_DOWN].present ? (double)a[CYCLIC_DOWN].i : up;
    double cycle = floor(1 + (double)k / (up + down)), x = 1 + (double)k / (up + down) - cycle, ratio = up / (up + down);
    double height = (a[CYCLIC_MAX].f - lr) * (x <= ratio ? x / ratio : (x - 1) / (ratio - 1));
    if (a[CYCLIC_MODE].i == TRIANGULAR2) height *= pow(2, 1 - cycle);
    if (a[CYCLIC_MODE].i == EXP_RANGE) height *= pow(a[CYCLIC_GAMMA].f, (double)k);
    return lr + height;
}

static const gr_attr_spec cyclic_attrs[] = {
    {"max_lr", GR_ATTR_FLOAT, NULL, 0, 1e30, NULL, "The highest rate of a cycle; lr is the lowest."},
    {"step_size_up", GR_ATTR_INT, "2000", 1, 1e15, NULL, "How long the rate rises."},
    {"step_size_down", GR_ATTR_INT, "~", 1, 1e15, NULL, "How long it falls; absent: as long."},
    {"mode", GR_ATTR_CHOICE, "triangular", 0, 0, "triangular|triangular2|exp_range", "All as high, halved each time, gamma^k."},
    {"gamma", GR_ATTR_FLOAT, "1", 0, 1e30, NULL, "The base of exp_range."},
    END};

/* ---- the one that watches ---- */

enum { PLATEAU_MODE, PLATEAU_FACTOR, PLATEAU_PATIENCE, PLATEAU_THRESHOLD, PLATEAU_THRESHOLD_MODE, PLATEAU_COOLDOWN,
       PLATEAU_MIN, PLATEAU_EPS, PLATEAU_METRIC };

static const gr_attr_spec plateau_attrs[] = {
    {"mode", GR_ATTR_CHOICE, "min", 0, 0, "min|max", "Whether less is better or more."},
    {"factor", GR_ATTR_FLOAT, "0.1", 0, 1, NULL, "What the rate is multiplied with."},
    {"patience", GR_ATTR_INT, "10", 0, 1e15, NULL, "How many measurements in a row may be no better."},
    {"threshold", GR_ATTR_FLOAT, "1e-4", 0, 1e30, NULL, "By how much better counts as better."},
    {"threshold_mode", GR_ATTR_CHOICE, "rel", 0, 0, "rel|abs", "Relative to the best, or a difference."},
    {"cooldown", GR_ATTR_INT, "0", 0, 1e15, NULL, "How many after a change are not counted."},
    {"min_lr", GR_ATTR_FLOAT, "0", 0, 1e30, NULL, "The least rate."},
    {"eps", GR_ATTR_FLOAT, "1e-8", 0, 1e30, NULL, "A change that is not larger is not made."},
    {"metric", GR_ATTR_STRING, "~", 0, 0, NULL, "What is watched, as reports call it; absent: the loss."},
    END};

static const char *plateau_wrong(const gr_attr *a, int *which)
{
    *which = PLATEAU_FACTOR;
    return a[PLATEAU_FACTOR].f < 1 ? NULL : "must be below 1";
}

const char *gr_plateau_metric(const gr_attr *a) { return a[PLATEAU_METRIC].present ? a[PLATEAU_METRIC].s : NULL; }

gr_plateau gr_plateau_start(const gr_attr *a, double lr)
{
    return (gr_plateau){.lr = lr, .best = a[PLATEAU_MODE].i == 0 ? (double)INFINITY : -(double)INFINITY};
}

static bool is_better(const gr_attr *a, double value, double best)
{
    double threshold = a[PLATEAU_THRESHOLD].f;
    bool least = a[PLATEAU_MODE].i == 0, relative = a[PLATEAU_THRESHOLD_MODE].i == 0;
    if (least) return value < (relative ? best * (1 - threshold) : best - threshold);
    return value > (relative ? best * (1 + threshold) : best + threshold);
}

void gr_plateau_see(const gr_attr *a, gr_plateau *p, double value)
{
    if (is_better(a, value, p->best)) {
        p->best = value;
        p->bad = 0;
    } else {
        p->bad++;
    }
    if (p->cooldown > 0) {
        p->cooldown--;
        p->bad = 0;
    }
    if (p->bad <= a[PLATEAU_PATIENCE].i) return;
    double lower = fmax(p->lr * a[PLATEAU_FACTOR].f, a[PLATEAU_MIN].f);
    if (p->lr - lower > a[PLATEAU_EPS].f) p->lr = lower;
    p->cooldown = a[PLATEAU_COOLDOWN].i;
    p->bad = 0;
}

/* ---- the table ---- */

#define TORCH(class) "torch.optim.lr_scheduler." class
#define EXAMPLE(lr) \
    "graph:\n" \
    "  w: {op: Parameter, shape: [3], init: Ones}\n" \
    "  square: {op: Square, in: w}\n" \
    "  loss: {op: Sum, in: square}\n" \
    "train:\n" \
    "  minimize: loss\n" \
    "  optimizer: {op: SGD, lr: " lr "}\n" \
    "  steps: 3\n"
const gr_lr_schedule gr_lr_schedules[] = {
    {.name = "Step", .summary = "Times gamma every step_size.", .formula = "lr * gamma^floor(k / step_size)",
     .reference = TORCH("StepLR"), .attrs = step_attrs, .at = step_at,
     .example = EXAMPLE("{op: Step, lr: 0.1, step_size: 5, gamma: 0.5}")},
    {.name = "MultiStep", .summary = "Times gamma at each milestone.", .formula = "lr * gamma^(milestones passed)",
     .reference = TORCH("MultiStepLR"), .attrs = multi_step_attrs, .at = multi_step_at,
     .example = EXAMPLE("{op: MultiStep, lr: 0.1, milestones: [10, 20], gamma: 0.1}")},
    {.name = "Exponential", .summary = "Times gamma each time.", .formula = "lr * gamma^k",
     .reference = TORCH("ExponentialLR"), .attrs = exponential_attrs, .at = exponential_at,
     .example = EXAMPLE("{op: Exponential, lr: 0.1, gamma: 0.97}")},
    {.name = "Cosine", .summary = "Falls along a cosine.", .formula = "eta_min + (lr - eta_min) (1 + cos(pi k / T_max)) / 2",
     .reference = TORCH("CosineAnnealingLR"), .attrs = cosine_attrs, .at = cosine_at,
     .example = EXAMPLE("{op: Cosine, lr: 0.1, T_max: 50, warmup: 2}")},
    {.name = "CosineWarmRestarts", .summary = "Falls along a cosine, and again from the top.",
     .formula = "eta_min + (lr - eta_min) (1 + cos(pi k' / T)) / 2, k' and T of the present descent",
     .reference = TORCH("CosineAnnealingWarmRestarts"), .attrs = warm_restarts_attrs, .at = warm_restarts_at,
     .example = EXAMPLE("{op: CosineWarmRestarts, lr: 0.1, T_0: 10, T_mult: 2}")},
    {.name = "Linear", .summary = "Goes from one part of lr to another in a line.",
     .formula = "lr * (start_factor + (end_factor - start_factor) min(k, total_iters) / total_iters)",
     .reference = TORCH("LinearLR"), .attrs = linear_attrs, .at = linear_at, .wrong = linear_wrong,
     .example = EXAMPLE("{op: Linear, lr: 0.1, start_factor: 0.1, total_iters: 5}")},
    {.name = "Constant", .summary = "Is a part of lr at first.", .formula = "lr * factor while k < total_iters, then lr",
     .reference = TORCH("ConstantLR"), .attrs = constant_attrs, .at = constant_at,
     .example = EXAMPLE("{op: Constant, lr: 0.1, factor: 0.1, total_iters: 3}")},
    {.name = "Polynomial", .summary = "Falls to 0 by a power.", .formula = "lr * (1 - min(k, total_iters) / total_iters)^power",
     .reference = TORCH("PolynomialLR"), .attrs = polynomial_attrs, .at = polynomial_at,
     .example = EXAMPLE("{op: Polynomial, lr: 0.1, total_iters: 10, power: 2}")},
    {.name = "OneCycle", .summary = "Rises to lr and falls to far below where it began; momentum stays.",
     .formula = "lr / div_factor up to lr, down to lr / div_factor / final_div_factor, where it stays",
     .reference = TORCH("OneCycleLR"), .attrs = one_cycle_attrs, .lr_alias = "max_lr", .at = one_cycle_at, .wrong = one_cycle_wrong,
     .example = EXAMPLE("{op: OneCycle, max_lr: 0.1, total_steps: 10, by: step}")},
    {.name = "Cyclic", .summary = "Rises from lr to max_lr and falls again, on and on; momentum stays.",
     .formula = "lr + (max_lr - lr) * height of the triangle at k", .reference = TORCH("CyclicLR"), .attrs = cyclic_attrs,
     .lr_alias = "base_lr", .at = cyclic_at,
     .example = EXAMPLE("{op: Cyclic, lr: 0.1, max_lr: 0.5, step_size_up: 20, by: step}")},
    {.name = "ReduceOnPlateau", .summary = "Times factor when what is measured has not become better for some time.",
     .formula = "after more than `patience` measurements without a better one: max(lr * factor, min_lr)",
     .reference = TORCH("ReduceLROnPlateau"), .attrs = plateau_attrs, .watches = true, .wrong = plateau_wrong,
     .example = EXAMPLE("{op: ReduceOnPlateau, lr: 0.1, factor: 0.5, patience: 3}")},
    {.name = "Noam", .summary = "Rises in a line and falls by the root.",
     .formula = "lr * d_model^-0.5 * min((k + 1)^-0.5, (k + 1) * warmup^-1.5)", .reference = "Vaswani et al. 2017",
     .attrs = noam_attrs, .lr = "1", .at = noam_at,
     .example = EXAMPLE("{op: Noam, lr: 1, d_model: 16, warmup: 10, by: step}")},
    {0},
};

const gr_lr_schedule *gr_lr_schedule_find(const char *name)
{
    for (const gr_lr_schedule *s = gr_lr_schedules; s->name; s++)
        if (strcmp(s->name, name) == 0) return s;
    return NULL;
}

static const gr_attr_spec by_spec = {"by", GR_ATTR_CHOICE, "epoch", 0, 0, "epoch|step", "What k counts."};
static const gr_attr_spec warmup_spec = {"warmup", GR_ATTR_INT, "0", 0, 1e15, NULL,
                                         "Update u, from 0, is made with (u + 1) / warmup of the rate until u + 1 = warmup."};

const gr_attr_spec *gr_lr_schedule_specs(gr_arena *a, const gr_lr_schedule *s, const gr_attr_spec *lr)
{
    int n = 0, cap = 0;
    gr_attr_spec *specs = NULL;
    bool warmup = false;
    for (const gr_attr_spec *own = s ? s->attrs : NULL; own && own->name; own++) {
        *GR_PUSH(a, specs, n, cap) = *own;
        warmup = warmup || strcmp(own->name, "warmup") == 0;
    }
    gr_attr_spec *rate = GR_PUSH(a, specs, n, cap);
    *rate = *lr;
    if (s && s->lr) rate->fallback = s->lr;
    if (s && s->lr_alias) {
        const char *doc = gr_arena_printf(a, "The same as %s, as PyTorch calls it.", lr->name);
        *GR_PUSH(a, specs, n, cap) = (gr_attr_spec){s->lr_alias, GR_ATTR_FLOAT, "~", lr->min, lr->max, NULL, doc};
    }
    if (s && !s->watches) *GR_PUSH(a, specs, n, cap) = by_spec;
    if (!warmup) *GR_PUSH(a, specs, n, cap) = warmup_spec;
    *GR_PUSH(a, specs, n, cap) = (gr_attr_spec){0};
    return specs;
}
