#!/usr/bin/env python3
"""Writes tests/golden/lr_schedules.txt: the learning rates of PyTorch's schedulers.

A line each: how a model file writes it | the rate at positions 0, 1, 2, ... of two parameter
groups, the second of which has half the first one's rate where the file gives `lr` | for
ReduceOnPlateau what was measured at the end of each epoch.
"""
import math
import pathlib
import warnings

import torch
from torch.optim import lr_scheduler as s

N = 40
CASES = [
    ("op: Step, lr: 0.1, step_size: 7", 0.1, s.StepLR, dict(step_size=7)),
    ("op: Step, lr: 0.1, step_size: 1, gamma: 1.25", 0.1, s.StepLR, dict(step_size=1, gamma=1.25)),
    ("op: MultiStep, lr: 0.2, milestones: [3, 10, 10, 25], gamma: 0.5", 0.2, s.MultiStepLR,
     dict(milestones=[3, 10, 10, 25], gamma=0.5)),
    ("op: Exponential, lr: 0.3, gamma: 0.9", 0.3, s.ExponentialLR, dict(gamma=0.9)),
    ("op: Cosine, lr: 0.1, T_max: 15, eta_min: 0.01", 0.1, s.CosineAnnealingLR, dict(T_max=15, eta_min=0.01)),
    ("op: Cosine, lr: 0.1, T_max: 40", 0.1, s.CosineAnnealingLR, dict(T_max=40)),
    ("op: CosineWarmRestarts, lr: 0.1, T_0: 6", 0.1, s.CosineAnnealingWarmRestarts, dict(T_0=6)),
    ("op: CosineWarmRestarts, lr: 0.1, T_0: 3, T_mult: 2, eta_min: 0.02", 0.1, s.CosineAnnealingWarmRestarts,
     dict(T_0=3, T_mult=2, eta_min=0.02)),
    ("op: Linear, lr: 0.1", 0.1, s.LinearLR, {}),
    ("op: Linear, lr: 0.1, start_factor: 0.8, end_factor: 0.1, total_iters: 17", 0.1, s.LinearLR,
     dict(start_factor=0.8, end_factor=0.1, total_iters=17)),
    ("op: Constant, lr: 0.1", 0.1, s.ConstantLR, {}),
    ("op: Constant, lr: 0.1, factor: 0.25, total_iters: 9", 0.1, s.ConstantLR, dict(factor=0.25, total_iters=9)),
    ("op: Polynomial, lr: 0.1, total_iters: 20, power: 2.5", 0.1, s.PolynomialLR, dict(total_iters=20, power=2.5)),
    ("op: OneCycle, max_lr: 0.4, total_steps: 40", 0.4, s.OneCycleLR, dict(max_lr=0.4, total_steps=40)),
    ("op: OneCycle, lr: 0.4, epochs: 8, steps_per_epoch: 5, pct_start: 0.4, anneal_strategy: linear, div_factor: 10,"
     " final_div_factor: 50", 0.4, s.OneCycleLR,
     dict(max_lr=0.4, epochs=8, steps_per_epoch=5, pct_start=0.4, anneal_strategy="linear", div_factor=10,
          final_div_factor=50)),
    ("op: OneCycle, lr: 0.4, total_steps: 40, three_phase: true, pct_start: 0.25", 0.4, s.OneCycleLR,
     dict(max_lr=0.4, total_steps=40, three_phase=True, pct_start=0.25)),
    ("op: OneCycle, lr: 0.4, total_steps: 40, three_phase: true, anneal_strategy: linear", 0.4, s.OneCycleLR,
     dict(max_lr=0.4, total_steps=40, three_phase=True, anneal_strategy="linear")),
    ("op: OneCycle, lr: 0.4, total_steps: 40, pct_start: 0.0", 0.4, s.OneCycleLR,
     dict(max_lr=0.4, total_steps=40, pct_start=0.0)),
    ("op: Cyclic, base_lr: 0.01, max_lr: 0.1, step_size_up: 6", 0.01, s.CyclicLR, dict(max_lr=0.1, step_size_up=6)),
    ("op: Cyclic, lr: 0.01, max_lr: 0.1, step_size_up: 4, step_size_down: 7, mode: triangular2", 0.01, s.CyclicLR,
     dict(max_lr=0.1, step_size_up=4, step_size_down=7, mode="triangular2")),
    ("op: Cyclic, lr: 0.01, max_lr: 0.1, step_size_up: 5, mode: exp_range, gamma: 0.95", 0.01, s.CyclicLR,
     dict(max_lr=0.1, step_size_up=5, mode="exp_range", gamma=0.95)),
    ("op: Noam, d_model: 16, warmup: 10", 1.0, s.LambdaLR,
     dict(lr_lambda=lambda k: 16 ** -0.5 * min((k + 1) ** -0.5, (k + 1) * 10 ** -1.5))),
    ("op: Noam, lr: 2, d_model: 16, warmup: 10", 2.0, s.LambdaLR,
     dict(lr_lambda=lambda k: 16 ** -0.5 * min((k + 1) ** -0.5, (k + 1) * 10 ** -1.5))),
]
PLATEAU = [
    ("patience: 2", dict(patience=2)),
    ("patience: 1, factor: 0.5, cooldown: 3, min_lr: 0.02", dict(patience=1, factor=0.5, cooldown=3, min_lr=0.02)),
    ("patience: 0, factor: 0.7, threshold: 0.3, eps: 0.02", dict(patience=0, factor=0.7, threshold=0.3, eps=0.02)),
    ("mode: max, patience: 1, factor: 0.5, threshold: 0.05, threshold_mode: abs",
     dict(mode="max", patience=1, factor=0.5, threshold=0.05, threshold_mode="abs")),
    ("patience: 1, factor: 0.5, threshold: 0.2, threshold_mode: abs",
     dict(patience=1, factor=0.5, threshold=0.2, threshold_mode="abs")),
    ("mode: max, patience: 2, factor: 0.5, threshold: 0.1", dict(mode="max", patience=2, factor=0.5, threshold=0.1)),
]


def optimiser(lr):
    groups = [{"params": [torch.zeros(1, requires_grad=True)]}, {"params": [torch.zeros(1, requires_grad=True)], "lr": lr / 2}]
    return torch.optim.SGD(groups, lr=lr)


def curve(kind, lr, arguments):
    o = optimiser(lr)
    if kind is s.OneCycleLR:
        arguments = {**arguments, "max_lr": [lr, lr / 2], "cycle_momentum": False}
    if kind is s.CyclicLR:
        arguments = {**arguments, "base_lr": [lr, lr / 2], "cycle_momentum": False}
    schedule = kind(o, **arguments)
    rates = [[], []]
    for _ in range(N):
        for g in range(2):
            rates[g].append(o.param_groups[g]["lr"])
        o.step()
        schedule.step()
    return rates


def plateau(arguments, measured):
    o = optimiser(0.1)
    schedule = s.ReduceLROnPlateau(o, **arguments)
    rates = [[], []]
    for value in measured:
        for g in range(2):
            rates[g].append(o.param_groups[g]["lr"])
        schedule.step(value)
    return rates


def numbers(values):
    return " ".join(f"{v:.12g}" for v in values)


def main():
    warnings.simplefilter("ignore")
    lines = []
    for text, lr, kind, arguments in CASES:
        rates = curve(kind, lr, arguments)
        lines.append(f"{text} | {numbers(rates[0])} | {numbers(rates[1])} |")
    measured = [1 + math.sin(1.7 * k) * 0.4 + 2 / (k + 1) for k in range(N)]
    measured[20] = math.nan
    for text, arguments in PLATEAU:
        rates = plateau(arguments, measured)
        lines.append(f"op: ReduceOnPlateau, lr: 0.1, {text} | {numbers(rates[0])} | {numbers(rates[1])} | {numbers(measured)}")
    path = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "lr_schedules.txt"
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
