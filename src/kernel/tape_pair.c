/* tape_pair.c - two steps of a tape in one: x * y into t, z - t into d becomes z - x * y into d.
 *
 * A step of simple arithmetic loads two vectors and stores one, which takes longer than what it computes. What a single
 * other step reads needs no register: the pair loads three and stores one, in one call. The first of both moves to where
 * the second stands, so nobody between may write what it reads. */
#include "kernel/tape_pair.h"
#include "kernel/tape.h"

typedef struct joiner {
    gr_tape_step *steps;
    uint8_t *op; /* GR_TAPE_NONE: a pair */
    int n;
    const gr_tape_slots *slots;
} joiner;

/* Which of the firsts of a pair op is; -1: none. */
static int first_of(int op) { return op >= GR_TAPE_ADD && op <= GR_TAPE_MUL ? op - GR_TAPE_ADD : -1; }

static int second_of(int op)
{
    if (op == GR_TAPE_TANH) return GR_TAPE_FIRSTS;
    return op == GR_TAPE_SIGMOID ? GR_TAPE_FIRSTS + 1 : first_of(op);
}

static int times_read(const joiner *j, int k, int slot)
{
    const gr_tape_step *s = &j->steps[k];
    const int arity = j->op[k] == GR_TAPE_NONE ? 3 : gr_tape_op_arity((gr_tape_op)j->op[k]);
    return (s->x == slot) + (arity > 1 && s->y == slot) + (arity > 2 && s->z == slot);
}

/* The only step that reads the register that step k writes, once; -1: none or more. */
static int only_reader(const joiner *j, int k)
{
    const int slot = j->steps[k].dst;
    int found = -1;
    if (slot < j->slots->operands || slot >= j->slots->end) return -1;
    for (int i = k + 1; i < j->n; i++) {
        const int times = times_read(j, i, slot);
        if (times > 1 || (times && found >= 0)) return -1;
        if (times) found = i;
        if (j->steps[i].dst == slot) return found;
    }
    return j->slots->kept[slot] ? -1 : found;
}

static bool writes(const joiner *j, int k, int slot)
{
    const int dst = j->steps[k].dst, n = j->slots->operands;
    return dst == slot || (dst < n && slot < n && j->slots->memory[dst] == j->slots->memory[slot]);
}

/* Whether step k may be computed where step `at` is. */
static bool may_wait(const joiner *j, int k, int at)
{
    const gr_tape_step *s = &j->steps[k];
    for (int i = k + 1; i < at; i++)
        if (writes(j, i, s->x) || writes(j, i, s->y)) return false;
    return true;
}

/* Step `at` computes step k, too. */
static void join(const joiner *j, int k, int at, gr_dtype real)
{
    const gr_isa *isa = gr_isa_get();
    const gr_tape_step *from = &j->steps[k];
    gr_tape_step *to = &j->steps[at];
    const int first = first_of(j->op[k]), second = second_of(j->op[at]), side = second < GR_TAPE_FIRSTS && to->y == from->dst;
    to->z = second >= GR_TAPE_FIRSTS ? from->x : side ? to->x : to->y;
    to->x = from->x;
    to->y = from->y;
    to->run = real == GR_FLOAT32 ? isa->pair_f32[first][second][side] : isa->pair_f64[first][second][side];
    j->op[at] = GR_TAPE_NONE;
}

int gr_tape_join(gr_tape_step *steps, uint8_t *op, int n, gr_dtype real, const gr_tape_slots *slots)
{
    const joiner j = {steps, op, n, slots};
    int left = 0;
    for (int k = 0; k < n; k++) {
        const int at = first_of(op[k]) >= 0 ? only_reader(&j, k) : -1;
        if (at < 0 || second_of(op[at]) < 0 || !may_wait(&j, k, at)) continue;
        join(&j, k, at, real);
        steps[k].run = NULL;
    }
    for (int k = 0; k < n; k++)
        if (steps[k].run) steps[left++] = steps[k];
    return left;
}
