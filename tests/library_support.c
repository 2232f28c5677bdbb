/* library_support.c - see library_support.h. */
#include "library_support.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const int32_t tokens[STEPS] = {1, 0, 4, 2, 2, 3, 0, 1, 4};
const char *const logits_name[] = {"logits", NULL};
const char *trained_model, *trained_weights;

void make_trained(void)
{
    gr_error e;
    if (trained_model) return;
    trained_model = strdup(recurrent_model("library.yaml", "optimizer: {op: Adam, lr: 0.05}, steps: 8"));
    trained_weights = strdup(temp_path("library.safetensors"));
    CU_ASSERT_EQUAL_FATAL(train_model(trained_model, 1, (gr_train_options){.epochs = -1, .steps = -1, .save = trained_weights}, &e), 0);
}

const char *prepared_model(const char *name, const char *head, const char *rnn)
{
    return temp_file(name, "graphrun: 1\nname: prepared\n%sgraph:\n"
                           "  x: {op: Input, shape: [time, batch], dtype: int32}\n"
                           "  e: {op: Embedding, in: x, num_embeddings: 5, embedding_dim: 32}\n%s"
                           "  logits: {op: Linear, in: rnn.output, out_features: 5}\n", head, rnn);
}

int library_fail(const char *what, gr_failure *why)
{
    fprintf(stderr, "%s: %s\n", what, why ? gr_failure_text(why) : "no failure");
    gr_failure_free(why);
    return -1;
}

void expect(gr_failure **why, int status, const char *says)
{
    const bool right = *why && (int)gr_failure_status(*why) == status && strstr(gr_failure_text(*why), says);
    if (!right) fprintf(stderr, "not '%s' but: %s\n", says, *why ? gr_failure_text(*why) : "nothing");
    CU_ASSERT_TRUE(right);
    gr_failure_free(*why);
    *why = NULL;
}

gr_network *open_network_with(const char *path, gr_network_options o)
{
    gr_network *n = NULL;
    gr_failure *why = NULL;
    o.size = sizeof o;
    if (gr_network_open(path, &o, &n, &why)) library_fail(path, why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(n);
    return n;
}

gr_network *open_network(const char *path, const char *from)
{
    return open_network_with(path, (gr_network_options){.weights = from, .seed = 1});
}

gr_stream *open_stream(gr_network *n, const char *along, int64_t time, int64_t batch)
{
    const gr_axis_size axes[] = {{"time", time}, {"batch", batch}};
    const gr_stream_options o = {.size = sizeof o, .results = logits_name, .along = along, .axes = axes, .num_axes = 2};
    gr_stream *s = NULL;
    gr_failure *why = NULL;
    if (gr_stream_open(n, &o, &s, &why)) library_fail("stream", why);
    return s;
}

const float *run_stream(gr_stream *s, const int32_t *item, int n)
{
    gr_tensor x, y;
    gr_failure *why = NULL;
    if (!s) return NULL;
    if (gr_stream_input(s, "x", &x, &why) || gr_stream_result(s, "logits", &y, &why)) return library_fail("names", why), NULL;
    const bool right = x.dtype == GR_INT32 && x.rank == 2 && x.dim[0] == n && x.dim[1] == 1 && x.stride[0] == 1 &&
                       y.dtype == GR_FLOAT32 && y.rank == 3 && y.dim[0] == n && y.dim[2] == CLASSES;
    if (!right) return library_fail("the memory of a stream is of another shape", NULL), NULL;
    memcpy(x.data, item, sizeof *item * (size_t)n);
    if (gr_stream_run(s, &why)) return library_fail("run", why), NULL;
    return y.data;
}

void run_whole(gr_network *n, float to[STEPS * CLASSES])
{
    gr_stream *s = open_stream(n, NULL, STEPS, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    const float *y = run_stream(s, tokens, STEPS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(y);
    memcpy(to, y, STEPS * CLASSES * sizeof *y);
    gr_stream_close(s);
}

double distance(const float *a, const float *b, int n)
{
    double d = a ? 0 : INFINITY;
    for (int i = 0; a && i < n; i++) d = fmax(d, fabs((double)a[i] - (double)b[i]));
    return d;
}

/* ---- memory ---- */

static void *purse_allocate(void *data, size_t bytes, size_t align)
{
    purse *p = data;
    if (++p->asked == p->fail_at) return NULL;
    p->held++;
    p->bytes += bytes;
    return aligned_alloc(align, (bytes + align - 1) / align * align);
}

static void purse_release(void *data, void *memory, size_t bytes)
{
    ((purse *)data)->held--;
    ((purse *)data)->bytes -= bytes;
    free(memory);
}

gr_memory purse_memory(purse *p) { return (gr_memory){purse_allocate, purse_release, p}; }
