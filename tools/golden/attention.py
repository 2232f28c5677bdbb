#!/usr/bin/env python3
"""Writes tests/golden/attention.safetensors: outputs and gradients of attention and Transformers.

A case "<case>" has, each name behind "<case>/":

    in:<port>     inputs of the node              param:<name>  its parameters
    out:<port>    its outputs                     u:<port>      d(loss)/d(output)
    grad:<name>   d(loss)/d(input or parameter), computed in double

loss = sum over outputs of sum(output * u). __metadata__ holds the node of each case as a model
file has it. Where `lengths` are given, what stands behind them is NaN, and the reference is
computed without it, row by row.
"""
import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

TENSORS, NODES = {}, {}
NAN = float("nan")


def given(*shape):
    return torch.randn(*shape).float().double()


def case(name, node, inputs, params, fn, grad=True):
    """fn(inputs, params) gives the outputs by port."""
    leaves = {n: v for n, v in {**inputs, **params}.items() if v.is_floating_point()}
    for v in leaves.values():
        v.requires_grad_()
    outputs = fn(inputs, params)
    us = {n: given(*y.shape) for n, y in outputs.items()}
    sum((y * us[n]).sum() for n, y in outputs.items()).backward()
    ports = ", ".join(f"{n}: {n}" for n in inputs)
    NODES[name] = node.replace("in,", f"in: {{{ports}}},", 1) if "in," in node else node.replace("in}", f"in: {{{ports}}}}}", 1)
    kinds = {"in": inputs, "param": params, "out": outputs, "u": us}
    if grad:
        kinds["grad"] = {n: v.grad if v.grad is not None else torch.zeros_like(v) for n, v in leaves.items()}
    for kind, tensors in kinds.items():
        for n, v in tensors.items():
            v = v.detach()
            TENSORS[f"{name}/{kind}:{n}"] = (v.float() if v.is_floating_point() else v).contiguous().clone()


def masks(*shape):
    """A bool mask that hides nothing from nobody altogether: True is what PyTorch's op makes of it."""
    m = torch.rand(*shape) < 0.4
    m[..., 0] = False
    return m


# ---- scaled_dot_product_attention ----

def sdpa(name, attrs, q, k, v, mask=None, padding=None, **more):
    inputs = {"query": given(*q), "key": given(*k), "value": given(*v)}
    if mask is not None:
        inputs["attn_mask"] = mask
    if padding is not None:
        inputs["key_padding_mask"] = padding

    def fn(i, _):
        m = i.get("attn_mask")
        if padding is not None:
            m = ~padding[:, None, None, :] if m is None else m & ~padding[:, None, None, :]
        value = i["value"]
        eye = torch.eye(k[-2], dtype=torch.float64).expand(*value.shape[:-1], k[-2])  # shows the weights
        run = lambda x: F.scaled_dot_product_attention(i["query"], i["key"], x, attn_mask=m, **more)
        return {"output": run(value), "weights": run(eye)}

    case(name, f"{{op: ScaledDotProductAttention, in, {attrs}}}" if attrs else "{op: ScaledDotProductAttention, in}", inputs, {}, fn)


def all_sdpa():
    sdpa("sdpa", "", (2, 3, 4), (2, 5, 4), (2, 5, 2))
    sdpa("sdpa_2d", "scale: 0.7", (3, 4), (5, 4), (5, 3), scale=0.7)
    sdpa("sdpa_causal", "is_causal: true", (2, 4, 3), (2, 4, 3), (2, 4, 3), is_causal=True)
    sdpa("sdpa_causal_wide", "is_causal: true", (2, 3, 3), (2, 5, 3), (2, 5, 2), is_causal=True)
    sdpa("sdpa_bool", "", (2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 4), mask=~masks(3, 5))
    sdpa("sdpa_float", "", (2, 3, 4), (2, 5, 4), (2, 5, 4), mask=given(2, 3, 5))
    sdpa("sdpa_padding", "", (2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 4), padding=masks(2, 5))
    none = torch.ones(3, 5, dtype=torch.bool)
    none[1] = False
    sdpa("sdpa_all_hidden", "", (2, 3, 4), (2, 5, 4), (2, 5, 4), mask=none)


# ---- attention to a memory ----

def memory_attention(name, op, attrs, query, memory, lengths=None, batch_first=False):
    """query, memory: shapes as the node has them."""
    params = {}
    if op == "AdditiveAttention":
        params = {"query.weight": given(3, query[-1]), "memory.weight": given(3, memory[-1]), "score.weight": given(1, 3)}
    if op == "BilinearAttention":
        params = {"weight": given(query[-1], memory[-1])}
    one, batched = len(query) < len(memory), len(memory) == 3
    turned = batched and not batch_first
    inputs = {"query": given(*query), "memory": given(*memory)}
    if lengths:
        inputs["lengths"] = torch.tensor(lengths, dtype=torch.int32)
        for b, n in enumerate(lengths):
            (inputs["memory"].transpose(0, 1) if turned else inputs["memory"])[b, n:] = NAN

    def row(q, m, n):
        if op == "AdditiveAttention":  # d2l's: w_v tanh(W_q q + W_k k)
            s = torch.tanh((q @ params["query.weight"].T)[:, None] + (m @ params["memory.weight"].T)[None]) @ params["score.weight"][0]
        else:
            s = (q @ params["weight"] if op == "BilinearAttention" else q) @ m.T
        w = s.softmax(-1)
        return w @ m, F.pad(w, (0, n - w.shape[-1]))

    def fn(i, _):
        q, m = i["query"], i["memory"]
        q, m = (q if batched else q[None]), (m if batched else m[None])
        m = m.transpose(0, 1) if turned else m
        q = q[:, None] if one else q.transpose(0, 1) if turned else q
        rows = [row(q[b], m[b, :lengths[b]] if lengths else m[b], m.shape[1]) for b in range(m.shape[0])]
        context, weights = torch.stack([r[0] for r in rows]), torch.stack([r[1] for r in rows])
        if one:
            context, weights = context[:, 0], weights[:, 0]
        elif turned:
            context = context.transpose(0, 1)
        return {"context": context if batched else context[0], "weights": weights if batched else weights[0]}

    attrs = (", " + attrs if attrs else "") + (", hidden_size: 3" if op == "AdditiveAttention" else "") + (", batch_first: true" if batch_first else "")
    case(name, f"{{op: {op}, in{attrs}}}", inputs, params, fn)


def all_memory():
    for op, width in (("AdditiveAttention", 2), ("DotAttention", 4), ("BilinearAttention", 2)):
        short = op[:3].lower()
        memory_attention(short + "_one", op, "", (2, width), (5, 2, 4))
        memory_attention(short + "_many", op, "", (3, 2, width), (5, 2, 4), lengths=[5, 2])
        memory_attention(short + "_more", op, "", (6, 2, width), (3, 2, 4))
        memory_attention(short + "_first", op, "", (2, 3, width), (2, 5, 4), batch_first=True)
        memory_attention(short + "_first_one", op, "", (2, width), (2, 5, 4), lengths=[1, 4], batch_first=True)
        memory_attention(short + "_no_batch", op, "", (width,), (5, 4))
        memory_attention(short + "_no_batch_many", op, "", (3, width), (5, 4))


# ---- modules of torch.nn ----

def randomised(module):
    module = module.double()
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(0.5 * given(*p.shape))
    return module


def params_of(module):
    return dict(module.named_parameters())


def mha(name, attrs, query, key=None, value=None, width=4, heads=2, grad=True, call=None, masks=None, **options):
    m = randomised(nn.MultiheadAttention(width, heads, **options))
    inputs = {"query": given(*query)}
    for n, shape in (("key", key), ("value", value)):
        if shape:
            inputs[n] = given(*shape)
    inputs.update(masks or {})

    def fn(i, _):
        k = i.get("key", i["query"])
        args = {"attn_mask": i.get("attn_mask"), "key_padding_mask": i.get("key_padding_mask"), **(call or {})}
        o, w = m(i["query"], k, i.get("value", k), **args)
        return {"attn_output": o} if w is None else {"attn_output": o, "attn_output_weights": w}

    case(name, f"{{op: MultiheadAttention, in, num_heads: {heads}{', ' + attrs if attrs else ''}}}", inputs, params_of(m), fn, grad)


def wide_heads(name, query, heads, head_dim):
    """Heads as wide as asked, which nn.MultiheadAttention cannot: the same formula by hand."""
    width, every = query[-1], heads * head_dim
    params = {"in_proj_weight": given(3 * every, width), "in_proj_bias": given(3 * every), "out_proj.weight": given(width, every), "out_proj.bias": given(width)}

    def fn(i, p):
        q, k, v = (F.linear(i["query"], p["in_proj_weight"], p["in_proj_bias"])).chunk(3, -1)
        heads_of = lambda x: x.reshape(x.shape[0], x.shape[1], heads, head_dim).permute(1, 2, 0, 3)
        q, k, v = heads_of(q), heads_of(k), heads_of(v)
        w = (q @ k.transpose(-1, -2) / math.sqrt(head_dim)).softmax(-1)
        o = (w @ v).permute(2, 0, 1, 3).reshape(query[0], query[1], every)
        return {"attn_output": F.linear(o, p["out_proj.weight"], p["out_proj.bias"]), "attn_output_weights": w.mean(1)}

    case(name, f"{{op: MultiheadAttention, in, num_heads: {heads}, head_dim: {head_dim}}}", {"query": given(*query)}, params, fn)


def ragged_mha(name, query, key, lengths):
    m = randomised(nn.MultiheadAttention(4, 2))
    inputs = {"query": given(*query), "key": given(*key), "lengths": torch.tensor(lengths, dtype=torch.int32)}
    hidden = torch.arange(key[0])[None] >= inputs["lengths"][:, None]
    inputs["key"][hidden.T] = NAN

    def fn(i, _):
        k = torch.where(hidden.T[..., None], 0.0, i["key"])
        o, w = m(i["query"], k, k, key_padding_mask=hidden)
        return {"attn_output": o, "attn_output_weights": w}

    case(name, "{op: MultiheadAttention, in, num_heads: 2}", inputs, params_of(m), fn)


def all_mha():
    mha("mha_self", "", (3, 2, 4))
    mha("mha_cross", "", (3, 2, 4), (5, 2, 4))
    mha("mha_three", "bias: false", (3, 2, 4), (5, 2, 4), (5, 2, 4), bias=False)
    mha("mha_first", "batch_first: true", (2, 3, 4), (2, 5, 4), batch_first=True)
    mha("mha_wide", "kdim: 3, vdim: 5", (3, 2, 4), (5, 2, 3), (5, 2, 5), kdim=3, vdim=5)
    mha("mha_kdim", "kdim: 3", (3, 2, 4), (5, 2, 3), (5, 2, 4), kdim=3)
    mha("mha_no_batch", "", (3, 4), (5, 4))
    mha("mha_no_batch_masked", "", (3, 4), (5, 4), masks={"attn_mask": masks(2, 3, 5), "key_padding_mask": masks(5)})
    mha("mha_bool", "", (3, 2, 4), (5, 2, 4), masks={"attn_mask": masks(3, 5), "key_padding_mask": masks(2, 5)})
    mha("mha_float", "", (3, 2, 4), (5, 2, 4), masks={"attn_mask": given(4, 3, 5)})
    mha("mha_both_float", "batch_first: true", (2, 3, 4), (2, 5, 4), batch_first=True, masks={"attn_mask": given(3, 5), "key_padding_mask": given(2, 5)})
    mha("mha_causal", "is_causal: true", (4, 2, 4), call={"attn_mask": hidden_later(4)})
    mha("mha_causal_mask", "", (4, 2, 4), masks={"attn_mask": hidden_later(4)})
    mha("mha_heads_apart", "average_attn_weights: false", (3, 2, 4), call={"average_attn_weights": False})
    hidden = torch.tensor([[True] * 5, [False] * 5])
    mha("mha_nan", "", (3, 2, 4), (5, 2, 4), masks={"key_padding_mask": hidden}, grad=False)
    mha("mha_zero", "need_weights: false", (3, 2, 4), (5, 2, 4), masks={"key_padding_mask": hidden}, call={"need_weights": False})
    wide_heads("mha_head_dim", (3, 2, 4), 2, 3)
    wide_heads("mha_head_dim_full", (3, 2, 4), 3, 4)
    ragged_mha("mha_lengths", (3, 2, 4), (5, 2, 4), [5, 2])


def hidden_later(n):
    return nn.Transformer.generate_square_subsequent_mask(n).double()


def flags(options):
    text = "".join(f", {k}: {str(v).lower()}" for k, v in options.items())
    return text.replace("layer_norm_eps: 1e-05", "layer_norm_eps: 1e-5")


def encoder(name, src, options, masks=None, causal=False, layers=0, norm=False):
    layer = nn.TransformerEncoderLayer(4, 2, 5, dropout=0.0, **options)
    m = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(4) if norm else None, enable_nested_tensor=False) if layers else layer
    m = randomised(m)
    inputs = {"src": given(*src), **(masks or {})}

    def fn(i, _):
        mask = hidden_later(src[1 if options.get("batch_first") else 0]) if causal else i.get("src_mask")
        args = {"mask" if layers else "src_mask": mask, "src_key_padding_mask": i.get("src_key_padding_mask")}
        return {"output": m(i["src"], **args)}

    stack = f", num_layers: {layers}, norm: {str(norm).lower()}" if layers else ""
    node = f"{{op: TransformerEncoder{'' if layers else 'Layer'}, in, nhead: 2, dim_feedforward: 5{stack}{', is_causal: true' if causal else ''}{flags(options)}}}"
    case(name, node, inputs, params_of(m), fn)


def decoder(name, tgt, memory, options, masks=None, causal=False, layers=0, norm=False):
    layer = nn.TransformerDecoderLayer(4, 2, 5, dropout=0.0, **options)
    m = nn.TransformerDecoder(layer, layers, norm=nn.LayerNorm(4) if norm else None) if layers else layer
    m = randomised(m)
    inputs = {"tgt": given(*tgt), "memory": given(*memory), **(masks or {})}

    def fn(i, _):
        args = {n: v for n, v in i.items() if "mask" in n}
        if causal:
            args["tgt_mask"] = hidden_later(tgt[1 if options.get("batch_first") else 0])
        return {"output": m(i["tgt"], i["memory"], **args)}

    stack = f", num_layers: {layers}, norm: {str(norm).lower()}" if layers else ""
    node = f"{{op: TransformerDecoder{'' if layers else 'Layer'}, in, nhead: 2, dim_feedforward: 5{stack}{', is_causal: true' if causal else ''}{flags(options)}}}"
    case(name, node, inputs, params_of(m), fn)


def ragged_encoder(name, lengths):
    m = randomised(nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 5, dropout=0.0), 2, enable_nested_tensor=False))
    inputs = {"src": given(4, len(lengths), 4), "lengths": torch.tensor(lengths, dtype=torch.int32)}
    for b, n in enumerate(lengths):
        inputs["src"][n:, b] = NAN

    def fn(i, _):
        rows = [F.pad(m(i["src"][:n, b]), (0, 0, 0, 4 - n)) for b, n in enumerate(lengths)]
        return {"output": torch.stack(rows, 1)}

    case(name, "{op: TransformerEncoder, in, nhead: 2, dim_feedforward: 5, num_layers: 2}", inputs, params_of(m), fn)


def ragged_decoder(name, lengths, memory_lengths):
    m = randomised(nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 5, dropout=0.0, batch_first=True), 2))
    inputs = {"tgt": given(2, 4, 4), "memory": given(2, 5, 4), "tgt_lengths": torch.tensor(lengths, dtype=torch.int32),
              "memory_lengths": torch.tensor(memory_lengths, dtype=torch.int32)}
    for b in range(2):
        inputs["tgt"][b, lengths[b]:] = NAN
        inputs["memory"][b, memory_lengths[b]:] = NAN

    def fn(i, _):
        run = lambda b, n, k: m(i["tgt"][b:b + 1, :n], i["memory"][b:b + 1, :k], tgt_mask=hidden_later(n))
        rows = [F.pad(run(b, lengths[b], memory_lengths[b])[0], (0, 0, 0, 4 - lengths[b])) for b in range(2)]
        return {"output": torch.stack(rows)}

    case(name, "{op: TransformerDecoder, in, nhead: 2, dim_feedforward: 5, num_layers: 2, batch_first: true, tgt_is_causal: true}", inputs, params_of(m), fn)


def all_transformers():
    encoder("enc", (3, 2, 4), {})
    encoder("enc_first", (2, 3, 4), {"batch_first": True, "activation": "gelu"})
    encoder("enc_norm", (3, 2, 4), {"norm_first": True, "layer_norm_eps": 0.01})
    encoder("enc_masked", (3, 2, 4), {"norm_first": True, "activation": "gelu"},
            masks={"src_mask": masks(3, 3), "src_key_padding_mask": masks(2, 3)})
    encoder("enc_causal", (4, 2, 4), {"bias": False}, causal=True)
    encoder("enc_no_batch", (3, 4), {})
    encoder("encoder", (3, 2, 4), {}, layers=2, masks={"src_key_padding_mask": masks(2, 3)})
    encoder("encoder_norm", (2, 4, 4), {"batch_first": True, "norm_first": True}, layers=2, norm=True, causal=True)
    decoder("dec", (3, 2, 4), (5, 2, 4), {})
    decoder("dec_first", (2, 3, 4), (2, 5, 4), {"batch_first": True, "activation": "gelu", "norm_first": True}, causal=True)
    decoder("dec_masked", (3, 2, 4), (5, 2, 4), {}, masks={"tgt_mask": masks(3, 3), "memory_mask": masks(3, 5),
                                                         "tgt_key_padding_mask": masks(2, 3), "memory_key_padding_mask": masks(2, 5)})
    decoder("dec_no_batch", (3, 4), (5, 4), {"norm_first": True})
    decoder("decoder", (3, 2, 4), (5, 2, 4), {}, layers=2, norm=True, causal=True, masks={"memory_key_padding_mask": masks(2, 5)})
    ragged_encoder("encoder_lengths", [4, 2])
    ragged_decoder("decoder_lengths", [2, 4], [5, 3])


# ---- as many steps as are computed in tiles ----

def all_tiles():
    sdpa("tiles_sdpa", "", (2, 18, 4), (2, 20, 4), (2, 20, 2))
    sdpa("tiles_sdpa_float", "", (2, 18, 4), (2, 20, 4), (2, 20, 2), mask=given(18, 20))
    none = ~masks(18, 20)
    none[3] = False
    sdpa("tiles_sdpa_all_hidden", "", (2, 18, 4), (2, 20, 4), (2, 20, 2), mask=none)
    memory_attention("tiles_dot", "DotAttention", "", (17, 2, 4), (20, 2, 4), lengths=[20, 3])
    memory_attention("tiles_bilinear", "BilinearAttention", "", (2, 30, 2), (2, 20, 4), batch_first=True)
    mha("tiles_mha", "need_weights: false", (18, 2, 4), (20, 2, 4), masks={"attn_mask": masks(4, 18, 20), "key_padding_mask": masks(2, 20)},
        call={"need_weights": False})
    mha("tiles_mha_wide", "kdim: 3, vdim: 5, need_weights: false", (18, 2, 4), (20, 2, 3), (20, 2, 5), kdim=3, vdim=5, call={"need_weights": False})
    mha("tiles_mha_no_batch", "need_weights: false", (18, 4), (20, 4), masks={"attn_mask": given(18, 20)}, call={"need_weights": False})
    encoder("tiles_encoder", (150, 2, 4), {}, causal=True)
    encoder("tiles_encoder_first", (2, 140, 4), {"batch_first": True, "norm_first": True}, layers=2, masks={"src_key_padding_mask": masks(2, 140)})
    decoder("tiles_decoder", (17, 2, 4), (140, 2, 4), {}, causal=True, masks={"memory_key_padding_mask": masks(2, 140)})


# ---- positions ----

def positions(name, shape, attrs, batch_first=False):
    """The module of PyTorch's tutorials; an odd width leaves out the last cosine."""
    def fn(i, _):
        time, width = shape[1] if batch_first else shape[0], shape[-1]
        step = torch.arange(time).unsqueeze(1).double()
        div = torch.exp(torch.arange(0, width, 2).double() * (-math.log(10000.0) / width))
        pe = torch.zeros(time, width, dtype=torch.float64)
        pe[:, 0::2] = torch.sin(step * div)
        pe[:, 1::2] = torch.cos(step * div)[:, :width // 2]
        return {"output": i["input"] + (pe if batch_first or len(shape) == 2 else pe[:, None])}

    case(name, f"{{op: PositionalEncoding, in{attrs}}}", {"input": given(*shape)}, {}, fn)


def learned(name, shape, attrs, batch_first=False):
    def fn(i, p):
        w = p["weight"][:shape[1] if batch_first else shape[0]]
        return {"output": i["input"] + (w if batch_first else w[:, None])}

    case(name, f"{{op: LearnedPositionalEncoding, in, max_len: 6{attrs}}}", {"input": given(*shape)}, {"weight": given(6, shape[-1])}, fn)


def main():
    torch.manual_seed(1)
    all_sdpa()
    all_memory()
    all_mha()
    all_transformers()
    positions("positions", (5, 2, 4), "")
    positions("positions_first", (2, 40, 6), ", batch_first: true, max_len: 40", True)
    positions("positions_odd", (4, 3), "")
    learned("learned", (4, 2, 3), "")
    learned("learned_first", (2, 6, 3), ", batch_first: true", True)
    all_tiles()
    file = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "attention.safetensors"
    save_file(TENSORS, file, metadata=NODES)
    file.chmod(0o644)
    print(len(NODES), "cases")


main()
