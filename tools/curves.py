#!/usr/bin/env python3
"""tools/curves.py GRAPHRUN [NAME...] [--data FOLDER] - training curves beside PyTorch's.

Ten models of graphs/ are written a second time in PyTorch. Both start from the weights that
graphrun initialised and train 50 steps on the batches that `graphrun data` gives; the losses of
all steps are compared. Exit status 1 if any differs by more than 1e-4. Dropout is off: random
numbers are each side's own. A model whose data are missing is skipped.
Needs torch, numpy and safetensors.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

STEPS = 50


class CharModel(nn.Module):
    """One-hot characters, a recurrent layer, logits. batch["carry"] is handed from batch to batch."""

    def __init__(self, kind, words, hidden, layers=1, dense=False, carries=True):
        super().__init__()
        self.rnn = kind(words, hidden, layers)
        if dense:
            self.dense = nn.Linear(hidden, hidden)
        self.logits = nn.Linear(hidden, words)
        self.words, self.carries = words, carries

    def loss(self, b):
        out, state = self.rnn(F.one_hot(b["tokens"], self.words).float(), b.get("carry"))
        if self.carries:
            b["next"] = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        if hasattr(self, "dense"):
            out = torch.tanh(self.dense(out))
        return F.cross_entropy(self.logits(out).flatten(0, 1), b["targets"].flatten())


class WordModel(nn.Module):
    """Embedding, LSTM and logits, which share one matrix."""

    def __init__(self, words, hidden, layers):
        super().__init__()
        self.words = nn.Embedding(words, hidden)
        self.rnn = nn.LSTM(hidden, hidden, layers)
        self.logits = nn.Linear(hidden, words)
        self.logits.weight = self.words.weight

    def loss(self, b):
        out, state = self.rnn(self.words(b["tokens"]), b.get("carry"))
        b["next"] = tuple(s.detach() for s in state)
        return F.cross_entropy(self.logits(out).flatten(0, 1), b["targets"].flatten())


class Placed(nn.Module):
    def __init__(self, length, width):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(length, width))

    def forward(self, x):
        return x + self.weight[:len(x), None]


class GPT(nn.Module):
    def __init__(self, words, width, layers, heads, time):
        super().__init__()
        self.letters, self.logits = nn.Embedding(words, width), nn.Linear(width, words)
        self.placed = Placed(time, width)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0, "gelu", norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)

    def loss(self, b):
        x = self.placed(self.letters(b["tokens"]))
        mask = torch.triu(torch.ones(len(x), len(x), dtype=torch.bool), 1)
        logits = self.logits(self.encoder(x, mask))
        return F.cross_entropy(logits.flatten(0, 1), b["targets"].flatten())


class Addition(nn.Module):
    def __init__(self, words, hidden):
        super().__init__()
        self.encoder, self.decoder = nn.LSTM(words, hidden), nn.LSTM(hidden, hidden)
        self.logits, self.words = nn.Linear(hidden, words), words

    def loss(self, b):
        _, (h, _) = self.encoder(F.one_hot(b["source"], self.words).float())
        out, _ = self.decoder(h.repeat(len(b["targets"]), 1, 1))
        return F.cross_entropy(self.logits(out).flatten(0, 1), b["targets"].flatten())


def ragged_loss(logits, b):
    """The mean over real words."""
    real = torch.arange(len(logits))[:, None] < b["target_lengths"][None]
    return F.cross_entropy(logits[real], b["targets"][real])


class Step(nn.Module):
    """The parameters of a Scan's step."""


class Translator(nn.Module):
    """Two GRU layers each way; attention: None, "dot", "bilinear" or "additive"."""

    def __init__(self, source, target, hidden, attention):
        super().__init__()
        self.words, self.written = nn.Embedding(source, hidden), nn.Embedding(target, hidden)
        self.encoder = nn.GRU(hidden, hidden, 2)
        self.decoder = Step()
        self.decoder.cell0, self.decoder.cell1 = nn.GRUCell(2 * hidden, hidden), nn.GRUCell(hidden, hidden)
        self.decoder.look = Step()
        if attention == "bilinear":
            self.decoder.look.weight = nn.Parameter(torch.zeros(hidden, hidden))
        if attention == "additive":
            for name, width in (("query", hidden), ("memory", hidden), ("score", 1)):
                setattr(self.decoder.look, name, nn.Linear(hidden, width, bias=False))
        self.logits, self.attention = nn.Linear(hidden, target), attention

    def context(self, h, memory, real):
        look = self.decoder.look
        if self.attention == "additive":
            scores = look.score(torch.tanh(look.query(h)[None] + look.memory(memory)))[..., 0]
        else:
            scores = ((h @ look.weight if self.attention == "bilinear" else h)[None] * memory).sum(-1)
        weights = scores.masked_fill(~real, -math.inf).softmax(0)
        return (weights[..., None] * memory).sum(0)

    def loss(self, b):
        packed = nn.utils.rnn.pack_padded_sequence(self.words(b["source"]), b["source_lengths"], enforce_sorted=False)
        memory, (h0, h1) = self.encoder(packed)
        memory, _ = nn.utils.rnn.pad_packed_sequence(memory, total_length=len(b["source"]))
        real, last, out = torch.arange(len(memory))[:, None] < b["source_lengths"][None], h1, []
        for x in self.written(b["shifted"]):
            seen = self.context(h1, memory, real) if self.attention else last
            both = torch.cat([seen, x] if self.attention else [x, seen], -1)
            h0 = self.decoder.cell0(both, h0)
            h1 = self.decoder.cell1(h0, h1)
            out.append(h1)
        return ragged_loss(self.logits(torch.stack(out)), b)


class TransformerTranslator(nn.Module):
    def __init__(self, source, target, width, layers, heads):
        super().__init__()
        self.words, self.written = nn.Embedding(source, width), nn.Embedding(target, width)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(width, heads, 2 * width, 0), layers,
                                             enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(width, heads, 2 * width, 0), layers)
        self.logits, self.width = nn.Linear(width, target), width

    def placed(self, x):
        at = torch.arange(len(x))[:, None] / 10000 ** (torch.arange(0, self.width, 2) / self.width)
        return x * self.width ** 0.5 + torch.stack([at.sin(), at.cos()], -1).flatten(1)[:, None]

    def loss(self, b):
        padding = torch.arange(len(b["source"]))[None] >= b["source_lengths"][:, None]
        memory = self.encoder(self.placed(self.words(b["source"])), src_key_padding_mask=padding)
        n = len(b["shifted"])
        out = self.decoder(self.placed(self.written(b["shifted"])), memory, memory_key_padding_mask=padding,
                           tgt_mask=torch.triu(torch.ones(n, n, dtype=torch.bool), 1))
        return ragged_loss(self.logits(out), b)


def sgd(lr):
    return lambda p: (torch.optim.SGD(p, lr), None)


def adam(lr):
    return lambda p: (torch.optim.Adam(p, lr), None)


def gpt_optimizer(params):
    """AdamW with 100 steps of warm-up on a cosine of STEPS steps."""
    o = torch.optim.AdamW(params, 0.001, (0.9, 0.99), weight_decay=0.1)
    cosine = [1e-4 + 9e-4 * (1 + math.cos(math.pi * k / STEPS)) / 2 for k in range(STEPS)]
    return o, [lr * min(1, (k + 1) / 100) for k, lr in enumerate(cosine)]


CHAR = ["hidden=32", "batch=8", "time=20", "chars=5000"]
PAIRS = ["pairs=DATA/fra-eng.zip", "dropout=0"]
# model, --set, PyTorch's module of the loaded tensors, optimiser, clip
MODELS = [
    ("language_model/char_rnn", CHAR + ["layers=2"], lambda t: CharModel(nn.RNN, 28, 32, 2), sgd(1), 1),
    ("language_model/char_gru", CHAR + ["layers=1"], lambda t: CharModel(nn.GRU, 28, 32), sgd(1), 1),
    ("language_model/char_lstm", CHAR, lambda t: CharModel(nn.LSTM, 28, 32, 2), sgd(2), 1),
    ("language_model/rnn_dense", CHAR, lambda t: CharModel(nn.RNN, 28, 32, dense=True), sgd(1), 1),
    ("language_model/windows", ["batch=256", "cell=LSTM"],
     lambda t: CharModel(nn.LSTM, 28, 32, carries=False), sgd(4), 1),
    ("language_model/word_lstm", ["hidden=32", "dropout=0", "train.optimizer.lr=0.003"],
     lambda t: WordModel(t["words.weight"].shape[0], 32, 2), adam(0.003), 1),
    ("language_model/transformer", ["width=32", "layers=2", "time=32", "steps=%d" % STEPS],
     lambda t: GPT(t["letters.weight"].shape[0], 32, 2, 4, 32), gpt_optimizer, 1),
    ("toy/addition", [], lambda t: Addition(15, 128), adam(0.001), None),
    ("translate/seq2seq", PAIRS, lambda t: Translator(*sizes(t), 32, None), adam(0.005), 1),
    ("translate/bilinear_attention", PAIRS, lambda t: Translator(*sizes(t), 32, "bilinear"), adam(0.005), 1),
    ("translate/additive_attention", PAIRS, lambda t: Translator(*sizes(t), 32, "additive"), adam(0.005), 1),
    # with its own rate, 0.005, the last bits grow a thousandfold in 10 steps
    ("translate/transformer", PAIRS + ["train.optimizer.lr=0.0005"],
     lambda t: TransformerTranslator(*sizes(t), 32, 2, 4), adam(0.0005), 1),
]


def sizes(t):
    return t["words.weight"].shape[0], t["written.weight"].shape[0]


def command(graphrun, verb, model, sets, *more):
    line = [graphrun, verb, model, "--quiet", *more]
    for s in sets:
        line += ["--set", s]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout


def batches(graphrun, model, sets, folder):
    """Batches of as many epochs as STEPS need, each with whether an epoch begins."""
    n, epoch = 0, 0
    while n < STEPS:
        to = os.path.join(folder, "epoch%d" % epoch)
        command(graphrun, "data", model, sets, "--epoch", str(epoch), "--batches", str(STEPS - n), "-o", to)
        fields = sorted({f.rsplit("_", 1)[0] for f in os.listdir(to)})
        count = len(os.listdir(to)) // len(fields)
        for i in range(count):
            arrays = {f: torch.from_numpy(np.load("%s/%s_%d.npy" % (to, f, i))).long() for f in fields}
            yield i == 0, arrays
        n, epoch = n + count, epoch + 1


def torch_losses(module, make_optimizer, clip, data):
    optimizer, rates = make_optimizer(module.parameters())
    losses, carry = [], None
    for first, b in data:
        b["carry"] = None if first else carry
        if rates:
            optimizer.param_groups[0]["lr"] = rates[len(losses)]
        loss = module.loss(b)
        optimizer.zero_grad()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(module.parameters(), clip)
        optimizer.step()
        carry = b.get("next")
        losses.append(loss.item())
    return losses


def compare(graphrun, graphs, spec):
    name, sets, make, optimizer, clip = spec
    model = os.path.join(graphs, name + ".yaml")
    with tempfile.TemporaryDirectory() as folder:
        weights, log = os.path.join(folder, "w.safetensors"), os.path.join(folder, "log.jsonl")
        command(graphrun, "train", model, sets, "--steps", "0", "--save", weights)
        command(graphrun, "train", model, sets, "--weights", weights, "--steps", str(STEPS), "--report", "1", "--log", log)
        with open(log) as f:
            ours = [r["loss"] for r in map(json.loads, f) if r["event"] == "report" and r["over"] == "steps" and "loss" in r]
        tensors = load_file(weights)
        module = make(tensors)
        module.load_state_dict(tensors, strict=True)
        theirs = torch_losses(module, optimizer, clip, batches(graphrun, model, sets, folder))
    assert len(ours) == len(theirs) == STEPS, (len(ours), len(theirs))
    return max(abs(a - b) for a, b in zip(ours, theirs)), ours[0], ours[-1], theirs[-1]


def main():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("graphrun")
    parser.add_argument("names", nargs="*", help="of models; all where not given")
    parser.add_argument("--data", default=os.path.join(here, "..", "shared", "data"))
    options = parser.parse_args()
    if not os.access(options.graphrun, os.X_OK):
        parser.error("%s is no program; give build/tools/graphrun" % options.graphrun)
    failed = 0
    for spec in [m for m in MODELS if not options.names or m[0] in options.names]:
        missing = [s for s in spec[1] if "DATA/" in s and not os.path.exists(os.path.join(options.data, s.split("DATA/")[1]))]
        if missing:
            print("%-32s skipped: %s is not there" % (spec[0], missing[0]))
            continue
        sets = [s.replace("DATA", options.data) for s in spec[1]]
        worst, first, last, other = compare(options.graphrun, os.path.join(here, "graphs"), (spec[0], sets, *spec[2:]))
        failed += worst > 1e-4
        print("%-32s loss %.4f -> %.6f, PyTorch %.6f; largest difference of %d steps %.1e"
              % (spec[0], first, last, other, STEPS, worst), flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
