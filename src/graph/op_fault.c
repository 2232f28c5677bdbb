/* op_fault.c - what is wrong with the descriptor of an op. */
#include "base/count.h"
#include "graph/fault.h"

enum { MOST_CASES = 64 };

static const char *kernels_fault(const gr_looker *l, const gr_kernel *k)
{
    for (int i = 0; k; i++) {
        if (i >= GR_NUM_DTYPES || !gr_has_bytes(l, &k[i], sizeof k[i])) return "field 'kernels' has no end: end the list with {0}";
        if (!k[i].run) return NULL;
        if (k[i].dtype <= GR_UNKNOWN || k[i].dtype > GR_BOOL)
            return gr_says(l, "kernels[%d]: field 'dtype' is %d; write GR_FLOAT32, GR_FLOAT64, GR_INT32 or GR_BOOL", i, (int)k[i].dtype);
        for (int j = 0; j < i; j++)
            if (k[j].dtype == k[i].dtype) return gr_says(l, "kernels[%d]: there is a kernel of that dtype already", i);
    }
    return NULL;
}

/* The inputs of a pointwise op are the operands of its instruction. */
static const char *tape_fault(const gr_looker *l, const gr_op *op)
{
    static const int operands[GR_TAPE_NUM_OPS] = {
#define X(name, arity) [GR_TAPE_##name] = arity,
        GR_TAPE_OPS(X)
#undef X
    };
    const int needed = operands[op->tape];
    int ports = 0;
    bool any = false;
    for (; op->inputs && op->inputs[ports].name; ports++) any = any || (op->inputs[ports].flags & GR_PORT_VARIADIC);
    if (any ? ports == 1 && needed == 2 : ports == needed) return NULL;
    return gr_says(l, "field 'tape' is an instruction of %d operand%s, but 'inputs' has %d port%s", needed, gr_s(needed), ports, gr_s(ports));
}

static const char *run_fault(const gr_looker *l, const gr_op *op)
{
    bool pointwise = op->tape != GR_TAPE_NONE, view = op->view != NULL, kernel = op->kernels && op->kernels->run;
    bool leaf = (op->traits & GR_LEAF) || op->role == GR_ROLE_SCAN || op->role == GR_ROLE_FUSED || op->role == GR_ROLE_ARG;
    if ((uint32_t)op->tape >= GR_TAPE_NUM_OPS) return gr_says(l, "field 'tape' is %d, which is no instruction of tape.h", (int)op->tape);
    if (l->foreign && (op->role || leaf)) return "field 'role' or the trait GR_LEAF: these are the built-in ops' own; leave them out";
    if (pointwise + view + kernel + leaf + (op->expand != NULL) != 1)
        return "an op must have exactly one of 'tape', 'view', 'kernels', 'expand' to run; it has none, or several";
    if ((kernel || view) && !op->infer) return "field 'infer' is missing: a kernel's outputs have the types that it says";
    if (view != ((op->traits & GR_VIEW) != 0)) return "field 'view' and the trait GR_VIEW go together";
    if (pointwise != ((op->traits & GR_POINTWISE) != 0)) return "field 'tape' and the trait GR_POINTWISE go together";
    if (pointwise && tape_fault(l, op)) return tape_fault(l, op);
    if ((op->traits & GR_CONTRACTION) && !op->block) return "the trait GR_CONTRACTION needs field 'block'";
    if (op->gradient && op->backward) return "fields 'gradient' and 'backward': give one of them";
    return NULL;
}

static const char *traits_fault(const gr_looker *l, const gr_op *op)
{
    const uint32_t known = (GR_OPTIMISER << 1) - 1, with_data = GR_METRIC | GR_OVER_CELL | GR_OPTIMISER;
    if (op->traits & ~known) return gr_says(l, "field 'traits' has bits that this graphrun does not know: %#x", op->traits & ~known);
    if ((op->traits & with_data) && !op->data) return "field 'data' is missing: the traits GR_METRIC, GR_OVER_CELL and GR_OPTIMISER say what it holds";
    return NULL;
}

static const char *cases_fault(const gr_looker *l, const gr_case *c)
{
    for (int i = 0; c; i++) {
        if (i >= MOST_CASES || !gr_has_bytes(l, &c[i], sizeof c[i])) return "field 'cases' has no end: end the list with {0}";
        if (!c[i].inputs) return c[i].attrs ? gr_says(l, "cases[%d]: field 'inputs' is missing; write \"\" for an op without inputs", i) : NULL;
        if (!gr_has_text(l, c[i].inputs) || (c[i].attrs && !gr_has_text(l, c[i].attrs))) return gr_says(l, "cases[%d] points nowhere: end the list with {0}", i);
    }
    return NULL;
}

static const char *whole_fault(const gr_looker *l, const gr_op *op)
{
    const char *text[5] = {op->formula, op->reference, op->backward, op->kind, op->example};
    const char *fault = gr_title_fault(l, op->name, op->summary);
    for (int i = 0; !fault && i < 5; i++)
        if (text[i] && !gr_has_text(l, text[i])) fault = "field 'formula', 'reference', 'backward', 'kind' or 'example' points nowhere";
    if (!fault) fault = gr_ports_fault(l, "inputs", op->inputs);
    if (!fault) fault = gr_ports_fault(l, "outputs", op->outputs);
    if (!fault && l->foreign && !(op->outputs && op->outputs->name)) fault = "field 'outputs' is missing; an op has one output or more";
    if (!fault) fault = gr_attrs_fault(l, op->attrs);
    if (!fault) fault = kernels_fault(l, op->kernels);
    if (!fault) fault = traits_fault(l, op);
    if (!fault && (uint32_t)op->role >= GR_ROLE_COUNT) fault = gr_says(l, "field 'role' is %d, which is none", (int)op->role);
    if (!fault) fault = run_fault(l, op);
    return fault ? fault : cases_fault(l, op->cases);
}

const char *gr_op_fault(gr_arena *a, const gr_op *op)
{
    if (op->size != sizeof(gr_op) || op->abi != GR_ABI_VERSION) return "fields 'size' and 'abi' are not this graphrun's; write GR_OP_HEADER";
    return whole_fault(&(gr_looker){a, false}, op);
}

const char *gr_foreign_op_fault(gr_arena *a, const gr_op *op, const gr_op **whole)
{
    const size_t first = offsetof(gr_op, data) + sizeof(void *); /* the first release's ended there */
    gr_looker l = {a, true};
    gr_op *copy = NULL;
    const char *fault = gr_size_fault(&l, op, first, sizeof *op, "GR_OP_HEADER", (void **)&copy);
    if (copy) copy->size = sizeof *copy;
    *whole = copy;
    return fault ? fault : whole_fault(&l, copy);
}
