/* program.c - the stages in a row, and the program printed. */
#include "program/build.h"
#include "program/cost.h"
#include <string.h>

/* A value whose elements, over all steps where a loop stacks them, no type can count; or NULL. */
static const gr_value *uncountable(const gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_node *n = g->nodes[i];
        for (int k = 0; k < n->num_out; k++)
            if (gr_type_elements(&n->out[k]->type) < 0) return n->out[k];
        const gr_value *inner = n->scan ? uncountable(n->scan->body) : NULL;
        if (inner) return inner;
    }
    return NULL;
}

static int build(gr_build *b, int workers)
{
    const gr_value *v = uncountable(b->p->graph);
    if (v) return gr_set_error(b->e, GR_ENOMEM, "out of memory: '%s' is larger than any machine's, over all steps", v->node->name);
    if (gr_unroll(b) < 0) return -1;
    if (b->too_large)
        return gr_set_error(b->e, GR_ENOMEM, "out of memory: '%s' is larger than any machine's, over all steps", b->too_large);
    gr_share_in_place(b);
    gr_band_loops(b, workers);
    gr_order_early(b, workers);
    gr_chunk_loops(b);
    gr_plan_memory(b, true);
    gr_find_dependencies(b);
    gr_program_weigh(b->p, &gr_builtin_costs, 0, 0);
    return 0;
}

gr_program *gr_program_create_for(gr_arena *a, gr_graph *g, int workers, gr_error *e)
{
    gr_program *volatile made = NULL;
    gr_frame frame;
    if (gr_try(a, &frame)) {
        gr_program *p = GR_NEW(a, gr_program);
        p->arena = a;
        p->graph = g;
        p->real = g->real;
        gr_build b = {.p = p, .a = a, .e = e};
        if (build(&b, workers) == 0) made = p;
        gr_end_try(a, &frame);
    } else {
        gr_caught(a, e);
    }
    return made;
}

gr_program *gr_program_create(gr_arena *a, gr_graph *g, gr_error *e) { return gr_program_create_for(a, g, GR_ANY_WORKERS, e); }

int gr_program_pack(gr_program *p, gr_error *e)
{
    gr_build b = {.p = p, .a = p->arena, .e = e};
    gr_frame frame;
    if (!gr_try(p->arena, &frame)) return gr_caught(p->arena, e);
    gr_plan_memory(&b, false);
    p->deps = NULL;
    p->num_deps = 0;
    gr_find_dependencies(&b);
    gr_end_try(p->arena, &frame);
    return 0;
}

static int find_buffer(const gr_program *p, gr_buffer_kind kind, const char *name)
{
    for (int i = 0; i < p->num_buffers; i++)
        if (p->buffers[i].kind == kind && strcmp(p->buffers[i].name, name) == 0) return i;
    return -1;
}

int gr_program_state(const gr_program *p, const char *name) { return find_buffer(p, GR_BUFFER_STATE, name); }
int gr_program_feed(const gr_program *p, const char *name) { return find_buffer(p, GR_BUFFER_FEED, name); }

int gr_program_find_result(const gr_program *p, const char *name)
{
    for (int i = 0; i < p->num_results; i++)
        if (i != p->commit && strcmp(p->results[i].name, name) == 0) return i;
    return -1;
}

static void print_operand(const gr_operand *o, FILE *to)
{
    if (o->buffer < 0) {
        fprintf(to, " -");
        return;
    }
    fprintf(to, " b%d+%lld", o->buffer, (long long)o->offset);
    for (int l = 0; l < GR_MAX_LOOPS; l++) {
        if (!o->stride[l]) continue;
        fprintf(to, "%+lld*i%d", (long long)o->stride[l], l);
        if (o->ring[l]) fprintf(to, "(+%d%%%d)", o->ring_shift[l], o->ring[l]);
    }
    fprintf(to, "[");
    for (int i = 0; i < o->tensor.rank; i++)
        fprintf(to, "%s%lld:%lld", i ? " " : "", (long long)o->tensor.dim[i], (long long)o->tensor.stride[i]);
    fprintf(to, "]");
}

static void print_template(const gr_program *p, int i, FILE *to)
{
    static const char *kind[] = {"kernel", "tape", "copy", "product"};
    const gr_template *t = &p->templates[i];
    fprintf(to, "%3d %*s%s %s:", i, 2 * (gr_loop_depth(p, t->loop) + 1), "", kind[t->kind], t->node ? t->node->name : "-");
    for (int k = 0; k < t->num_in; k++) print_operand(&t->in[k], to);
    fprintf(to, " ->");
    for (int k = 0; k < t->num_out; k++) print_operand(&t->out[k], to);
    fprintf(to, "  units %lld, %.0f ns\n", (long long)t->units, t->cost);
}

void gr_program_print(const gr_program *p, FILE *to)
{
    static const char *kind[] = {"arena", "state", "feed", "constant", "result"};
    for (int i = 0; i < p->num_buffers; i++) {
        const gr_buffer *b = &p->buffers[i];
        if (b->bytes == 0 || (b->kind == GR_BUFFER_ARENA && b->first < 0)) continue;
        fprintf(to, "b%d %s %s: %lld slots, %zu bytes at %zu, %d..%d\n", i, kind[b->kind], b->name,
                (long long)b->slots, b->bytes, b->offset, b->first, b->last);
    }
    for (int i = 0; i < p->num_loops; i++)
        fprintf(to, "loop %d in %d: %d..%d, %lld times%s\n", i, p->loops[i].parent, p->loops[i].first,
                p->loops[i].last, (long long)p->loops[i].count, p->loops[i].reverse ? ", reverse" : "");
    for (int i = 0; i < p->num_templates; i++) print_template(p, i, to);
    for (int i = 0; i < p->num_deps; i++) {
        const gr_dependency *d = &p->deps[i];
        fprintf(to, "%d after %d", d->after, d->before);
        if (d->loop >= 0) fprintf(to, ", loop %d, %lld before", d->loop, (long long)d->distance);
        if (d->lag.div) fprintf(to, ", up to (%lld j %+lld) / %lld", (long long)d->lag.mul, (long long)d->lag.add, (long long)d->lag.div);
        fprintf(to, "\n");
    }
    fprintf(to, "arena %zu bytes, states %zu, feeds %zu, constants %zu, results %zu\n", p->arena_bytes,
            p->state_bytes, p->feed_bytes, p->constant_bytes, p->result_bytes);
}

double gr_iterations(const gr_program *p, int loop)
{
    double n = 1;
    for (; loop >= 0; loop = p->loops[loop].parent) n *= (double)p->loops[loop].count;
    return n;
}

const char *gr_template_name(const gr_template *t) { return t->node ? t->node->name : "states and results"; }

bool gr_is_product(const gr_template *t)
{
    return (t->kind == GR_TASK_KERNEL || t->kind == GR_TASK_PRODUCT) && (t->node->op->traits & GR_CONTRACTION) && t->num_out > 0;
}

/* By op->flops; the elements of the result of a kernel that does not say. */
static double kernel_operations(const gr_template *t)
{
    enum { OPERANDS = 64 };
    gr_tensor in[OPERANDS], out[OPERANDS];
    gr_call call;
    if (t->num_in >= OPERANDS || t->num_out >= OPERANDS) return 0;
    gr_template_call(t, &call, in, out);
    if (t->node->op->flops) return t->node->op->flops(&call);
    return t->num_out > 0 ? (double)gr_tensor_numel(&call.out[0]) : 0;
}

double gr_template_flops(const gr_template *t)
{
    return t->node && (t->node->op->traits & GR_CONTRACTION) && t->node->op->flops ? kernel_operations(t) : 0;
}

double gr_template_operations(const gr_template *t)
{
    double n = t->kind == GR_TASK_KERNEL || t->kind == GR_TASK_PRODUCT ? kernel_operations(t) : 0;
    if (t->tape && t->num_out > 0) n += (double)t->tape->num_ins * (double)gr_tensor_numel(&t->out[0].tensor);
    return n;
}
