/* dot.c - pictures of a session's model. */
#include "report/dot.h"
#include "report/dot_picture.h"
#include "train/machine.h"

#include <string.h>

static bool is_after(const char *pass, const char *other)
{
    for (const gr_pass *p = gr_passes; p->name; p++) {
        if (strcmp(p->name, other) == 0) return true;
        if (strcmp(p->name, pass) == 0) return false;
    }
    return false;
}

/* The schedule that a run here would have, or one for more threads than there are cores. */
static gr_schedule *schedule(gr_session *s, gr_program *p, gr_error *e)
{
    gr_topology *t = gr_topology_get(s->arena, NULL, e);
    if (!t || gr_session_weigh(s, p, t, e)) return NULL;
    if (s->options.threads > t->cores) {
        int *core = GR_NEW_ARRAY(s->arena, int, s->options.threads);
        for (int i = 0; i < s->options.threads; i++) core[i] = i;
        t->core = core;
        t->cores = s->options.threads;
    }
    return gr_schedule_create(s->arena, p, t, s->options.threads, e);
}

static gr_picture *unrolled(gr_session *s, int64_t steps, const gr_dot_options *o, gr_error *e)
{
    const bool trains = s->recipe->minimize != NULL;
    const gr_want want = {.update = trains, .training = trains, .assume_axes = true};
    gr_graph *g = gr_session_graph(s, &want, NULL);
    gr_program *p = g ? gr_program_create(s->arena, g, e) : NULL;
    const gr_schedule *list = p ? schedule(s, p, e) : NULL;
    if (!list) return NULL;
    gr_picture *made = gr_picture_of_program(p, list, steps, o);
    made->note = gr_arena_printf(s->arena, "%s, %s", trains ? "training step, unrolled" : "forward pass, unrolled", made->note);
    return made;
}

gr_picture *gr_session_picture(gr_session *s, const gr_dot_request *r, gr_error *e)
{
    const bool step = r->after && s->recipe->minimize;
    const gr_want want = {.update = step, .training = s->recipe->minimize != NULL, .metrics = step, .assume_axes = true};
    gr_dot_options o = {.title = gr_model_name(s->model), .depth = r->depth, .inside = r->after != NULL, .minimize = s->recipe->minimize,
                        .made_up = gr_assumed_lengths};
    gr_graph *g = NULL;
    gr_set_error(e, GR_EINVAL, "%s", "");
    if (r->steps) return unrolled(s, r->steps, &o, e);
    if (r->after && is_after(r->after, "hoist") && !(o.before = gr_session_graph(s, &want, "merge"))) return NULL;
    if (!(g = gr_session_graph(s, &want, r->after ? r->after : "infer"))) return NULL;
    o.num_made_up = s->num_assumed;
    gr_picture *p = gr_picture_of_graph(g, &o);
    if (r->after) p->note = gr_arena_printf(p->arena, "%s, after the pass %s", step ? "training step" : "the model", r->after);
    return p;
}
