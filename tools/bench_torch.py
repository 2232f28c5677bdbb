#!/usr/bin/env python3
"""The benchmark's workloads in PyTorch, for tools/bench to compare with.

usage: bench_torch.py WORKLOAD THREADS SECONDS

Prints one JSON object: tokens (for hello: steps) a second, the median over the steps
of the given time. A training step is forward, loss, backward, clipping to norm 1 and
update, as in graphs/char_*.yaml: one-hot characters, 28 classes, 35 steps, batch 32.
"""
import json
import sys
import time

import torch
from torch import nn

VOCAB, TIME, BATCH = 28, 35, 32


class CharModel(nn.Module):
    def __init__(self, rnn, hidden):
        super().__init__()
        self.rnn, self.logits = rnn, nn.Linear(hidden, VOCAB)

    def forward(self, tokens, state):
        x = nn.functional.one_hot(tokens, VOCAB).float()
        output, state = self.rnn(x, state)
        return self.logits(output), state


class Hello(nn.Module):
    """One RNNCell over the five letters of a word."""

    def __init__(self):
        super().__init__()
        self.cell = nn.RNNCell(4, 4)

    def forward(self, x):
        h, out = torch.zeros(1, 4), []
        for t in range(x.shape[0]):
            h = self.cell(x[t], h)
            out.append(h)
        return torch.stack(out)


def char_step(rnn, hidden):
    model = CharModel(rnn, hidden)
    opt = torch.optim.SGD(model.parameters(), lr=1.0)
    tokens = torch.randint(VOCAB, (TIME, BATCH))
    targets = torch.randint(VOCAB, (TIME, BATCH))
    state = [None]

    def step():
        logits, s = model(tokens, state[0])
        state[0] = tuple(x.detach() for x in s) if isinstance(s, tuple) else s.detach()
        loss = nn.functional.cross_entropy(logits.view(-1, VOCAB), targets.view(-1))
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()

    return step, TIME * BATCH, "tokens/s"


def hello_step():
    model = Hello()
    opt = torch.optim.Adam(model.parameters(), lr=0.01)
    x = torch.eye(4)[[1, 0, 2, 2, 3]].unsqueeze(1)
    y = torch.tensor([3, 1, 2, 3, 2])

    def step():
        out = model(x)
        loss = nn.functional.cross_entropy(out.squeeze(1), y, reduction="sum")
        opt.zero_grad()
        loss.backward()
        opt.step()

    return step, 1, "steps/s"


WORKLOADS = {
    "lstm-2x256": lambda: char_step(nn.LSTM(VOCAB, 256, 2), 256),
    "rnn-2x512": lambda: char_step(nn.RNN(VOCAB, 512, 2), 512),
    "gru-256": lambda: char_step(nn.GRU(VOCAB, 256), 256),
    "hello": hello_step,
}


def main():
    name, threads, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    step, items, unit = WORKLOADS[name]()
    for _ in range(3):
        step()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    times.sort()
    print(json.dumps({"workload": name, "threads": threads, "unit": unit,
                      "median": items / times[len(times) // 2], "best": items / times[0],
                      "version": torch.__version__}))


main()
