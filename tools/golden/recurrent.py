#!/usr/bin/env python3
"""Writes tests/golden/{rnn,lstm,gru}{,_ragged}.safetensors: PyTorch's outputs and gradients.

One file an op, one case for each number of layers, direction, batch_first and initial
state. A case "l2_b1_f0_i1" (2 layers, bidirectional, time first, initial states given)
holds, each name behind "<case>/":

    x, h_0, c_0      inputs                  u, u_h, u_c      d(loss)/d(output, h_n, c_n)
    weight_ih_l0 ... parameters              output, h_n, c_n results
    grad:<name>      d(loss)/d(name) for every input and parameter

loss = sum(output * u) + sum(h_n * u_h) + sum(c_n * u_c), computed in double.
The cases of the ragged files have `lengths` too, and NaN in the padding of x; there PyTorch
runs a packed sequence.
"""
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

TIME, BATCH, INPUT, HIDDEN = 4, 2, 3, 3
LENGTHS = [2, 4, 1]
OPS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def run(module, x, state, lengths):
    if lengths is None:
        return module(x, state)
    packed = pack_padded_sequence(x, lengths, module.batch_first, enforce_sorted=False)
    output, last = module(packed, state)
    return pad_packed_sequence(output, module.batch_first)[0], last


def case(kind, layers, bidirectional, batch_first, initial, lengths=None):
    module = OPS[kind](INPUT, HIDDEN, layers, batch_first=batch_first, bidirectional=bidirectional).double()
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(p.float().double())
    given = lambda *shape: torch.randn(*shape).double()
    batch = BATCH if lengths is None else len(lengths)
    x = given(batch, TIME, INPUT) if batch_first else given(TIME, batch, INPUT)
    for i, n in enumerate(lengths if lengths is not None else []):
        x[(i, slice(n, None)) if batch_first else (slice(n, None), i)] = torch.nan
    state_shape = (layers * (1 + bidirectional), batch, HIDDEN)
    names = ["h_0", "c_0"] if kind == "lstm" else ["h_0"]
    states = {n: given(*state_shape) for n in names} if initial else {}
    leaves = {"x": x, **states}
    for v in leaves.values():
        v.requires_grad_()
    given_state = tuple(states.values()) if kind == "lstm" else states.get("h_0")
    output, last = run(module, x, given_state if initial else None, lengths)
    last = last if kind == "lstm" else (last,)
    weights = {"u": given(*output.shape), "u_h": given(*state_shape)}
    loss = (output * weights["u"]).sum() + (last[0] * weights["u_h"]).sum()
    if kind == "lstm":
        weights["u_c"] = given(*state_shape)
        loss = loss + (last[1] * weights["u_c"]).sum()
    loss.backward()
    tensors = {**leaves, **weights, "output": output}
    tensors.update(zip(["h_n", "c_n"], last))
    tensors.update(module.named_parameters())
    for n, v in {**leaves, **dict(module.named_parameters())}.items():
        tensors["grad:" + n] = v.grad
    tensors = {n: v.detach().float().contiguous() for n, v in tensors.items()}
    return tensors if lengths is None else {**tensors, "lengths": lengths.int()}


def write(file, kind, all_layers, lengths=None):
    tensors = {}
    for layers in all_layers:
        for b in (0, 1):
            for f in (0, 1):
                for i in (0, 1):
                    name = f"l{layers}_b{b}_f{f}_i{i}"
                    for n, v in case(kind, layers, bool(b), bool(f), bool(i), lengths).items():
                        tensors[f"{name}/{n}"] = v
    folder = pathlib.Path(__file__).parents[2] / "tests" / "golden"
    save_file(tensors, folder / f"{file}.safetensors", metadata={"torch": torch.__version__})


def main():
    torch.manual_seed(1)
    for kind in OPS:
        write(kind, kind, (1, 2, 3))
    for kind in OPS:
        write(f"{kind}_ragged", kind, (1, 2), torch.tensor(LENGTHS))


main()
