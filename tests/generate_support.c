/* generate_support.c - see generate_support.h. */
#include "generate_support.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <string.h>

gr_session *open_text(const char *name, const char *graph, const char *section)
{
    return open_model(temp_file(name,
        "graphrun: 1\nname: small\nvars: {time: 6, batch: 2}\n"
        "graph:\n  x: {op: Input, shape: [time, batch], dtype: int32}\n%s"
        "generate: {feed: x, from: logits%s}\n", graph, section), 1);
}

gr_decoder *decoder_of(gr_session *s, bool prefix)
{
    gr_error e;
    gr_decoder *d = gr_decoder_create(s, prefix, &e);
    if (!d) fprintf(stderr, "%s\n", e.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    return d;
}

void run_items(gr_decoder *d, const int32_t *source, int sources, const int32_t *item, int n, double *logits)
{
    gr_error e;
    int status = gr_decoder_begin(d, source, sources, &e);
    for (int i = 0; i < n && status == 0; i++) {
        status = gr_decoder_feed(d, &item[i], 1, &e);
        memcpy(logits + i * CLASSES, gr_decoder_logits(d), CLASSES * sizeof *logits);
    }
    if (status) fprintf(stderr, "%s\n", e.message);
    CU_ASSERT_EQUAL_FATAL(status, 0);
}

double farthest(const double *a, const double *b, int n)
{
    double worst = 0;
    for (int i = 0; i < n; i++) worst = fmax(worst, fabs(a[i] - b[i]));
    return worst;
}

const int32_t items[8] = {3, 1, 4, 1, 5, 2, 6, 5};

void check_steps(const generate_kind *k)
{
    double steps[6 * CLASSES], prefix[6 * CLASSES];
    gr_session *s = open_text(k->name, k->graph, "");
    gr_decoder *d = decoder_of(s, false);
    if (gr_decoder_steps(d) != k->steps) fprintf(stderr, "%s: %s\n", k->name, k->steps ? "does not step" : "steps");
    CU_ASSERT_EQUAL(gr_decoder_steps(d), k->steps);
    run_items(d, NULL, 0, items, 6, steps);
    run_items(decoder_of(s, true), NULL, 0, items, 6, prefix);
    double worst = farthest(steps, prefix, 6 * CLASSES);
    if (worst > 1e-5) fprintf(stderr, "%s: %g\n", k->name, worst);
    CU_ASSERT_TRUE(worst <= 1e-5);
    gr_session_close(s);
}
