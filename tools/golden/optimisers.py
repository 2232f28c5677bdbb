#!/usr/bin/env python3
"""Writes tests/golden/optimisers.safetensors: where 20 steps of each optimiser end.

The model is tanh(x W^T + b) U^T + c with a squared loss on one fixed batch, float32:

    x, y                    the batch
    start/<parameter>       first weights of all cases
    <case>/<parameter>      weights after 20 steps

__metadata__ says how a model file would write each case: its `train` section without
`minimize`.
"""
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn, optim

CASES = {
    "sgd": ("optimizer: {op: SGD, lr: 0.3}", optim.SGD, dict(lr=0.3), {}),
    "sgd_momentum": ("optimizer: {op: SGD, lr: 0.1, momentum: 0.9, weight_decay: 0.01}", optim.SGD,
                     dict(lr=0.1, momentum=0.9, weight_decay=0.01), {}),
    "sgd_dampening": ("optimizer: {op: SGD, lr: 0.1, momentum: 0.8, dampening: 0.3}", optim.SGD,
                      dict(lr=0.1, momentum=0.8, dampening=0.3), {}),
    "sgd_nesterov": ("optimizer: {op: SGD, lr: 0.1, momentum: 0.8, nesterov: true}", optim.SGD,
                     dict(lr=0.1, momentum=0.8, nesterov=True), {}),
    "adam": ("optimizer: {op: Adam, lr: 0.05}", optim.Adam, dict(lr=0.05), {}),
    "adam_decay": ("optimizer: {op: Adam, lr: 0.05, betas: [0.8, 0.99], eps: 1e-6, weight_decay: 0.1}", optim.Adam,
                   dict(lr=0.05, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1), {}),
    "adam_amsgrad": ("optimizer: {op: Adam, lr: 0.05, amsgrad: true}", optim.Adam, dict(lr=0.05, amsgrad=True), {}),
    "adamw": ("optimizer: {op: AdamW, lr: 0.05}", optim.AdamW, dict(lr=0.05), {}),
    "adamw_decay": ("optimizer: {op: AdamW, lr: 0.05, weight_decay: 0.3}", optim.AdamW,
                    dict(lr=0.05, weight_decay=0.3), {}),
    "rmsprop": ("optimizer: {op: RMSprop, lr: 0.02}", optim.RMSprop, dict(lr=0.02), {}),
    "rmsprop_centered": ("optimizer: {op: RMSprop, lr: 0.02, momentum: 0.5, centered: true, weight_decay: 0.05}",
                         optim.RMSprop, dict(lr=0.02, momentum=0.5, centered=True, weight_decay=0.05), {}),
    "rmsprop_maximize": ("optimizer: {op: RMSprop, lr: 0.002, alpha: 0.9, maximize: true}", optim.RMSprop,
                         dict(lr=0.002, alpha=0.9, maximize=True), {}),
    "sgd_maximize": ("optimizer: {op: SGD, lr: 0.01, weight_decay: 0.1, maximize: true}", optim.SGD,
                     dict(lr=0.01, weight_decay=0.1, maximize=True), {}),
    "adamw_maximize": ("optimizer: {op: AdamW, lr: 0.01, maximize: true}", optim.AdamW, dict(lr=0.01, maximize=True), {}),
    "adagrad": ("optimizer: {op: Adagrad, lr: 0.1}", optim.Adagrad, dict(lr=0.1), {}),
    "adagrad_initial": ("optimizer: {op: Adagrad, lr: 0.1, initial_accumulator_value: 0.3, lr_decay: 0.05,"
                        " weight_decay: 0.02, eps: 1e-6}", optim.Adagrad,
                        dict(lr=0.1, initial_accumulator_value=0.3, lr_decay=0.05, weight_decay=0.02, eps=1e-6), {}),
    "adadelta": ("optimizer: {op: Adadelta}", optim.Adadelta, {}, {}),
    "adadelta_decay": ("optimizer: {op: Adadelta, lr: 2, rho: 0.8, eps: 1e-4, weight_decay: 0.05, maximize: false}",
                       optim.Adadelta, dict(lr=2, rho=0.8, eps=1e-4, weight_decay=0.05), {}),
    "adamax": ("optimizer: {op: Adamax}", optim.Adamax, {}, {}),
    "adamax_decay": ("optimizer: {op: Adamax, lr: 0.05, betas: [0.7, 0.9], eps: 1e-5, weight_decay: 0.1}", optim.Adamax,
                     dict(lr=0.05, betas=(0.7, 0.9), eps=1e-5, weight_decay=0.1), {}),
    "nadam": ("optimizer: {op: NAdam, lr: 0.02}", optim.NAdam, dict(lr=0.02), {}),
    "nadam_decay": ("optimizer: {op: NAdam, lr: 0.02, betas: [0.8, 0.95], eps: 1e-3, weight_decay: 0.1, momentum_decay: 0.1}",
                    optim.NAdam, dict(lr=0.02, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1, momentum_decay=0.1), {}),
    "nadam_decoupled": ("optimizer: {op: NAdam, lr: 0.02, weight_decay: 0.1, decoupled_weight_decay: true}", optim.NAdam,
                        dict(lr=0.02, weight_decay=0.1, decoupled_weight_decay=True), {}),
    "radam": ("optimizer: {op: RAdam, lr: 0.05}", optim.RAdam, dict(lr=0.05), {}),
    "radam_short": ("optimizer: {op: RAdam, lr: 0.05, betas: [0.8, 0.6]}", optim.RAdam, dict(lr=0.05, betas=(0.8, 0.6)), {}),
    "radam_decay": ("optimizer: {op: RAdam, lr: 0.02, betas: [0.8, 0.95], eps: 1e-5, weight_decay: 0.1}", optim.RAdam,
                    dict(lr=0.02, betas=(0.8, 0.95), eps=1e-5, weight_decay=0.1), {}),
    "radam_decoupled": ("optimizer: {op: RAdam, lr: 0.02, weight_decay: 0.1, decoupled_weight_decay: true, maximize: true}",
                        optim.RAdam, dict(lr=0.02, weight_decay=0.1, decoupled_weight_decay=True, maximize=True), {}),
    "clip_norm": ("optimizer: {op: SGD, lr: 0.5}, clip_grad_norm: 0.1", optim.SGD, dict(lr=0.5), dict(norm=0.1)),
    "clip_value": ("optimizer: {op: SGD, lr: 0.5}, clip_grad_value: 0.02", optim.SGD, dict(lr=0.5), dict(value=0.02)),
}


def train(start, x, y, kind, arguments, clip):
    params = {n: v.clone().requires_grad_() for n, v in start.items()}
    step = kind(params.values(), **arguments)
    for _ in range(20):
        hidden = torch.tanh(nn.functional.linear(x, params["hidden.weight"], params["hidden.bias"]))
        out = nn.functional.linear(hidden, params["out.weight"], params["out.bias"])
        step.zero_grad()
        nn.functional.mse_loss(out, y).backward()
        if "norm" in clip:
            nn.utils.clip_grad_norm_(params.values(), clip["norm"])
        if "value" in clip:
            nn.utils.clip_grad_value_(params.values(), clip["value"])
        step.step()
    return params


def main():
    torch.manual_seed(2)
    x, y = torch.randn(6, 3), torch.randn(6, 2)
    shapes = {"hidden.weight": (5, 3), "hidden.bias": (5,), "out.weight": (2, 5), "out.bias": (2,)}
    start = {n: 0.5 * torch.randn(*s) for n, s in shapes.items()}
    tensors = {"x": x, "y": y, **{"start/" + n: v for n, v in start.items()}}
    for case, (_, kind, arguments, clip) in CASES.items():
        for n, v in train(start, x, y, kind, arguments, clip).items():
            tensors[f"{case}/{n}"] = v.detach().contiguous()
    path = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "optimisers.safetensors"
    save_file(tensors, path, metadata={case: text for case, (text, *_) in CASES.items()})


if __name__ == "__main__":
    main()
