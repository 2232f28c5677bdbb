/* stream.c - a program of one's own that lets a trained language model write.
 *
 *     graphrun train graphs/language_model/char_lstm.yaml --save lstm.safetensors
 *     cc stream.c $(pkg-config --cflags --libs graphrun) -o stream
 *     ./stream graphs/language_model/char_lstm.yaml lstm.safetensors "the " 80
 *
 * Each character costs one step of the model: what it has read so far is in the stream's state. */
#include <graphrun/graphrun.h>

#include <stdio.h>
#include <stdlib.h>

enum { MAX_PROMPT = 1000 };

static int fail(gr_failure *why)
{
    fprintf(stderr, "stream: %s\n", gr_failure_text(why));
    gr_failure_free(why);
    return EXIT_FAILURE;
}

static int likeliest(const gr_tensor *logits)
{
    const float *x = logits->data;
    int best = 0;
    for (int64_t i = 1; i < logits->dim[logits->rank - 1]; i++)
        if (x[i] > x[best]) best = (int)i;
    return best;
}

/* The prompt, and `length` items more. */
static int write_on(gr_network *net, gr_stream *s, const char *prompt, long length, gr_failure **why)
{
    int32_t item[MAX_PROMPT];
    gr_tensor token, logits;
    int64_t n = gr_network_encode(net, "tokens", prompt, item, MAX_PROMPT, why);
    if (n < 0 || gr_stream_input(s, "tokens", &token, why) || gr_stream_result(s, "logits", &logits, why)) return -1;
    if (n > MAX_PROMPT) n = MAX_PROMPT; /* the rest is not read */
    fputs(prompt, stdout);
    for (int64_t i = 0; i + 1 < n + length; i++) {
        int32_t *now = token.data;
        *now = i < n ? item[i] : likeliest(&logits);
        if (i >= n) fputs(gr_network_word(net, "tokens", *now), stdout);
        if (gr_stream_run(s, why)) return -1;
    }
    puts(gr_network_word(net, "tokens", likeliest(&logits)));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 5 || !*argv[3]) {
        fprintf(stderr, "usage: stream MODEL.yaml WEIGHTS.safetensors PROMPT LENGTH [KEY=VALUE]...\n");
        return 2;
    }
    const gr_network_options no = {.size = sizeof no, .weights = argv[2], .sets = (const char *const *)argv + 5};
    const gr_axis_size one = {"batch", 1};
    const gr_stream_options so = {.size = sizeof so, .along = "time", .axes = &one, .num_axes = 1};
    gr_network *net = NULL;
    gr_stream *s = NULL;
    gr_failure *why = NULL;
    int code = EXIT_SUCCESS;
    if (gr_network_open(argv[1], &no, &net, &why) || gr_stream_open(net, &so, &s, &why) ||
        write_on(net, s, argv[3], strtol(argv[4], NULL, 10), &why))
        code = fail(why);
    gr_stream_close(s);
    gr_network_close(net);
    return code;
}
