/* assemble.c - from pointwise nodes to a tape: instructions over virtual registers
 * first, one for each value, then real registers by liveness.
 *
 * Registers of inputs are free after their last reader, registers of constants never
 * (they are filled once a call), registers of stored values live to the end. */
#include "pass/assemble.h"

#include <string.h>

enum { MAX_VIRTUAL = GR_TAPE_MAX_INS + 2 * GR_TAPE_MAX_REGS, NO_REG = -1 };

typedef struct virtual_ins {
    gr_tape_op op;
    int dst, arg[3], num_args;
} virtual_ins;

typedef struct assembler {
    gr_value *in[GR_TAPE_MAX_REGS];
    int in_reg[GR_TAPE_MAX_REGS], num_in;
    double number[GR_TAPE_MAX_REGS];
    int const_reg[GR_TAPE_MAX_REGS], num_const;
    virtual_ins ins[GR_TAPE_MAX_INS];
    int num_ins, num_virtual;
    int out[GR_TAPE_MAX_REGS], num_out;
    int real[MAX_VIRTUAL];  /* virtual to real register */
    int until[MAX_VIRTUAL]; /* the last instruction that reads it; num_ins: stored */
    bool full;
} assembler;

static const int arity[GR_TAPE_NUM_OPS] = {
    0,
#define X(name, n) n,
    GR_TAPE_OPS(X)
#undef X
};

bool gr_is_tapeable(const gr_node *n)
{
    if (!(n->op->traits & GR_POINTWISE) || n->op->tape == GR_TAPE_NONE || n->num_out != 1 || n->tape) return false;
    for (int i = 0; i < n->num_in; i++)
        if (!n->in[i]) return false;
    return n->num_in >= arity[n->op->tape] && (n->num_in == arity[n->op->tape] || arity[n->op->tape] <= 2);
}

static bool attr_number(const gr_node *n, double *number)
{
    int i = gr_op_attr(n->op, "value");
    if (i < 0) return false;
    const gr_attr *v = &n->attr[i];
    switch (n->op->attrs[i].kind) {
    case GR_ATTR_TENSOR:
    case GR_ATTR_FLOATS: *number = v->floats[0]; return v->n >= 1;
    case GR_ATTR_FLOAT: *number = v->f; return true;
    case GR_ATTR_BOOL:
    case GR_ATTR_INT: *number = (double)v->i; return true;
    default: return false;
    }
}

bool gr_known_number(const gr_value *v, double *number)
{
    const gr_node *n = v->node;
    if (n->op->role == GR_ROLE_FILL) return attr_number(n, number);
    if (n->op->role == GR_ROLE_CONSTANT) return gr_numel(&v->type) == 1 && attr_number(n, number);
    if (n->op->role == GR_ROLE_ARG && n->graph->owner && gr_arg_kind(v, NULL) == GR_ARG_INVARIANT)
        return gr_known_number(gr_arg_outer(v), number);
    return (n->op->traits & GR_VIEW) && n->num_in && n->in[0] && gr_known_number(n->in[0], number);
}

/* ---- virtual registers ---- */

static int new_virtual(assembler *s)
{
    if (s->num_virtual == MAX_VIRTUAL) s->full = true;
    return s->full ? 0 : s->num_virtual++;
}

static int constant(assembler *s, double number)
{
    for (int i = 0; i < s->num_const; i++)
        if (memcmp(&s->number[i], &number, sizeof number) == 0) return s->const_reg[i];
    if (s->num_const == GR_TAPE_MAX_REGS) s->full = true;
    if (s->full) return 0;
    s->number[s->num_const] = number;
    return s->const_reg[s->num_const++] = new_virtual(s);
}

static int virtual_of(const gr_value *v) { return (int)(intptr_t)v->mark - 1; }
static void set_virtual(gr_value *v, int reg) { v->mark = (void *)(intptr_t)(reg + 1); }

static int operand(assembler *s, gr_value *v)
{
    double number;
    if (v->mark) return virtual_of(v);
    if (gr_known_number(v, &number)) return constant(s, number);
    if (s->num_in == GR_TAPE_MAX_REGS) s->full = true;
    if (s->full) return 0;
    s->in[s->num_in] = v;
    int reg = s->in_reg[s->num_in++] = new_virtual(s);
    set_virtual(v, reg);
    return reg;
}

static int instruction(assembler *s, gr_tape_op op, int x, int y, int z)
{
    int dst = new_virtual(s);
    if (s->num_ins == GR_TAPE_MAX_INS) s->full = true;
    if (s->full) return 0;
    s->ins[s->num_ins++] = (virtual_ins){op, dst, {x, y, z}, arity[op]};
    return dst;
}

static bool gives_bool(gr_tape_op op) { return op >= GR_TAPE_EQUAL && op <= GR_TAPE_LOGICAL_NOT; }

/* Registers are real: a value that its type narrows is narrowed here, so that its readers
 * in the tape see what they would see in memory. */
static int narrow(assembler *s, const gr_node *n, int reg)
{
    gr_dtype to = n->out[0]->type.dtype, from = to;
    for (int i = 0; i < n->num_in; i++) {
        if (n->op->tape == GR_TAPE_WHERE && i == 0) continue;
        if (n->in[i]->type.dtype != to) from = n->in[i]->type.dtype;
    }
    bool divides = n->op->tape == GR_TAPE_DIV;
    if (to == GR_INT32 && (gr_is_float(from) || divides)) {
        int zero = constant(s, 0);
        int negative = instruction(s, GR_TAPE_LESS, reg, zero, 0);
        int up = instruction(s, GR_TAPE_CEIL, reg, 0, 0), down = instruction(s, GR_TAPE_FLOOR, reg, 0, 0);
        return instruction(s, GR_TAPE_WHERE, negative, up, down);
    }
    if (to == GR_BOOL && from != GR_BOOL && !gives_bool(n->op->tape))
        return instruction(s, GR_TAPE_NOT_EQUAL, reg, constant(s, 0), 0);
    return reg;
}

static void add_member(assembler *s, const gr_node *n)
{
    gr_tape_op op = n->op->tape;
    int reg;
    if (n->num_in == 1 && (op == GR_TAPE_COPY || arity[op] == 2)) {
        reg = operand(s, n->in[0]);
    } else if (arity[op] == 2) {
        reg = operand(s, n->in[0]);
        for (int i = 1; i < n->num_in; i++) reg = instruction(s, op, reg, operand(s, n->in[i]), 0);
    } else {
        int arg[3] = {0, 0, 0};
        for (int i = 0; i < arity[op]; i++) arg[i] = operand(s, n->in[i]);
        reg = instruction(s, op, arg[0], arg[1], arg[2]);
    }
    set_virtual(n->out[0], narrow(s, n, reg));
}

/* A stored value has a register of its own, which an instruction wrote. */
static void add_output(assembler *s, gr_value *v)
{
    int reg = virtual_of(v);
    bool written = false;
    for (int i = 0; i < s->num_ins; i++) written = written || s->ins[i].dst == reg;
    for (int i = 0; i < s->num_out; i++) written = written && s->out[i] != reg;
    if (s->num_out == GR_TAPE_MAX_REGS) s->full = true;
    if (s->full) return;
    s->out[s->num_out++] = written ? reg : instruction(s, GR_TAPE_COPY, reg, 0, 0);
}

static void clear_values(gr_node *const *members, int n, assembler *s)
{
    for (int i = 0; i < n; i++) members[i]->out[0]->mark = NULL;
    for (int i = 0; i < s->num_in; i++) s->in[i]->mark = NULL;
}

/* ---- real registers ---- */

static void find_last_readers(assembler *s)
{
    for (int k = 0; k < s->num_ins; k++)
        for (int j = 0; j < s->ins[k].num_args; j++) s->until[s->ins[k].arg[j]] = k;
    for (int i = 0; i < s->num_out; i++) s->until[s->out[i]] = s->num_ins;
    for (int i = 0; i < s->num_const; i++) s->until[s->const_reg[i]] = s->num_ins;
}

static int take(bool *used, int *num_regs)
{
    for (int r = 0; r < GR_TAPE_MAX_REGS; r++)
        if (!used[r]) {
            used[r] = true;
            if (r >= *num_regs) *num_regs = r + 1;
            return r;
        }
    return NO_REG;
}

/* Gives the number of registers, NO_REG if there are too few. */
static int allocate(assembler *s)
{
    bool used[GR_TAPE_MAX_REGS] = {false};
    int num_regs = 0;
    if (s->num_in + s->num_const > GR_TAPE_MAX_REGS) return NO_REG;
    for (int i = 0; i < s->num_in; i++) s->real[s->in_reg[i]] = take(used, &num_regs);
    for (int i = 0; i < s->num_const; i++) s->real[s->const_reg[i]] = take(used, &num_regs);
    for (int k = 0; k < s->num_ins; k++) {
        virtual_ins *ins = &s->ins[k];
        for (int j = 0; j < ins->num_args; j++)
            if (s->until[ins->arg[j]] == k) used[s->real[ins->arg[j]]] = false;
        s->real[ins->dst] = take(used, &num_regs);
        if (s->real[ins->dst] == NO_REG) return NO_REG;
    }
    return num_regs;
}

static const uint8_t *real_list(gr_arena *a, const assembler *s, const int *list, int n)
{
    uint8_t *regs = GR_NEW_ARRAY(a, uint8_t, n + 1);
    for (int i = 0; i < n; i++) regs[i] = (uint8_t)s->real[list[i]];
    return regs;
}

static gr_tape *finish(gr_arena *a, const assembler *s, int num_regs)
{
    gr_tape *t = GR_NEW(a, gr_tape);
    gr_tape_ins *ins = GR_NEW_ARRAY(a, gr_tape_ins, s->num_ins + 1);
    for (int k = 0; k < s->num_ins; k++) {
        const virtual_ins *v = &s->ins[k];
        uint8_t arg[3] = {0, 0, 0};
        for (int j = 0; j < v->num_args; j++) arg[j] = (uint8_t)s->real[v->arg[j]];
        ins[k] = (gr_tape_ins){(uint8_t)v->op, (uint8_t)s->real[v->dst], arg[0], arg[1], arg[2]};
    }
    t->num_regs = num_regs;
    t->num_in = s->num_in;
    t->in_reg = real_list(a, s, s->in_reg, s->num_in);
    t->num_const = s->num_const;
    t->const_reg = real_list(a, s, s->const_reg, s->num_const);
    t->value = gr_arena_copy(a, s->number, sizeof s->number);
    t->num_ins = s->num_ins;
    t->ins = ins;
    t->num_out = s->num_out;
    t->out_reg = real_list(a, s, s->out, s->num_out);
    return t;
}

bool gr_assemble(gr_arena *a, gr_node *const *members, int num_members, gr_value *const *stored, int num_stored,
                 gr_assembly *out)
{
    assembler s;
    memset(&s, 0, offsetof(assembler, real));
    s.full = false;
    memset(s.until, -1, sizeof s.until);
    for (int i = 0; i < num_members; i++) add_member(&s, members[i]);
    for (int i = 0; i < num_stored; i++) add_output(&s, stored[i]);
    clear_values(members, num_members, &s);
    if (s.full) return false;
    find_last_readers(&s);
    int num_regs = allocate(&s);
    if (num_regs == NO_REG) return false;
    out->tape = a ? finish(a, &s, num_regs) : NULL;
    out->num_in = s.num_in;
    memcpy(out->in, s.in, sizeof s.in);
    out->num_out = num_stored;
    for (int i = 0; i < num_stored; i++) out->out[i] = stored[i];
    return true;
}
