#!/usr/bin/env python3
"""Writes tests/golden/ops.txt: what PyTorch 2.13 makes of the cases in tests/op_cases.h.

    tools/golden/ops.py        needs torch and a C compiler

A line a case: op|attributes|inputs|outputs, an output being "dims:values". Inputs are the
numbers of number() in tests/test_ops.c. Cases that PyTorch has no like of are left out.
"""
import ast
import os
import re
import subprocess

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "..", "..", "tests", "op_cases.h")
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
        if v == "inf":
            return float("inf")
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


def arg(f):
    return lambda x, dim=None, keepdim=False: f(x, dim=dim, keepdim=keepdim)


def expand(x, shape):
    return x.expand(shape if isinstance(shape, list) else [shape])


OPS = {
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
    "Select": torch.select, "Flip": torch.flip, "Roll": torch.roll, "Pad": F.pad, "Gather": lambda x, i, dim: x.gather(dim, i),
    "Slice": lambda x, dim=0, start=0, stop=None, step=1:
        x.index_select(dim, torch.tensor(list(range(x.shape[dim]))[start:stop:step], dtype=torch.int64)),
    "Place": placed, "IndexSelect": lambda x, i, dim: x.index_select(dim, i), "Tril": torch.tril, "Triu": torch.triu,
    "OneHot": lambda x, num_classes: F.one_hot(x, num_classes).double(), "MatMul": matmul, "BatchMatMul": torch.bmm,
    "Sum": reduced(lambda x, d, k: x.sum(d, keepdim=k)), "Mean": reduced(lambda x, d, k: x.mean(d, keepdim=k)),
    "Max": reduced(lambda x, d, k: x.amax(d, keepdim=k)), "Min": reduced(lambda x, d, k: x.amin(d, keepdim=k)), "Prod": reduced(prod),
    "LogSumExp": reduced(lambda x, d, k: x.logsumexp(d, keepdim=k)),
    "Var": reduced(lambda x, d, k, correction=1: x.var(d, correction=correction, keepdim=k)),
    "Std": reduced(lambda x, d, k: x.std(d, keepdim=k)),
    "Norm": reduced(lambda x, d, k, p=2: torch.linalg.vector_norm(x, p, d, keepdim=k)),
    "ArgMax": arg(torch.argmax), "ArgMin": arg(torch.argmin), "CumSum": torch.cumsum,
    "Softmax": lambda x, dim=-1: x.softmax(dim), "LogSoftmax": lambda x, dim=-1: x.log_softmax(dim), "TopK": lambda x, k, dim=-1: torch.topk(x, k, dim),
    "Take": lambda t, i, padding_idx=None: t[i], "ScatterAdd": lambda x, i, dim, length: placed(x[:0] if dim == 0 else x[..., :0], dim, length).scatter_add(dim, i, x),
    "CrossEntropyLoss": classes_last(F.cross_entropy), "NLLLoss": classes_last(F.nll_loss), "MSELoss": F.mse_loss, "L1Loss": F.l1_loss,
    "SmoothL1Loss": F.smooth_l1_loss, "HuberLoss": F.huber_loss, "KLDivLoss": F.kl_div,
    "BCELoss": lambda x, t, w=None, **a: F.binary_cross_entropy(x, t, weight=w, **a), "BCEWithLogitsLoss": F.binary_cross_entropy_with_logits,
    "Arange": lambda end, dtype="int32": torch.arange(end), "Eye": lambda shape: torch.eye(*shape),
}


def text_of(y):
    y = y.to(torch.float64)
    return " ".join(str(d) for d in y.shape) + ":" + " ".join(repr(v) for v in y.reshape(-1).tolist())


def main():
    lines = []
    for op, attrs, inputs in cases():
        if op not in OPS:
            continue
        xs = [operand(t, i) for i, t in enumerate(inputs.split(";")) if t.strip()]
        y = OPS[op](*xs, **attributes(attrs))
        ys = y if isinstance(y, (tuple, list)) else [y]
        lines.append("|".join([op, attrs, inputs, "|".join(text_of(v) for v in ys)]))
    with open(OUT, "w") as f:
        f.write("\n".join(lines) + "\n")
    print(len(lines), "cases")


if __name__ == "__main__":
    main()
