/* dag.h - the nodes of a graph as numbers: components, grouping, order.
 *
 * What hoist and fuse ask of a graph: its strongly connected components when carries
 * lead back, and groups of nodes that may become one node without a cycle. All memory
 * is the arena's. */
#ifndef GR_PASS_DAG_H
#define GR_PASS_DAG_H

#include "base/arena.h"

typedef struct gr_edge { int from, to; } gr_edge;

typedef struct gr_dag {
    gr_arena *arena;
    int n;
    gr_edge *edges; int num_edges, cap_edges;
    int *first, *succ; /* after gr_dag_finish: i leads to succ[first[i]] .. succ[first[i + 1] - 1] */
} gr_dag;

gr_dag *gr_dag_create(gr_arena *a, int n);
void gr_dag_edge(gr_dag *d, int from, int to);
void gr_dag_finish(gr_dag *d);

/* comp[i]: the strongly connected component of i. Returns their number; they are
 * numbered so that an edge between two leads from the lower to the higher. */
int gr_dag_components(const gr_dag *d, int *comp);

/* Groups of nodes. A graph whose groups are its components has no cycle among groups,
 * and merging keeps that. */
typedef struct gr_partition {
    const gr_dag *dag;
    int *group;        /* union-find: parent */
    int *next, *last;  /* members of a group as a list, from its representative */
    int *seen, epoch;
    int *stack;
} gr_partition;

gr_partition *gr_partition_create(const gr_dag *d);
int gr_partition_find(gr_partition *p, int i);
/* Unconditionally; the representative is the lower one. */
void gr_partition_join(gr_partition *p, int a, int b);
/* Whether a path leads from the one group to the other through a third. */
bool gr_partition_apart(gr_partition *p, int a, int b);
/* Representatives in an order that respects the edges, lowest first where free.
 * Returns their number. */
int gr_partition_order(gr_partition *p, int *order);
#endif
