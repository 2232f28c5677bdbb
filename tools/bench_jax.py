"""The recurrent workloads of graphs/benchmarks.txt in JAX; see bench_rival.py. A step of training is one
compiled function: forward, loss, backward, clipping to norm 1 and update. The products of x are made
for all steps at once, before the loop."""
import jax
import jax.numpy as jnp

LR = 1e-3


def rnn_cell(p, x, state):
    h = jnp.tanh(x + state[0] @ p["weight_hh"].T)
    return (h,), h


def lstm_cell(p, x, state):
    i, f, g, o = jnp.split(x + state[0] @ p["weight_hh"].T, 4, -1)
    c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def gru_cell(p, x, state):
    xr, xz, xn = jnp.split(x, 3, -1)
    hr, hz, hn = jnp.split(state[0] @ p["weight_hh"].T + p["bias_hh"], 3, -1)
    r, z = jax.nn.sigmoid(xr + hr), jax.nn.sigmoid(xz + hz)
    h = (1 - z) * jnp.tanh(xn + r * hn) + z * state[0]
    return (h,), h


def input_product(cell, p, x):
    b = p["bias_ih"] if cell is gru_cell else p["bias_ih"] + p["bias_hh"]
    return x @ p["weight_ih"].T + b


def minimal_gated(p, x, h):
    fx, cx = x @ p["f.weight_l0"].T + p["f.bias_l0"], x @ p["c.weight_l0"].T + p["c.bias_l0"]

    def step(h, x):
        f = jax.nn.sigmoid(x[0] + h @ p["f.weight_1_l0"].T)
        h = h + f * (jnp.tanh(x[1] + (f * h) @ p["c.weight_1_l0"].T) - h)
        return h, h

    h, out = jax.lax.scan(step, h, (fx, cx))
    return out, h


def layers_of(p, cell, x, states, suffix=""):
    new = []
    for layer, state in enumerate(states):
        q = {k.rsplit("_l", 1)[0]: v for k, v in p.items() if k.startswith("rnn.") and k.endswith(f"_l{layer}{suffix}")}
        q = {k.removeprefix("rnn."): v for k, v in q.items()}
        state, x = jax.lax.scan(lambda s, xt, q=q: cell(q, xt, s), state, input_product(cell, q, x), reverse=suffix != "")
        new.append(state)
    return x, new


def char(cell, states):
    def make(case):
        tokens, targets = (jnp.asarray(case.inputs[k]) for k in ("tokens", "targets"))
        vocab = case.weights["logits.weight"].shape[0]
        if cell is None:
            hidden, layers = case.weights["rnn.f.weight_1_l0"].shape[1], 1
        else:
            hidden = case.weights["rnn.weight_hh_l0"].shape[1]
            layers = sum(k.startswith("rnn.weight_hh_l") for k in case.weights)

        def forward(p, state):
            x = jax.nn.one_hot(tokens, vocab)
            if cell is None:
                x, state = minimal_gated({k.removeprefix("rnn."): v for k, v in p.items()}, x, state)
            else:
                x, state = layers_of(p, cell, x, state)
            if "dense.weight" in p:
                x = jnp.tanh(x @ p["dense.weight"].T + p["dense.bias"])
            return x @ p["logits.weight"].T + p["logits.bias"], state

        zero = jnp.zeros((tokens.shape[1], hidden))
        start = zero if cell is None else [(zero,) * states for _ in range(layers)]
        return trainer(case, forward, targets, start)
    return make


def bidirectional(case):
    tokens, targets = jnp.asarray(case.inputs["source"]), jnp.asarray(case.inputs["targets"][:-1])
    vocab, hidden = case.weights["logits.weight"].shape[0], case.weights["rnn.weight_hh_l0"].shape[1]
    zero = jnp.zeros((tokens.shape[1], hidden))

    def forward(p, state):
        x = jax.nn.one_hot(tokens, vocab)
        there, _ = layers_of(p, lstm_cell, x, [(zero, zero)])
        back, _ = layers_of(p, lstm_cell, x, [(zero, zero)], "_reverse")
        return jnp.concatenate([there, back], -1) @ p["logits.weight"].T + p["logits.bias"], state

    return trainer(case, forward, targets, [])


def trainer(case, forward, targets, state):
    def loss_of(p, state):
        logits, state = forward(p, state)
        logp = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(logp, targets[..., None], -1).mean(), state

    def update(p, state):
        (loss, state), g = jax.value_and_grad(loss_of, has_aux=True)(p, state)
        norm = jnp.sqrt(sum((x * x).sum() for x in jax.tree.leaves(g)))
        scale = jnp.minimum(1.0, 1.0 / (norm + 1e-6))
        return jax.tree.map(lambda w, d: w - LR * scale * d, p, g), state, loss

    update = jax.jit(update, donate_argnums=(0, 1))
    now = [{k: jnp.asarray(v) for k, v in case.weights.items()}, jax.tree.map(jnp.array, state)]

    def step():
        now[0], now[1], loss = update(*now)
        return loss.block_until_ready()

    return step


WORKLOADS = {
    "lstm-2x256": char(lstm_cell, 2), "lstm-2x1024": char(lstm_cell, 2), "lstm-64": char(lstm_cell, 2), "lstm-256": char(lstm_cell, 2),
    "gru-256": char(gru_cell, 1), "rnn-256": char(rnn_cell, 1), "rnn-2x512": char(rnn_cell, 1), "rnn-512-dense": char(rnn_cell, 1),
    "bilstm-256": bidirectional, "mgu-256": char(None, 1),
}
