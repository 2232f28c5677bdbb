#!/usr/bin/env python3
"""Writes tests/golden/ops.txt: what PyTorch 2.13 makes of the cases in tests/op_cases.h; and
tests/golden/op_edges.txt: values and gradients at kinks, ties and where things overflow.

    tools/golden/ops.py        needs torch and a C compiler

A line a case: op|attributes|inputs|outputs, an output being "dims:values". Inputs are the
numbers of number() in tests/test_ops.c. Cases that PyTorch has no like of are left out.
A line of op_edges.txt: op|attributes|inputs|output|gradients of the sum, tensors as "dims:values"
with ";" between them; the gradient toward an integer input is empty.
"""
import ast
import os
import re
import subprocess

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "..", "..", "tests", "op_cases.h")
EDGES = os.path.join(HERE, "..", "..", "tests", "golden", "op_edges.txt")
OUT = os.path.join(HERE, "..", "..", "tests", "golden", "ops.txt")


def cases():
    text = subprocess.run(["cc", "-E", "-P", "-DCASE(a,b,c)=@(a, b, c)", "-xc", CASES], check=True, capture_output=True,
                          text=True).stdout
    return [ast.literal_eval(c) for c in re.findall(r'@(\((?:[^()"]|"[^"]*")*\))', text)]


def number(kind, classes, i):
    u = ((i * 0x9E3779B97F4A7C15 % 2**64) >> 20) % 100003 / 100003
    if kind == "i":
        return (i * 7 + 3) % classes
    if kind == "b":
        return i % 3 == 0
    if kind == "t":
        return float(i % 3)
    return {"p": 0.3 + 1.4 * u, "q": 0.3 + 1.4 * u, "u": 0.05 + 0.9 * u}.get(kind, 3 * u - 1.5)


def operand(text, position):
    words = text.split()
    kind, classes = words[0][0], int(words[0][1:] or 0)
    if kind == "-":
        return None
    dims = [int(w) for w in words[1:]]
    count = 1
    for d in dims:
        count *= d
    values = [number(kind, classes, k + 1 + 500 * position) for k in range(count)]
    dtype = {"i": torch.int64, "b": torch.bool}.get(kind, torch.float64)
    return torch.tensor(values, dtype=dtype).reshape(dims)


def attributes(text):
    pairs = re.findall(r"(\w+)=(\[[^\]]*\]|[^,]+)", text)

    def value(v):
        v = v.strip()
        if v in ("true", "false"):
            return v == "true"
        if v in ("inf", "-inf"):
            return float(v)
        try:
            return ast.literal_eval(v)
        except (ValueError, SyntaxError):
            return v

    return {k: value(v) for k, v in pairs}


def reduced(f):
    def run(x, dim=None, keepdim=False, **more):
        dims = list(range(x.dim())) if dim is None else [dim] if isinstance(dim, int) else dim
        return f(x, dims, keepdim, **more) if dims else f(x.reshape(1), [0], False, **more)

    return run


def prod(x, dims, keepdim):
    for d in sorted((d % x.dim() for d in dims), reverse=True):
        x = x.prod(d, keepdim=keepdim)
    return x


def fold(f):
    def run(*xs):
        y = xs[0]
        for x in xs[1:]:
            y = f(y, x)
        return y

    return run


def matmul(a, b, transpose_a=False, transpose_b=False):
    a = a.transpose(-1, -2) if transpose_a and a.dim() > 1 else a
    b = b.transpose(-1, -2) if transpose_b and b.dim() > 1 else b
    return a @ b


def classes_last(f):
    def run(x, t, w=None, **a):
        a.setdefault("ignore_index", -100)
        reduction = a.pop("reduction", "mean")
        flat = f(x.reshape(-1, x.shape[-1]), t.reshape(-1), weight=w, reduction=reduction, **a)
        return flat.reshape(t.shape) if reduction == "none" else flat

    return run


def placed(x, dim, length, start=0, step=1):
    shape = list(x.shape)
    shape[dim] = length
    y = torch.zeros(shape, dtype=x.dtype)
    index = torch.arange(x.shape[dim]) * step + start
    return y.index_copy(dim, index, x) if len(index) else y


def normalized(x, w=None, b=None, axes=1, eps=1e-5, centred=True):
    shape = x.shape[-axes:]
    if x.numel() == 0:
        return x.clone()
    y = F.layer_norm(x, shape, w, b, eps) if centred else F.rms_norm(x, shape, w, eps)
    return y if centred or b is None else y + b


def layer_norm(x, normalized_shape, eps=1e-5, **more):
    return normalized(x, axes=len(normalized_shape) if isinstance(normalized_shape, list) else 1, eps=eps)


def rms_norm(x, normalized_shape, eps=1.1920929e-7, **more):
    return normalized(x, axes=len(normalized_shape) if isinstance(normalized_shape, list) else 1, eps=eps, centred=False)


def take(t, i, max_norm, norm_type):
    if max_norm is None:
        return torch.where((i < len(t)).reshape(i.shape + (1,) * (t.dim() - 1)), t[i.clamp(max=len(t) - 1)], 0)
    return F.embedding(i.clamp(max=len(t) - 1), t.clone(), max_norm=max_norm, norm_type=float(norm_type))


def top_k(x, k, dim=-1, largest=True):
    """torch.topk, but the first of equal ones."""
    values, indices = torch.sort(x, dim=dim, descending=largest, stable=True)
    return values.narrow(dim, 0, k), indices.narrow(dim, 0, k)


def arg(f):
    return lambda x, dim=None, keepdim=False: f(x, dim=dim, keepdim=keepdim)


def bce_with_logits(x, t, weight=None, pos_weight=None, **more):
    weight, pos_weight = (v if v is None else v.detach() for v in (weight, pos_weight))
    return F.binary_cross_entropy_with_logits(x, t, weight=weight, pos_weight=pos_weight, **more)


def expand(x, shape):
    return x.expand(shape if isinstance(shape, list) else [shape])


def softmax_gradient(f):
    """Toward the input, from the output y and the gradient toward it."""
    return lambda y, g, dim=-1: f(y, g, dim)


def summed(f):
    """A metric's sums: the total and of how many."""

    def run(x, t, lengths=None, ignore_index=-100, batch_first=False):
        counted = t != ignore_index if not t.is_floating_point() else torch.ones_like(t, dtype=torch.bool)
        if lengths is not None:
            real = torch.arange(t.shape[1 if batch_first else 0]).unsqueeze(1) < lengths
            real = real.T if batch_first else real
            counted = counted & real.reshape(real.shape + (1,) * (t.dim() - 2))
        return (f(x, t) * counted).sum(), counted.sum()

    return run


def negative_log(x, t):
    return -x.log_softmax(-1).gather(-1, t.unsqueeze(-1)).squeeze(-1)


def clipped_norm(*g, max_norm):
    p = [torch.nn.Parameter(v.clone()) for v in g]
    for q, v in zip(p, g):
        q.grad = v.clone()
    torch.nn.utils.clip_grad_norm_(p, max_norm)
    return [q.grad for q in p]


def length_mask(n, size, axis=None):
    return torch.arange(size).reshape([size] + [1] * n.dim()) < n


def patches(x, kernel_size, stride=1, dilation=1, before=0, after=0):
    x = F.pad(x, (before, after))
    windows = [x[..., k * dilation: x.shape[-1] - (kernel_size - 1 - k) * dilation: stride] for k in range(kernel_size)]
    return torch.stack(windows, -1).transpose(-2, -3).flatten(-2)


def filled(value):
    return lambda shape, value=value, dtype="float32": torch.full(shape if isinstance(shape, list) else [shape], float(value))


OPS = {
    "SoftmaxGradient": softmax_gradient(lambda y, g, d: y * (g - (y * g).sum(d, keepdim=True))),
    "LogSoftmaxGradient": softmax_gradient(lambda y, g, d: g - y.exp() * g.sum(d, keepdim=True)),
    "Accuracy": summed(lambda x, t: (x.argmax(-1) == t).double()), "Perplexity": summed(negative_log),
    "MAE": summed(lambda x, t: (x - t).abs()), "RMSE": summed(lambda x, t: (x - t) ** 2),
    "ClipGradNorm": clipped_norm, "ClipGradValue": lambda *g, clip_value: [v.clamp(-clip_value, clip_value) for v in g],
    "LengthMask": length_mask, "Patches": patches, "Decode": lambda x: x.argmax(-1),
    "Fill": filled(0), "Full": filled(0), "Zeros": filled(0), "Ones": filled(1),
    "Add": fold(torch.add), "Mul": fold(torch.mul), "Maximum": fold(torch.maximum), "Minimum": fold(torch.minimum),
    "Sub": torch.sub, "Div": torch.div, "Pow": torch.pow, "Where": lambda c, x, y: torch.where(c != 0, x, y),
    "Lerp": torch.lerp, "MaskedFill": lambda x, m, value: x.masked_fill(m, value),
    "Equal": torch.eq, "NotEqual": torch.ne, "Less": torch.lt, "LessEqual": torch.le, "Greater": torch.gt, "GreaterEqual": torch.ge,
    "LogicalAnd": torch.logical_and, "LogicalOr": torch.logical_or, "LogicalNot": torch.logical_not,
    "Neg": torch.neg, "Abs": torch.abs, "Sign": torch.sign, "Exp": torch.exp, "Log": torch.log, "Log1p": torch.log1p,
    "Expm1": torch.expm1, "Sqrt": torch.sqrt, "Rsqrt": torch.rsqrt, "Reciprocal": torch.reciprocal, "Square": torch.square,
    "Sin": torch.sin, "Cos": torch.cos, "Erf": torch.erf, "Floor": torch.floor, "Ceil": torch.ceil, "Round": torch.round,
    "Clamp": torch.clamp, "Tanh": torch.tanh, "Sigmoid": torch.sigmoid, "ReLU": F.relu, "LeakyReLU": F.leaky_relu, "ELU": F.elu,
    "SELU": F.selu, "CELU": F.celu, "GELU": F.gelu, "SiLU": F.silu, "Mish": F.mish, "Softplus": F.softplus, "Softsign": F.softsign,
    "Hardtanh": F.hardtanh, "Hardsigmoid": F.hardsigmoid, "Hardswish": F.hardswish, "LogSigmoid": F.logsigmoid,
    "Tanhshrink": F.tanhshrink, "Threshold": F.threshold, "Copy": torch.clone, "StopGradient": torch.detach,
    "Cast": lambda x, dtype: x.to({"float32": torch.float64, "int32": torch.int64, "bool": torch.bool}[dtype]),
    "Reshape": lambda x, shape: x.reshape(shape), "Flatten": torch.flatten,
    "Squeeze": lambda x, dim=None: x.squeeze() if dim is None else x.squeeze(tuple(dim) if isinstance(dim, list) else dim),
    "Unsqueeze": lambda x, dim: x.unsqueeze(dim), "Expand": expand, "Transpose": torch.transpose, "Permute": torch.permute,
    "Repeat": lambda x, repeats: x.repeat(repeats), "Concat": lambda *x, dim=0: torch.cat(x, dim),
    "Stack": lambda *x, dim=0: torch.stack(x, dim),
    "Split": lambda x, dim=0, sections=None, sizes=None: torch.split(x, sizes or x.shape[dim] // sections, dim),
    "Select": torch.select, "Flip": lambda x, dims: torch.flip(x, dims if isinstance(dims, list) else [dims]), "Roll": torch.roll, "Pad": F.pad, "Gather": lambda x, i, dim: x.gather(dim, i),
    "Slice": lambda x, dim=0, start=0, stop=None, step=1:
        x.index_select(dim, torch.tensor(list(range(x.shape[dim]))[start:stop:step], dtype=torch.int64)),
    "Place": placed, "IndexSelect": lambda x, i, dim: x.index_select(dim, i), "Tril": torch.tril, "Triu": torch.triu,
    "OneHot": lambda x, num_classes: F.one_hot(x, num_classes).double(), "MatMul": matmul, "BatchMatMul": torch.bmm,
    "Sum": reduced(lambda x, d, k: x.sum(d, keepdim=k)), "Mean": reduced(lambda x, d, k: x.mean(d, keepdim=k)),
    "Max": reduced(lambda x, d, k: x.amax(d, keepdim=k)), "Min": reduced(lambda x, d, k: x.amin(d, keepdim=k)), "Prod": reduced(prod),
    "LogSumExp": reduced(lambda x, d, k: x.logsumexp(d, keepdim=k)),
    "Var": reduced(lambda x, d, k, correction=1: x.var(d, correction=correction, keepdim=k)),
    "Std": reduced(lambda x, d, k, correction=1: x.std(d, correction=correction, keepdim=k)),
    "Norm": reduced(lambda x, d, k, p=2: torch.linalg.vector_norm(x, p, d, keepdim=k)),
    "ArgMax": arg(torch.argmax), "ArgMin": arg(torch.argmin), "CumSum": torch.cumsum,
    "Softmax": lambda x, dim=-1, safe=False: x.softmax(dim), "LogSoftmax": lambda x, dim=-1: x.log_softmax(dim), "TopK": top_k,
    "Take": lambda t, i, padding_idx=None, max_norm=None, norm_type=2.0, missing=False, scale_grad_by_freq=False: take(t, i, max_norm, norm_type), "ScatterAdd": lambda x, i, dim, length: placed(x[:0] if dim == 0 else x[..., :0], dim, length).scatter_add(dim, i, x),
    "CrossEntropyLoss": classes_last(F.cross_entropy), "NLLLoss": classes_last(F.nll_loss), "MSELoss": F.mse_loss, "L1Loss": F.l1_loss,
    "SmoothL1Loss": F.smooth_l1_loss, "HuberLoss": F.huber_loss, "KLDivLoss": F.kl_div,
    "BCELoss": lambda x, t, w=None, **a: F.binary_cross_entropy(x, t, weight=w, **a), "BCEWithLogitsLoss": bce_with_logits,
    "NormalizeRows": normalized, "LayerNorm": layer_norm, "RMSNorm": rms_norm,
    "Arange": lambda end, dtype="int32": torch.arange(end), "Eye": lambda shape, dtype="float32": torch.eye(*shape),
}


def text_of(y):
    y = y.to(torch.float64)
    return " ".join(str(d) for d in y.shape) + ":" + " ".join(repr(v) for v in y.reshape(-1).tolist())


WIDE = [-1000.0, -45.0, -20.5, -3.0, -1.0, -0.5, 0.0, 0.2, 0.5, 0.8, 1.0, 3.0, 20.5, 1000.0]
INF, NAN = float("inf"), float("nan")
UNARY = {"ReLU": "", "LeakyReLU": "negative_slope=0.3", "ELU": "alpha=0.7", "SELU": "", "CELU": "alpha=1.5", "SiLU": "", "Mish": "",
         "Softplus": "", "Softsign": "", "Hardtanh": "", "Hardswish": "", "LogSigmoid": "", "Threshold": "threshold=0.2, value=-3",
         "Clamp": "min=-0.5, max=0.5", "Tanh": "", "Sigmoid": "", "Abs": "", "Square": "", "Tanhshrink": ""}
MORE = [
    ("GELU", "", [[-1000.0, -5.0, 0.0, 5.0, 1000.0]]), ("GELU", "approximate=tanh", [[-1000.0, -5.0, 0.0, 5.0, 1000.0]]),
    ("ReLU", "", [[NAN, INF, -INF]]), ("LeakyReLU", "", [[NAN, INF, -INF]]), ("Sqrt", "", [[0.0, 1e-30, 4.0, INF]]), ("Log", "", [[0.0, 1e-30, 4.0, INF]]),
    ("Pow", "", [[0.0, 0.0, 0.0, -2.0, 2.0, -1.0], [0.0, 1.0, 2.0, 2.0, 0.0, 0.0]]),
    ("Maximum", "", [[1.0, 2.0, 0.0], [1.0, 1.0, 0.0]]), ("Minimum", "", [[1.0, 2.0, 0.0], [1.0, 1.0, 0.0]]),
    ("Where", "", [[True, False, True], [1.0, INF, NAN], [NAN, 2.0, INF]]),
    ("Max", "dim=-1", [[[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]]), ("Min", "", [[1.0, 1.0, 3.0]]),
    ("Prod", "dim=-1", [[[0.0, 3.0, 2.0], [0.0, 2.0, 0.0], [1.0, 2.0, 4.0]]]),
    ("Norm", "", [[0.0, 0.0, 0.0]]), ("Norm", "dim=-1", [[[3.0, 4.0], [0.0, 0.0]]]), ("Norm", "p=3", [[0.0, 2.0, -1.0]]), ("Norm", "p=1", [[0.0, -2.0]]),
    ("LogSumExp", "dim=-1", [[[1000.0, 999.0, -1000.0], [-INF, 0.0, 1.0]]]),
    ("Softmax", "", [[[1000.0, 999.0, -1000.0], [-INF, 0.0, 1.0]]]), ("LogSoftmax", "", [[[1000.0, 999.0, -1000.0], [5.0, 0.0, 1.0]]]),
    ("CrossEntropyLoss", "", [[[1000.0, 999.0, -1000.0], [5.0, 0.0, 1.0]], [1, 2]]),
    ("CrossEntropyLoss", "ignore_index=2", [[[10.0, 9.0, -10.0], [5.0, 0.0, 1.0]], [1, 2]]),
    ("NLLLoss", "ignore_index=2", [[[-1.0, -2.0, -3.0], [-5.0, -1.0, -1.5]], [1, 2]]),
    ("NLLLoss", "ignore_index=2", [[[-1.0, -2.0, -3.0], [-INF, -1.0, -1.5]], [1, 2]]),
    ("BCEWithLogitsLoss", "", [[-1000.0, 0.0, 1000.0, 3.0], [0.0, 1.0, 1.0, 0.3]]),
    ("BCELoss", "", [[0.3, 0.9, 0.5], [0.0, 1.0, 0.4]]), ("KLDivLoss", "", [[-1.0, -2.0], [0.2, 0.7]]),
    ("SmoothL1Loss", "", [[0.0, 1.0, 3.0], [0.0, 0.0, 0.0]]), ("HuberLoss", "delta=2", [[0.0, 2.0, 3.0], [0.0, 0.0, 0.0]]),
    ("L1Loss", "", [[0.0, 1.0], [0.0, 3.0]]), ("TopK", "k=2", [[1.0, 5.0, 3.0]]), ("CumSum", "dim=0", [[1.0, 2.0, 3.0]]),
    ("NormalizeRows", "", [[[1.0, 2.0, 4.0], [0.0, 0.0, 0.0], [-5.0, 1e4, 1e4]], [0.5, 2.0, -1.0], [0.1, 0.2, 0.3]]),
    ("NormalizeRows", "centred=false, eps=0.01", [[[1.0, 2.0, 4.0], [0.0, 0.0, 0.0]], [0.5, 2.0, -1.0]]),
    ("NormalizeRows", "axes=2, eps=0.1", [[[[1.0, 2.0], [4.0, -3.0]], [[0.0, 0.0], [0.0, 2.0]]], [[0.5, 2.0], [-1.0, 1.0]], [[0.1, 0.2], [0.3, 0.4]]]),
    ("SmoothL1Loss", "beta=0", [[0.0, 1.0, 3.0], [0.0, 0.0, 4.0]]),
    ("Std", "dim=-1", [[[1.0, 2.0, 4.0], [2.0, 2.0, 2.0]]]), ("Std", "correction=1", [[3.0]]),
    ("Norm", "p=0.5", [[0.0, 2.0, -1.0]]), ("Norm", "p=-1, dim=-1", [[[0.0, 2.0, -1.0], [1.0, 2.0, -1.0], [0.0, 0.0, 0.0]]]),
    ("Sum", "dim=0", [2.5]), ("Max", "dim=-1, keepdim=true", [2.5]), ("Mean", "dim=[0]", [2.5]), ("LogSumExp", "dim=0", [2.5]),
    ("BCEWithLogitsLoss", "", [[[-1000.0, 0.0], [2.0, 3.0]], [[0.0, 1.0], [1.0, 0.3]], [[1.0, 2.0], [0.5, 3.0]], [1.0, 0.2]]),
    ("Std", "", [[1.0, 2.0, 4.0]]), ("Var", "correction=2", [[1.0, 2.0, 4.0]]),
]


def edge(op, attrs, inputs):
    xs = [torch.tensor(x, dtype=torch.float64 if isinstance(x0(x), float) else None) for x in inputs]
    for x in xs:
        if x.is_floating_point():
            x.requires_grad_()
    y = OPS[op](*xs, **attributes(attrs))
    y = y[0] if isinstance(y, (tuple, list)) else y
    y.sum().backward()
    grads = ["" if x.grad is None else text_of(x.grad) for x in xs]
    return "|".join([op, attrs, ";".join(text_of(x.detach()) for x in xs), text_of(y.detach()), ";".join(grads)])


def x0(x):
    return x0(x[0]) if isinstance(x, list) else x


def main():
    with open(EDGES, "w") as f:
        edges = [(op, attrs, [WIDE]) for op, attrs in UNARY.items()] + MORE
        f.write("\n".join(edge(*e) for e in edges) + "\n")
    lines = []
    for op, attrs, inputs in cases():
        if op not in OPS or (op in ("LayerNorm", "RMSNorm") and "affine=false" not in attrs):
            continue
        if op.endswith("Loss") and re.search(r"; i\d+ 2$", inputs) and inputs.count(";") > 1:
            continue  # with lengths: test_ragged_loss.c
        xs = [operand(t, i) for i, t in enumerate(inputs.split(";")) if t.strip()]
        y = OPS[op](*xs, **attributes(attrs))
        ys = y if isinstance(y, (tuple, list)) else [y]
        lines.append("|".join([op, attrs, inputs, "|".join(text_of(v) for v in ys)]))
    with open(OUT, "w") as f:
        f.write("\n".join(lines) + "\n")
    print(len(lines), "cases")


if __name__ == "__main__":
    main()
