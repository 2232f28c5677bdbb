#!/usr/bin/env python3
"""tools/interop.py GRAPHRUN - weights to and from PyTorch, with no renaming.

For each kind of layer: a PyTorch module's state_dict, saved as safetensors, is loaded by
graphrun, which must give the module's outputs; then graphrun trains the layer a few steps and
saves it, and the file must load into the module (strict) and give graphrun's outputs there.
Needs torch, numpy and safetensors. Exit status 1 if anything differs by more than 1e-5.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.torch import load_file, save_file

TIME, BATCH, WIDTH = 5, 3, 8

# name: (the node in a model file, its outputs, the PyTorch module)
LAYERS = {
    "RNN": ("{op: RNN, in: x, hidden_size: 6, num_layers: 2, bidirectional: true}", ["output", "h_n"],
            lambda: torch.nn.RNN(WIDTH, 6, num_layers=2, bidirectional=True)),
    "LSTM": ("{op: LSTM, in: x, hidden_size: 6, num_layers: 2}", ["output", "h_n", "c_n"],
             lambda: torch.nn.LSTM(WIDTH, 6, num_layers=2)),
    "LSTM-projected": ("{op: LSTM, in: x, hidden_size: 6, proj_size: 4}", ["output", "h_n", "c_n"],
                       lambda: torch.nn.LSTM(WIDTH, 6, proj_size=4)),
    "GRU": ("{op: GRU, in: x, hidden_size: 6, bidirectional: true}", ["output", "h_n"],
            lambda: torch.nn.GRU(WIDTH, 6, bidirectional=True)),
    "Linear": ("{op: Linear, in: x, out_features: 7}", [""], lambda: torch.nn.Linear(WIDTH, 7)),
    "Embedding": ("{op: Embedding, in: ids, num_embeddings: 11, embedding_dim: 6, padding_idx: 2}", [""],
                  lambda: torch.nn.Embedding(11, 6, padding_idx=2)),
    "MultiheadAttention": ("{op: MultiheadAttention, in: [x, x, x], num_heads: 2}", ["attn_output", "attn_output_weights"],
                           lambda: torch.nn.MultiheadAttention(WIDTH, 2)),
    "MultiheadAttention-kdim": ("{op: MultiheadAttention, in: [x, memory, memory], num_heads: 2, kdim: 4, vdim: 4}",
                                ["attn_output", "attn_output_weights"],
                                lambda: torch.nn.MultiheadAttention(WIDTH, 2, kdim=4, vdim=4)),
    "TransformerEncoder": ("{op: TransformerEncoder, in: x, nhead: 2, num_layers: 2, dim_feedforward: 12, dropout: 0}", [""],
                           lambda: torch.nn.TransformerEncoder(
                               torch.nn.TransformerEncoderLayer(WIDTH, 2, 12, dropout=0), 2, enable_nested_tensor=False)),
    "TransformerDecoder": ("{op: TransformerDecoder, in: [x, x], nhead: 2, num_layers: 1, dim_feedforward: 12, dropout: 0}", [""],
                           lambda: torch.nn.TransformerDecoder(
                               torch.nn.TransformerDecoderLayer(WIDTH, 2, 12, dropout=0), 1)),
}

MODEL = """graphrun: 1
graph:
  {input}
  layer: {node}
  squares: {{op: Square, in: {first}}}
  loss: {{op: Mean, in: squares}}
data: {{op: Npy, files: {files}, batch_size: {rows}}}
train: {{minimize: loss, optimizer: {{op: SGD, lr: 0.5}}, steps: 3}}
"""
INPUTS = {
    "x": "x: {op: Input, shape: [%d, %d, %d], from: data.x}" % (TIME, BATCH, WIDTH),
    "ids": "ids: {op: Input, shape: [%d, %d], dtype: int32, from: data.ids}" % (TIME, BATCH),
    "memory": "memory: {op: Input, shape: [%d, %d, 4], from: data.memory}" % (TIME, BATCH),
}


def arguments(node, arrays):
    """What the module is called with: the names after `in:`."""
    names = node.split("in: ")[1]
    names = names[1:names.index("]")].split(", ") if names[0] == "[" else [names.split(",")[0].rstrip("}")]
    tensors = [torch.from_numpy(arrays[n]) for n in names]
    return names, [t.long() if t.dtype == torch.int32 else t for t in tensors]


def flat(result):
    """A module's outputs as a list: (output, (h_n, c_n)) -> [output, h_n, c_n]."""
    if torch.is_tensor(result):
        return [result]
    return [t for part in result for t in flat(part)]


def write_model(folder, node, outputs, names, arrays):
    used = list(dict.fromkeys(names))
    for n in used:
        np.save(os.path.join(folder, n + ".npy"), arrays[n])
    path = os.path.join(folder, "model.yaml")
    with open(path, "w") as f:
        f.write(MODEL.format(input="\n  ".join(INPUTS[n] for n in used), node=node, rows=TIME,
                             first="layer." + outputs[0] if outputs[0] else "layer",
                             files="{%s}" % ", ".join("%s: %s.npy" % (n, n) for n in used)))
    return path


def run(graphrun, path, weights, outputs, folder):
    """graphrun's outputs with these weights."""
    command, files = [graphrun, "run", path, "--weights", weights, "--quiet"], []
    for o in outputs:
        files.append(os.path.join(folder, "out_%s.npy" % (o or "node")))
        command += ["--fetch", "%s=%s" % ("layer." + o if o else "layer", files[-1])]
    subprocess.run(command, check=True)
    return [np.load(f) for f in files]


def difference(ours, theirs):
    assert len(ours) == len(theirs), (len(ours), len(theirs))
    return max(float(np.abs(a - b.detach().numpy()).max()) for a, b in zip(ours, theirs))


def both_ways(graphrun, name, arrays, folder):
    node, outputs, make = LAYERS[name]
    names, tensors = arguments(node, arrays)
    path, module = write_model(folder, node, outputs, names, arrays), make()
    holder = torch.nn.ModuleDict({"layer": module})
    weights, saved = os.path.join(folder, "torch.safetensors"), os.path.join(folder, "graphrun.safetensors")
    save_file({k: v.contiguous() for k, v in holder.state_dict().items()}, weights)
    there = difference(run(graphrun, path, weights, outputs, folder), flat(module(*tensors)))
    subprocess.run([graphrun, "train", path, "--weights", weights, "--save", saved, "--quiet"], check=True,
                   stdout=subprocess.DEVNULL)
    holder.load_state_dict(load_file(saved), strict=True)
    back = difference(run(graphrun, path, saved, outputs, folder), flat(module(*tensors)))
    return there, back


def main():
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    arrays = {"x": rng.standard_normal((TIME, BATCH, WIDTH), dtype=np.float32),
              "memory": rng.standard_normal((TIME, BATCH, 4), dtype=np.float32),
              "ids": rng.integers(0, 11, (TIME, BATCH), dtype=np.int32)}
    worst = 0
    for name in LAYERS:
        with tempfile.TemporaryDirectory() as folder:
            there, back = both_ways(sys.argv[1], name, arrays, folder)
        worst = max(worst, there, back)
        print("%-24s PyTorch -> graphrun %.1e   graphrun -> PyTorch %.1e" % (name, there, back))
    sys.exit(worst > 1e-5)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit(__doc__)
    main()
