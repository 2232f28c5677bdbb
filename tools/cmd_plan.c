/* cmd_plan.c - graphrun plan: what a step takes of a machine, without running it.
 *
 * Nothing is allocated for the step, so a model may be planned that this machine could not
 * hold, and with --topology for a machine that is not here. */
#include "cli.h"
#include "train/machine.h"
#include "report/plan.h"

typedef struct plan_args {
    cli_common common;
    const char *topology;
    bool forward;
} plan_args;

enum { MOST_CORES = 64 };

static const char *title(gr_session *s, bool trains)
{
    const char *text = gr_arena_printf(s->arena, "%s, one %s step, %s", gr_model_name(s->model), trains ? "training" : "forward",
                                       gr_dtype_name(s->options.model.real));
    for (int i = 0; i < s->num_assumed; i++)
        text = gr_arena_printf(s->arena, "%s; length of %s unknown, taken as %lld", text, s->assumed[i], (long long)gr_assumed_lengths[i]);
    return text;
}

/* The program for so many workers, weighed for t; nothing is measured. */
static gr_program *program_for(gr_session *s, gr_graph *g, gr_topology *t, int workers, gr_error *e)
{
    gr_program *p = gr_program_create_for(s->arena, g, workers, e);
    return p && gr_session_weigh(s, p, t, e) ? NULL : p;
}

/* For 1, 2, 4, ... threads on a machine like the topology's, with as many cores. */
static const gr_schedule **schedules(gr_session *s, gr_graph *g, const gr_topology *t, gr_error *e)
{
    const gr_schedule **list = GR_NEW_ARRAY(s->arena, const gr_schedule *, 8);
    int *core = GR_NEW_ARRAY(s->arena, int, MOST_CORES);
    for (int i = 0; i < MOST_CORES; i++) core[i] = i;
    for (int threads = 1, i = 0; threads <= MOST_CORES; threads *= 2) {
        gr_topology many = *t;
        const gr_program *p = program_for(s, g, &many, threads, e);
        many.cores = threads;
        many.core = core;
        if (!p || !(list[i++] = gr_schedule_create(s->arena, p, &many, threads, e))) return NULL;
    }
    return list;
}

static int plan(gr_session *s, void *data)
{
    const plan_args *a = data;
    const bool trains = s->recipe->minimize && !a->forward;
    const gr_want want = {.update = trains, .training = trains, .metrics = !trains && s->recipe->minimize, .assume_axes = true};
    gr_error e = {0};
    gr_graph *g = gr_session_graph(s, &want, NULL);
    if (!g) {
        gr_diag_print(s->diag, stderr);
        return EXIT_MODEL;
    }
    gr_topology *t = gr_topology_get(s->arena, a->topology, &e);
    if (!t) return cli_fail(&e);
    if (a->topology) s->options.costs = NULL; /* what is known is of this machine */
    const int most = s->options.threads ? s->options.threads : t->cores;
    gr_program *program = program_for(s, g, t, most, &e);
    gr_schedule *schedule;
    if (!program || gr_session_schedule(s, t, most, &program, &schedule, &e)) return cli_fail(&e); /* as a run makes it */
    const gr_plan p = {.title = title(s, trains), .program = program, .topology = t, .schedule = schedule, .by_cores = schedules(s, g, t, &e)};
    if (!p.by_cores) return cli_fail(&e);
    gr_plan_print(&p, stdout);
    return EXIT_DONE;
}

int cmd_plan(int argc, char **argv)
{
    const cli_command *self = cli_find("plan");
    plan_args a = {.common = CLI_DEFAULTS};
    const cli_option own[] = {
        {"topology", 0, CLI_TEXT, &a.topology, "TEXT", "a machine in hwloc's words (\"pack:2 l3:1 l2:8 core:1\") or its XML file; this one by default"},
        {"forward", 0, CLI_FLAG, &a.forward, NULL, "the forward pass alone, as eval makes it"},
        {0},
    };
    int done = cli_parse_model(self, argc, argv, own, &a.common);
    if (done >= 0) return done;
    gr_session_options o = cli_session_options(&a.common);
    o.facts_only = true;
    gr_session *s = cli_open(argv[1], &o);
    if (!s) return EXIT_MODEL;
    int code = cli_guard(s, plan, &a);
    gr_session_close(s);
    return code;
}
