/* plan.c - a program as a page of text: memory, work, copies, partition, threads.
 *
 * Times are the cost model's; what they choose never changes a bit of a result. */
#include "report/plan.h"
#include "base/column.h"
#include "base/count.h"
#include "graph/graph.h"
#include "report/number.h"

#include <stdlib.h>
#include <string.h>

enum { LISTED = 8 }; /* buffers and copies that are named one by one */

static const char *time_text(double ns, char room[32])
{
    if (ns < 1e4) snprintf(room, 32, "%.2f us", ns * 1e-3);
    else if (ns < 1e6) snprintf(room, 32, "%.0f us", ns * 1e-3);
    else if (ns < 1e9) snprintf(room, 32, "%.*f ms", ns < 1e7 ? 2 : 1, ns * 1e-6);
    else snprintf(room, 32, "%.2f s", ns * 1e-9);
    return room;
}

static double operand_bytes(const gr_operand *o)
{
    double n = o->buffer >= 0 ? (double)gr_dtype_size(o->tensor.dtype) : 0;
    for (int i = 0; i < o->tensor.rank; i++) n *= (double)o->tensor.dim[i];
    return n;
}

static double template_bytes(const gr_template *t)
{
    double n = 0;
    for (int i = 0; i < t->num_in; i++) n += operand_bytes(&t->in[i]);
    for (int i = 0; i < t->num_out; i++) n += operand_bytes(&t->out[i]);
    return n;
}

/* ---- memory ---- */

typedef struct memory { double trained, numbers, kept; int tensors; } memory;

static memory count_states(const gr_program *p)
{
    memory m = {0};
    for (int i = 0; i < p->graph->num_states; i++) {
        const gr_state *s = p->graph->states[i];
        const double n = (double)gr_numel(&s->value->type), bytes = n * (double)gr_dtype_size(s->value->type.dtype);
        if (s->trainable) m.trained += bytes, m.numbers += n, m.tensors++;
        else m.kept += bytes;
    }
    return m;
}

static bool alive(const gr_buffer *b, int at)
{
    return b->kind == GR_BUFFER_ARENA && b->bytes > 0 && b->first >= 0 && b->first <= at && at <= b->last;
}

/* The template at which most of the arena is in use, and how much that is. */
static int fullest(const gr_program *p, double *most)
{
    int at = 0;
    *most = 0;
    for (int t = 0; t < p->num_templates; t++) {
        double bytes = 0;
        for (int i = 0; i < p->num_buffers; i++)
            if (alive(&p->buffers[i], t)) bytes += (double)p->buffers[i].bytes;
        if (bytes > *most) *most = bytes, at = t;
    }
    return at;
}

static void line(FILE *to, const char *what, double bytes, const char *note)
{
    char room[GR_NUMBER_TEXT];
    fprintf(to, "  %-22s %12s%s%s\n", what, gr_bytes_text(bytes, room), *note ? "   " : "", note);
}

static int larger_buffer(const void *a, const void *b)
{
    const gr_buffer *x = *(const gr_buffer *const *)a, *y = *(const gr_buffer *const *)b;
    return x->bytes != y->bytes ? (x->bytes > y->bytes ? -1 : 1) : (x > y) - (x < y);
}

/* What the arena holds where it is fullest, the largest first. */
static void print_fullest(const gr_program *p, int at, FILE *to)
{
    const gr_buffer **list = GR_NEW_ARRAY(p->arena, const gr_buffer *, p->num_buffers + 1);
    int n = 0;
    for (int i = 0; i < p->num_buffers; i++)
        if (alive(&p->buffers[i], at)) list[n++] = &p->buffers[i];
    qsort(list, (size_t)n, sizeof *list, larger_buffer);
    for (int i = 0; i < n && i < LISTED; i++) {
        const char *shape = gr_type_text(p->arena, &list[i]->type);
        line(to, "", (double)list[i]->bytes,
             list[i]->slots > 1 ? gr_arena_printf(p->arena, "%s: %lld x %s", list[i]->name, (long long)list[i]->slots, shape)
                                : gr_arena_printf(p->arena, "%s: %s", list[i]->name, shape));
    }
    if (n > LISTED) fprintf(to, "  %-22s %12s   %d more\n", "", "", n - LISTED);
}

static void print_memory(const gr_plan *plan, FILE *to)
{
    const gr_program *p = plan->program;
    const memory m = count_states(p);
    const double scratch = (double)p->scratch_bytes * plan->schedule->threads;
    double all = 0, most;
    const int at = fullest(p, &most);
    for (int i = 0; i < p->num_buffers; i++)
        if (p->buffers[i].kind == GR_BUFFER_ARENA && p->buffers[i].first >= 0) all += (double)p->buffers[i].bytes;
    char room[GR_NUMBER_TEXT];
    fprintf(to, "memory\n");
    line(to, "parameters", m.trained, gr_arena_printf(p->arena, "%.0f numbers in %d tensor%s", m.numbers, m.tensors, gr_s(m.tensors)));
    line(to, "other states", m.kept, m.kept > 0 ? "moments of the optimizer, statistics, carried states" : "");
    line(to, "inputs", (double)p->feed_bytes, "");
    line(to, "results", (double)p->result_bytes, "");
    line(to, "constants", (double)p->constant_bytes, "");
    line(to, "scratch", scratch, plan->schedule->threads > 1 ? gr_arena_printf(p->arena, "of %d threads", plan->schedule->threads) : "");
    line(to, "arena", (double)p->arena_bytes, gr_arena_printf(p->arena, "unshared it would be %s", gr_bytes_text(all, room)));
    line(to, "in all", m.trained + m.kept + (double)(p->feed_bytes + p->result_bytes + p->constant_bytes + p->arena_bytes) + scratch, "");
    if (most <= 0) return;
    fprintf(to, "\nthe arena where it is fullest, at %s\n", gr_template_name(&p->templates[at]));
    print_fullest(p, at, to);
}

/* ---- work ---- */

typedef struct work { double operations, bytes, ns; int tasks; } work;

static work count_work(const gr_program *p, bool (*which)(const gr_template *))
{
    work w = {0};
    for (int i = 0; i < p->num_templates; i++) {
        const gr_template *t = &p->templates[i];
        const double times = gr_iterations(p, t->loop);
        if (which && !which(t)) continue;
        w.tasks++;
        w.operations += gr_template_operations(t) * times;
        w.bytes += template_bytes(t) * times;
        w.ns += t->cost * times;
    }
    return w;
}

static bool is_product(const gr_template *t) { return gr_template_flops(t) > 0; }
static bool is_tape(const gr_template *t) { return t->kind == GR_TASK_TAPE; }
static bool is_copy(const gr_template *t) { return t->kind == GR_TASK_COPY; }
static bool is_kernel(const gr_template *t) { return t->kind == GR_TASK_KERNEL && !is_product(t); }

static void print_kind(const char *name, work w, double whole, FILE *to)
{
    char room[GR_NUMBER_TEXT], time[32];
    fprintf(to, "  %-22s %12s   %5.1f%%, %d task%s, %.4g GFLOP, %s read and written\n", name, time_text(w.ns, time),
            whole > 0 ? 100 * w.ns / whole : 0, w.tasks, gr_s(w.tasks), w.operations * 1e-9, gr_bytes_text(w.bytes, room));
}

static void print_work(const gr_plan *plan, FILE *to)
{
    static const struct { const char *name; bool (*is)(const gr_template *); } kind[] = {
        {"products", is_product}, {"pointwise", is_tape}, {"other kernels", is_kernel}, {"copies", is_copy}};
    const gr_program *p = plan->program;
    const work all = count_work(p, NULL);
    fprintf(to, "\nwork of one step, as one thread would do it\n");
    for (size_t i = 0; i < sizeof kind / sizeof *kind; i++) print_kind(kind[i].name, count_work(p, kind[i].is), all.ns, to);
    print_kind("in all", all, all.ns, to);
}

/* ---- copies ---- */

typedef struct copy { const gr_template *t; double ns, times; } copy;

static int dearer(const void *a, const void *b)
{
    const copy *x = a, *y = b;
    return x->ns != y->ns ? (x->ns > y->ns ? -1 : 1) : (x->t > y->t) - (x->t < y->t);
}

/* ", H to NAME": what is copied where, if these have other names than the node. */
static void print_copied(const gr_program *p, const gr_template *t, FILE *to)
{
    const char *from = t->num_in > 0 && t->in[0].buffer >= 0 ? p->buffers[t->in[0].buffer].name : NULL;
    const char *into = t->out[0].buffer >= 0 ? p->buffers[t->out[0].buffer].name : NULL;
    if (from && into && strcmp(from, into) != 0) fprintf(to, ", %s to %s", from, into);
}

static void print_copies(const gr_plan *plan, FILE *to)
{
    const gr_program *p = plan->program;
    copy *list = GR_NEW_ARRAY(p->arena, copy, p->num_templates + 1);
    int n = 0;
    for (int i = 0; i < p->num_templates; i++) {
        const gr_template *t = &p->templates[i];
        const double times = gr_iterations(p, t->loop);
        if (is_copy(t)) list[n++] = (copy){t, t->cost * times, times};
    }
    if (!n) return;
    qsort(list, (size_t)n, sizeof *list, dearer);
    fprintf(to, "\ncopies, where no layout does without\n");
    for (int i = 0; i < n && i < LISTED; i++) {
        char room[GR_NUMBER_TEXT], time[32];
        fprintf(to, "  %-22s %12s   %s", gr_bytes_text(operand_bytes(&list[i].t->out[0]), room), time_text(list[i].ns, time), gr_template_name(list[i].t));
        print_copied(p, list[i].t, to);
        if (list[i].times > 1) fprintf(to, ", %.0f times", list[i].times);
        fputc('\n', to);
    }
    if (n > LISTED) fprintf(to, "  and %d smaller\n", n - LISTED);
}

/* ---- who does what ---- */

static double share_of(const gr_plan *plan, int worker, int first, int last)
{
    const gr_program *p = plan->program;
    const gr_worker_list *list = &plan->schedule->worker[worker];
    double ns = 0;
    for (int i = 0; i < list->num_ins; i++) {
        const gr_instruction *x = &list->ins[i];
        if (x->kind != GR_RUN || x->template_index < first || x->template_index >= last) continue;
        const gr_template *t = &p->templates[x->template_index];
        ns += t->cost * (double)(x->end - x->begin) / (double)t->units * gr_iterations(p, t->loop);
    }
    return ns;
}

/* ", 8 threads with 12 to 13% each" */
static void print_shares(const gr_plan *plan, const gr_loop_info *l, double whole, FILE *to)
{
    int count = 0, only = 0;
    double least = whole, most = 0;
    for (int w = 0; w < plan->schedule->threads; w++) {
        const double part = share_of(plan, w, l->first, l->last);
        if (part <= 0) continue;
        count++;
        only = w;
        least = part < least ? part : least;
        most = part > most ? part : most;
    }
    if (count == 1) fprintf(to, ", thread %d", only);
    else if (count > 1 && (int)(100 * least / whole + 0.5) == (int)(100 * most / whole + 0.5)) fprintf(to, ", %d threads with %.0f%% each", count, 100 * most / whole);
    else if (count > 1) fprintf(to, ", %d threads with %.0f to %.0f%% each", count, 100 * least / whole, 100 * most / whole);
}

/* Of the column that names loops and threads. */
static int name_width(const gr_plan *plan)
{
    int width = 22;
    for (int l = 0; l < plan->program->num_loops; l++)
        if (plan->program->loops[l].parent < 0) width = gr_wider(width, plan->program->loops[l].scan->name);
    return width;
}

/* One line for an outermost loop: its steps, tasks, and what of its time each thread has. */
static void print_loop(const gr_plan *plan, const gr_loop_info *l, FILE *to)
{
    char time[32];
    double whole = 0;
    for (int w = 0; w < plan->schedule->threads; w++) whole += share_of(plan, w, l->first, l->last);
    fputs("  ", to);
    gr_put_left(to, l->scan->name, name_width(plan));
    fprintf(to, " %12s   %lld %s%s%s of %d task%s", time_text(whole, time), (long long)l->count,
            l->chunks ? "chunk" : "step", gr_s(l->count), l->reverse ? ", backwards," : "", l->last - l->first,
            gr_s(l->last - l->first));
    if (l->rows) fprintf(to, ", rows %lld to %lld", (long long)l->first_row, (long long)(l->first_row + l->rows - 1));
    if (plan->schedule->threads > 1) print_shares(plan, l, whole, to);
    fputc('\n', to);
}

static bool is_same_choice(const gr_choice *a, const gr_choice *b)
{
    return a->split == b->split && a->workers == b->workers && memcmp(a->ns, b->ns, sizeof a->ns) == 0;
}

/* After the last loop of a group how it is shared out, and what this and the other ways take: the group and what
 * follows, up to the next group. */
static void print_choice(const gr_plan *plan, int loop, FILE *to)
{
    static const char *const names[2][GR_LOOP_SPLITS] = {{"columns", "wavefront", "one thread a layer"}, {"columns", "bands of rows", "one thread a band"}};
    const char *const *name = names[plan->program->loops[loop].rows > 0];
    const gr_schedule *s = plan->schedule;
    char time[32];
    int i = 0;
    while (i < s->num_choices && s->choices[i].loop != loop) i++;
    const gr_choice *c = &s->choices[i], *next = i + 1 < s->num_choices ? c + 1 : NULL;
    if (i == s->num_choices || (next && is_same_choice(c, next))) return;
    fprintf(to, "    %s, at most %d thread%s a step; with what follows%s%s:\n      %s %s", name[c->split], c->workers, gr_s(c->workers),
            next ? ", up to " : "", next ? plan->program->loops[next->loop].scan->name : "", name[c->split], time_text(c->ns[c->split], time));
    for (int k = 0; k < GR_LOOP_SPLITS; k++)
        if (k != (int)c->split && c->ns[k] > 0) fprintf(to, ", %s %s", name[k], time_text(c->ns[k], time));
    fputc('\n', to);
}

static void print_threads(const gr_plan *plan, FILE *to)
{
    const gr_schedule *s = plan->schedule;
    char time[32];
    fprintf(to, "\nschedule: %d thread%s of %d core%s, %s a step\n", s->threads, gr_s(s->threads), plan->topology->cores,
            gr_s(plan->topology->cores), time_text(s->predicted, time));
    for (int l = 0; l < plan->program->num_loops; l++)
        if (plan->program->loops[l].parent < 0 && plan->program->loops[l].count > 0) {
            print_loop(plan, &plan->program->loops[l], to);
            print_choice(plan, l, to);
        }
    for (int w = 0; w < s->threads; w++)
        fprintf(to, "  thread %-*d %12s   %.0f%% busy, %lld task%s, waits at %d place%s\n", name_width(plan) - 7, w, time_text(s->worker[w].load, time),
                s->predicted > 0 ? 100 * s->worker[w].load / s->predicted : 0, (long long)s->worker[w].tasks, gr_s(s->worker[w].tasks),
                s->worker[w].num_waits, gr_s(s->worker[w].num_waits));
}

static void print_cores(const gr_plan *plan, FILE *to)
{
    if (!plan->by_cores || !plan->by_cores[0]) return;
    const double one = plan->by_cores[0]->predicted;
    fprintf(to, "\nthreads      a step  speed-up\n");
    for (int i = 0; plan->by_cores[i]; i++) {
        char time[32];
        fprintf(to, "%7d %11s %9.2f\n", plan->by_cores[i]->threads, time_text(plan->by_cores[i]->predicted, time),
                plan->by_cores[i]->predicted > 0 ? one / plan->by_cores[i]->predicted : 1);
    }
}

void gr_plan_print(const gr_plan *p, FILE *to)
{
    fprintf(to, "%s\n\n", p->title);
    print_memory(p, to);
    print_work(p, to);
    print_copies(p, to);
    print_threads(p, to);
    print_cores(p, to);
}
