/* compare_attention.c - where a trained model looks.
 *
 * What the section `generate` names under `show`, for its prompts; of a model that has none, the values called
 * "weights" or "..._weights" (an attention's output) for the first example of the split `valid`. A map is
 * for people to look at: what is too large or no share of anything is left out, and so are all where the
 * model cannot be run so. */
#include "train/compare_work.h"
#include "train/generate.h"
#include "train/generate_text.h"

#include <string.h>

enum { MOST_MAPS = 4, MOST_CELLS = 10000, MOST_ELEMENTS = 1 << 22 };

typedef struct look {
    gr_session *session;
    gr_attention_map *map; int num_maps, cap_maps;
} look;

static void add_map(look *to, const gr_attention_map *m)
{
    if (to->num_maps < MOST_MAPS && m->rows > 0 && m->columns > 1 && (int64_t)m->rows * m->heads * m->columns <= MOST_CELLS)
        *GR_PUSH(to->session->arena, to->map, to->num_maps, to->cap_maps) = *m;
}

/* ---- while it generates ---- */

static void add_table(void *data, const char *prompt, const struct gr_table *t)
{
    look *to = data;
    const gr_attention_map m = {.name = to->session->recipe->generate.show, .prompt = prompt, .seed = to->session->options.seed,
                                .rows = t->rows, .heads = t->heads, .columns = t->columns, .row = t->row, .column = t->column, .value = t->value};
    add_map(to, &m);
}

static void generate(look *to, gr_error *e)
{
    gr_generate_options g = gr_generate_defaults(to->session);
    g.num_prompts = g.num_prompts < MOST_MAPS ? g.num_prompts : MOST_MAPS;
    g.num_references = 0;
    g.out = NULL;
    g.tabled = add_table;
    g.data = to;
    if (gr_generate(to->session, &g, e)) to->num_maps = 0;
}

/* ---- on a batch ---- */

static bool is_weights(const gr_name *n)
{
    static const char word[] = "weights";
    const size_t length = strlen(n->name), m = sizeof word - 1;
    const gr_type *t = &n->value->type;
    return length >= m && strcmp(n->name + length - m, word) == 0 && gr_is_float(t->dtype) && t->rank > 1 && gr_numel(t) <= MOST_ELEMENTS;
}

/* NULL-ended; NULL: there are none. */
static const char *const *weights_of(gr_session *s)
{
    const gr_want plain = {0};
    const gr_graph *g = gr_session_graph(s, &plain, "expand");
    const char **list = NULL;
    int n = 0, cap = 0;
    for (int i = 0; g && i < g->num_names; i++)
        if (is_weights(&g->names[i])) *GR_PUSH(s->arena, list, n, cap) = gr_arena_strdup(s->arena, g->names[i].name);
    if (n) *GR_PUSH(s->arena, list, n, cap) = NULL;
    return list;
}

static const char batch_axis[] = "batch";

static int axis_called(const gr_model_input *in, const char *name)
{
    for (int k = 0; k < in->rank; k++)
        if (in->axis[k] && strcmp(in->axis[k], name) == 0) return k;
    return -1;
}

static int64_t rows_of_batch(const gr_exec *x, const gr_tensor *field)
{
    const gr_session *s = x->session;
    for (int i = 0; i < s->num_inputs; i++) {
        const int k = axis_called(&s->inputs[i], batch_axis);
        if (k >= 0 && x->field[i] >= 0) return field[x->field[i]].dim[k];
    }
    return -1;
}

/* Which axis of weights is the batch: the one called so, else the first as long as it is. -1: none. */
static int find_batch(const gr_type *t, int64_t rows)
{
    for (int k = 0; k < t->rank - 1; k++)
        if (t->axis[k] && strcmp(t->axis[k], batch_axis) == 0) return k;
    for (int k = 0; k < t->rank - 1; k++)
        if (t->dim[k] == rows) return k;
    return -1;
}

/* Which Input has the words of n steps, [steps, batch] or [batch, steps]; -1: none, or several of axes that are not
 * the same. */
static int input_of(const gr_exec *x, const gr_tensor *field, int64_t n)
{
    const gr_session *s = x->session;
    int found = -1;
    for (int i = 0; i < s->num_inputs; i++) {
        const gr_model_input *in = &s->inputs[i];
        const int k = axis_called(in, batch_axis), f = x->field[i];
        if (f < 0 || k < 0 || in->rank != 2 || in->dtype != GR_INT32 || field[f].dim[1 - k] != n) continue;
        const char *axis = in->axis[1 - k], *before = found < 0 ? NULL : s->inputs[found].axis[1 - axis_called(&s->inputs[found], batch_axis)];
        if (found >= 0 && (!axis || !before || strcmp(axis, before) != 0)) return -1;
        if (found < 0) found = i;
    }
    return found;
}

/* The first example's items of that Input, as words; NULL: there is none. */
static const char *const *words_of(gr_exec *x, const gr_tensor *field, int64_t n)
{
    gr_session *s = x->session;
    const int i = n > 1 ? input_of(x, field, n) : -1;
    if (i < 0) return NULL;
    const gr_tensor *t = &field[x->field[i]];
    const gr_words words = gr_words_of(s, &s->inputs[i]);
    const int64_t step = t->stride[1 - axis_called(&s->inputs[i], batch_axis)];
    const char **list = GR_NEW_ARRAY(s->arena, const char *, n + 1);
    for (int64_t k = 0; k < n; k++) list[k] = gr_words_text(&words, (int32_t)gr_element(t->data, t->dtype, k * step));
    return list;
}

/* The first example of [..., batch, ..., columns], what lies between as rows. false: a number is no share. */
static bool take_example(gr_arena *a, const gr_type *t, const void *data, int batch, gr_attention_map *m)
{
    int64_t inner = 1, rows = 1;
    for (int k = 0; k < t->rank - 1; k++) rows *= k == batch ? 1 : t->dim[k];
    for (int k = batch + 1; k < t->rank; k++) inner *= t->dim[k];
    if (rows * t->dim[t->rank - 1] > MOST_CELLS) return false;
    m->rows = (int)rows;
    m->columns = (int)t->dim[t->rank - 1];
    double *value = GR_NEW_ARRAY(a, double, rows * m->columns + 1);
    for (int64_t i = 0; i < rows * m->columns; i++) {
        value[i] = gr_element(data, t->dtype, i / inner * inner * t->dim[batch] + i % inner);
        if (!(value[i] >= 0 && value[i] <= 1.001)) return false;
    }
    m->value = value;
    return true;
}

static bool is_there(const look *to, const gr_attention_map *m)
{
    for (int i = 0; i < to->num_maps; i++)
        if (to->map[i].rows == m->rows && to->map[i].columns == m->columns &&
            memcmp(to->map[i].value, m->value, (size_t)m->rows * (size_t)m->columns * sizeof *m->value) == 0)
            return true;
    return false;
}

static void look_at_batch(look *to, gr_error *e)
{
    gr_session *s = to->session;
    const gr_want want = {.fetch = weights_of(s)};
    const gr_tensor *field;
    gr_exec *x = want.fetch ? gr_session_compile(s, &want, e) : NULL;
    if (!x || gr_data_begin(s->data, "valid", 0, 0, e) || gr_data_next(s->data, &field, e) <= 0) return;
    if (!(x = gr_exec_for_batch(x, field, e)) || gr_exec_feed_batch(x, field, e) || gr_exec_step(x, 0, e)) return;
    for (int i = 0; want.fetch[i]; i++) {
        gr_type t;
        const void *data = gr_run_result(x->run, want.fetch[i], &t);
        const int batch = data ? find_batch(&t, rows_of_batch(x, field)) : -1;
        gr_attention_map m = {.name = want.fetch[i], .prompt = "", .seed = s->options.seed, .heads = 1};
        if (batch < 0 || !take_example(s->arena, &t, data, batch, &m) || is_there(to, &m)) continue;
        m.row = words_of(x, field, m.rows);
        m.column = words_of(x, field, m.columns);
        add_map(to, &m);
    }
}

int gr_compare_look(gr_session *s, const gr_attention_map **maps)
{
    look to = {.session = s};
    gr_error e = {0};
    gr_frame frame;
    if (!gr_try(s->arena, &frame)) return 0;
    const gr_generate_spec *g = &s->recipe->generate;
    if (g->feed && g->show) generate(&to, &e);
    else look_at_batch(&to, &e);
    gr_end_try(s->arena, &frame);
    *maps = to.map;
    return to.num_maps;
}
