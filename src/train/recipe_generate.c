/* recipe_generate.c - reads the section `generate` of a model file. */
#include "train/recipe_read.h"

#include <stdlib.h>
#include <string.h>

static const char *const generate_keys[] = {"feed", "from", "source", "prompt", "prompts", "references", "length", "temperature", "top_k",
                                            "beam", "length_penalty", "start", "stop", "show", NULL};

const gr_attr_spec gr_generate_numbers[] = {
    {"length", GR_ATTR_INT, "100", 0, GR_MOST_COUNT, NULL, "tokens to generate"},
    {"temperature", GR_ATTR_FLOAT, "0", 0, 1e300, NULL, "of the softmax that is drawn from; 0: always the likeliest"},
    {"top_k", GR_ATTR_INT, "0", 0, GR_MOST_COUNT, NULL, "draws from so many of the likeliest; 0: from all"},
    {"beam", GR_ATTR_INT, "0", 0, GR_MAX_BEAM, NULL, "sequences that a beam search keeps; 0: no search"},
    {"length_penalty", GR_ATTR_FLOAT, "0.75", 0, 1e300, NULL, "outputs of a search compare by log p / length^this"},
    {0}};

static const char *read_text(gr_model *m, gr_doc *map, const char *key)
{
    gr_doc *d = gr_doc_get(map, key);
    return d ? gr_model_text(m, d) : NULL;
}

static void read_texts(gr_model *m, gr_doc *map, const char *key, const char ***list, int *count)
{
    gr_doc *d = gr_doc_get(map, key);
    if (!d) return;
    d->used = true;
    if (d->kind != GR_DOC_LIST) {
        gr_diag_error(gr_model_diag(m), d->at, "'%s' takes a list of texts, as in [\"go .\", \"i lost .\"]", key);
        return;
    }
    *list = GR_NEW_ARRAY(gr_model_arena(m), const char *, d->count + 1);
    for (int i = 0; i < d->count; i++) {
        const char *text = gr_model_text(m, d->item[i]);
        if (text) (*list)[(*count)++] = text;
    }
}

static void read_prompts(gr_model *m, gr_doc *d, gr_generate_spec *g)
{
    gr_doc *one = gr_doc_get(d, "prompt"), *many = gr_doc_get(d, "prompts"), *references = gr_doc_get(d, "references");
    if (one && many) {
        gr_diag_error(gr_model_diag(m), one->at, "'prompt' is one text and 'prompts' a list: give one of them");
        return;
    }
    if (one) {
        g->prompts = GR_NEW_ARRAY(gr_model_arena(m), const char *, 1);
        if ((g->prompts[0] = gr_model_text(m, one))) g->num_prompts = 1;
    }
    read_texts(m, d, "prompts", &g->prompts, &g->num_prompts);
    read_texts(m, d, "references", &g->references, &g->num_references);
    if (references && g->num_references != g->num_prompts)
        gr_diag_error(gr_model_diag(m), references->at, "references and prompts are as many: here are %d and %d", g->num_references, g->num_prompts);
}

static void read_number(gr_model *m, gr_doc *map, const char *key, double *out)
{
    const gr_attr_spec *s = gr_recipe_spec(gr_generate_numbers, key);
    gr_doc *d = gr_doc_get(map, key);
    double x;
    if (!d) *out = strtod(s->fallback, NULL);
    if (!d || gr_model_float(m, d, &x)) return;
    if (x >= s->min && x <= s->max) *out = x;
    else gr_diag_error(gr_model_diag(m), d->at, "%s takes a number of at least %g", key, s->min);
}

/* `feed` and `source` are Inputs of the model. */
static const char *read_input(gr_model *m, gr_doc *map, const char *key)
{
    const char *name = read_text(m, map, key);
    const gr_model_input *list;
    int n = gr_model_inputs(m, &list);
    const char **names = GR_NEW_ARRAY(gr_model_arena(m), const char *, n + 1);
    for (int i = 0; name && i < n; i++) {
        names[i] = list[i].name;
        if (strcmp(list[i].name, name) == 0) return name;
    }
    if (!name || gr_recipe_is_written(m, name)) return name; /* what is wrong with it is said there */
    gr_diag_error(gr_model_diag(m), gr_doc_get(map, key)->at, "no Input is called '%s'%s", name, gr_suggest(gr_model_arena(m), name, names));
    return name;
}

/* `from` and `show` are values of the graph, or inside a node of it. What a file without a graph names
 * is not checked: something worse is wrong with it. */
static const char *read_value(gr_model *m, gr_doc *map, const char *key)
{
    gr_arena *a = gr_model_arena(m);
    const char *name = read_text(m, map, key);
    gr_doc *graph = gr_model_section(m, "graph");
    if (!name || !graph || graph->kind != GR_DOC_MAP) return name;
    const char *node = gr_arena_strndup(a, name, strcspn(name, "."));
    if (gr_recipe_is_written(m, node)) return name;
    const char **names = GR_NEW_ARRAY(a, const char *, graph->count + 1);
    for (int i = 0; i < graph->count; i++) names[i] = graph->item[i]->key;
    gr_diag_error(gr_model_diag(m), gr_doc_get(map, key)->at, "the graph has no node called '%s'%s", node, gr_suggest(a, node, names));
    return name;
}

static void read_search(gr_model *m, gr_doc *d, gr_generate_spec *g)
{
    gr_doc *beam = gr_doc_get(d, "beam");
    read_number(m, d, "temperature", &g->temperature);
    read_number(m, d, "length_penalty", &g->length_penalty);
    gr_recipe_count(m, d, gr_generate_numbers, "length", &g->length);
    gr_recipe_count(m, d, gr_generate_numbers, "top_k", &g->top_k);
    gr_recipe_count(m, d, gr_generate_numbers, "beam", &g->beam);
    if (g->beam && (g->temperature > 0 || g->top_k))
        gr_diag_error(gr_model_diag(m), beam->at, "beam search looks for the likeliest and does not draw: leave out temperature and top_k");
}

void gr_recipe_read_generate(gr_model *m, gr_recipe *r)
{
    gr_doc *d = gr_model_section(m, "generate");
    gr_generate_spec *g = &r->generate;
    if (!d) return;
    if (d->kind != GR_DOC_MAP) {
        gr_diag_error(gr_model_diag(m), d->at, "expected a map, as in {feed: tokens, from: logits, prompt: the, length: 100}");
        return;
    }
    gr_model_check_keys(m, d, "generate", generate_keys);
    g->feed = read_input(m, d, "feed");
    g->source = read_input(m, d, "source");
    g->from = read_value(m, d, "from");
    if (!gr_doc_get(d, "feed")) gr_recipe_missing_key(m, d, generate_keys, "feed", ": the Input that gets what was chosen");
    if (!gr_doc_get(d, "from")) gr_recipe_missing_key(m, d, generate_keys, "from", ": the logits to choose from");
    g->start = read_text(m, d, "start");
    g->stop = read_text(m, d, "stop");
    g->show = read_value(m, d, "show");
    read_prompts(m, d, g);
    read_search(m, d, g);
}
