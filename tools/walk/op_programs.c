/* op_programs.c - the walk's programs: the interpreter's values, and the same bits on 1 and on 3 threads. */
#include "op_walk.h"
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A program with all it needs to run. */
typedef struct running {
    trial *trial;
    gr_program *program;
    gr_store *store;
    gr_run *run;
} running;

/* Numbers of the interpreter's Inputs and states. */
static void feed(running *r, gr_eval *filled)
{
    gr_error e = {0};
    for (int i = 0; i < r->program->num_buffers; i++) {
        const gr_buffer *b = &r->program->buffers[i];
        void *to = b->kind == GR_BUFFER_FEED ? gr_run_feed(r->run, b->name, NULL)
                 : b->kind == GR_BUFFER_STATE ? gr_store_get(r->store, b->name, &b->type, NULL, &e) : NULL;
        const void *from = to ? eval_memory(filled, b->name, NULL) : NULL;
        if (from) memcpy(to, from, gr_dtype_size(b->type.dtype) * (size_t)gr_numel(&b->type));
    }
}

/* Costs are such that all that can be split between threads is. */
static bool start(running *r, trial *t, gr_graph *g, gr_eval *filled, int threads)
{
    static gr_pool *pools[4];
    gr_error e = {0};
    gr_topology *machine = gr_topology_get(t->arena, NULL, &e);
    *r = (running){.trial = t, .store = gr_store_create(&gr_system_memory)};
    if (machine) machine->wait_ns = 0;
    if (machine && !pools[threads]) pools[threads] = gr_pool_create(&gr_system_memory, machine, threads, &e);
    r->program = machine && pools[threads] ? gr_program_create(t->arena, g, &e) : NULL;
    gr_schedule *s = r->program ? gr_schedule_create(t->arena, r->program, machine, threads, &e) : NULL;
    r->run = s ? gr_run_create(r->program, s, pools[threads], r->store, 0, &e) : NULL;
    if (!r->run) return trial_failed(t, e.message);
    feed(r, filled);
    return true;
}

static void stop(running *r)
{
    gr_run_destroy(r->run);
    gr_store_destroy(r->store);
}

/* Results and states after a step, one after another; freed by the caller. */
static char *outcome(running *r, size_t *size)
{
    char *text = NULL;
    gr_type t;
    FILE *f = open_memstream(&text, size);
    int code = gr_run_step(r->run, 0);
    fwrite(&code, sizeof code, 1, f);
    for (int i = 0; i < r->program->num_results; i++) {
        const void *data = gr_run_result(r->run, r->program->results[i].name, &t);
        if (i != r->program->commit) fwrite(data, gr_dtype_size(t.dtype), (size_t)gr_numel(&t), f);
    }
    for (int i = 0; i < gr_store_count(r->store); i++) {
        const void *data = gr_store_data(r->store, i, &t);
        fwrite(data, gr_dtype_size(t.dtype), (size_t)gr_numel(&t), f);
    }
    fclose(f);
    return text;
}

/* What was just run against the interpreter's values, which the passes have used for marks. */
static bool as_interpreted(running *r, gr_eval *before)
{
    trial *t = r->trial;
    trial_look(t, OP_PROGRAM);
    if (!trial_run(t, before)) return false;
    for (int i = 0; i < t->graph->num_results; i++) {
        gr_type type = {.rank = 0};
        const char *name = t->graph->result_names[i];
        gr_tensor got = {.data = (void *)(uintptr_t)gr_run_result(r->run, name, &type), .dtype = type.dtype, .rank = type.rank};
        memcpy(got.dim, type.dim, sizeof got.dim);
        double d = got.data ? trial_distance(eval_result(before, name), &got) : INFINITY;
        if (!(d <= FLOAT_NEAR)) return trial_failed(t, gr_arena_printf(t->arena, "%s differs by %g in the program", trial_result(t, name), d));
        trial_compared(t, 1, d);
    }
    return true;
}

bool op_try_programs(trial *t, gr_eval *before, gr_graph *after)
{
    static const int threads[2] = {1, 3};
    char *text[2] = {NULL, NULL};
    size_t size[2] = {0, 0};
    bool good = true;
    trial_look(t, OP_THREADS);
    for (int i = 0; good && i < 2; i++) {
        running r;
        good = start(&r, t, after, before, threads[i]);
        text[i] = good ? outcome(&r, &size[i]) : NULL;
        if (good && i == 0) good = as_interpreted(&r, before);
        trial_look(t, OP_THREADS);
        stop(&r);
    }
    if (good && (size[0] != size[1] || memcmp(text[0], text[1], size[0]) != 0)) good = trial_failed(t, "has other bits on three threads than on one");
    if (good) trial_compared(t, 1, 0);
    free(text[0]);
    free(text[1]);
    return good;
}
