/* graphrun.h - trained models in a program of one's own.
 *
 *     gr_network    a model file and its weights, opened once; any number of threads may use it
 *     gr_stream     one user of a network: what it is fed, its results, and the state of its loops
 *     gr_training   a model at work on its weights, step by step
 *
 *     gr_network *net;
 *     gr_stream *s;
 *     gr_tensor token, logits;
 *     gr_network_options no = {.size = sizeof no, .weights = "model.safetensors"};
 *     gr_axis_size one = {"batch", 1};
 *     gr_stream_options so = {.size = sizeof so, .along = "time", .axes = &one, .num_axes = 1};
 *     if (gr_network_open("model.yaml", &no, &net, &why) || gr_stream_open(net, &so, &s, &why)) ...
 *     gr_stream_input(s, "tokens", &token, &why);
 *     gr_stream_result(s, "logits", &logits, &why);
 *     for (;;) {
 *         *(int32_t *)token.data = ...;
 *         if (gr_stream_run(s, &why)) ...;
 *         ... ((const float *)logits.data)[i] ...
 *     }
 *
 * Nothing here prints, ends the process, changes its environment, or keeps state outside of these
 * objects. Threads that are started block all signals and are bound to no core.
 *
 * Threads: a gr_network may be used by any number of threads at once. A gr_stream or gr_training is used
 * by one at a time, whichever; another one that comes meanwhile is refused (GR_EINVAL) by the functions that can fail, but for
 * those that ask for memory by name. Different ones run in parallel, without a lock but for opening and resizing. Weights
 * exist once, also the form in which products keep them; a stream has its own inputs, results, workspace and state.
 * The functions of gr_memory are called by any of these threads, `notify` by the one whose call it is about; neither
 * calls the library. Functions of plugins are called by several threads at once, for different nodes and streams. A
 * child of fork() uses none of its parent's objects. A thread that opens or resizes needs 256 KiB of stack.
 *
 * Errors: a function that can fail returns 0 or more for success, else a negative gr_status, and then puts
 * a gr_failure into *why, unless `why` is NULL. Without a failure *why stays as it is. What failed left
 * the objects as they were, but where it says otherwise. Every function may fail with GR_ENOMEM that does not say
 * that it allocates nothing, and with GR_EINVAL where NULL is given for what it needs; those that cannot fail take that for
 * nothing, and do nothing. GR_ESTATE, where it is not named, is a mistake of graphrun's own, and its text says so.
 *
 * Ownership: what an open function gives is the caller's, to be closed; closing NULL is allowed. Streams may
 * be closed before or after their network. What is passed in is copied, but gr_memory's functions.
 *
 * Option structs begin with their size and may grow at their end: fill `size` with sizeof and the rest with
 * zeros, which are the defaults. The library refuses a field that it does not know. */
#ifndef GRAPHRUN_GRAPHRUN_H
#define GRAPHRUN_GRAPHRUN_H

#include <graphrun/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0": of the library that is linked. */
const char *gr_version(void);

/* ---- failures ---- */

/* What went wrong: immutable, belonging to whoever got it. */
typedef struct gr_failure gr_failure;
/* Of NULL: GR_OK, and "". */
gr_status gr_failure_status(const gr_failure *f);
/* For a person, in UTF-8. Of a model file all mistakes in one go: a line "file:line:column: error: ..." for
 * each, the source line and a caret below it. No newline at the end. */
const char *gr_failure_text(const gr_failure *f);
void gr_failure_free(gr_failure *f);

/* ---- networks ---- */

typedef struct gr_network gr_network;

typedef struct gr_network_options {
    size_t size;
    const char *weights;        /* a safetensors file; NULL: initial values, drawn with `seed` */
    const char *const *sets;    /* NULL-ended "KEY=VALUE", as --set of the command; or NULL */
    const char *const *plugins; /* NULL-ended paths, besides those of the file; or NULL */
    gr_dtype dtype;             /* of arithmetic: GR_FLOAT32 or GR_FLOAT64; 0: GR_FLOAT32 */
    gr_dtype weights_dtype;     /* GR_BFLOAT16, GR_FLOAT16: products keep weights with 16 bits, half the memory
                                   to read for a rounding of 0.2% or 0.02%; 0: as `dtype` */
    int threads;                /* of a stream, at most; 0: one, for many streams use many cores best */
    uint64_t seed;
    const gr_memory *memory;    /* where memory is from, for the streams too; NULL: malloc. What the libraries
                                   for YAML, JSON and files use while they work is not */
    void (*notify)(void *data, const char *text); /* notes that are no failures; NULL: none are wanted */
    void *notify_data;
} gr_network_options;

/* Reads a model and its weights. GR_EINVAL: the model, the options or the weights; GR_EIO: a file.
 * The data of the model's `data` section are not needed where the weights hold the vocabulary. */
int gr_network_open(const char *path, const gr_network_options *o, gr_network **to, gr_failure **why);
/* It goes when its last stream does. */
void gr_network_close(gr_network *n);

/* Name of Input i of the model, NULL past the last. *t (may be NULL) is its type: dims that are open are -1,
 * named by axis[]. Both are the network's. */
const char *gr_network_input(const gr_network *n, int i, gr_type *t);

/* How the items of an Input are written: its field's vocabulary, as the weights file keeps it.
 * How many words (or characters) that has; 0: none, its items are plain numbers. */
int gr_network_words(const gr_network *n, const char *input);
/* Word `item`, UTF-8, the network's; NULL: there is none. */
const char *gr_network_word(const gr_network *n, const char *input, int32_t item);
/* Whether they are words, to be written with spaces between them. */
bool gr_network_spaced(const gr_network *n, const char *input);
/* Text (UTF-8) as items, prepared as the data source prepares it; what the vocabulary lacks is its <unk>.
 * Writes the first `room` of them and returns how many there are. */
int64_t gr_network_encode(const gr_network *n, const char *input, const char *text, int32_t *items, int64_t room,
                                 gr_failure **why);

/* ---- streams ---- */

typedef struct gr_stream gr_stream;

typedef struct gr_stream_options {
    size_t size;
    const char *const *results; /* NULL-ended names of values to read: a node, "node.port", one in a block or a loop;
                                   NULL: `generate: {from: ...}` of the model, else every value that no node reads */
    const char *along;          /* an axis, "time": Inputs that have it are fed piece by piece, and loops go on from where
                                   the run before left them; NULL: every run is one of whole sequences */
    const gr_axis_size *axes;   /* lengths of axes, in elements */
    int num_axes;               /* an axis not named is as long as the model file says; `along`: 1 */
    int64_t room;               /* with `along`: for how many steps there is memory, where attention looks back to those before
                                   or positions are counted (a table of positions may have fewer); others go on for ever.
                                   0: as many as the model's var of that name says, else 1024 */
} gr_stream_options;

/* Compiles what the first stream of its kind needs, in about 10 ms; for the next ones it is there already. What compiling
 * took, some 100 KiB, stays with the network; of a stream that could not be opened nothing stays.
 * With `along`, GR_EINVAL where the steps of the axis cannot be run one after another: where something else than
 * forward loops and causal attention mixes them (attention to all steps, a layer that runs backwards). */
int gr_stream_open(gr_network *n, const gr_stream_options *o, gr_stream **to, gr_failure **why);
void gr_stream_close(gr_stream *s);
/* Another stream of the same options, lengths and state, whose Inputs hold what s was fed. Its memory is its own. */
int gr_stream_clone(const gr_stream *s, gr_stream **to, gr_failure **why);

/* The memory of an Input: dense, row-major, zeros at first. It is read in every run and stays as it was fed;
 * with `along`, an Input without that axis is read in the first run after the beginning alone. `to` is good until the
 * stream is resized or closed. GR_EINVAL: no such Input, or no result needs it. */
int gr_stream_input(gr_stream *s, const char *input, gr_tensor *to, gr_failure **why);
/* The memory of a value that the stream was opened for: dense, row-major, to be read after a run, until the next.
 * `to` is good until the stream is resized or closed. */
int gr_stream_result(gr_stream *s, const char *result, gr_tensor *to, gr_failure **why);
/* Name of result i of the options, NULL past the last; the stream's. */
const char *gr_stream_result_name(const gr_stream *s, int i);

/* Computes the results. With `along` the state of loops moves on by as many steps as the piece has; what does
 * not depend on the fed pieces (an encoder) runs in the first run after the beginning alone.
 * Allocates nothing, but for a failure. GR_EINVAL: a value that was fed is refused (a length out of range), or
 * there is no room for the piece's steps; reset the stream then. A NaN is not refused, nor an item that a vocabulary
 * has not: results are what arithmetic makes of it, NaN, and so is the state that loops carry on. */
int gr_stream_run(gr_stream *s, gr_failure **why);
/* Back to the beginning: the state before the first run. */
void gr_stream_reset(gr_stream *s);
/* Takes over the state of another stream of the same network, options and lengths, but for that of `along`. */
int gr_stream_copy_state(gr_stream *s, const gr_stream *from, gr_failure **why);
/* Other lengths of axes, in place of those of the options; the state stays where its shape does: feed a prompt in
 * one piece, then step by step. Lengths that the network meets for the first time cost about 10 ms, and their
 * memory stays with it. Inputs whose shape stays keep what they were fed. Ask for inputs and results again. */
int gr_stream_resize(gr_stream *s, const gr_axis_size *axes, int num_axes, gr_failure **why);
/* State i of a stream with `along`, from 0: what loops carry from run to run, keys and values of the steps so far ([room, ...])
 * with their number ("steps"), and what the first run made once for all (an encoder's output). To be read and written
 * between runs: kept in a file, set by hand; what loops carry also made zero for the one row of a batch whose sequence
 * ended (the number of steps is that of all rows, so rows of attention begin anew together). 1; 0 past the last.
 * *name (may be NULL) is the network's: the loop's name and the carry's, "rnn:h". `to` is dense and row-major, good
 * until the stream is resized or closed. At the beginning it first makes what the first run would, so feed Inputs
 * without that axis before, and may fail as a run. */
int gr_stream_state(gr_stream *s, int i, const char **name, gr_tensor *to, gr_failure **why);

/* ---- training ---- */

typedef struct gr_training gr_training;

typedef struct gr_training_options {
    size_t size;
    const char *weights;        /* to start from, a safetensors file; NULL: initial values, drawn with `seed` */
    const char *const *sets;    /* as of gr_network_options */
    const char *const *plugins;
    gr_dtype dtype;             /* GR_FLOAT32 or GR_FLOAT64; 0: GR_FLOAT32 */
    int threads;                /* at most; 0: as many as pay. Results do not depend on it */
    uint64_t seed;              /* of initial weights, of the order of data, of Dropout */
    const gr_axis_size *axes;   /* lengths of axes that the model file leaves open */
    int num_axes;
    const gr_memory *memory;    /* as of gr_network_options, like the rest */
    void (*notify)(void *data, const char *text);
    void *notify_data;
} gr_training_options;

/* A model with a section `train`, at its first step. GR_EINVAL also where its learning rate watches validations,
 * which are not made here. */
int gr_training_open(const char *path, const gr_training_options *o, gr_training **to, gr_failure **why);
void gr_training_close(gr_training *t);
/* The memory of an Input, as gr_stream_input, for what the model's data source does not feed or feeds otherwise. */
int gr_training_input(gr_training *t, const char *input, gr_tensor *to, gr_failure **why);
/* Feeds the next batch of the data source (with `bptt`, the next piece), going from epoch to epoch without end; steps
 * on these are those of `graphrun train`, bit for bit. A batch of another shape has memory of its own: ask for Inputs
 * again. GR_EINVAL: the model has no `data` (then nothing has changed), its data source fails, or its batch cannot be
 * fed. A call that failed has not moved on: the next one asks for the same batch, of the data source too if that
 * failed, and until one succeeds there is no step. */
int gr_training_next(gr_training *t, gr_failure **why);
/* One training step on what was fed: forward, backward, update. *loss (may be NULL) is the loss before the update.
 * GR_ESTATE: a value was not finite, the text says which; nothing has changed. GR_EINVAL: a value that was fed is
 * refused (a class out of range), or the last gr_training_next has failed; likewise. */
int gr_training_step(gr_training *t, double *loss, gr_failure **why);
int64_t gr_training_epoch(const gr_training *t); /* of the batch that was fed last, from 0 */
/* In place of what the schedule of the model file says, from the next step on; of all parameters. NAN: as it says again. */
void gr_training_set_lr(gr_training *t, double lr);
/* The weights as a safetensors file, for gr_network_open and for PyTorch; a file of that name is replaced once the new
 * one is whole. GR_EIO: it cannot be written. */
int gr_training_save(gr_training *t, const char *path, gr_failure **why);

#ifdef __cplusplus
}
#endif
#endif
