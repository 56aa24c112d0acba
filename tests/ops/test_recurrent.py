"""The scan primitive in its three forms, and the recurrent operations."""

from dataclasses import dataclass

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ShapeError, TraceError
from chainrule.compile import trace
from chainrule.graph.modes import mode
from chainrule.graph.tensor import wrap
from chainrule.ops.arrays import NUMPY
from chainrule.ops.gru import GRU
from chainrule.ops.lstm import LSTM
from chainrule.ops.op import Card, Op, op
from chainrule.ops.recurrent import RNN

rng = np.random.default_rng(0)


@dataclass(frozen=True)
class Weighted:
    """s ← s·w + x, and s before and after."""

    power: int

    def __call__(self, F, carry, x, constants):
        (s,), (a, b) = carry, x
        after = s * constants[0] + a * b**self.power
        return (after,), (after, s + b)


def arrays():
    return rng.normal(size=3), (rng.normal(size=(4, 3)), rng.normal(size=(4, 3))), np.array(0.5)


def by_hand(s, xs, w, reverse):
    after, before = np.empty((4, 3)), np.empty((4, 3))
    for i in reversed(range(4)) if reverse else range(4):
        before[i] = s + xs[1][i]
        after[i] = s = s * w + xs[0][i] * xs[1][i] ** 2
    return s, after, before


def run(F, s, xs, w, reverse):
    (last,), ys = F.scan(Weighted(2), (s,), xs, (w,), reverse=reverse)
    return last, *ys


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_is_the_loop_on_arrays_on_tensors_and_in_a_trace(reverse):
    s, xs, w = arrays()
    expected = by_hand(s, xs, w, reverse)
    tensors = [cr.tensor(v) for v in (s, *xs, w)]

    def traced(s, a, b, w):
        F = mode.F
        results = run(F, s._data, (a._data, b._data), w._data, reverse)
        return tuple(wrap(v) for v in results)

    program = trace(traced, *tensors)
    recorded = run(mode.recording, tensors[0], tensors[1:3], tensors[3], reverse)
    for results in (
        run(NUMPY, s, xs, w, reverse),
        [y.numpy() for y in recorded],
        [y.numpy() for y in program(*tensors)],
    ):
        for got, e in zip(results, expected, strict=True):
            np.testing.assert_allclose(got, e, rtol=1e-14)


def test_a_scan_without_steps_is_refused():
    with pytest.raises(ShapeError, match="at least one time step"):
        NUMPY.scan(Weighted(1), (np.ones(3),), (np.ones((0, 3)),) * 2, (np.ones(()),))


def test_equal_steps_are_traced_once_and_printed_below_their_scan():
    def program(x):
        F, total = mode.F, x._data
        for power in (1, 1, 2):
            (last,), _ = F.scan(Weighted(power), (total[0],), (total, total), (total[1],))
        return wrap(last)

    graph = trace(program, cr.ones(4, 3)).graph
    scans = [i for i in graph.instructions if i.primitive == "scan"]
    bodies = [i.attributes["body"] for i in scans]
    assert bodies[0] is bodies[1] is not bodies[2]
    assert [i.primitive for i in graph.instructions].count("item") == 9
    lines = str(graph).splitlines()
    at = next(k for k, line in enumerate(lines) if "= scan(" in line)
    assert ": bundle = scan(" in lines[at] and lines[at + 1].startswith("      graph Weighted(x1")
    assert "item(" in str(graph)


def test_a_step_that_changes_its_carry_is_refused_by_the_trace():
    def grow(F, carry, x, constants):
        return (F.concat([carry[0], x[0]], 0),), (x[0],)

    def program(x):
        return wrap(mode.F.scan(grow, (x[0]._data,), (x._data,), ())[0][0])

    with pytest.raises(TraceError, match="grow"):
        trace(program, cr.ones(4, 3))


def test_the_gradient_of_the_memory_is_the_product_of_the_forget_gates():
    # (4-10) of the notes: where nothing else depends on c, δc_(t−1) = δc_t ⊙ f_t.
    x, w_ih = cr.randn(6, 2, 3, dtype=cr.float64), cr.randn(16, 3, dtype=cr.float64)
    c0 = cr.zeros(2, 4, dtype=cr.float64, requires_grad=True)
    outputs = LSTM(x, w_ih, cr.zeros(16, 4, dtype=cr.float64), None, None, None, c0)
    outputs[1].sum().backward()
    f = outputs[4].detach()
    np.testing.assert_allclose(c0.grad.numpy(), f.prod(0).numpy(), rtol=1e-12)


def test_the_notes_equations_are_the_chain_rule():
    """(4-1) forward, (4-2) to (4-12) backward through time, as they are written in 001 §4."""
    T, M, N = 5, 3, 4
    x, w = rng.normal(size=(T, M)), {k: rng.normal(size=(N, M + N)) for k in "gifo"}
    residual = rng.normal(size=(T, N))  # what the loss gives each h_t by itself

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    h, c = np.zeros((T + 1, N)), np.zeros((T + 1, N))  # h[t] and c[t] stand before step t
    inputs, gates = [], []
    for t in range(T):
        inputs.append(np.concatenate([x[t], h[t]]))
        z = {k: w[k] @ inputs[t] for k in "gifo"}  # (4-11): z = W·I
        g, i, f, o = np.tanh(z["g"]), sigmoid(z["i"]), sigmoid(z["f"]), sigmoid(z["o"])
        gates.append((g, i, f, o))
        c[t + 1] = f * c[t] + i * g
        h[t + 1] = o * np.tanh(c[t + 1])

    dw, dx = {k: np.zeros((N, M + N)) for k in "gifo"}, np.zeros((T, M))
    dh, dc = np.zeros(N), np.zeros(N)
    for t in reversed(range(T)):
        g, i, f, o = gates[t]
        dh = residual[t] + dh  # (4-2), and what comes from step t + 1
        do = dh * np.tanh(c[t + 1])  # (4-3), (4-4)
        dc = dc + dh * o * (1 - np.tanh(c[t + 1]) ** 2)  # (4-5), (4-6)
        di, df, dg = dc * g, dc * c[t], dc * i  # (4-7), (4-8), (4-9)
        dc = dc * f  # (4-10)
        dz = {"g": dg * (1 - g**2), "i": di * i * (1 - i), "f": df * f * (1 - f),
              "o": do * o * (1 - o)}  # (4-12)  # fmt: skip
        for k in "gifo":
            dw[k] += np.outer(dz[k], inputs[t])
        back = sum(w[k].T @ dz[k] for k in "gifo")
        dx[t], dh = back[:M], back[M:]

    def stacked(part):
        return cr.tensor(np.concatenate([w[k][:, part] for k in "ifgo"]), requires_grad=True)

    sequence = cr.tensor(x[:, None], requires_grad=True)
    w_ih, w_hh = stacked(slice(0, M)), stacked(slice(M, M + N))
    for output in (
        LSTM(sequence, w_ih, w_hh)[0],
        LSTM.forward(mode.recording, sequence, w_ih, w_hh, reverse=False, bfloat16=False)[0],
    ):
        np.testing.assert_allclose(output.detach().numpy()[:, 0], h[1:], rtol=1e-12)
        leaves = (sequence, w_ih, w_hh)
        found = cr.autograd.grad(output, leaves, cr.tensor(residual[:, None]))
        whole = np.concatenate([dw[k] for k in "ifgo"])
        for got, e in zip(found, (dx[:, None], whole[:, :M], whole[:, M:]), strict=True):
            np.testing.assert_allclose(got.numpy(), e, rtol=1e-10, atol=1e-12)


def test_the_gradient_of_a_plain_rnn_holds_the_power_of_its_matrix():
    w = cr.tensor(rng.uniform(0, 0.6, (3, 3)))
    h0 = cr.ones(1, 3, dtype=cr.float64, requires_grad=True)
    x, w_ih = cr.ones(5, 1, 2, dtype=cr.float64), cr.ones(3, 2, dtype=cr.float64)
    RNN(x, w_ih, w, None, None, h0, nonlinearity="relu")[-1].sum().backward()
    power = np.linalg.matrix_power(w.numpy(), 5)
    np.testing.assert_allclose(h0.grad.numpy()[0], power.sum(0), rtol=1e-12)


@pytest.mark.parametrize(("kind", "gates"), [(RNN, 1), (LSTM, 4), (GRU, 3)])
def test_one_step_without_states_and_an_empty_batch(kind, gates):
    weights = [cr.randn(gates * 2, n, requires_grad=True) for n in (3, 2)]
    for shape in ((1, 2, 3), (4, 0, 3)):
        y = kind(cr.randn(*shape), *weights)
        y = y if kind is RNN else y[0]
        assert y.shape == (*shape[:2], 2)
        y.sum().backward()
        assert all(bool(cr.isfinite(w.grad).all()) for w in weights)


@pytest.mark.parametrize(
    ("shapes", "name"),
    [
        (((0, 2, 3), (8, 3), (8, 2)), "time step"),
        (((4, 3), (8, 3), (8, 2)), "time, batch, features"),
        (((4, 2, 3), (8, 4), (8, 2)), "w_ih"),
        (((4, 2, 3), (8, 3), (8, 3)), "w_hh"),
        (((4, 2, 3), (8, 3), (8, 2), (4,)), "b_ih"),
        (((4, 2, 3), (8, 3), (8, 2), None, None, (2,)), "h0"),
    ],
)
def test_what_does_not_fit_is_named(shapes, name):
    with pytest.raises(ShapeError, match=name):
        LSTM(*(None if s is None else cr.zeros(*s) for s in shapes))


def test_an_operation_of_ones_own_may_scan():
    class Decay(Op):
        """y_t = ½·y_{t−1} + x_t."""

        math = "y_t = y_(t-1) / 2 + x_t"
        card = Card(en="A running sum that forgets.", zh="会遗忘的累加。")
        vjp = None
        samples = (((4, 2),),)

        def forward(F, x):
            start = F.full(x.shape[1:], 0, x.dtype)
            return F.scan(_decay, (start,), (x,), ())[1][0]

    from chainrule.ops.namespace import Namespace
    from chainrule.ops.op import REGISTRY
    from chainrule.testing import check_op

    try:
        counts = check_op(op(Decay))
    finally:
        REGISTRY.pop("decay", None)
        Namespace.composites.pop("decay", None)
        del cr.Tensor.decay
    assert counts["gradient"] and counts["gradient2"] and counts["traced gradient"]


def _decay(F, carry, x, constants):
    y = carry[0] * 0.5 + x[0]
    return (y,), (y,)
