/* compare.c - from model files to a comparison; what each stage does is in a file of its own (compare_work.h). */
#include "train/compare_work.h"
#include "base/path.h"
#include "io/file.h"
#include "kernel/kernel.h"
#include "train/machine.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- opening models ---- */

static bool name_is_taken(const gr_comparison *c, int i, const char *name)
{
    for (int k = gr_compare_first(c, i); k < i; k++)
        if (strcmp(c->contender[k].model, name) == 0) return true;
    return false;
}

/* Contenders are the models with the first value of a sweep, then with the second ... */
static int model_of(const gr_compare_work *w, int i) { return i % w->options->num_models; }

static const char *value_set(gr_compare_work *w, int i)
{
    return gr_arena_printf(w->arena, "%s=%s", w->c->sweep, w->c->value[i / w->options->num_models]);
}

/* The model's own name, or its file's where another file has the same one, with what sets it apart from others of the same file. */
static void name_contender(gr_compare_work *w, int i)
{
    gr_contender *k = &w->c->contender[i];
    gr_arena *a = w->arena;
    const char *name = gr_arena_strdup(a, gr_model_name(w->open[i]->model)), *file = gr_path_name(k->path);
    for (int m = 0; m < w->options->num_models; m++)
        if (strcmp(w->c->contender[m].path, k->path) != 0 && strcmp(gr_model_name(w->open[m]->model), gr_model_name(w->open[i]->model)) == 0)
            name = gr_arena_strndup(a, file, gr_path_stem(file));
    const char *const *sets = w->options->sets ? w->options->sets[model_of(w, i)] : NULL;
    for (int s = 0; sets && sets[s]; s++) name = gr_arena_printf(a, "%s %s", name, sets[s]);
    k->model = name;
    for (int n = 2; name_is_taken(w->c, i, k->model); n++) k->model = gr_arena_printf(a, "%s (%d)", name, n);
    k->name = w->c->sweep ? gr_arena_printf(a, "%s %s", k->model, value_set(w, i)) : k->model;
}

static void join_sets(gr_compare_work *w, int i)
{
    const char *const *all = w->options->session.model.sets, *const *own = w->options->sets ? w->options->sets[model_of(w, i)] : NULL;
    int cap = 0;
    gr_contender *k = &w->c->contender[i];
    const char **list = NULL;
    for (int s = 0; all && all[s]; s++) *GR_PUSH(w->arena, list, k->num_sets, cap) = gr_arena_strdup(w->arena, all[s]);
    for (int s = 0; own && own[s]; s++) *GR_PUSH(w->arena, list, k->num_sets, cap) = gr_arena_strdup(w->arena, own[s]);
    if (w->c->sweep) *GR_PUSH(w->arena, list, k->num_sets, cap) = value_set(w, i);
    int count = k->num_sets;
    *GR_PUSH(w->arena, list, count, cap) = NULL;
    k->sets = list;
}

static int check_model(const gr_session *s, const char *path, gr_error *e)
{
    if (!s->recipe->minimize || !s->recipe->optimizer.op)
        return gr_set_error(e, GR_EINVAL, "%s has no `train` section with an optimizer: there is nothing to compare", path);
    if (!s->data) return gr_set_error(e, GR_EINVAL, "%s has no `data` section: models are compared by the data they are trained on", path);
    if (!gr_data_has_split(s->data, "valid"))
        return gr_set_error(e, GR_EINVAL, "%s: its data have no split 'valid' to compare models on: write split: {train: 0.9, valid: 0.1} under `data`", path);
    return gr_data_batches(s->data, "train") > 0 ? 0 : gr_set_error(e, GR_EINVAL, "%s: its data source has no batch to train on", path);
}

static int open_contender(gr_compare_work *w, int i, gr_error *e)
{
    gr_contender *k = &w->c->contender[i];
    const gr_session_options o = gr_compare_session(w, i, w->options->session.threads);
    gr_session_close(w->open[i]);
    w->open[i] = gr_session_open(k->path, &o, e);
    if (!w->open[i] || check_model(w->open[i], k->path, e)) return e->status;
    return gr_compare_note_files(w, i, e);
}

static int add_contender(gr_compare_work *w, int i, gr_error *e)
{
    gr_contender *k = &w->c->contender[i];
    char *text;
    size_t length;
    k->path = gr_arena_strdup(w->arena, w->options->path[model_of(w, i)]);
    join_sets(w, i);
    if (gr_file_read(w->arena, k->path, GR_COMPARE_MOST_BYTES, &text, &length, e) || open_contender(w, i, e)) return e->status;
    const gr_recipe *r = w->open[i]->recipe;
    k->yaml = text;
    k->doc = gr_arena_strdup(w->arena, gr_model_doc_text(w->open[i]->model));
    k->own_lr = k->lr = r->num_lrs ? r->lrs[0].lr : (double)NAN;
    k->seconds_per_step = k->tokens_per_second = NAN;
    k->parameters = gr_count_parameters(w->open[i], e);
    return k->parameters < 0 ? (int)e->status : 0;
}

/* The memory of a step in all, as `graphrun plan` has it. */
static int64_t memory_of(const gr_exec *x)
{
    const gr_program *p = x->program;
    double bytes = (double)(p->feed_bytes + p->result_bytes + p->constant_bytes + p->arena_bytes) + (double)p->scratch_bytes * x->schedule->threads;
    for (int i = 0; i < p->graph->num_states; i++) {
        const gr_type *t = &p->graph->states[i]->value->type;
        bytes += (double)gr_numel(t) * (double)gr_dtype_size(t->dtype);
    }
    return (int64_t)bytes;
}

static gr_exec *training_program(gr_session *s, gr_error *e)
{
    const gr_want want = {.update = true, .training = true, .metrics = true};
    return gr_session_compile(s, &want, e);
}

/* What is known of a model once its vars are. */
static int look_at(gr_compare_work *w, int i, gr_error *e)
{
    gr_contender *k = &w->c->contender[i];
    if (k->matched && open_contender(w, i, e)) return e->status;
    const gr_exec *x = training_program(w->open[i], e);
    if (!x) return e->status;
    k->memory = memory_of(x);
    return gr_data_traits_of(w->open[i], w->arena, &w->traits[i], e);
}

/* ---- the data ---- */

/* The lines of a top-level section, as written. */
static const char *section_text(gr_arena *a, const char *yaml, const char *key)
{
    const size_t n = strlen(key);
    const char *at = yaml, *end;
    while (at && (strncmp(at, key, n) != 0 || at[n] != ':')) at = (at = strchr(at, '\n')) ? at + 1 : NULL;
    if (!at) return "";
    for (end = strchr(at, '\n'); end && (end[1] == ' ' || end[1] == '\n' || end[1] == '#');) end = strchr(end + 1, '\n');
    return end ? gr_arena_strndup(a, at, (size_t)(end - at)) : at;
}

static int compare_data(gr_compare_work *w, gr_error *e)
{
    gr_comparison *c = w->c;
    c->same_data = true;
    c->different = "";
    c->data = section_text(w->arena, c->contender[0].yaml, "data");
    for (int i = 1; i < c->num_contenders; i++) {
        const char *why = gr_data_difference(w, i);
        if (!why) continue;
        if (!w->options->allow_different_data)
            return gr_set_error(e, GR_EINVAL, "%s and %s read different data, so their numbers say nothing of which is better: %s. "
                                "--allow-different-data compares them all the same", c->contender[gr_compare_first(c, i)].path,
                                c->contender[i].path, why);
        c->different = gr_arena_printf(w->arena, "%s%s%s: %s", c->different, c->same_data ? "" : "\n", c->contender[i].name, why);
        c->same_data = false;
    }
    return 0;
}

/* ---- settings ---- */

static int64_t steps_of_file(const gr_session *s)
{
    const int64_t n = gr_train_steps(s, s->recipe->epochs, s->recipe->steps);
    return n < 0 ? GR_COMPARE_STEPS : n;
}

static void set_amount(gr_compare_work *w)
{
    gr_comparison *c = w->c;
    c->budget = w->options->budget;
    c->amount = w->options->amount;
    if (c->amount > 0) return;
    const int64_t own = steps_of_file(w->open[0]);
    c->budget = GR_BUDGET_STEPS;
    c->amount = own < 1 ? 1 : own > GR_COMPARE_STEPS ? GR_COMPARE_STEPS : (double)own;
    if (own > GR_COMPARE_STEPS && !w->options->session.quiet)
        fprintf(stderr, "graphrun: each run is of %d steps; %s asks for %lld, which --steps %lld gives\n", GR_COMPARE_STEPS, c->contender[0].path,
                (long long)own, (long long)own);
}

static void set_trials(gr_compare_work *w)
{
    gr_comparison *c = w->c;
    uint64_t *seed = GR_NEW_ARRAY(w->arena, uint64_t, w->options->seeds);
    c->num_seeds = (int)w->options->seeds;
    for (int i = 0; i < c->num_seeds; i++) seed[i] = w->options->session.seed + (uint64_t)i;
    c->seed = seed;
    for (int k = 0; k < c->num_contenders; k++) {
        gr_trial *t = c->contender[k].trial = GR_NEW_ARRAY(w->arena, gr_trial, c->num_seeds);
        for (int i = 0; i < c->num_seeds; i++) t[i] = gr_trial_waiting(seed[i], c->contender[k].lr);
    }
}

static int describe(gr_compare_work *w, gr_error *e)
{
    const gr_compare_options *o = w->options;
    gr_comparison *c = w->c;
    const gr_topology *t = gr_topology_get(w->arena, NULL, e);
    if (!t) return e->status;
    c->threads = o->session.threads ? o->session.threads : t->cores;
    c->at_once = 1;
    c->command = gr_arena_strdup(w->arena, o->command ? o->command : "");
    c->date = gr_arena_strdup(w->arena, o->date ? o->date : "");
    c->version = gr_arena_strdup(w->arena, o->version ? o->version : "");
    c->kernel = gr_arena_strdup(w->arena, gr_kernel_name());
    c->cpu = gr_cpu_name(w->arena);
    c->dtype = gr_dtype_name(o->session.model.real ? o->session.model.real : GR_FLOAT32);
    c->level = GR_COMPARE_LEVEL;
    c->points = (int)o->points;
    c->gradient = o->gradient ? gr_arena_strdup(w->arena, o->gradient) : NULL;
    return 0;
}

/* ---- budgets ---- */

/* Of a model that diverges at once nothing can be measured: it is given as many steps as the fastest of the others. */
static double seconds_per_step(const gr_comparison *c, int i)
{
    double least = NAN;
    for (int k = 0; k < c->num_contenders; k++) least = fmin(least, c->contender[k].seconds_per_step);
    return isnan(c->contender[i].seconds_per_step) ? least : c->contender[i].seconds_per_step;
}

static int set_steps(gr_compare_work *w, int i, gr_error *e)
{
    gr_comparison *c = w->c;
    gr_contender *k = &c->contender[i];
    if (c->budget == GR_BUDGET_STEPS) k->steps = (int64_t)c->amount;
    else if (c->budget == GR_BUDGET_TOKENS) {
        const gr_exec *x = training_program(w->open[i], e);
        k->steps = x ? gr_steps_of_tokens(x, c->amount, e) : 0;
    } else if (!k->steps) { /* else a run of before was of so many */
        const double seconds = seconds_per_step(c, i);
        if (isnan(seconds)) return gr_set_error(e, GR_ESTATE, "%s: its speed could not be measured: give --steps", k->path);
        k->steps = (int64_t)fmin(fmax(1, c->amount / seconds), 1e15);
    }
    return e->status;
}

/* As many runs as fit into half of the memory. */
static void set_at_once(gr_compare_work *w, int jobs)
{
    gr_comparison *c = w->c;
    const double half = 0.5 * (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    double most = 1;
    for (int i = 0; i < c->num_contenders; i++) most = fmax(most, (double)c->contender[i].memory);
    int n = w->options->at_once ? (int)w->options->at_once : c->threads;
    if (!w->options->at_once && n * most > half) n = (int)fmax(1, half / most);
    c->at_once = n < jobs ? n : jobs < 1 ? 1 : jobs;
}

/* ---- jobs ---- */

static void add_job(gr_compare_work *w, int contender, gr_trial *t, bool shows)
{
    if (t->status == GR_TRIAL_WAITING) w->job[w->num_jobs++] = (gr_job){contender, t, shows};
}

/* Seed by seed, so that what is there after a while compares all models. */
static void list_trials(gr_compare_work *w)
{
    const gr_comparison *c = w->c;
    w->num_jobs = w->next = 0;
    for (int i = 0; i < c->num_seeds; i++)
        for (int k = 0; k < c->num_contenders; k++) add_job(w, k, &c->contender[k].trial[i], i == 0);
}

static void list_grids(gr_compare_work *w)
{
    const gr_comparison *c = w->c;
    w->num_jobs = w->next = 0;
    for (int i = 0; i < GR_COMPARE_MAX_RATES; i++)
        for (int k = 0; k < c->num_contenders; k++)
            if (i < c->contender[k].num_grid) add_job(w, k, &c->contender[k].grid[i], false);
}

static int64_t steps_of_jobs(const gr_compare_work *w)
{
    int64_t n = 0;
    for (int i = 0; i < w->num_jobs; i++) n += w->c->contender[w->job[i].contender].steps;
    return n;
}

/* What is still to be made of both phases; the second's learning rates are not known in the first. */
static void count_work(gr_compare_work *w)
{
    list_trials(w);
    const int trials = w->num_jobs;
    int64_t steps = steps_of_jobs(w);
    list_grids(w);
    steps += steps_of_jobs(w);
    w->left = trials + w->num_jobs;
    set_at_once(w, trials > w->num_jobs ? trials : w->num_jobs);
    gr_progress_start(&w->progress, w->options->session.quiet ? NULL : stderr, 0, steps);
}

/* Once all learning rates are tried, the best are taken, and runs of before that have them. */
static int settle_rates(gr_compare_work *w, gr_error *e)
{
    const gr_comparison *c = w->c;
    if (w->settled) return 0;
    for (int k = 0; k < c->num_contenders; k++)
        for (int i = 0; i < c->contender[k].num_grid; i++)
            if (c->contender[k].grid[i].status == GR_TRIAL_WAITING) return 0;
    gr_compare_judge(w->c);
    if (gr_compare_choose(w, e)) return e->status;
    gr_compare_recall(w);
    w->settled = true;
    return 0;
}

static int make_runs(gr_compare_work *w, gr_error *e)
{
    const gr_comparison *c = w->c;
    w->job = GR_NEW_ARRAY(w->arena, gr_job, (c->num_seeds + GR_COMPARE_MAX_RATES) * c->num_contenders);
    count_work(w);
    if (gr_compare_run(w, e) || settle_rates(w, e)) return e->status;
    if (!w->settled) return 0; /* stopped */
    list_trials(w);
    return gr_compare_run(w, e);
}

/* ---- from start to end ---- */

static int open_all(gr_compare_work *w, gr_error *e)
{
    gr_comparison *c = w->c;
    if (describe(w, e)) return e->status;
    for (int i = 0; i < c->num_contenders; i++) {
        if (add_contender(w, i, e)) return gr_compare_explain_sweep(w, e);
        if (i == w->options->num_models - 1 && gr_compare_check_sweep(w, e)) return e->status;
    }
    for (int i = 0; i < c->num_contenders; i++) name_contender(w, i);
    if (gr_compare_match(w, e)) return e->status;
    for (int i = 0; i < c->num_contenders; i++)
        if (look_at(w, i, e)) return e->status;
    if (compare_data(w, e) || gr_compare_metrics(w, e)) return e->status;
    set_amount(w);
    set_trials(w);
    for (int i = 0; i < c->num_contenders; i++) {
        gr_watch_spec *watch = &w->open[i]->recipe->watch;
        gr_compare_key(w, i);
        if (watch->patience && !w->options->session.quiet)
            fprintf(stderr, "graphrun: %s: early_stopping is left out: all models train for the whole budget\n", c->contender[i].name);
        watch->given = watch->keep = false;
    }
    return gr_compare_grid(w, e);
}

static void close_all(gr_compare_work *w)
{
    for (int i = 0; w->open && i < w->c->num_contenders; i++) {
        gr_session_close(w->open[i]);
        w->open[i] = NULL;
    }
}

static int compare(gr_compare_work *w, gr_error *e)
{
    gr_comparison *c = w->c;
    if (open_all(w, e) || gr_compare_read_before(w, e)) return e->status;
    gr_compare_recall(w);
    if (settle_rates(w, e)) return e->status;
    gr_compare_tell_recalled(w);
    if (gr_compare_keep_before(w, e)) return e->status;
    if (gr_compare_gradients(w, e) || gr_compare_speed(w, e)) return e->status;
    for (int i = 0; i < c->num_contenders && !gr_compare_stopped(w); i++)
        if (set_steps(w, i, e)) return e->status;
    close_all(w);
    if (!gr_compare_stopped(w) && make_runs(w, e)) return e->status;
    gr_compare_judge(c);
    return w->options->file ? gr_comparison_write(c, w->options->file, e) : 0;
}

static int check_options(const gr_compare_options *o, gr_error *e)
{
    if (o->num_models < 2) return gr_set_error(e, GR_EINVAL, "there is one model: a comparison needs two at least");
    if (o->seeds < 1 || o->seeds > GR_COMPARE_MAX_SEEDS)
        return gr_set_error(e, GR_EINVAL, "a comparison has 1 to %d seeds, not %lld", GR_COMPARE_MAX_SEEDS, (long long)o->seeds);
    if (o->points < 1 || o->points > 10000) return gr_set_error(e, GR_EINVAL, "a run has 1 to 10000 validations, not %lld", (long long)o->points);
    if (o->amount < 0 || !isfinite(o->amount)) return gr_set_error(e, GR_EINVAL, "a budget is above 0");
    if (o->sweep && (o->num_values < 2 || o->num_values > GR_COMPARE_MAX_VALUES))
        return gr_set_error(e, GR_EINVAL, "a sweep has 2 to %d values, not %d", GR_COMPARE_MAX_VALUES, o->num_values);
    return o->file && gr_writer_try(o->file, e) ? (int)e->status : 0;
}

static void start(gr_compare_work *w)
{
    const gr_compare_options *o = w->options;
    gr_arena *a = w->arena;
    gr_comparison *c = w->c = GR_NEW(a, gr_comparison);
    c->num_contenders = o->num_models;
    if (o->sweep) {
        const char **value = GR_NEW_ARRAY(a, const char *, o->num_values);
        for (int i = 0; i < o->num_values; i++) value[i] = gr_arena_strdup(a, o->value[i]);
        c->sweep = gr_arena_strdup(a, o->sweep);
        c->value = value;
        c->num_values = o->num_values;
        c->at = -1;
        c->num_contenders *= c->num_values;
    }
    c->contender = GR_NEW_ARRAY(a, gr_contender, c->num_contenders);
    w->open = GR_NEW_ARRAY(a, gr_session *, c->num_contenders);
    w->traits = GR_NEW_ARRAY(a, gr_data_traits, c->num_contenders);
    w->files = GR_NEW_ARRAY(a, gr_used_files, c->num_contenders);
}

int gr_compare(gr_arena *a, const gr_compare_options *o, gr_comparison **out, gr_error *e)
{
    gr_compare_work w = {.arena = a, .options = o, .lock = PTHREAD_MUTEX_INITIALIZER, .lock_fd = -1};
    gr_frame frame;
    *e = (gr_error){0};
    *out = NULL;
    if (check_options(o, e)) return e->status;
    if (gr_try(a, &frame)) {
        start(&w);
        if (gr_compare_lock(&w, e) == 0 && compare(&w, e) == 0) *out = w.c;
        gr_end_try(a, &frame);
    } else {
        gr_caught(a, e);
    }
    if (w.c) close_all(&w);
    gr_compare_unlock(&w);
    pthread_mutex_destroy(&w.lock);
    return e->status;
}
