/* compare_page.c - the models of a comparison drawn, and its page written beside and renamed. */
#include "compare_page.h"
#include "cli.h"
#include "io/file.h"
#include "report/dot.h"
#include "report/html_compare.h"

typedef struct drawing {
    gr_arena *arena; /* of the page */
    gr_model_picture *picture;
} drawing;

static int draw(gr_session *s, void *data)
{
    drawing *d = data;
    gr_error e = {0};
    const char *svg = gr_dot_svg(s, &e);
    if (svg) d->picture->svg = gr_arena_strdup(d->arena, svg);
    else if (*e.message) d->picture->why = gr_arena_strdup(d->arena, e.message);
    return EXIT_DONE;
}

/* A model that cannot be drawn is no reason to have no page. */
static void draw_model(gr_arena *a, const gr_contender *k, const gr_session_options *o, gr_model_picture *picture)
{
    gr_session_options own = *o;
    gr_error e = {0};
    drawing d = {a, picture};
    own.model.sets = k->sets;
    own.model.text = k->yaml; /* its file may have been edited since */
    own.facts_only = true;
    own.quiet = true;
    picture->why = "the model could not be opened again";
    gr_session *s = gr_session_open(k->path, &own, &e);
    if (s) cli_guard(s, draw, &d);
    gr_session_close(s);
}

int compare_page_write(gr_arena *a, const gr_comparison *c, const gr_session_options *o, const char *file, gr_error *e)
{
    const int models = gr_comparison_models(c); /* of a sweep those with its first value */
    gr_model_picture *picture = GR_NEW_ARRAY(a, gr_model_picture, models + 1);
    for (int i = 0; i < models; i++) draw_model(a, &c->contender[i], o, &picture[i]);
    gr_writer w;
    if (gr_writer_open(&w, file, e)) return e->status;
    if (gr_compare_page_write(&(gr_compare_page){.comparison = c, .picture = picture}, w.file)) {
        gr_error late = {0};
        gr_writer_finish(&w, false, &late);
        return gr_set_error(e, GR_ENOMEM, "out of memory");
    }
    return gr_writer_finish(&w, true, e);
}
