/* chunk.h - loops over chunks: less memory than the whole, at the price of more loops.
 *
 *     recompute.c  a loop of T steps becomes one over chunks of N, before it is differentiated
 *     tile.c       values that are too large become those of a chunk of their rows
 *
 * A loop over chunks (gr_scan.chunks) is left whole by the pass hoist, and its gradient keeps of it
 * no more than its carries: the chunk's nodes stand again in the backward loop. */
#ifndef GR_PASS_CHUNK_H
#define GR_PASS_CHUNK_H

#include "graph/graph.h"

/* Cuts the loops with `recompute: N`. Values of their bodies that are asked for by name, the gradient
 * of `of` toward `grad`, keep them whole. 0, or -1 after a message. */
int gr_cut_loops(gr_graph *root, const char *const *grad, const char *of);
#endif
