#!/usr/bin/env python3
"""Writes tests/golden/plugins.safetensors: what PyTorch gives for the ops of graphs/plugins.

Snake from its formula, CTCLoss from torch.nn.functional.ctc_loss on a log_softmax, and sLSTM from the equations of
Beck et al. 2024 (section 2.2), a step at a time. The file is as that of layers.py; the text of a case may begin with
a section `plugins`, in which PLUGINS stands for the folder of the built ones.
"""
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "plugins.safetensors"
tensors, metadata = {}, {}


def given(*shape, scale=1.0):
    return (scale * torch.randn(shape)).float().double()


def case(name, plugin, graph, inputs, params, fn):
    """fn(inputs, params) gives the values by name; loss = sum of value * u."""
    leaves = {**inputs, **params}
    for v in leaves.values():
        if v.is_floating_point():
            v.requires_grad_()
    found = {"in:" + k: v for k, v in inputs.items()} | {"weight:" + k: v for k, v in params.items()}
    loss = 0
    for k, v in fn(inputs, params).items():
        found["out:" + k], found["u:" + k] = v, given(*v.shape)
        loss = loss + (v * found["u:" + k]).sum()
    loss.backward()
    found |= {"grad:" + k: v.grad for k, v in leaves.items() if v.grad is not None}
    metadata[name] = f"{graph}\nplugins: ['PLUGINS/{plugin}.so']"
    for k, v in found.items():
        v = v.detach()
        tensors[f"{name}/{k}"] = (v.float() if v.is_floating_point() else v.int()).contiguous().clone()


# ---- Snake ----

def snake(name, attrs, alpha, learned, *shape):
    params = {"y.alpha": alpha * torch.ones(shape[-1]).double() * (1 + 0.25 * torch.arange(shape[-1]).double())} if learned else {}

    def run(i, p):
        a = p["y.alpha"] if learned else alpha
        return {"y": i["x"] + torch.sin(a * i["x"]) ** 2 / a}

    case(name, "snake", f"  y: {{op: Snake, in: x{attrs}}}", {"x": given(*shape, scale=2)}, params, run)


# ---- sLSTM ----

def slstm_layer(x, w, r, b, forget, bias, reverse=False):
    steps, batch, _ = x.shape
    h = c = n = m = torch.zeros(batch, r.shape[1]).double()
    out = [None] * steps
    for t in reversed(range(steps)) if reverse else range(steps):
        i, f, z, o = (x[t] @ w.T + h @ r.T + b).chunk(4, -1)
        f = f + bias
        log_f = F.logsigmoid(f) if forget == "sigmoid" else f
        new = torch.maximum(log_f + m, i)
        i1, f1 = torch.exp(i - new), torch.exp(log_f + m - new)
        c, n, m = f1 * c + i1 * torch.tanh(z), f1 * n + i1, new
        h = torch.sigmoid(o) * c / n
        out[t] = h
    return torch.stack(out), h, c, n, m


def slstm(name, attrs, hidden, layers, forget="sigmoid", bias=0.0, both=False, scale=0.5):
    steps, batch, width = 6, 3, 5
    params, size = {}, width
    for layer in range(layers):
        for suffix in ["", "_reverse"][: 2 if both else 1]:
            for p, shape in {"weight_ih": (4 * hidden, size), "weight_hh": (4 * hidden, hidden), "bias": (4 * hidden,)}.items():
                params[f"rnn.{p}_l{layer}{suffix}"] = given(*shape, scale=scale)
        size = hidden * (2 if both else 1)

    def run(i, p):
        x, last = i["x"], []
        for layer in range(layers):
            outs = []
            for suffix in ["", "_reverse"][: 2 if both else 1]:
                w, r, b = (p[f"rnn.{k}_l{layer}{suffix}"] for k in ("weight_ih", "weight_hh", "bias"))
                y, *state = slstm_layer(x, w, r, b, forget, bias, suffix != "")
                outs.append(y)
                last.append(state)
            x = torch.cat(outs, -1)
        states = {f"rnn.{k}_n": torch.stack([s[j] for s in last]) for j, k in enumerate("hcn")}
        return {"rnn.output": x, **states}

    case(name, "slstm", f"  rnn: {{op: Recurrent, cell: SLSTMCell, in: x, hidden_size: {hidden}, num_layers: {layers}{attrs}}}",
         {"x": given(steps, batch, width)}, params, run)


# ---- CTC ----

def ctc(name, attrs, steps, batch, classes, symbols, input_lengths=None, target_lengths=None, double=False, **how):
    blank = how.get("blank", 0)
    ids = torch.tensor([k for k in range(classes) if k != blank])
    target = ids[torch.randint(len(ids), (batch, symbols))]
    if double:
        target[:, 1::2] = target[:, 0::2][:, : target[:, 1::2].shape[1]]  # the same twice in a row
    inputs = {"logits": given(steps, batch, classes), "target": target}
    ports = "log_probs: log_probs, targets: target"
    for port, lengths in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if lengths:
            inputs[port] = torch.tensor(lengths)
            ports += f", {port}: {port}"

    def run(i, p):
        lp = F.log_softmax(i["logits"], -1)
        t = torch.tensor(input_lengths or [steps] * batch)
        s = torch.tensor(target_lengths or [symbols] * batch)
        return {"loss0": F.ctc_loss(lp, i["target"], t, s, **how)}

    case(name, "ctc", f"  log_probs: {{op: LogSoftmax, in: logits}}\n  loss0: {{op: CTCLoss, in: {{{ports}}}{attrs}}}", inputs, {}, run)


torch.manual_seed(1)
snake("snake", "", 1.0, False, 4, 7)
snake("snake_alpha", ", alpha: 0.3", 0.3, False, 3, 2, 5)
snake("snake_learned", ", alpha: 2, learned: true", 2.0, True, 3, 2, 5)
slstm("slstm", "", 4, 1)
slstm("slstm_layers", ", forget_bias: 1.5", 3, 2, bias=1.5)
slstm("slstm_exp", ", forget_gate: exp", 4, 1, forget="exp")
slstm("slstm_both", ", bidirectional: true", 3, 2, both=True)
slstm("slstm_large", "", 4, 1, scale=20.0)  # without the stabilizer e^i would overflow
ctc("ctc", "", 9, 4, 6, 3)
ctc("ctc_sum", ", reduction: sum", 12, 3, 5, 5, double=True, reduction="sum")
ctc("ctc_none", ", reduction: none, blank: 2", 8, 3, 4, 3, reduction="none", blank=2)
ctc("ctc_lengths", "", 10, 4, 7, 4, [10, 7, 9, 5], [4, 2, 1, 0])
ctc("ctc_infinite", ", reduction: none, zero_infinity: true", 4, 3, 5, 4, [4, 2, 4], [3, 4, 2], double=True, reduction="none", zero_infinity=True)
ctc("ctc_long", "", 40, 2, 20, 12)
save_file(tensors, OUT, metadata=metadata)
