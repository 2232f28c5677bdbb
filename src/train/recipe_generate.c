/* recipe_generate.c - reads the section `generate` of a model file. */
#include "train/recipe_read.h"

static const char *const generate_keys[] = {"feed", "from", "prompt", "temperature", "length", "top_k", NULL};

void gr_recipe_read_generate(gr_model *m, gr_recipe *r)
{
    gr_doc *d = gr_model_section(m, "generate"), *x;
    gr_generate_spec *g = &r->generate;
    g->length = 100;
    if (!d) return;
    if (d->kind != GR_DOC_MAP) {
        gr_diag_error(gr_model_diag(m), d->at, "expected a map, as in {feed: tokens, from: logits, prompt: the, length: 100}");
        return;
    }
    gr_model_check_keys(m, d, "generate", generate_keys);
    if ((x = gr_doc_get(d, "feed"))) g->feed = gr_model_text(m, x);
    else gr_recipe_missing_key(m, d, generate_keys, "feed", ": the Input that gets what was chosen");
    if ((x = gr_doc_get(d, "from"))) g->from = gr_model_text(m, x);
    else gr_recipe_missing_key(m, d, generate_keys, "from", ": the logits to choose from");
    if ((x = gr_doc_get(d, "prompt"))) g->prompt = gr_model_text(m, x);
    if ((x = gr_doc_get(d, "temperature"))) gr_model_float(m, x, &g->temperature);
    gr_recipe_count(m, d, "length", &g->length);
    gr_recipe_count(m, d, "top_k", &g->top_k);
}
