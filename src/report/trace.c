/* trace.c - a recorded step as a timeline, and as a summary. */
#include "report/trace.h"
#include "base/column.h"
#include "base/count.h"
#include "graph/graph.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_name[] = {[GR_TASK_KERNEL] = "kernel", [GR_TASK_TAPE] = "pointwise",
                                        [GR_TASK_COPY] = "copy", [GR_TASK_PRODUCT] = "product"};
enum { KINDS = sizeof kind_name / sizeof *kind_name };

/* A product without an epilogue is a kernel, too, but is called what it is. */
static int kind_of(const gr_template *t) { return gr_template_flops(t) > 0 ? GR_TASK_PRODUCT : (int)t->kind; }

static const char *op_name(const gr_template *t) { return t->node ? t->node->op->name : "Copy"; }

/* The units that the event covers, of a call's. */
static double event_share(const gr_template *t, const gr_event *e)
{
    return t->units > 0 ? (double)(e->units_end - e->units_begin) / (double)t->units : 0;
}

/* Operations of them. */
static double event_flops(const gr_template *t, const gr_event *e)
{
    return gr_template_flops(t) * event_share(t, e);
}

/* ---- the timeline ---- */

/* "t=3" or, in nested loops, "t=3, 0": steps in the order of time, which a backwards loop counts down. */
static void time_text(const gr_program *p, const gr_template *t, const gr_event *e, char room[64])
{
    const gr_loop_info *around[GR_MAX_LOOPS];
    int depth = 0, n = 0;
    for (int l = t->loop; l >= 0; l = p->loops[l].parent) around[depth++] = &p->loops[l];
    room[0] = 0;
    while (depth-- > 0 && n < 48) {
        const gr_loop_info *l = around[depth];
        if (l->chunks && depth > 0) continue; /* the loop in it says which step */
        n += snprintf(room + n, (size_t)(64 - n), "%s%lld", n ? ", " : "", (long long)gr_loop_iteration(l, e->index));
    }
}

typedef struct timeline { FILE *to; bool first, failed; } timeline;

/* Takes the object. */
static void put(timeline *t, json_t *o)
{
    fputs(t->first ? "\n" : ",\n", t->to);
    t->first = false;
    t->failed |= !o || json_dumpf(o, t->to, JSON_COMPACT | JSON_REAL_PRECISION(9)) != 0;
    json_decref(o);
}

static void put_event(timeline *t, const gr_trace *r, int worker, const gr_event *e)
{
    const gr_template *x = &r->program->templates[e->template_index];
    const double begin = gr_trace_ns(r, e->begin), arrived = gr_trace_ns(r, e->arrived), end = gr_trace_ns(r, e->end);
    char at[64], units[64];
    time_text(r->program, x, e, at);
    snprintf(units, sizeof units, "%lld-%lld of %lld", (long long)e->units_begin, (long long)e->units_end - 1, (long long)x->units);
    json_t *args = json_pack("{s:s, s:s, s:i}", "op", op_name(x), "units", units, "training step", e->step);
    if (args && *at) json_object_set_new(args, "time step", json_string(at));
    const double flops = event_flops(x, e);
    if (args) json_object_set_new(args, "predicted us", json_real(x->cost * event_share(x, e) * 1e-3));
    if (args && e->timed > 1) json_object_set_new(args, "tasks timed together", json_integer((json_int_t)e->timed));
    if (args && flops > 0 && end > begin) json_object_set_new(args, "GFLOP/s", json_real(flops / (end - begin)));
    if (begin > arrived)
        put(t, json_pack("{s:s, s:s, s:s, s:i, s:i, s:f, s:f}", "name", "wait", "cat", "wait", "ph", "X", "pid", 1, "tid", worker,
                         "ts", arrived * 1e-3, "dur", (begin - arrived) * 1e-3));
    put(t, json_pack("{s:s, s:s, s:s, s:i, s:i, s:f, s:f, s:o}", "name", gr_template_name(x), "cat", kind_name[kind_of(x)], "ph", "X",
                     "pid", 1, "tid", worker, "ts", begin * 1e-3, "dur", (end - begin) * 1e-3, "args", args));
}

static void put_name(timeline *t, const char *what, int worker, const char *name)
{
    put(t, json_pack("{s:s, s:s, s:i, s:i, s:{s:s}}", "name", what, "ph", "M", "pid", 1, "tid", worker, "args", "name", name));
}

int gr_trace_write(const gr_trace *r, const char *title, FILE *to)
{
    timeline t = {.to = to, .first = true};
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", to);
    put_name(&t, "process_name", 0, title);
    for (int w = 0; w < r->schedule->threads; w++) {
        char name[64];
        const int core = r->schedule->worker[w].core;
        gr_trace_reader reader = {.trace = r, .worker = w};
        gr_event e;
        if (core >= 0 && r->schedule->threads > 1) snprintf(name, sizeof name, "thread %d, core %d", w, core);
        else snprintf(name, sizeof name, "thread %d", w);
        put_name(&t, "thread_name", w, name);
        while (gr_trace_next(&reader, &e)) put_event(&t, r, w, &e);
    }
    fputs("\n]}\n", to);
    return t.failed ? -1 : 0;
}

/* ---- the summary ---- */

typedef struct sum {
    const gr_template *t;   /* one of the node's */
    int kind;
    double ns, waited, flops;
    double predicted;       /* of one step */
    int64_t calls, together; /* of them, timed together with others */
} sum;

static int dearer(const void *a, const void *b)
{
    const sum *x = a, *y = b;
    return x->ns != y->ns ? (x->ns > y->ns ? -1 : 1) : (x->t > y->t) - (x->t < y->t);
}

static void add_sum(sum *to, const sum *s)
{
    to->ns += s->ns;
    to->waited += s->waited;
    to->flops += s->flops;
    to->predicted += s->predicted;
    to->calls += s->calls;
    to->together += s->together;
}

/* By template; templates of one node and kind are one line. */
static int sum_events(const gr_trace *r, sum *list)
{
    const gr_program *p = r->program;
    for (int i = 0; i < p->num_templates; i++) {
        const gr_template *t = &p->templates[i];
        list[i] = (sum){.t = t, .kind = kind_of(t), .predicted = t->cost * gr_iterations(p, t->loop)};
    }
    for (int w = 0; w < r->schedule->threads; w++) {
        gr_trace_reader reader = {.trace = r, .worker = w};
        gr_event e;
        while (gr_trace_next(&reader, &e)) {
            sum *s = &list[e.template_index];
            s->ns += gr_trace_ns(r, e.end) - gr_trace_ns(r, e.begin);
            s->waited += gr_trace_ns(r, e.begin) - gr_trace_ns(r, e.arrived);
            s->flops += event_flops(s->t, &e);
            s->calls++;
            s->together += e.timed > 1;
        }
    }
    int n = 0;
    for (int i = 0; i < p->num_templates; i++) {
        int k = 0;
        while (k < n && (list[k].kind != list[i].kind || strcmp(gr_template_name(list[k].t), gr_template_name(list[i].t)) != 0)) k++;
        if (k == n) list[n++] = list[i];
        else add_sum(&list[k], &list[i]);
    }
    qsort(list, (size_t)n, sizeof *list, dearer);
    return n;
}

enum { LISTED = 20, NAME = 24, NUMBERS = 11 }; /* nodes; columns of names, at least, and of numbers */

/* steps: by which everything is divided; all: nanoseconds of all threads; width, ops: of the columns of nodes and of
 * their ops. */
typedef struct table {
    FILE *to;
    double steps, all;
    int width, ops;
} table;

static void print_head(const table *t, const char *what)
{
    fprintf(t->to, "\n");
    gr_put_left(t->to, what, t->width + 2);
    fprintf(t->to, " %*s %7s %*s\n", NUMBERS, "us a step", "share", NUMBERS, "predicted");
}

static void print_time(const table *t, const char *name, double ns)
{
    fputs("  ", t->to);
    gr_put_left(t->to, name, t->width);
    fprintf(t->to, " %*.1f %6.1f%%", NUMBERS, ns * 1e-3 / t->steps, 100 * ns / t->all);
}

static void print_rate(const table *t, const sum *s)
{
    if (s->flops > 0 && s->ns > 0) fprintf(t->to, " %8.1f GFLOP/s", s->flops / s->ns);
    fputc('\n', t->to);
}

static void print_kinds(const table *t, const sum *list, int n)
{
    double waited = 0, known = 0, calls = 0, together = 0;
    print_head(t, "by kind");
    for (int k = 0; k < KINDS; k++) {
        sum s = {0};
        for (int i = 0; i < n; i++)
            if (list[i].kind == k) add_sum(&s, &list[i]);
        if (s.ns <= 0) continue;
        known += s.ns;
        print_time(t, kind_name[k], s.ns);
        fprintf(t->to, " %*.1f", NUMBERS, s.predicted * 1e-3);
        print_rate(t, &s);
    }
    for (int i = 0; i < n; i++) {
        waited += list[i].waited;
        calls += (double)list[i].calls;
        together += (double)list[i].together;
    }
    print_time(t, "waiting", waited);
    fputc('\n', t->to);
    print_time(t, "between tasks, idle", t->all - known - waited);
    fputc('\n', t->to);
    if (together > 0)
        fprintf(t->to, "\n%.0f of %.0f tasks a step take so little that neighbours are timed together; what each took is then its predicted share\n",
                together / t->steps, calls / t->steps);
}

static void print_nodes(const table *t, const sum *list, int n)
{
    print_head(t, "by node");
    for (int i = 0; i < n; i++) {
        print_time(t, gr_template_name(list[i].t), list[i].ns);
        fprintf(t->to, " %*.1f  %-9s ", NUMBERS, list[i].predicted * 1e-3, kind_name[list[i].kind]);
        gr_put_left(t->to, op_name(list[i].t), t->ops);
        const double calls = (double)list[i].calls / t->steps;
        fprintf(t->to, " %6.0f call%s", calls, calls > 0.5 && calls < 1.5 ? " " : "s");
        print_rate(t, &list[i]);
    }
}

void gr_trace_print(const gr_trace *t, const char *title, FILE *to)
{
    const int threads = t->schedule->threads;
    const double predicted = t->schedule->predicted;
    sum *list = GR_NEW_ARRAY(t->program->arena, sum, t->program->num_templates + 1);
    const int n = sum_events(t, list);
    int shown = 0;
    double wall = 0;
    for (int i = 0; i < t->steps; i++) wall += gr_trace_ns(t, t->ended[i]) - gr_trace_ns(t, t->started[i]);
    table x = {.to = to, .steps = t->steps > 0 ? t->steps : 1, .all = wall * threads, .width = NAME};
    for (; shown < n && shown < LISTED && list[shown].ns > 0; shown++) {
        x.width = gr_wider(x.width, gr_template_name(list[shown].t));
        x.ops = gr_wider(x.ops, op_name(list[shown].t));
    }
    fprintf(to, "%s\n%d step%s, %d thread%s: %.1f us a step; predicted %.1f us, %+.0f%%\n", title, t->steps, gr_s(t->steps),
            threads, gr_s(threads), wall * 1e-3 / x.steps, predicted * 1e-3, wall > 0 ? 100 * (predicted * x.steps / wall - 1) : 0);
    print_kinds(&x, list, n);
    print_nodes(&x, list, shown);
    if (n > LISTED) fprintf(to, "  and %d more\n", n - LISTED);
}
