#!/usr/bin/env python3
"""Writes tests/golden/layers.safetensors: what PyTorch's layers give, toward every input and parameter.

For each case __metadata__ has the lines of the model's section `graph` that make it (Inputs are
added), and the file, each name behind "<case>/":

    in:<input>      what is fed             u:<value>       d(loss)/d(value)
    weight:<name>   states before           out:<value>     results
    grad:<name>     d(loss)/d(name)         after:<name>    states after <case>/steps steps

loss = sum of value * u. <case>/training: in train mode. <case>/lr: with an update at that rate.
All is computed in double from numbers that are floats.
"""
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn

OUT = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "layers.safetensors"
tensors, metadata = {}, {}


def given(*shape):
    return torch.randn(*shape).double()


def leaf(v):
    return v.float().double().requires_grad_() if v.is_floating_point() else v


def module_case(name, node, module, inputs, at="layer", graph=None, run=None, values=None, **more):
    """node: the text of the node `layer`; graph: lines in its place; run: how the module is applied."""
    module = module.double()
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape).float().double() if more.get("random") else p.float().double())
    inputs = {k: leaf(v) for k, v in inputs.items()}
    states = {f"weight:{at}.{k}": v.detach().clone() for k, v in module.state_dict().items()}
    y = run(module, **inputs) if run else module(*inputs.values())
    ys = dict(zip(values or ["layer"], y if isinstance(y, tuple) else (y,)))
    loss, found = 0, dict(states)
    for k, v in ys.items():
        found["out:" + k] = v
        if v.is_floating_point():
            found["u:" + k] = given(*v.shape)
            loss = loss + (v * found["u:" + k]).sum()
    found.update({"in:" + k: v for k, v in inputs.items()})
    loss.backward()
    found.update({f"grad:{k}": v.grad for k, v in inputs.items() if v.grad is not None})
    found.update({f"grad:{at}.{k}": p.grad for k, p in module.named_parameters() if p.grad is not None})
    add(name, graph or f"  layer: {node}", found)


def add(name, graph, found, **settings):
    metadata[name] = graph
    for k, v in settings.items():
        metadata[f"{name}/{k}"] = str(v)
    for k, v in found.items():
        v = v.detach()
        v = v.float() if v.is_floating_point() else v if v.dtype == torch.bool else v.int()
        tensors[f"{name}/{k}"] = v.contiguous().clone()


def norms():
    def one(name, node, module, *shape):
        module_case(name, node, module, {"x": given(*shape)}, random=True)

    one("layer_norm", "{op: LayerNorm, in: x, normalized_shape: 7}", nn.LayerNorm(7), 4, 3, 7)
    one("layer_norm_axes", "{op: LayerNorm, in: x, normalized_shape: [3, 7], eps: 0.1}", nn.LayerNorm([3, 7], eps=0.1), 4, 3, 7)
    one("layer_norm_no_bias", "{op: LayerNorm, in: x, normalized_shape: 70, bias: false}", nn.LayerNorm(70, bias=False), 130, 70)
    one("rms_norm", "{op: RMSNorm, in: x, normalized_shape: 7}", nn.RMSNorm(7, eps=1.1920929e-7), 4, 3, 7)
    one("rms_norm_axes", "{op: RMSNorm, in: x, normalized_shape: [3, 7], eps: 0.1}", nn.RMSNorm([3, 7], eps=0.1), 4, 3, 7)


def batch_norms():
    def one(name, module, text, *shape, training, **more):
        graph = f"  layer: {{op: BatchNorm1d, in: x{text}}}\ntrain: {{minimize: loss, optimizer: {{op: SGD, lr: 0.1}}}}"
        module.train(training)
        with torch.no_grad():
            for k, v in module.state_dict().items():
                if k.startswith("running"):
                    v.copy_(torch.rand(v.shape) + 0.5)
        x, u = leaf(2 * given(*shape) + 1), given(*shape).float().double()
        module = module.double()
        found = {f"weight:layer.{k}": v.detach().clone() for k, v in module.state_dict().items()}
        found.update({"in:x": x, "u:layer": u})
        if more:
            step = torch.optim.SGD(module.parameters(), lr=0.1)
            for _ in range(3):
                step.zero_grad()
                (module(x) * u).sum().backward()
                step.step()
            found.update({f"after:layer.{k}": v.detach().clone() for k, v in module.state_dict().items()})
            return add(name, graph, found, steps=3, lr=0.1)
        y = module(x)
        (y * u).sum().backward()
        found.update({"out:layer": y, "grad:x": x.grad})
        found.update({f"grad:layer.{k}": p.grad for k, p in module.named_parameters()})
        add(name, graph, found, **({"training": 1} if training else {}))

    one("batch_norm", nn.BatchNorm1d(5), "", 6, 5, training=True)
    one("batch_norm_time", nn.BatchNorm1d(5, eps=0.1), ", eps: 0.1", 4, 5, 3, training=True)
    one("batch_norm_eval", nn.BatchNorm1d(5), "", 4, 5, 3, training=False)
    one("batch_norm_plain", nn.BatchNorm1d(5, affine=False), ", affine: false", 4, 5, training=True)
    one("batch_norm_untracked", nn.BatchNorm1d(5, track_running_stats=False), ", track_running_stats: false", 4, 5, training=False)
    one("batch_norm_steps", nn.BatchNorm1d(5), "", 6, 5, training=True, steps=3)
    one("batch_norm_momentum", nn.BatchNorm1d(5, momentum=0.4), ", momentum: 0.4", 2, 5, 3, training=True, steps=3)
    one("batch_norm_mean_of_all", nn.BatchNorm1d(5, momentum=None), ", momentum: null", 2, 5, 3, training=True, steps=3)


def convolutions():
    def one(name, text, shape, *args, trim=0, **more):
        def run(m, x):
            return m(x)[..., : m(x).shape[-1] - trim]

        module_case(name, f"{{op: Conv1d, in: x, {text}}}", nn.Conv1d(*args, **more), {"x": given(*shape)}, run=run)

    one("conv", "out_channels: 4, kernel_size: 3", (2, 3, 7), 3, 4, 3)
    one("conv_unbatched", "out_channels: 4, kernel_size: 3, bias: false", (3, 7), 3, 4, 3, bias=False)
    one("conv_stride", "out_channels: 4, kernel_size: 3, stride: 2, padding: 1", (2, 3, 8), 3, 4, 3, stride=2, padding=1)
    one("conv_dilation", "out_channels: 2, kernel_size: 2, dilation: 3, padding: 4", (2, 3, 5), 3, 2, 2, dilation=3, padding=4)
    one("conv_same", "out_channels: 2, kernel_size: 4, padding: same", (2, 3, 5), 3, 2, 4, padding="same")
    one("conv_valid", "out_channels: 2, kernel_size: 1, padding: valid", (2, 3, 5), 3, 2, 1, padding="valid")
    one("conv_causal", "out_channels: 2, kernel_size: 3, dilation: 2, padding: causal", (2, 3, 5), 3, 2, 3, dilation=2, padding=4, trim=4)
    one("conv_groups", "out_channels: 6, kernel_size: 3, groups: 2, padding: 1", (2, 4, 5), 4, 6, 3, groups=2, padding=1)
    one("conv_depthwise", "out_channels: 3, kernel_size: 2, groups: 3", (3, 5), 3, 3, 2, groups=3)


def bilinears():
    module_case("bilinear", "{op: Bilinear, in: [x, y], out_features: 3}", nn.Bilinear(4, 5, 3), {"x": given(2, 6, 4), "y": given(2, 6, 5)})
    module_case("bilinear_no_bias", "{op: Bilinear, in: [x, y], out_features: 3, bias: false}", nn.Bilinear(4, 5, 3, bias=False),
                {"x": given(4), "y": given(5)})


INDEX = torch.tensor([[3, 1, 4], [1, 5, 0], [2, 6, 5], [3, 5, 0]])


def embedding_steps(name, node, module, optimizer, make, clip=None, moments=None, graph=None, at="layer", run=None, steps=3):
    """Three steps of training; moments: their names there by their names here."""
    text = ", clip_grad_norm: 0.7" if clip else ""
    module = module.double()
    with torch.no_grad():
        module.weight.copy_(torch.randn(module.weight.shape).float().double())
        if module.padding_idx is not None:
            module.weight[module.padding_idx] = 0
    found = {"in:x": INDEX, f"weight:{at}.weight": module.weight.detach().clone()}
    run = run or (lambda m, x: m(x))
    u = given(*run(module, INDEX).shape).float().double()
    with torch.no_grad():
        module.weight.copy_(found[f"weight:{at}.weight"])
    step = make(module.parameters())
    for _ in range(steps):
        step.zero_grad()
        (run(module, INDEX) * u).sum().backward()
        if clip:
            norm = module.weight.grad.coalesce()._values().norm()
            module.weight.grad = module.weight.grad * torch.clamp(0.7 / (norm + 1e-6), max=1.0)
        step.step()
    found[f"after:{at}.weight"] = module.weight
    for here, there in (moments or {}).items():
        found[f"after:train.{here}.{at}.weight"] = step.state[module.weight][there]
    found["u:" + ("rnn.y" if graph else at)] = u
    rest = f"\ntrain: {{minimize: loss, optimizer: {optimizer}{text}}}"
    add(name, (graph or f"  layer: {node}") + rest, found, steps=steps, lr=step.param_groups[0]["lr"])


class Stepped(nn.Embedding):
    """Looks up inside a loop over the first axis."""

    def forward(self, x):
        h, out = torch.zeros(3, 4).double(), []
        for row in x:
            h = torch.tanh(super().forward(row) + h)
            out.append(h)
        return torch.stack(out)


def embeddings():
    def one(name, text, *args, training=False, **more):
        module = nn.Embedding(*args, **more)
        node = f"{{op: Embedding, in: x, num_embeddings: {args[0]}, embedding_dim: {args[1]}{text}}}"
        module_case(name, node, module, {"x": INDEX})
        return node

    one("embedding", "", 7, 4)
    one("embedding_padding", ", padding_idx: -2", 7, 4, padding_idx=-2)
    one("embedding_frequency", ", scale_grad_by_freq: true", 7, 4, scale_grad_by_freq=True)
    for norm, text in ((2, ""), (1, ", norm_type: 1"), (float("inf"), ", norm_type: inf"), (3, ", norm_type: 3")):
        name = f"embedding_max_norm_{norm}"
        more = dict(max_norm=1.1, norm_type=float(norm))
        node = one(name, f", max_norm: 1.1{text}", 7, 4, **more)
        again = nn.Embedding(7, 4, **more).double()
        with torch.no_grad():
            again.weight.copy_(tensors[f"{name}/weight:layer.weight"])
        again(INDEX)
        tensors[f"{name}/after:layer.weight"] = again.weight.detach().float()
        embedding_steps(name + "_steps", node, nn.Embedding(7, 4, **more), "{op: SGD, lr: 0.3}", lambda p: torch.optim.SGD(p, lr=0.3))

    def sparse(name, optimizer, make, text="", cls=nn.Embedding, clip=None, moments=None, graph=None, at="layer", **more):
        node = f"{{op: Embedding, in: x, num_embeddings: 9, embedding_dim: 4, sparse: true{text}}}"
        embedding_steps("sparse_" + name, node, cls(9, 4, sparse=True, **more), optimizer, make, clip, moments, graph, at)

    sgd = ("{op: SGD, lr: 0.3}", lambda p: torch.optim.SGD(p, lr=0.3))
    adam = ("{op: Adam, lr: 0.1, eps: 0.01}", lambda p: torch.optim.SparseAdam(p, lr=0.1, eps=0.01))
    averages = {"exp_avg": "exp_avg", "exp_avg_sq": "exp_avg_sq"}
    sparse("sgd", *sgd)
    sparse("sgd_padding", *sgd, ", padding_idx: 5", padding_idx=5)
    sparse("sgd_clip", *sgd, clip=True)
    sparse("sgd_max_norm", *sgd, ", max_norm: 1.1", max_norm=1.1)
    sparse("adam", *adam, moments=averages)
    sparse("adam_max_norm", *adam, ", max_norm: 0.9, norm_type: 1", max_norm=0.9, norm_type=1.0, moments=averages)
    sparse("sparse_adam", "{op: SparseAdam, lr: 0.1, eps: 0.01, maximize: true}",
           lambda p: torch.optim.SparseAdam(p, lr=0.1, eps=0.01, maximize=True), moments=averages)
    sparse("adagrad", "{op: Adagrad, lr: 0.1, lr_decay: 0.2, initial_accumulator_value: 0.1}",
           lambda p: torch.optim.Adagrad(p, lr=0.1, lr_decay=0.2, initial_accumulator_value=0.1), moments={"sum": "sum"})
    loop = """  rnn:
    op: Scan
    over: 0
    in: {x: x}
    carry: {h: {init: zeros, size: 4, next: t}}
    step:
      emb: {op: Embedding, in: x, num_embeddings: 9, embedding_dim: 4, sparse: true%s}
      sum: {op: Add, in: [emb, h]}
      t: {op: Tanh, in: sum}
    out: {y: t}"""
    dense = loop.replace(", sparse: true", "")
    sparse("scan", *adam, cls=Stepped, moments=averages, graph=loop % "", at="rnn.emb")
    sparse("scan_max_norm", *sgd, cls=Stepped, graph=loop % ", max_norm: 1.1", at="rnn.emb", max_norm=1.1)
    embedding_steps("scan_max_norm", "", Stepped(9, 4, max_norm=1.1), *sgd, graph=dense % ", max_norm: 1.1", at="rnn.emb")


class NormCell(nn.Module):
    """h = tanh(LayerNorm(h + x)), over time."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(5)

    def forward(self, x, h):
        out = []
        for row in x:
            h = torch.tanh(self.norm(h + row))
            out.append(h)
        return torch.stack(out), h


def scans():
    graph = """  rnn:
    op: Scan
    over: 0
    in: {x: x}
    carry: {h: {init: h0, next: t}}
    step:
      sum: {op: Add, in: [x, h]}
      norm: {op: LayerNorm, in: sum, normalized_shape: 5}
      t: {op: Tanh, in: norm}
    out: {y: t}"""
    module_case("layer_norm_scan", "", NormCell(), {"x": given(6, 3, 5), "h0": given(3, 5)}, at="rnn", graph=graph,
                run=lambda m, x, h0: m(x, h0), values=["rnn.y", "rnn.h_n"], random=True)


def linears():
    module_case("linear", "{op: Linear, in: x, out_features: 3}", nn.Linear(5, 3), {"x": given(4, 5)})
    module_case("linear_vector", "{op: Linear, in: x, out_features: 3}", nn.Linear(5, 3), {"x": given(5)})
    module_case("linear_no_bias", "{op: Linear, in: x, out_features: 70, bias: false}", nn.Linear(5, 70, bias=False), {"x": given(2, 3, 5)})


def cells():
    def one(name, op, text, module, **inputs):
        state = ["layer.h", "layer.c"] if op == "LSTMCell" else ["layer"]
        module_case(name, f"{{op: {op}, in: {{{', '.join(f'{k}: {k}' for k in inputs)}}}, hidden_size: 3{text}}}", module, inputs, values=state,
                    run=lambda m, input, h=None, c=None: m(input, h if c is None else (h, c)))

    x, h, c = given(2, 4), given(2, 3), given(2, 3)
    one("rnn_cell", "RNNCell", "", nn.RNNCell(4, 3), input=x, h=h)
    one("rnn_cell_relu", "RNNCell", ", nonlinearity: relu, bias: false", nn.RNNCell(4, 3, bias=False, nonlinearity="relu"), input=x, h=h)
    one("rnn_cell_start", "RNNCell", "", nn.RNNCell(4, 3), input=x)
    one("gru_cell", "GRUCell", "", nn.GRUCell(4, 3), input=x, h=h)
    one("gru_cell_no_bias", "GRUCell", ", bias: false", nn.GRUCell(4, 3, bias=False), input=x, h=h)
    one("lstm_cell", "LSTMCell", "", nn.LSTMCell(4, 3), input=x, h=h, c=c)
    one("lstm_cell_no_bias", "LSTMCell", ", bias: false", nn.LSTMCell(4, 3, bias=False), input=x, h=h, c=c)


def main():
    torch.manual_seed(3)
    for group in (norms, batch_norms, convolutions, bilinears, embeddings, scans, linears, cells):
        group()
    save_file(tensors, OUT, metadata={**metadata})
    print(sum("/" not in k for k in metadata), "cases")


if __name__ == "__main__":
    main()
