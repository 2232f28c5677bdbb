/* token_f1.c - F1 of the classes of tokens, as taggers are scored.
 *
 * Of a class, F1 = 2 right / (chosen + actual): how many tokens were rightly given it, were
 * given it, are of it. micro adds these up over all classes but `outside`, the class of tokens
 * that bear no tag; macro is the mean of the classes' F1, of those that occur. */
#include "class_counts.h"

static int token_f1_expand(gr_ctx *c)
{
    class_counts k;
    if (class_counts_emit(c, &k) < 0) return -1;
    gr_val all[3] = {gr_emit2(c, "Mul", k.chosen, k.target), k.chosen, k.target};
    for (int i = 0; i < 3; i++)
        if (gr_set_result(c, i, gr_emit(c, "Sum", NULL, 1, &all[i], "dim=0"))) return -1;
    return 0;
}

enum { OUTSIDE, CLASS, AVERAGE }; /* attributes, after those of every metric of targets */
enum { MICRO, MACRO };

static double token_f1_finish(const gr_sums *s)
{
    const gr_attr *own = s->attr + METRIC_TARGET_ATTRS;
    double right = 0, given = 0, sum = 0, classes = 0;
    for (int64_t i = 0; i < s->size[0]; i++) {
        double met = s->sum[1][i] + s->sum[2][i];
        if (own[CLASS].present ? i != own[CLASS].i : own[OUTSIDE].present && i == own[OUTSIDE].i) continue;
        right += s->sum[0][i];
        given += met;
        if (met > 0) sum += 2 * s->sum[0][i] / met, classes++;
    }
    return own[AVERAGE].i == MACRO ? sum / classes : 2 * right / given;
}

static const gr_metric token_f1_metric = {.size = sizeof(gr_metric), .finish = token_f1_finish, .larger_is_better = true,
                                          .counts = "ConfusionMatrix"};

static const gr_attr_spec token_f1_attrs[] = {
    METRIC_TARGET_SPECS,
    {"outside", GR_ATTR_STRING, "~", 0, 0, GR_METRIC_CLASS, "The class of tokens that bear no tag, which is not scored: its number or name."},
    {"class", GR_ATTR_STRING, "~", 0, 0, GR_METRIC_CLASS, "Scores this class alone."},
    {"average", GR_ATTR_CHOICE, "micro", 0, 0, "micro|macro", "micro counts all classes together, macro is the mean of their F1."},
    {0}};
static const gr_port token_f1_outputs[] = {{"right", 0, "[classes]: tokens rightly given each class"},
                                           {"chosen", 0, "[classes]: tokens given it"},
                                           {"actual", 0, "[classes]: tokens of it"}, {0}};

const gr_op gr_op_token_f1 = {
    GR_OP_HEADER,
    .name = "TokenF1",
    .summary = "F1 of the classes of tokens, as taggers are scored.",
    .formula = "2 right / (chosen + actual), tokens of all classes but `outside` together",
    .reference = "sklearn.metrics.f1_score",
    .attrs = token_f1_attrs,
    .inputs = metric_target_inputs,
    .outputs = token_f1_outputs,
    .traits = GR_METRIC,
    .expand = token_f1_expand,
    .data = &token_f1_metric,
    .example = METRIC_SEQUENCE_EXAMPLE("{op: TokenF1, average: macro}"),
};
