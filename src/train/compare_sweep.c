/* compare_sweep.c - what a comparison does not take from the models' files: to sweep it would give the same rows over and
 * over, also where a var stands between. */
#include "train/compare_work.h"

#include <string.h>

#define RATE "train.optimizer.lr"
#define VARS "vars" /* "vars.hidden" is hidden */

static const char *const budget = "all models train for one budget, which --steps N gives";
static const char *const first_says = "the first model's file says for all whether the last validation is judged or the best";

/* The key or something below it. */
static bool is_key(const char *text, const char *key)
{
    const size_t n = strlen(key);
    return strncmp(text, key, n) == 0 && (!text[n] || text[n] == '.');
}

const char *gr_compare_instead(const char *key)
{
    const struct { const char *key, *instead; } fixed[] = {
        {"train.epochs", budget}, {"train.steps", budget}, {"train.early_stopping", budget},
        {"train.valid_every", "--points N gives how often all models are validated"},
        {"train.best", first_says}, {"train.keep", first_says},
        {"generate", "no text is generated while models are compared"}, {"name", "a name changes no run"}, {"doc", "a text changes no run"}};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (is_key(key, fixed[i].key)) return fixed[i].instead;
    return NULL;
}

/* NULL: a comparison takes it from the file. */
static const char *instead_of(const gr_compare_work *w, const char *key)
{
    const bool rate = strcmp(key, RATE) == 0 || strcmp(key, RATE ".lr") == 0;
    return rate && w->options->tune ? "--tune-lr chooses it" : gr_compare_instead(key);
}

/* The first place of the models that reads the var and is taken (or is not); NULL: none does. */
static const char *reader(const gr_compare_work *w, const char *var, bool taken, int *model)
{
    for (*model = 0; *model < w->options->num_models; ++*model) {
        const char *const *list = gr_model_readers(w->open[*model]->model, var);
        for (int i = 0; list[i]; i++)
            if ((instead_of(w, list[i]) == NULL) == taken) return list[i];
    }
    return NULL;
}

/* A var that feeds nothing else is refused; where it does, what it feeds in vain is told. */
int gr_compare_check_sweep(gr_compare_work *w, gr_error *e)
{
    int model;
    const char *sweep = w->c->sweep, *var = sweep && is_key(sweep, VARS) ? sweep + sizeof VARS : sweep;
    const char *key = var && !strchr(var, '.') ? reader(w, var, false, &model) : NULL;
    if (!key) return 0;
    const char *path = w->c->contender[model].path, *instead = instead_of(w, key);
    if (!reader(w, var, true, &model))
        return gr_set_error(e, GR_EINVAL, "--sweep %s would change nothing: in %s it is %s, and %s", sweep, path, key, instead);
    if (!w->options->session.quiet)
        fprintf(stderr, "graphrun: %s: %s is also %s, where it changes nothing: %s\n", path, sweep, key, instead);
    return 0;
}

/* Words that are easily taken for vars, where a model could not be opened and has said why. */
int gr_compare_explain_sweep(const gr_compare_work *w, gr_error *e)
{
    const char *sweep = w->c->sweep;
    if (!sweep || *e->message) return e->status;
    if (strcmp(sweep, "seed") == 0 || strcmp(sweep, "seeds") == 0)
        gr_set_error(e, e->status, "--sweep takes a var or a key of the models; --seeds N makes N runs of each, with the seeds --seed and on");
    if (strcmp(sweep, "steps") == 0 || strcmp(sweep, "epochs") == 0)
        gr_set_error(e, e->status, "--sweep takes a var or a key of the models; %s", budget);
    return e->status;
}
