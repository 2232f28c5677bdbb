"""The workloads of graphs/benchmarks.txt in PyTorch; see bench_rival.py. A step of training is forward,
loss, backward, clipping to norm 1 and update; a state that the model carries goes from step to step."""
import math

import torch
from torch import nn
from torch.nn import functional as F

LR = 1e-3  # the same step again and again must not diverge


def inputs_of(case):
    return {k: torch.from_numpy(v).long() if v.dtype == "int32" else torch.from_numpy(v) for k, v in case.inputs.items()}


def prepare(case, model):
    torch.set_num_threads(case.threads)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in case.weights.items()})
    if case.kind == "torch-compile":
        model.compile()
    return model


def trainer(model, loss_of, optimizer=None, clip=True, checked=True):
    """loss_of() runs the model forward."""
    opt = optimizer or torch.optim.SGD(model.parameters(), lr=LR)

    def step():
        loss = loss_of()
        opt.zero_grad()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        return loss.detach() if checked else None

    return step


def classes(logits, targets):
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))


# ---- characters, one-hot ----

class Char(nn.Module):
    def __init__(self, rnn, width, vocab, dense=False):
        super().__init__()
        self.rnn, self.vocab = rnn, vocab
        self.dense = nn.Linear(width, width) if dense else None
        self.logits = nn.Linear(width, vocab)

    def forward(self, tokens, state):
        output, state = self.rnn(F.one_hot(tokens, self.vocab).float(), state)
        if self.dense is not None:
            output = torch.tanh(self.dense(output))
        return self.logits(output), state


def detached(state):
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


def char(kind, dense=False):
    def make(case):
        hidden = case.weights["rnn.weight_hh_l0"].shape[1]
        layers = sum(k.startswith("rnn.weight_hh_l") for k in case.weights)
        vocab = case.weights["logits.weight"].shape[0]
        return carried(case, Char(kind(vocab, hidden, layers), hidden, vocab, dense))
    return make


def carried(case, model):
    model, at, state = prepare(case, model), inputs_of(case), [None]

    def loss():
        logits, new = model(at["tokens"], state[0])
        state[0] = detached(new)
        return classes(logits, at["targets"])

    return trainer(model, loss)


def infer(case):
    vocab, hidden = case.weights["logits.weight"].shape
    layers = sum(k.startswith("rnn.weight_hh_l") for k in case.weights)
    model, at = prepare(case, Char(nn.LSTM(vocab, hidden, layers), hidden, vocab)).eval(), inputs_of(case)

    @torch.inference_mode()
    def step():
        return model(at["tokens"], None)[0].abs().mean()

    return step


def one_step(case):
    vocab, hidden = case.weights["logits.weight"].shape
    model = prepare(case, Char(nn.LSTM(vocab, hidden), hidden, vocab)).eval()
    token, state = torch.zeros(1, 1, dtype=torch.long), [None]

    @torch.inference_mode()
    def step():
        logits, state[0] = model(token, state[0])
        return logits.abs().mean()

    return step


# ---- cells of one's own; the products of x for all steps at once ----

class MinimalGated(nn.Module):
    def __init__(self, vocab, hidden):
        super().__init__()
        for gate in "fc":
            self.register_module(gate, nn.ParameterDict({
                "weight_l0": torch.empty(hidden, vocab), "weight_1_l0": torch.empty(hidden, hidden), "bias_l0": torch.empty(hidden)}))

    def forward(self, x, h):
        f, c, out = self.f, self.c, []
        xf, xc = F.linear(x, f["weight_l0"], f["bias_l0"]), F.linear(x, c["weight_l0"], c["bias_l0"])
        h = x.new_zeros(x.shape[1], f["weight_1_l0"].shape[0]) if h is None else h
        for t in range(x.shape[0]):
            gate = torch.sigmoid(xf[t] + F.linear(h, f["weight_1_l0"]))
            h = torch.lerp(h, torch.tanh(xc[t] + F.linear(gate * h, c["weight_1_l0"])), gate)
            out.append(h)
        return torch.stack(out), h


class LayerNormLSTM(nn.Module):
    def __init__(self, vocab, hidden):
        super().__init__()
        for name, width in (("wx", vocab), ("uh", hidden)):
            self.register_module(name, nn.ParameterDict({"weight_l0": torch.empty(4 * hidden, width)}))
        for name, width in (("wx_n", 4 * hidden), ("uh_n", 4 * hidden), ("c_n", hidden)):
            self.register_module(name, nn.ParameterDict({"weight_l0": torch.empty(width), "bias_l0": torch.empty(width)}))

    def norm(self, name, x):
        p = getattr(self, name)
        return F.layer_norm(x, x.shape[-1:], p["weight_l0"], p["bias_l0"])

    def forward(self, x, state):
        wx, out = self.norm("wx_n", F.linear(x, self.wx["weight_l0"])), []
        u = self.uh["weight_l0"]
        h, c = state if state is not None else (x.new_zeros(x.shape[1], u.shape[1]),) * 2
        for t in range(x.shape[0]):
            i, f, g, o = (wx[t] + self.norm("uh_n", F.linear(h, u))).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(self.norm("c_n", c))
            out.append(h)
        return torch.stack(out), (h, c)


def own_cell(kind):
    def make(case):
        vocab, hidden = case.weights["logits.weight"].shape
        return carried(case, Char(kind(vocab, hidden), hidden, vocab))
    return make


# ---- backwards ----

class Backwards(nn.Module):
    def __init__(self, vocab, hidden):
        super().__init__()
        self.rnn, self.logits, self.vocab = nn.LSTM(vocab, hidden, bidirectional=True), nn.Linear(2 * hidden, vocab), vocab

    def forward(self, tokens):
        return self.logits(self.rnn(F.one_hot(tokens, self.vocab).float())[0])


class Encoder(nn.Module):
    def __init__(self, vocab, width, layers, heads, steps):
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0)
        self.letters, self.logits = nn.Embedding(vocab, width), nn.Linear(width, vocab)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        angle = torch.arange(steps).unsqueeze(1) * rate
        place = torch.stack([torch.sin(angle), torch.cos(angle)], -1).reshape(steps, 1, width)
        self.register_buffer("place", place, persistent=False)

    def forward(self, tokens):
        return self.logits(self.encoder(self.letters(tokens) + self.place))


def backwards(case):
    vocab, both = case.weights["logits.weight"].shape
    model, at = prepare(case, Backwards(vocab, both // 2)), inputs_of(case)
    return trainer(model, lambda: classes(model(at["source"]), at["targets"][:-1]))


def transformer(case):
    vocab, width = case.weights["letters.weight"].shape
    layers = sum(k.endswith("norm1.weight") for k in case.weights)
    at = inputs_of(case)
    model = prepare(case, Encoder(vocab, width, layers, 4, at["source"].shape[0]))
    return trainer(model, lambda: classes(model(at["source"]), at["targets"][:-1]), torch.optim.Adam(model.parameters(), lr=LR))


# ---- sequences of unequal lengths ----

class Ragged(nn.Module):
    def __init__(self, width, hidden, labels):
        super().__init__()
        self.rnn, self.logits = nn.LSTM(width, hidden, bidirectional=True), nn.Linear(2 * hidden, labels)

    def forward(self, series, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(series, lengths, enforce_sorted=False)
        h = self.rnn(packed)[1][0]
        return self.logits(torch.cat([h[0], h[1]], -1))


def ragged(case):
    labels, both = case.weights["logits.weight"].shape
    at = inputs_of(case)
    model = prepare(case, Ragged(at["series"].shape[2], both // 2, labels))
    return trainer(model, lambda: classes(model(at["series"], at["lengths"]), at["label"]), torch.optim.Adam(model.parameters(), lr=LR))


class Look(nn.Module):
    """Additive attention; what it makes of the memory alone is made once."""

    def __init__(self, hidden):
        super().__init__()
        self.query, self.memory = nn.Linear(hidden, hidden, bias=False), nn.Linear(hidden, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, query, keys, memory, absent):
        scores = self.score(torch.tanh(self.query(query) + keys)).squeeze(-1).masked_fill(absent, -math.inf)
        return torch.einsum("tb,tbh->bh", torch.softmax(scores, 0), memory)


class Decoder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.look = Look(hidden)
        self.cell0, self.cell1 = nn.GRUCell(2 * hidden, hidden), nn.GRUCell(hidden, hidden)


class Translator(nn.Module):
    def __init__(self, words, written, hidden, dropout):
        super().__init__()
        self.words, self.written = nn.Embedding(words, hidden), nn.Embedding(written, hidden)
        self.encoder, self.decoder = nn.GRU(hidden, hidden, 2, dropout=dropout), Decoder(hidden)
        self.logits, self.drop = nn.Linear(hidden, written), nn.Dropout(dropout)

    def forward(self, source, lengths, shifted):
        packed = nn.utils.rnn.pack_padded_sequence(self.words(source), lengths, enforce_sorted=False)
        memory, (h0, h1) = self.encoder(packed)
        memory, _ = nn.utils.rnn.pad_packed_sequence(memory, total_length=source.shape[0])
        absent = torch.arange(source.shape[0]).unsqueeze(1) >= lengths
        keys, x, out, d = self.decoder.look.memory(memory), self.written(shifted), [], self.decoder
        for t in range(x.shape[0]):
            h0 = d.cell0(torch.cat([d.look(h1, keys, memory, absent), x[t]], -1), h0)
            h1 = d.cell1(self.drop(h0), h1)
            out.append(h1)
        return self.logits(torch.stack(out))


def translator(case, dropout=0.1):
    at = inputs_of(case)
    words, hidden = case.weights["words.weight"].shape
    model = prepare(case, Translator(words, case.weights["written.weight"].shape[0], hidden, dropout))
    behind = torch.arange(at["targets"].shape[0]).unsqueeze(1) >= at["target_lengths"]
    targets = at["targets"].masked_fill(behind, -100)
    return trainer(model, lambda: classes(model(at["source"], at["source_lengths"], at["shifted"]), targets),
                   torch.optim.Adam(model.parameters(), lr=LR), checked=dropout == 0)


# ---- hello ----

def hello(case):
    cell, at = nn.RNNCell(4, 4), inputs_of(case)
    torch.set_num_threads(case.threads)
    cell.load_state_dict({k.removeprefix("rnn.cell."): torch.from_numpy(v) for k, v in case.weights.items()})
    letters, wanted = F.one_hot(at["x"], 4).float().transpose(0, 1), at["y"][0]

    def loss():
        h, out = torch.zeros(1, 4), []
        for t in range(letters.shape[0]):
            h = cell(letters[t], h)
            out.append(h)
        return F.cross_entropy(torch.cat(out), wanted, reduction="sum")

    return trainer(cell, loss, torch.optim.Adam(cell.parameters(), lr=LR), clip=False)


WORKLOADS = {
    "lstm-2x256": char(nn.LSTM), "lstm-2x1024": char(nn.LSTM), "lstm-64": char(nn.LSTM), "lstm-256": char(nn.LSTM),
    "gru-256": char(nn.GRU), "rnn-256": char(nn.RNN), "rnn-2x512": char(nn.RNN), "rnn-512-dense": char(nn.RNN, dense=True),
    "bilstm-256": backwards, "mgu-256": own_cell(MinimalGated), "layer-norm-lstm-256": own_cell(LayerNormLSTM),
    "transformer": transformer, "encoder-decoder": translator, "ragged": ragged, "hello": hello,
    "lstm-256-step": one_step, "lstm-2x256-infer": infer,
}
