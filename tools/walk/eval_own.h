/* eval_own.h - what the files of the interpreter (eval.h) share. */
#ifndef GR_WALK_EVAL_OWN_H
#define GR_WALK_EVAL_OWN_H

#include "base/map.h"
#include "eval.h"
#include <graphrun/kernel.h>

struct gr_eval {
    gr_arena *arena, *run; /* run: what a run makes, until the next one */
    gr_graph *graph;
    gr_map *memory; /* name -> gr_tensor of an Input or state */
    uint64_t seed;
    int64_t step, row; /* training step; time step, over all loops around */
    bool in_place, doubting;
    const char *fault; /* of the last run, in its arena; NULL: none */
};

/* Dense memory of type t, every byte `fill`, 64-byte aligned, with a guarded zone before and behind it that no
 * kernel may write to; those that read in whole vectors may read there. */
gr_tensor *eval_tensor(gr_arena *a, const gr_type *t, int fill);
size_t eval_bytes(const gr_tensor *t);
/* What a value holds now. */
static inline gr_tensor *eval_held(const gr_value *v) { return v ? v->mark : NULL; }

static inline uint64_t eval_mix(uint64_t x) /* as the run does, so that masks agree */
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Says why the run ends; -1. */
GR_PRINTF(2, 3) int eval_refuse(gr_eval *e, const char *fmt, ...);

/* The node's call on its first inputs; then its scratch, of which the size is asked with the outputs known. */
gr_call eval_call(gr_eval *e, const gr_node *n, int num_in);
void eval_give_scratch(gr_eval *e, const gr_node *n, gr_call *c);
/* Runs a node by its kernel, and looks for what that wrote where it may not. */
int eval_kernel(gr_eval *e, gr_node *n);
#endif
