#!/usr/bin/env python3
"""The workloads of graphs/benchmarks.txt in other frameworks, for `graphrun bench --rival`.

usage: bench_rival.py KIND WORKLOAD THREADS
       bench_rival.py --list WORKLOAD [KIND]     what is installed and has it, KIND|NAME a line; a kind
                                                 that takes minutes (torch-compile) only where it is named

graphrun bench writes the weights and the batch into a folder, GRAPHRUN_BENCH_CASE. A rival starts from
them, prints "ready" and what its first step gives (the loss; without training the mean size of the
logits; "-" where chance has a part in it), and then, for each line of seconds, "MEDIAN BEST BYTES":
seconds a step, and the most memory that the process had. It ends with its input.
"""
import importlib.util
import json
import os
import resource
import statistics
import struct
import sys
import time

# kind: (name, the module with its WORKLOADS, the package that must be installed)
KINDS = {"torch": ("PyTorch", "bench_torch", "torch"), "torch-compile": ("torch.compile", "bench_torch", "torch"),
         "jax": ("JAX", "bench_jax", "jax"), "onnx": ("ONNX Runtime", "bench_onnx", "onnxruntime")}
ASKED_FOR = ["torch-compile"]


class Case:
    """A batch and weights, as NumPy arrays by name."""

    def __init__(self, folder, kind, threads):
        import numpy as np
        self.kind, self.threads = kind, threads
        self.inputs = {f[:-4]: np.load(os.path.join(folder, f)) for f in os.listdir(folder) if f.endswith(".npy")}
        with open(os.path.join(folder, "weights.safetensors"), "rb") as f:
            size, = struct.unpack("<Q", f.read(8))
            header, data = json.loads(f.read(size)), f.read()
        header.pop("__metadata__", None)
        self.weights = {}
        for name, t in header.items():
            a, b = t["data_offsets"]
            self.weights[name] = np.frombuffer(data[a:b], np.float32).reshape(t["shape"]).copy()


def installed(kind, workload):
    _, module, package = KINDS[kind]
    if importlib.util.find_spec(package) is None:
        return False
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), module + ".py")) as f:
        return f'"{workload}"' in f.read()  # importing it would take seconds


def measure(step, seconds):
    times, begin = [], time.perf_counter()
    warm, last = begin + 0.1 * seconds, begin
    while len(times) < 3 or last < begin + 1.1 * seconds:
        step()
        now = time.perf_counter()
        if now > warm:
            times.append(now - last)
        last = now
    return statistics.median(times), min(times)


def main():
    if sys.argv[1] == "--list":
        for kind, (name, _, _) in KINDS.items():
            if (kind not in ASKED_FOR or kind in sys.argv[3:]) and installed(kind, sys.argv[2]):
                print(f"{kind}|{name}")
        return
    kind, workload, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    case = Case(os.environ["GRAPHRUN_BENCH_CASE"], kind, threads)
    step = importlib.import_module(KINDS[kind][1]).WORKLOADS[workload](case)
    first = step()
    for _ in range(3):
        step()
    print("ready", "-" if first is None else float(first), flush=True)
    for line in sys.stdin:
        median, best = measure(step, float(line))
        print(median, best, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)


if __name__ == "__main__":
    main()
