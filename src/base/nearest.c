/* nearest.c - what a name that does not exist was meant for: one that is spelt nearly so, or what is called otherwise in
 * PyTorch, Keras or Hugging Face's transformers. */
#include "base/diag.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

/* ---- spelling ---- */

static int folded(char c) { return tolower((unsigned char)c); }

/* Edit distance with transpositions, whatever the case; gives up beyond 63 characters. */
static int distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    int la = (int)strlen(a), lb = (int)strlen(b), d[3][MAX];
    if (la >= MAX || lb >= MAX) return MAX;
    for (int j = 0; j <= lb; j++) d[0][j] = j;
    for (int i = 1; i <= la; i++) {
        int *now = d[i % 3], *up = d[(i + 2) % 3], *upper = d[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= lb; j++) {
            int cost = up[j - 1] + (folded(a[i - 1]) != folded(b[j - 1]));
            if (up[j] + 1 < cost) cost = up[j] + 1;
            if (now[j - 1] + 1 < cost) cost = now[j - 1] + 1;
            if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) &&
                folded(a[i - 2]) == folded(b[j - 1]) && upper[j - 2] + 1 < cost)
                cost = upper[j - 2] + 1;
            now[j] = cost;
        }
    }
    return d[la % 3][lb];
}

/* One of the two begins the other: "hidden" and "hidden_size". By how much they differ; -1: neither. */
static int rest_of(const char *a, const char *b)
{
    size_t n = strlen(a), k = strlen(b), least = n < k ? n : k;
    return least < 3 || strncasecmp(a, b, least) != 0 ? -1 : (int)(n + k - 2 * least);
}

const char *gr_nearest(const char *name, const char *const *names)
{
    const char *best = NULL, *longer = NULL;
    int length = (int)strlen(name), limit = (length + 1) / 3, least = INT_MAX;
    for (; *names; names++) {
        int n = distance(name, *names), rest = rest_of(name, *names);
        if (n <= limit && (!best || n < limit)) best = *names, limit = n;
        if (rest >= 0 && rest < least) longer = *names, least = rest;
    }
    return best ? best : longer;
}

static const char *suggestion(gr_arena *a, const char *near, const char *const *names, const char *where_many)
{
    enum { MOST = 30 };
    const char *text = "; there are: ";
    int n = 0;
    while (names[n]) n++;
    if (near) return gr_arena_printf(a, "; did you mean '%s'?", near);
    if (n > MOST && where_many) return where_many;
    for (int i = 0; i < n && i <= MOST; i++) text = gr_arena_printf(a, "%s%s%s", text, i ? ", " : "", i < MOST ? names[i] : "...");
    return n ? text : "";
}

const char *gr_suggest(gr_arena *a, const char *name, const char *const *names) { return suggestion(a, gr_nearest(name, names), names, NULL); }

/* ---- names from elsewhere ---- */

#define WIDTH "leave it out: a width is that of what is read"
#define BATCH "a batch is as large as the axis `batch` of what reads it: vars: {batch: 32}"
#define STEPS "how many steps there are says the axis `time` of what reads them: vars: {time: 35}"
#define WHOLE "leave it out: NODE.output has every step, NODE.h_n the last state"
#define OF_OPTIMIZER "it is the optimizer's: optimizer: {op: Adam, lr: 0.001}"

/* ours: names that may stand for it, between spaces; else: what to do where none of them is known. */
static const struct { const char *theirs, *ours, *otherwise; } foreign[] = {
    /* widths */
    {"units", "hidden_size out_features", NULL}, {"hidden_dim", "hidden_size out_features dim_feedforward", NULL},
    {"in_features", "", WIDTH}, {"input_size", "", WIDTH}, {"in_channels", "", WIDTH}, {"num_features", "", WIDTH}, {"input_shape", "shape", WIDTH},
    {"input_dim", "num_embeddings", WIDTH}, {"output_dim", "embedding_dim out_features", NULL}, {"d_model", "", WIDTH},
    {"embed_dim", "embedding_dim", WIDTH}, {"vocab_size", "num_embeddings num_classes out_features max_vocab", NULL}, {"max_tokens", "max_vocab", NULL},
    {"n_classes", "num_classes out_features", NULL}, {"n_heads", "num_heads nhead", NULL}, {"num_heads", "nhead", NULL}, {"nhead", "num_heads", NULL},
    {"key_dim", "head_dim", NULL}, {"d_ff", "dim_feedforward", NULL}, {"intermediate_size", "dim_feedforward", NULL},
    {"filters", "out_channels", NULL}, {"n_layers", "num_layers", NULL},
    /* the rest of a layer's */
    {"rate", "p dropout dropout_p", NULL}, {"dropout_rate", "p dropout dropout_p", NULL}, {"dropout", "p dropout_p", NULL},
    {"axis", "dim dims", NULL}, {"axes", "dim dims", NULL}, {"keepdims", "keepdim", NULL},
    {"activation", "nonlinearity", "it is a node of its own: {op: ReLU, in: NODE}"}, {"inputs", "input in", NULL},
    {"y_pred", "input", NULL}, {"y_true", "target", NULL},
    {"from_logits", "", "leave it out: CrossEntropyLoss and BCEWithLogitsLoss take logits, NLLLoss and BCELoss what is made of them"},
    {"alpha", "negative_slope", NULL}, {"end", "stop", NULL}, {"begin", "start", NULL}, {"if", "when", NULL}, {"source", "from", NULL}, {"labels", "target", NULL}, {"logits", "input", NULL},
    {"use_bias", "bias", NULL}, {"dilation_rate", "dilation", NULL}, {"epsilon", "eps layer_norm_eps", NULL}, {"initializer", "init", NULL},
    {"return_sequences", "", WHOLE}, {"return_state", "", WHOLE}, {"go_backwards", "reverse bidirectional", NULL},
    {"stateful", "", "the section train says whose state is carried: carry: NODE"},
    {"mask_zero", "", "give what reads it the rows' lengths: lengths: NODE"},
    /* data */
    {"batch_size", "", BATCH}, {"seq_len", "length window max_length steps", STEPS}, {"sequence_length", "length window max_length steps", STEPS},
    {"num_steps", "steps length window", STEPS}, {"block_size", "length window max_length", STEPS},
    {"sep", "delimiter", NULL}, {"filename", "path files", NULL}, {"file", "path files", NULL}, {"filepath", "path files", NULL},
    {"seed", "", "the command line gives it: --seed N"}, {"num_workers", "", "leave it out: the next batch is made meanwhile"},
    {"validation_split", "split", NULL}, {"val_split", "split", NULL}, {"dev", "valid", NULL}, {"eval", "valid", NULL},
    /* training */
    {"learning_rate", "lr", OF_OPTIMIZER}, {"lr", "", OF_OPTIMIZER}, {"weight_decay", "", OF_OPTIMIZER},
    {"device", "", "leave it out: graphrun computes on the CPU"},
    {"scheduler", "", "it stands in the place of the rate: lr: {op: Cosine, lr: 0.01, T_max: 50}"},
    {"lr_scheduler", "", "it stands in the place of the rate: lr: {op: Cosine, lr: 0.01, T_max: 50}"},
    {"beta1", "betas", NULL}, {"beta2", "betas", NULL}, {"criterion", "minimize", NULL}, {"loss", "minimize", NULL},
    {"max_epochs", "epochs", NULL}, {"n_epochs", "epochs", NULL}, {"patience", "early_stopping", NULL},
    {"grad_clip", "clip_grad_norm", NULL}, {"clipnorm", "clip_grad_norm", NULL}, {"max_grad_norm", "clip_grad_norm", NULL},
    {"gradient_clip_val", "clip_grad_norm", NULL}, {"clipvalue", "clip_grad_value", NULL},
    {"gradient_accumulation_steps", "accumulate", NULL}, {"accumulate_grad_batches", "accumulate", NULL},
    /* ops */
    {"Dense", "Linear", NULL}, {"SimpleRNN", "RNN", NULL}, {"LayerNormalization", "LayerNorm", NULL}, {"BatchNormalization", "BatchNorm1d", NULL},
    {"SelfAttention", "MultiheadAttention", NULL}, {"Attention", "ScaledDotProductAttention", NULL}, {"BahdanauAttention", "AdditiveAttention", NULL},
    {"LuongAttention", "BilinearAttention", NULL}, {"cat", "Concat", NULL}, {"Concatenate", "Concat", NULL}, {"view", "Reshape", NULL},
    {"bmm", "BatchMatMul", NULL}, {"mm", "MatMul", NULL}, {"Multiply", "Mul", NULL}, {"Subtract", "Sub", NULL}, {"Swish", "SiLU", NULL},
    {"CategoricalCrossentropy", "CrossEntropyLoss", NULL}, {"SparseCategoricalCrossentropy", "CrossEntropyLoss", NULL},
    {"BinaryCrossentropy", "BCELoss", NULL}, {"MeanSquaredError", "MSELoss", NULL}, {"MeanAbsoluteError", "L1Loss", NULL},
    {"F1", "TokenF1", NULL}, {"F1Score", "TokenF1", NULL},
    {"Sequential", "", "leave it out: the nodes of `graph` name what they read"},
    {"Bidirectional", "", "write bidirectional: true at the layer"}, {"TimeDistributed", "", "leave it out: layers keep the axes before the last apart"},
    /* sections, keys, commands */
    {"params", "vars", NULL}, {"parameters", "vars", NULL}, {"args", "vars", NULL},
    {"model", "graph", NULL}, {"layers", "graph", NULL}, {"nodes", "graph", NULL}, {"fit", "train", NULL}, {"predict", "run", NULL},
    {"inference", "run", NULL}, {"test", "eval", NULL}, {"validate", "eval", NULL}, {"sample", "generate", NULL},
};
enum { FOREIGN = sizeof foreign / sizeof *foreign };

/* "batch-size", "BatchSize" and "batch_size" are the same. */
static bool same_words(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (*a == '_' || *a == '-') a++;
        while (*b == '_' || *b == '-') b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) return false;
        if (!*a) return true;
    }
}

/* The name in a program's words: of "torch.nn.Linear(8, 4)" it is "Linear". In memory of the caller's. */
static const char *bare_name(const char *name, char room[64])
{
    snprintf(room, 64, "%.*s", (int)strcspn(name, "("), name);
    const char *dot = strrchr(room, '.');
    return dot && dot[1] ? dot + 1 : room;
}

/* The row of a name that is known from elsewhere; -1: it is not. */
static int foreign_row(const char *name)
{
    int i = 0;
    while (i < FOREIGN && !same_words(name, foreign[i].theirs)) i++;
    return i < FOREIGN ? i : -1;
}

/* The first of the row's names that is one of those. */
static const char *counterpart(int row, const char *const *names)
{
    const char *word = row < 0 ? "" : foreign[row].ours;
    for (size_t n; *word; word += n + (word[n] != 0)) {
        n = strcspn(word, " ");
        for (int i = 0; names[i]; i++)
            if (strlen(names[i]) == n && strncmp(names[i], word, n) == 0) return names[i];
    }
    return NULL;
}

const char *gr_nearest_term(const char *name, const char *const *names)
{
    char room[64];
    name = bare_name(name, room);
    for (int i = 0; names[i]; i++)
        if (same_words(name, names[i])) return names[i];
    const int row = foreign_row(name);
    const char *ours = counterpart(row, names);
    return ours || (row >= 0 && foreign[row].otherwise) ? ours : gr_nearest(name, names);
}

const char *gr_suggest_term(gr_arena *a, const char *name, const char *const *names)
{
    char room[64];
    const int row = foreign_row(bare_name(name, room));
    const char *near = gr_nearest_term(name, names);
    return !near && row >= 0 && foreign[row].otherwise ? gr_arena_printf(a, "; %s", foreign[row].otherwise)
                                                     : suggestion(a, near, names, "; `graphrun ops` lists them");
}
