"""The workloads of graphs/benchmarks.txt that do not train, in ONNX Runtime; see bench_rival.py."""
import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

ORDER = [0, 3, 1, 2]  # ONNX has the gates i o f c, PyTorch i f g o


def gates(a):
    return np.concatenate([np.split(a, 4)[i] for i in ORDER])


def graph_of(w, steps, batch, with_state):
    """One-hot letters -> LSTM layers -> Linear, as char_lstm.yaml; float input [steps, batch, vocab]."""
    vocab, hidden = w["logits.weight"].shape
    nodes, values, inputs, outputs, x, layer = [], {}, [("x", [steps, batch, vocab])], [("logits", None)], "x", 0
    while f"rnn.weight_ih_l{layer}" in w:
        for k, name in (("W", "weight_ih"), ("R", "weight_hh")):
            values[f"{k}{layer}"] = gates(w[f"rnn.{name}_l{layer}"])[None]
        values[f"B{layer}"] = np.concatenate([gates(w[f"rnn.bias_ih_l{layer}"]), gates(w[f"rnn.bias_hh_l{layer}"])])[None]
        state = [f"h{layer}", f"c{layer}"] if with_state else ["", ""]
        inputs += [(s, [1, batch, hidden]) for s in state if s]
        outputs += [(s + "n", None) for s in state if s]
        nodes.append(helper.make_node("LSTM", [x, f"W{layer}", f"R{layer}", f"B{layer}", "", *state],
                                      [f"y{layer}", f"h{layer}n", f"c{layer}n"], hidden_size=hidden))
        nodes.append(helper.make_node("Squeeze", [f"y{layer}", "one"], [f"z{layer}"]))
        x, layer = f"z{layer}", layer + 1
    values |= {"one": np.array([1]), "Wy": w["logits.weight"].T.copy(), "By": w["logits.bias"]}
    nodes += [helper.make_node("MatMul", [x, "Wy"], ["xw"]), helper.make_node("Add", ["xw", "By"], ["logits"])]
    graph = helper.make_graph(nodes, "char", [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
                              [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs],
                              [numpy_helper.from_array(v, n) for n, v in values.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def session(case, model):
    options = ort.SessionOptions()
    options.intra_op_num_threads = case.threads
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def infer(case):
    tokens, vocab = case.inputs["tokens"], case.weights["logits.weight"].shape[0]
    s, eye = session(case, graph_of(case.weights, *tokens.shape, False)), np.eye(vocab, dtype=np.float32)

    def step():
        return np.abs(s.run(["logits"], {"x": eye[tokens]})[0]).mean()

    return step


def one_step(case):
    vocab, hidden = case.weights["logits.weight"].shape
    s = session(case, graph_of(case.weights, 1, 1, True))
    feed = {"x": np.eye(vocab, dtype=np.float32)[:1][None], "h0": np.zeros((1, 1, hidden), np.float32), "c0": np.zeros((1, 1, hidden), np.float32)}

    def step():
        logits, feed["h0"], feed["c0"] = s.run(["logits", "h0n", "c0n"], feed)
        return np.abs(logits).mean()

    return step


WORKLOADS = {"lstm-256-step": one_step, "lstm-2x256-infer": infer}
