#!/usr/bin/env python3
"""Writes tests/golden/{rnn,lstm,gru}.safetensors: PyTorch's outputs and gradients.

One file an op, one case for each number of layers, direction, batch_first and initial
state. A case "l2_b1_f0_i1" (2 layers, bidirectional, time first, initial states given)
holds, each name behind "<case>/":

    x, h_0, c_0      inputs                  u, u_h, u_c      d(loss)/d(output, h_n, c_n)
    weight_ih_l0 ... parameters              output, h_n, c_n results
    grad:<name>      d(loss)/d(name) for every input and parameter

loss = sum(output * u) + sum(h_n * u_h) + sum(c_n * u_c), computed in double.
"""
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn

TIME, BATCH, INPUT, HIDDEN = 4, 2, 3, 3
OPS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def case(kind, layers, bidirectional, batch_first, initial):
    module = OPS[kind](INPUT, HIDDEN, layers, batch_first=batch_first, bidirectional=bidirectional).double()
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(p.float().double())
    given = lambda *shape: torch.randn(*shape).double()
    x = given(BATCH, TIME, INPUT) if batch_first else given(TIME, BATCH, INPUT)
    state_shape = (layers * (1 + bidirectional), BATCH, HIDDEN)
    names = ["h_0", "c_0"] if kind == "lstm" else ["h_0"]
    states = {n: given(*state_shape) for n in names} if initial else {}
    leaves = {"x": x, **states}
    for v in leaves.values():
        v.requires_grad_()
    given_state = tuple(states.values()) if kind == "lstm" else states.get("h_0")
    output, last = module(x, given_state if initial else None)
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
    return {n: v.detach().float().contiguous() for n, v in tensors.items()}


def main():
    torch.manual_seed(1)
    folder = pathlib.Path(__file__).parents[2] / "tests" / "golden"
    for kind in OPS:
        tensors = {}
        for layers in (1, 2, 3):
            for b in (0, 1):
                for f in (0, 1):
                    for i in (0, 1):
                        name = f"l{layers}_b{b}_f{f}_i{i}"
                        for n, v in case(kind, layers, bool(b), bool(f), bool(i)).items():
                            tensors[f"{name}/{n}"] = v
        save_file(tensors, folder / f"{kind}.safetensors", metadata={"torch": torch.__version__})


main()
