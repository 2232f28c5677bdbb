/* dag.c - components (Tarjan, SIAM J. Computing 1972), grouping, order. */
#include "pass/dag.h"

gr_dag *gr_dag_create(gr_arena *a, int n)
{
    gr_dag *d = GR_NEW(a, gr_dag);
    d->arena = a;
    d->n = n;
    return d;
}

void gr_dag_edge(gr_dag *d, int from, int to)
{
    *GR_PUSH(d->arena, d->edges, d->num_edges, d->cap_edges) = (gr_edge){from, to};
}

void gr_dag_finish(gr_dag *d)
{
    d->first = GR_NEW_ARRAY(d->arena, int, d->n + 2);
    d->succ = GR_NEW_ARRAY(d->arena, int, d->num_edges + 1);
    for (int i = 0; i < d->num_edges; i++) d->first[d->edges[i].from + 2]++;
    for (int i = 2; i < d->n + 2; i++) d->first[i] += d->first[i - 1];
    for (int i = 0; i < d->num_edges; i++) d->succ[d->first[d->edges[i].from + 1]++] = d->edges[i].to;
}

/* ---- components: Tarjan without recursion ---- */

typedef struct tarjan {
    const gr_dag *d;
    int *index, *low;   /* index 0: not met yet */
    int *stack, top;    /* met, not yet in a component */
    int *path, depth;   /* the path being walked, and per node the next edge */
    int *edge;
    int *comp, count, met;
} tarjan;

static void tarjan_enter(tarjan *t, int i)
{
    t->index[i] = t->low[i] = ++t->met;
    t->edge[i] = t->d->first[i];
    t->stack[t->top++] = i;
    t->path[t->depth++] = i;
}

static void tarjan_leave(tarjan *t)
{
    int i = t->path[--t->depth];
    if (t->low[i] == t->index[i]) {
        int j;
        do {
            j = t->stack[--t->top];
            t->comp[j] = t->count;
        } while (j != i);
        t->count++;
    }
    if (t->depth) {
        int up = t->path[t->depth - 1];
        if (t->low[i] < t->low[up]) t->low[up] = t->low[i];
    }
}

static void tarjan_walk(tarjan *t, int start)
{
    tarjan_enter(t, start);
    while (t->depth) {
        int i = t->path[t->depth - 1];
        if (t->edge[i] == t->d->first[i + 1]) {
            tarjan_leave(t);
            continue;
        }
        int j = t->d->succ[t->edge[i]++];
        if (!t->index[j]) tarjan_enter(t, j);
        else if (t->comp[j] < 0 && t->index[j] < t->low[i]) t->low[i] = t->index[j];
    }
}

int gr_dag_components(const gr_dag *d, int *comp)
{
    gr_arena *a = d->arena;
    tarjan t = {.d = d, .comp = comp};
    t.index = GR_NEW_ARRAY(a, int, d->n);
    t.low = GR_NEW_ARRAY(a, int, d->n);
    t.stack = GR_NEW_ARRAY(a, int, d->n);
    t.path = GR_NEW_ARRAY(a, int, d->n);
    t.edge = GR_NEW_ARRAY(a, int, d->n);
    for (int i = 0; i < d->n; i++) comp[i] = -1;
    for (int i = 0; i < d->n; i++)
        if (!t.index[i]) tarjan_walk(&t, i);
    /* Tarjan closes the last component first. */
    for (int i = 0; i < d->n; i++) comp[i] = t.count - 1 - comp[i];
    return t.count;
}

/* ---- groups ---- */

gr_partition *gr_partition_create(const gr_dag *d)
{
    gr_partition *p = GR_NEW(d->arena, gr_partition);
    p->dag = d;
    p->group = GR_NEW_ARRAY(d->arena, int, d->n);
    p->next = GR_NEW_ARRAY(d->arena, int, d->n);
    p->last = GR_NEW_ARRAY(d->arena, int, d->n);
    p->seen = GR_NEW_ARRAY(d->arena, int, d->n);
    p->stack = GR_NEW_ARRAY(d->arena, int, d->n);
    for (int i = 0; i < d->n; i++) {
        p->group[i] = p->last[i] = i;
        p->next[i] = -1;
    }
    return p;
}

int gr_partition_find(gr_partition *p, int i)
{
    while (p->group[i] != i) i = p->group[i] = p->group[p->group[i]];
    return i;
}

void gr_partition_join(gr_partition *p, int a, int b)
{
    a = gr_partition_find(p, a);
    b = gr_partition_find(p, b);
    if (a == b) return;
    int low = a < b ? a : b, high = a < b ? b : a;
    p->group[high] = low;
    p->next[p->last[low]] = high;
    p->last[low] = p->last[high];
}

/* Pushes the groups that group `from` leads to and that were not seen. Returns whether
 * a or b is among them. */
static bool partition_step(gr_partition *p, int from, int a, int b, int *top)
{
    const gr_dag *d = p->dag;
    bool met = false;
    for (int i = from; i >= 0; i = p->next[i])
        for (int e = d->first[i]; e < d->first[i + 1]; e++) {
            int g = gr_partition_find(p, d->succ[e]);
            if (g == a || g == b) {
                met = true;
            } else if (p->seen[g] != p->epoch) {
                p->seen[g] = p->epoch;
                p->stack[(*top)++] = g;
            }
        }
    return met;
}

bool gr_partition_apart(gr_partition *p, int a, int b)
{
    a = gr_partition_find(p, a);
    b = gr_partition_find(p, b);
    int top = 0;
    p->epoch++;
    partition_step(p, a, a, b, &top); /* an edge straight from one to the other is no matter */
    partition_step(p, b, a, b, &top);
    while (top)
        if (partition_step(p, p->stack[--top], a, b, &top)) return true;
    return false;
}

/* ---- order: Kahn's, with a heap so that the lowest free group goes first ---- */

static void heap_push(int *heap, int *n, int v)
{
    int i = (*n)++;
    for (; i && heap[(i - 1) / 2] > v; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = v;
}

static int heap_pop(int *heap, int *n)
{
    int least = heap[0], v = heap[--*n], i = 0;
    for (;;) {
        int child = 2 * i + 1;
        if (child >= *n) break;
        if (child + 1 < *n && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= v) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = v;
    return least;
}

int gr_partition_order(gr_partition *p, int *order)
{
    const gr_dag *d = p->dag;
    int *waits = GR_NEW_ARRAY(d->arena, int, d->n), *heap = p->stack, in_heap = 0, count = 0;
    for (int i = 0; i < d->n; i++)
        for (int e = d->first[i]; e < d->first[i + 1]; e++)
            if (gr_partition_find(p, i) != gr_partition_find(p, d->succ[e])) waits[gr_partition_find(p, d->succ[e])]++;
    for (int i = 0; i < d->n; i++)
        if (gr_partition_find(p, i) == i && !waits[i]) heap_push(heap, &in_heap, i);
    while (in_heap) {
        int g = order[count++] = heap_pop(heap, &in_heap);
        for (int i = g; i >= 0; i = p->next[i])
            for (int e = d->first[i]; e < d->first[i + 1]; e++) {
                int to = gr_partition_find(p, d->succ[e]);
                if (to != g && !--waits[to]) heap_push(heap, &in_heap, to);
            }
    }
    return count;
}
