/* dot_graph.c - a graph as a picture, from its tree of branches. */
#include "report/dot_graph.h"

static void clear_marks(gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        g->nodes[i]->mark = NULL;
        if (g->nodes[i]->scan) clear_marks(g->nodes[i]->scan->body);
    }
}

gr_picture *gr_picture_of_graph(gr_graph *g, const gr_dot_options *o)
{
    gr_arena *a = g->arena;
    gr_dot d = {.a = a, .g = g, .options = o, .p = gr_pic_create(a, o->title), .parts = gr_map_create(a),
                .branches = gr_map_create(a), .in_loop = gr_map_create(a), .owners = gr_map_create(a), .pairs = gr_map_create(a),
                .lengths = gr_map_create(a), .top = {.name = "", .path = ""}};
    gr_dot_plant(&d);
    gr_dot_draw_boxes(&d);
    gr_dot_draw_arrows(&d);
    gr_dot_put_in_order(&d);
    clear_marks(g);
    return d.p;
}
