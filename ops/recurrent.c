/* recurrent.c - a cell applied over time: layers, directions, initial states.
 *
 * One loop a layer and direction; within it the cell is one node. So all structure is
 * the cell's own, and RNN, LSTM and GRU are descriptors that name theirs.
 *
 *     input [time, batch, in]   ->  loop l0 ---------+-> Concat -> Dropout -> l1 ...
 *                                   loop l0_reverse -+
 *     <carry>_0 [layers * directions, batch, size]: slot layer * directions + direction
 *
 * Carries are the outputs of the cell that are named like one of its inputs. Absent
 * initial states are zeros, as wide as hidden_size, or as the op <cell>_init says, which
 * gives each carry's first value for one example, from the cell's own attributes. With
 * hidden_sizes that differ, states cannot be stacked: ports are <carry>_0_l<layer>.
 * With lengths every loop has them, so that padding is zeros between layers too. */
#include "util.h"

#include <graphrun/op.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CARRIES = 8, MAX_PORTS = 32 };

typedef struct rnn {
    gr_ctx *c;
    const gr_op *op, *cell;
    int carries, ports;             /* of the cell */
    int carry_port[MAX_CARRIES];    /* the cell's input port of carry k */
    int carry_out[MAX_CARRIES];     /* its output */
    int64_t layers, directions;
    int64_t batch;                  /* -1: input without batch axis */
    bool unequal;                   /* hidden_sizes differ */
    gr_val lengths;                 /* [batch], or NULL */
} rnn;

static const gr_attr_spec *rnn_spec(const rnn *r, const char *name)
{
    for (const gr_attr_spec *s = r->op->attrs; s && s->name; s++)
        if (strcmp(s->name, name) == 0) return s;
    return NULL;
}

/* The attribute of this node, NULL if its op has none of that name. */
static const gr_attr *rnn_attr(const rnn *r, const char *name)
{
    return rnn_spec(r, name) ? gr_get(r->c, name) : NULL;
}

static int rnn_port(const gr_port *ports, const char *name)
{
    for (int i = 0; ports && ports[i].name; i++)
        if (strcmp(ports[i].name, name) == 0) return i;
    return -1;
}

static const gr_op *rnn_find_cell(gr_ctx *c)
{
    const gr_over *over = gr_self(c)->data;
    const char *name = over->cell ? over->cell : gr_string(c, "cell");
    const gr_op *cell = gr_find_op(c, name);
    if (!cell) gr_fail(c, GR_AT_ATTR, "cell", "no op or block is called '%s'", name);
    return cell;
}

static int rnn_find_carries(rnn *r)
{
    for (int i = 0; r->cell->outputs && r->cell->outputs[i].name; i++) {
        int p = rnn_port(r->cell->inputs, r->cell->outputs[i].name);
        if (p < 0) continue;
        if (r->carries == MAX_CARRIES)
            return gr_fail(r->c, GR_AT_NODE, NULL, "%s has more than %d carries", r->cell->name, MAX_CARRIES);
        r->carry_port[r->carries] = p;
        r->carry_out[r->carries++] = i;
    }
    while (r->cell->inputs && r->cell->inputs[r->ports].name) r->ports++;
    if (r->carries == 0)
        return gr_fail(r->c, GR_AT_ATTR, "cell", "%s is no cell: none of its inputs has the name of an output", r->cell->name);
    if (r->ports > MAX_PORTS)
        return gr_fail(r->c, GR_AT_ATTR, "cell", "%s has more than %d inputs", r->cell->name, MAX_PORTS);
    return 0;
}

static int64_t rnn_width(const rnn *r, int64_t layer)
{
    const gr_attr *sizes = rnn_attr(r, "hidden_sizes");
    if (sizes && sizes->present) return sizes->ints[layer];
    const gr_attr *size = rnn_attr(r, "hidden_size");
    return size && size->present ? size->i : 0;
}

static int rnn_check_sizes(rnn *r)
{
    const gr_attr *sizes = rnn_attr(r, "hidden_sizes"), *size = rnn_attr(r, "hidden_size");
    if (sizes->present && size && size->present)
        return gr_fail(r->c, GR_AT_ATTR, "hidden_sizes", "give either hidden_size or hidden_sizes, not both");
    if (size && !sizes->present && !size->present)
        return gr_fail(r->c, GR_AT_NODE, NULL, "%s needs 'hidden_size'", r->op->name);
    if (!sizes->present) return 0;
    if (rnn_attr(r, "num_layers")->given && r->layers != sizes->n)
        return gr_fail(r->c, GR_AT_ATTR, "hidden_sizes", "hidden_sizes has %lld widths for num_layers = %lld",
                       (long long)sizes->n, (long long)r->layers);
    r->layers = sizes->n;
    for (int64_t i = 1; i < sizes->n; i++) r->unequal |= sizes->ints[i] != sizes->ints[0];
    return 0;
}

/* ---- the cell's attributes as text ---- */

static size_t rnn_value_text(char *to, size_t room, gr_attr_kind kind, const gr_attr *a)
{
    size_t n = 0;
    switch (kind) {
    case GR_ATTR_BOOL: return (size_t)snprintf(to, room, "%s", a->i ? "true" : "false");
    case GR_ATTR_INT: return (size_t)snprintf(to, room, "%lld", (long long)a->i);
    case GR_ATTR_FLOAT: return (size_t)snprintf(to, room, "%.17g", a->f);
    case GR_ATTR_INTS:
    case GR_ATTR_SHAPE:
    case GR_ATTR_FLOATS:
        for (int64_t i = 0; i < a->n; i++) {
            const char *sep = i ? ", " : "[";
            char *at = room > n ? to + n : NULL;
            size_t left = room > n ? room - n : 0;
            n += (size_t)(kind == GR_ATTR_FLOATS ? snprintf(at, left, "%s%.17g", sep, a->floats[i])
                                                 : snprintf(at, left, "%s%lld", sep, (long long)a->ints[i]));
        }
        return n + (size_t)snprintf(room > n ? to + n : NULL, room > n ? room - n : 0, a->n ? "]" : "[]");
    default: return (size_t)snprintf(to, room, "%s", a->s ? a->s : "");
    }
}

/* "hidden_size=8, bias=true": what this node was given of the cell's attributes. */
static const char *rnn_cell_attrs(const rnn *r, int64_t layer)
{
    size_t room = 0;
    for (const gr_attr_spec *s = r->cell->attrs; s && s->name; s++) {
        const gr_attr *a = rnn_attr(r, s->name);
        room += strlen(s->name) + 32 + (a && a->present ? rnn_value_text(NULL, 0, rnn_spec(r, s->name)->kind, a) : 0);
    }
    char *text = gr_alloc(r->c, room + 1);
    size_t n = 0;
    for (const gr_attr_spec *s = r->cell->attrs; s && s->name; s++) {
        gr_attr width = {.present = true, .i = rnn_width(r, layer)};
        bool own = strcmp(s->name, "hidden_size") == 0;
        const gr_attr *a = own ? &width : rnn_attr(r, s->name);
        if (!a || !a->present) continue;
        n += (size_t)snprintf(text + n, room - n, "%s%s=", n ? ", " : "", s->name);
        n += rnn_value_text(text + n, room - n, own ? GR_ATTR_INT : rnn_spec(r, s->name)->kind, a);
    }
    return text;
}

/* ---- initial states ---- */

/* How wide each carry of a layer is. */
static int rnn_carry_sizes(rnn *r, int64_t layer, int64_t size[MAX_CARRIES])
{
    for (int k = 0; k < r->carries; k++) size[k] = rnn_width(r, layer);
    char init[256];
    snprintf(init, sizeof init, "%s_init", r->cell->name);
    const gr_op *op = gr_find_op(r->c, init);
    if (!op && rnn_width(r, layer) > 0) return 0;
    if (!op)
        return gr_fail(r->c, GR_AT_ATTR, "cell", "how wide are the carries of %s? Give it an attribute hidden_size, or, if it is a "
                       "block, 'carry: {%s: {size: ...}}'", r->cell->name, r->cell->inputs[r->carry_port[0]].name);
    gr_val first = gr_emit(r->c, init, "init", 0, NULL, "%s", rnn_cell_attrs(r, layer));
    if (!first) return -1;
    for (int k = 0; k < r->carries; k++) {
        int o = rnn_port(op->outputs, r->cell->inputs[r->carry_port[k]].name);
        if (o < 0) continue;
        const gr_type *t = gr_type_of(r->c, gr_output(r->c, first, o));
        size[k] = t->rank > 0 ? t->dim[t->rank - 1] : 1;
    }
    return 0;
}

/* The value given on port `name` (its type checked), cut down to one layer and direction. */
static int rnn_given_state(rnn *r, const char *name, int64_t slots, int64_t slot, int64_t size, gr_val *out)
{
    *out = NULL;
    int p = rnn_port(r->op->inputs, name);
    if (p < 0 || gr_count(r->c, p) == 0) return 0;
    const gr_type *t = gr_in_type(r->c, p);
    bool fits = r->batch < 0 ? t->rank == 2 && t->dim[0] == slots && t->dim[1] == size
                             : t->rank == 3 && t->dim[0] == slots && t->dim[1] == r->batch && t->dim[2] == size;
    if (!fits && r->batch < 0)
        return gr_fail(r->c, GR_AT_INPUT, name, "%s must be [layers * directions %lld, size %lld] for an input without batch axis",
                       name, (long long)slots, (long long)size);
    if (!fits)
        return gr_fail(r->c, GR_AT_INPUT, name, "%s must be [layers * directions %lld, batch %lld, size %lld]", name,
                       (long long)slots, (long long)r->batch, (long long)size);
    gr_val all = gr_in(r->c, p);
    *out = gr_emit(r->c, "Select", name, 1, &all, "dim=0, index=%lld", (long long)slot);
    return *out ? 0 : -1;
}

static int rnn_initial(rnn *r, int64_t layer, int64_t direction, gr_val init[MAX_CARRIES])
{
    int64_t size[MAX_CARRIES];
    if (rnn_carry_sizes(r, layer, size) < 0) return -1;
    for (int k = 0; k < r->carries; k++) {
        const char *carry = r->cell->inputs[r->carry_port[k]].name;
        char name[256];
        if (r->unequal) snprintf(name, sizeof name, "%s_0_l%lld", carry, (long long)layer);
        else snprintf(name, sizeof name, "%s_0", carry);
        int64_t slots = r->unequal ? r->directions : r->layers * r->directions;
        int64_t slot = r->unequal ? direction : layer * r->directions + direction;
        if (rnn_given_state(r, name, slots, slot, size[k], &init[k]) < 0) return -1;
        if (init[k]) continue;
        snprintf(name, sizeof name, "%s_0", carry);
        init[k] = r->batch < 0 ? gr_emit(r->c, "Zeros", name, 0, NULL, "shape=[%lld]", (long long)size[k])
                               : gr_emit(r->c, "Zeros", name, 0, NULL, "shape=[%lld, %lld]", (long long)r->batch,
                                         (long long)size[k]);
        if (!init[k]) return -1;
    }
    return 0;
}

/* ---- one loop ---- */

/* The cell as one step's node; gives the value of output 0. */
static gr_val rnn_step(rnn *r, int64_t layer, gr_val x, const gr_val *carry)
{
    gr_val in[MAX_PORTS] = {0};
    bool first = true;
    for (int p = 0; p < r->ports; p++) {
        int k = 0;
        while (k < r->carries && r->carry_port[k] != p) k++;
        if (k < r->carries) {
            in[p] = carry[k];
        } else if (first) {
            in[p] = x;
            first = false;
        } else {
            int own = rnn_port(r->op->inputs, r->cell->inputs[p].name);
            if (own >= 0 && gr_count(r->c, own) > 0) in[p] = gr_in(r->c, own);
        }
    }
    return gr_emit(r->c, r->cell->name, "", r->ports, in, "%s", rnn_cell_attrs(r, layer));
}

/* Emits the loop of a layer and direction over `sequence`; gives its stacked output and
 * the last value of each carry. */
static gr_val rnn_loop(rnn *r, int64_t layer, int64_t direction, gr_val sequence, gr_val last[MAX_CARRIES])
{
    char suffix[64];
    const char *name = suffix + 1;
    snprintf(suffix, sizeof suffix, "_l%lld%s", (long long)layer, direction ? "_reverse" : "");
    gr_val carry[MAX_CARRIES];
    gr_scope_enter(r->c, name);
    int failed = rnn_initial(r, layer, direction, carry);
    gr_scope_leave(r->c);
    if (failed) return NULL;
    gr_loop *loop = gr_loop_begin(r->c, name, direction != 0);
    if (!loop) return NULL;
    gr_scope_enter(r->c, name);
    if (r->lengths) gr_loop_lengths(r->c, loop, r->lengths); /* after an error the loop gives nothing */
    if (gr_get(r->c, "recompute")->present) gr_loop_recompute(r->c, loop, gr_int(r->c, "recompute"));
    gr_parameter_suffix(r->c, suffix);
    gr_val x = gr_loop_slice(r->c, loop, "input", sequence);
    for (int k = 0; k < r->carries; k++)
        carry[k] = gr_loop_carry(r->c, loop, r->cell->inputs[r->carry_port[k]].name, carry[k]);
    gr_val out = rnn_step(r, layer, x, carry);
    for (int k = 0; out && k < r->carries; k++)
        if (gr_loop_next(r->c, loop, carry[k], gr_output(r->c, out, r->carry_out[k])) < 0) out = NULL;
    if (out && gr_loop_stack(r->c, loop, "output", out) < 0) out = NULL;
    gr_parameter_suffix(r->c, NULL);
    gr_scope_leave(r->c);
    gr_val end = gr_loop_end(r->c, loop);
    if (!out || !end) return NULL;
    for (int k = 0; k < r->carries; k++) last[k] = gr_output(r->c, end, k);
    return gr_output(r->c, end, 2 * r->carries);
}

/* ---- all layers ---- */

/* last[carry][layer * directions + direction] become the outputs <carry>_n. */
static int rnn_set_states(rnn *r, gr_val *last)
{
    int n = (int)(r->layers * r->directions), per = r->unequal ? (int)r->directions : n;
    for (int k = 0; k < r->carries; k++) {
        for (int s = 0; s < n; s += per) {
            char name[256];
            const char *carry = r->cell->inputs[r->carry_port[k]].name;
            if (r->unequal) snprintf(name, sizeof name, "%s_n_l%d", carry, s / per);
            else snprintf(name, sizeof name, "%s_n", carry);
            int o = rnn_port(r->op->outputs, name);
            if (o < 0) return gr_fail(r->c, GR_AT_NODE, NULL, "%s has no output '%s'", r->op->name, name);
            gr_val v = gr_emit(r->c, "Stack", name, per, last + k * n + s, "dim=0");
            if (!v || gr_set_result(r->c, o, v) < 0) return -1;
        }
    }
    return 0;
}

static int rnn_layers(rnn *r, gr_val sequence)
{
    int64_t n = r->layers * r->directions;
    gr_val *last = gr_alloc(r->c, sizeof(gr_val) * (size_t)(n * r->carries));
    double dropout = gr_float(r->c, "dropout");
    for (int64_t l = 0; l < r->layers; l++) {
        gr_val out[2], end[MAX_CARRIES];
        for (int64_t d = 0; d < r->directions; d++) {
            if (!(out[d] = rnn_loop(r, l, d, sequence, end))) return -1;
            for (int k = 0; k < r->carries; k++) last[k * n + l * r->directions + d] = end[k];
        }
        sequence = r->directions == 1 ? out[0] : gr_emit(r->c, "Concat", "both", 2, out, "dim=-1");
        if (sequence && dropout > 0 && l + 1 < r->layers)
            sequence = gr_emit(r->c, "Dropout", "dropout", 1, &sequence, "p=%.17g", dropout);
        if (!sequence) return -1;
    }
    if (r->batch >= 0 && gr_bool(r->c, "batch_first"))
        sequence = gr_emit(r->c, "Transpose", "output", 1, &sequence, "dim0=0, dim1=1");
    return sequence && gr_set_result(r->c, 0, sequence) == 0 ? rnn_set_states(r, last) : -1;
}

static int rnn_find_lengths(rnn *r)
{
    int p = rnn_port(r->op->inputs, "lengths");
    if (gr_count(r->c, p) == 0) return 0;
    const gr_type *t = gr_in_type(r->c, p);
    r->lengths = gr_in(r->c, p);
    if (r->batch < 0)
        return gr_fail(r->c, GR_AT_INPUT, "lengths", "lengths are those of the rows of a batch; this input has no batch axis");
    if (t->dtype != GR_INT32)
        return gr_fail(r->c, GR_AT_INPUT, "lengths", "lengths must be int32, the number of steps of each row, but is %s; "
                       "an Input says dtype: int32", op_type_text(r->c, t));
    if (t->rank == 1 && t->dim[0] == r->batch) return 0;
    return gr_fail(r->c, GR_AT_INPUT, "lengths", "lengths must be int32 [batch %lld]%s", (long long)r->batch,
                   gr_bool(r->c, "batch_first") ? "" : "; an input of [batch, time, features] needs batch_first: true");
}

static int recurrent_expand(gr_ctx *c)
{
    rnn r = {.c = c, .op = gr_self(c), .cell = rnn_find_cell(c)};
    if (!r.cell || rnn_find_carries(&r) < 0) return -1;
    r.layers = gr_int(c, "num_layers");
    r.directions = gr_bool(c, "bidirectional") ? 2 : 1;
    if (rnn_check_sizes(&r) < 0) return -1;
    const gr_type *t = gr_in_type(c, 0);
    if (t->rank != 2 && t->rank != 3)
        return gr_fail(c, GR_AT_INPUT, "input", "%s needs an input of [time, batch, features] (batch_first: [batch, time, "
                       "features]) or, without a batch, [time, features]; this one has %d axes", r.op->name, t->rank);
    if (!gr_is_float(t->dtype))
        return gr_fail(c, GR_AT_INPUT, "input", "%s needs numbers, not integers; put an Embedding or a OneHot before it", r.op->name);
    gr_val sequence = gr_in(c, 0);
    bool swap = t->rank == 3 && gr_bool(c, "batch_first");
    r.batch = t->rank == 2 ? -1 : t->dim[swap ? 0 : 1];
    if (rnn_find_lengths(&r) < 0) return -1;
    if (swap) sequence = gr_emit(c, "Transpose", "input", 1, &sequence, "dim0=0, dim1=1");
    return sequence ? rnn_layers(&r, sequence) : -1;
}

/* ---- descriptors ---- */

#define STACK_ATTRS                                                                                              \
    {"num_layers", GR_ATTR_INT, "1", 1, 1 << 16, NULL, "Layers, each reading the one before."},                  \
    {"bidirectional", GR_ATTR_BOOL, "false", 0, 0, NULL, "Whether a second loop runs from the last step back."}, \
    {"batch_first", GR_ATTR_BOOL, "false", 0, 0, NULL, "Whether input and output are [batch, time, features]."}, \
    {"dropout", GR_ATTR_FLOAT, "0", 0, 1, NULL, "Probability of Dropout between layers, in training."},          \
    {"hidden_sizes", GR_ATTR_INTS, "~", 1, 1 << 30, NULL, "In place of hidden_size: one width a layer."},        \
    {"recompute", GR_ATTR_INT, "~", 1, 1 << 30, NULL, "Less memory in training: states are kept every so many steps alone, those between computed again."}
#define HIDDEN_SIZE {"hidden_size", GR_ATTR_INT, "~", 1, 1 << 30, NULL, "Width of the carried state; must be given unless hidden_sizes is."}
#define BIAS {"bias", GR_ATTR_BOOL, "true", 0, 0, NULL, "Whether both biases are added."}

static const gr_attr_spec recurrent_attrs[] = {
    {"cell", GR_ATTR_STRING, NULL, 0, 0, NULL, "The op or block that is one step; its attributes are taken too."},
    STACK_ATTRS, {0},
};
static const gr_attr_spec rnn_attrs[] = {
    HIDDEN_SIZE, STACK_ATTRS,
    {"nonlinearity", GR_ATTR_CHOICE, "tanh", 0, 0, "tanh|relu", "What is applied to the sum."},
    BIAS, {0},
};
static const gr_attr_spec lstm_attrs[] = {
    HIDDEN_SIZE, STACK_ATTRS, BIAS,
    {"proj_size", GR_ATTR_INT, "0", 0, 1 << 30, NULL, "Width that h is projected to; 0: not at all."},
    {"forget_bias", GR_ATTR_FLOAT, "0", 0, 0, NULL, "Added inside the forget gate, as in TensorFlow's cell."},
    {0},
};
static const gr_attr_spec gru_attrs[] = {
    HIDDEN_SIZE, STACK_ATTRS, BIAS,
    {"reset_after", GR_ATTR_BOOL, "true", 0, 0, NULL, "Whether the reset gate multiplies W_hn h + b_hn, or h itself."},
    {0},
};

#define INPUT {"input", 0, "[time, batch, features], batch_first: [batch, time, features]; the batch may be missing"}
#define STATE(name, what) {name, GR_PORT_OPTIONAL, "[layers * directions, batch, size]: " what "; zeros if left out"}
#define OUTPUT {"output", 0, "[time, batch, directions * size]: the last layer's state at every step"}
#define LENGTHS {"lengths", GR_PORT_OPTIONAL | GR_PORT_INT, "[batch]: how many steps of each row are real, at least 1; the rest is padding"}
#define LAST(name) {name, 0, "[layers * directions, batch, size]: the last value"}

static const gr_port recurrent_inputs[] = {INPUT, LENGTHS, {0}};
static const gr_port recurrent_outputs[] = {OUTPUT, {0}};
static const gr_port h_inputs[] = {INPUT, STATE("h_0", "initial state"), LENGTHS, {0}};
static const gr_port h_outputs[] = {OUTPUT, LAST("h_n"), {0}};
static const gr_port lstm_inputs[] = {INPUT, STATE("h_0", "initial state"), STATE("c_0", "initial memory"), LENGTHS, {0}};
static const gr_port lstm_outputs[] = {OUTPUT, LAST("h_n"), LAST("c_n"), {0}};

static const gr_over any_cell = {NULL}, rnn_cell = {"RNNCell"}, lstm_cell = {"LSTMCell"}, gru_cell = {"GRUCell"};

const gr_op gr_op_recurrent = {
    GR_OP_HEADER, .name = "Recurrent", .reference = "keras.layers.RNN", .summary = "Any cell over time, in layers and one or both directions.",
    .formula = "output[t], carries = cell(input[t], carries)",
    .attrs = recurrent_attrs, .inputs = recurrent_inputs, .outputs = recurrent_outputs,
    .traits = GR_OVER_CELL, .data = &any_cell, .expand = recurrent_expand,
    .kind = "layers",
    .example = OP_SEQUENCE
               "  rnn: {op: Recurrent, cell: GRUCell, in: x, hidden_size: 4, num_layers: 2, bidirectional: true}\n"
               "  y: {op: Tanh, in: rnn.output}   # [time, batch, 8]; rnn.h_n is [4, batch, 4]\n",
};
const gr_op gr_op_rnn = {
    GR_OP_HEADER, .name = "RNN", .summary = "Elman's recurrent layer: RNNCell over time.",
    .formula = "h = tanh(x W_ih^T + b_ih + h W_hh^T + b_hh)", .reference = "torch.nn.RNN",
    .attrs = rnn_attrs, .inputs = h_inputs, .outputs = h_outputs,
    .traits = GR_OVER_CELL, .data = &rnn_cell, .expand = recurrent_expand,
    .kind = "layers",
    .example = OP_SEQUENCE
               "  rnn: {op: RNN, in: x, hidden_size: 4, nonlinearity: relu}\n"
               "  y: {op: Linear, in: rnn.output, out_features: 2}\n",
};
const gr_op gr_op_lstm = {
    GR_OP_HEADER, .name = "LSTM", .summary = "Long short-term memory: LSTMCell over time.",
    .formula = "p = W_ih x + b_ih + W_hh h + b_hh; i = sigmoid(p_i), f = sigmoid(p_f), g = tanh(p_g), o = sigmoid(p_o); c = f * c + i * g; h = o * tanh(c)",
    .reference = "torch.nn.LSTM; Hochreiter and Schmidhuber 1997",
    .attrs = lstm_attrs, .inputs = lstm_inputs, .outputs = lstm_outputs,
    .traits = GR_OVER_CELL, .data = &lstm_cell, .expand = recurrent_expand,
    .kind = "layers",
    .example = OP_SEQUENCE
               "  rnn: {op: LSTM, in: x, hidden_size: 4, num_layers: 2, dropout: 0.1}\n"
               "  y: {op: Linear, in: rnn.output, out_features: 2}\n",
};
const gr_op gr_op_gru = {
    GR_OP_HEADER, .name = "GRU", .summary = "Gated recurrent units: GRUCell over time.",
    .formula = "p = W_ih x + b_ih, q = W_hh h + b_hh; r = sigmoid(p_r + q_r), z = sigmoid(p_z + q_z), n = tanh(p_n + r * q_n); h = (1 - z) * n + z * h",
    .reference = "torch.nn.GRU; Cho et al. 2014",
    .attrs = gru_attrs, .inputs = h_inputs, .outputs = h_outputs,
    .traits = GR_OVER_CELL, .data = &gru_cell, .expand = recurrent_expand,
    .kind = "layers",
    .example = OP_SEQUENCE
               "  rnn: {op: GRU, in: x, hidden_size: 4, bidirectional: true}\n"
               "  y: {op: Linear, in: rnn.output, out_features: 2}\n",
};
