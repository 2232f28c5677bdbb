/* stream.c - a program of one's own that lets a trained language model write.
 *
 *     graphrun train graphs/language_model/char_lstm.yaml --save lstm.safetensors
 *     cc stream.c $(pkg-config --cflags --libs graphrun) -o stream
 *     ./stream graphs/language_model/char_lstm.yaml lstm.safetensors "the " 80
 *
 * Each character (or word) costs one step of the model: what it has read so far is in the stream's state. The model's
 * Input is called "tokens", and it generates from "logits", [time, batch, vocabulary]. */
#include <graphrun/graphrun.h>

#include <stdio.h>
#include <stdlib.h>

typedef struct writer {
    gr_network *net;
    gr_stream *stream;
    gr_tensor token, logits; /* the stream's memory */
    int32_t words;           /* of the vocabulary that the logits choose from */
} writer;

/* 0, or a negative gr_status with *why. */
static int open_writer(writer *w, const char *model, const char *weights, const char *const *sets, gr_failure **why)
{
    const gr_network_options no = {.size = sizeof no, .weights = weights, .sets = sets};
    const gr_axis_size one = {"batch", 1};
    const gr_stream_options so = {.size = sizeof so, .along = "time", .axes = &one, .num_axes = 1};
    int status = gr_network_open(model, &no, &w->net, why);
    if (!status) status = gr_stream_open(w->net, &so, &w->stream, why);
    if (!status) status = gr_stream_input(w->stream, "tokens", &w->token, why);
    if (!status) status = gr_stream_result(w->stream, "logits", &w->logits, why);
    if (status) return status;
    const int64_t classes = w->logits.dim[w->logits.rank - 1];
    w->words = gr_network_words(w->net, "tokens");
    if (w->words > classes) w->words = (int32_t)classes;
    return 0;
}

static void close_writer(writer *w)
{
    gr_stream_close(w->stream);
    gr_network_close(w->net);
}

/* Reads one item; afterwards the logits are of the next. */
static int read_item(writer *w, int32_t item, gr_failure **why)
{
    *(int32_t *)w->token.data = item;
    return gr_stream_run(w->stream, why);
}

static int32_t likeliest(const writer *w)
{
    const float *x = w->logits.data;
    int32_t best = 0;
    for (int32_t i = 1; i < w->words; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

/* How many items the prompt has, 0: none; or a negative gr_status. */
static int64_t read_prompt(writer *w, const char *prompt, gr_failure **why)
{
    const int64_t n = gr_network_encode(w->net, "tokens", prompt, NULL, 0, why);
    int32_t *item = calloc(n > 0 ? (size_t)n : 1, sizeof *item);
    int64_t status = item ? n : GR_ENOMEM;
    if (status > 0) status = gr_network_encode(w->net, "tokens", prompt, item, n, why);
    for (int64_t i = 0; i < n && status > 0; i++)
        if (read_item(w, item[i], why)) status = -1;
    free(item);
    return status;
}

static int write_on(writer *w, const char *prompt, long length, gr_failure **why)
{
    const char *space = gr_network_spaced(w->net, "tokens") ? " " : "";
    fputs(prompt, stdout);
    for (long i = 0; i < length; i++) {
        const int32_t next = likeliest(w);
        printf("%s%s", space, gr_network_word(w->net, "tokens", next));
        if (i + 1 < length && read_item(w, next, why)) return -1;
    }
    putchar('\n');
    return 0;
}

static void fail(gr_failure *why)
{
    fprintf(stderr, "stream: %s\n", why ? gr_failure_text(why) : "out of memory");
    if (why) gr_failure_free(why);
}

int main(int argc, char **argv)
{
    char *end = NULL;
    const long length = argc < 5 ? 0 : strtol(argv[4], &end, 10);
    if (argc < 5) {
        fprintf(stderr, "usage: stream MODEL.yaml WEIGHTS.safetensors PROMPT LENGTH [KEY=VALUE]...\n");
        return 2;
    }
    if (*end || length < 1 || length > 1000000) {
        fprintf(stderr, "stream: LENGTH is '%s'; write how many items are to follow the prompt, 1 to 1000000\n", argv[4]);
        return 2;
    }
    writer w = {.net = NULL};
    gr_failure *why = NULL;
    int64_t n = open_writer(&w, argv[1], argv[2], (const char *const *)argv + 5, &why);
    if (n == 0) n = read_prompt(&w, argv[3], &why);
    if (n == 0) fprintf(stderr, "stream: PROMPT is empty; write what the text begins with\n");
    if (n > 0 && write_on(&w, argv[3], length, &why)) n = -1;
    if (n < 0) fail(why);
    close_writer(&w);
    return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
