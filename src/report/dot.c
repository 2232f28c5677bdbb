/* dot.c - pictures of a session's model. */
#include "report/dot.h"
#include "report/dot_picture.h"

#include <string.h>

static bool is_after(const char *pass, const char *other)
{
    for (const gr_pass *p = gr_passes; p->name; p++) {
        if (strcmp(p->name, other) == 0) return true;
        if (strcmp(p->name, pass) == 0) return false;
    }
    return false;
}

gr_picture *gr_session_picture(gr_session *s, const gr_dot_request *r, gr_error *e)
{
    const bool step = r->after && s->recipe->minimize;
    const gr_want want = {.update = step, .training = s->recipe->minimize != NULL, .metrics = step, .assume_axes = true};
    gr_dot_options o = {.title = gr_model_name(s->model), .depth = r->depth, .inside = r->after != NULL, .minimize = s->recipe->minimize,
                        .made_up = gr_assumed_lengths};
    gr_graph *g = NULL;
    gr_set_error(e, GR_EINVAL, "%s", "");
    if (r->after && is_after(r->after, "hoist") && !(o.before = gr_session_graph(s, &want, "merge"))) return NULL;
    if (!(g = gr_session_graph(s, &want, r->after ? r->after : "infer"))) return NULL;
    o.num_made_up = s->num_assumed;
    gr_picture *p = gr_picture_of_graph(g, &o);
    if (r->after) p->note = gr_arena_printf(p->arena, "%s, after the pass %s", step ? "training step" : "the model", r->after);
    return p;
}
