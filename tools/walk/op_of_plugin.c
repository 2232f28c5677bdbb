/* op_of_plugin.c - the whole walk over one op, by the cases of its descriptor. */
#include "op_walk.h"

#include <string.h>

/* Whether another op of the list has this one for its gradient: it is walked with that. */
static bool is_a_gradient(const gr_registry *r, const gr_op *op)
{
    for (int i = 0; i < gr_registry_count(r); i++) {
        const char *backward = gr_registry_at(r, i)->backward;
        if (backward && strcmp(backward, op->name) == 0) return true;
    }
    return false;
}

static void note_loops(op_report *report)
{
    if (!report->of[OP_LOOPS].count && !report->of[OP_LOOPS].failures) report->of[OP_LOOPS].note = "its cases stand in no loop";
    if (!report->of[OP_RAGGED].count && !report->of[OP_RAGGED].failures) report->of[OP_RAGGED].note = "its inputs and outputs have no leading axis in common";
}

static void note_lengths(op_report *report, const bool met[2])
{
    op_finding *f = &report->of[OP_LENGTHS];
    if (f->failures || (met[0] && met[1])) return;
    f->note = met[0] ? "no case allows an axis of length 1" : met[1] ? "no case allows an axis of length 0" : "no case allows an axis of length 0 or 1";
}

bool op_walk_op(gr_arena *a, const gr_registry *r, const gr_op *op, op_report *report)
{
    const op_more more = {.registry = r, .report = report, .may_refuse_loops = true};
    int n = 0, bad = 0, good = 0;
    bool met[2] = {false, false};
    while (op->cases && op->cases[n].inputs) n++;
    if (!n && is_a_gradient(r, op)) {
        report->of[OP_CASES].note = "no cases of its own; it is walked as the gradient of another op";
        return true;
    }
    op_case *cases = GR_NEW_ARRAY(a, op_case, n + 1);
    for (int i = 0; i < n; i++) cases[i] = (op_case){op->name, op->cases[i].attrs ? op->cases[i].attrs : "", op->cases[i].inputs};
    op_walk_gaps(op, cases, n, NULL, NULL, report);
    for (int i = 0; i < n; i++) {
        if (!op_walk_case(&cases[i], &more)) continue; /* what follows would fail by the same */
        good++;
        op_walk_lengths(&cases[i], &more, met);
        op_walk_turned(&cases[i], &more);
    }
    for (int i = 0; i < OP_NUM_CHECKS; i++) bad += report->of[i].failures;
    if (!bad) note_loops(report);
    if (good) note_lengths(report, met);
    return !bad;
}
