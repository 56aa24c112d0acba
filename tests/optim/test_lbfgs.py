"""L-BFGS and its line search against PyTorch, and on functions with known minima."""

import copy

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.base.errors import ArgumentError
from chainrule.optim.line_search import CURVATURE, DECREASE, Point, strong_wolfe


def rosenbrock(x, y):
    return ((1 - x) ** 2).sum() + 100 * ((y - x * x) ** 2).sum()


def quartic(x, y):
    return (x**4).sum() + ((x - 2 * y) ** 2).sum() + y.exp().sum()


def minimise(lib, function, steps, options):
    x = lib.tensor([-1.2, 0.5, 3.0], dtype=lib.float64, requires_grad=True)
    y = lib.tensor([1.0, -0.5, 2.0], dtype=lib.float64, requires_grad=True)
    optimizer = lib.optim.LBFGS([x, y], **options)
    seen = []

    def closure():
        optimizer.zero_grad()
        loss = function(x, y)
        loss.backward()
        seen.append(float(loss.detach()))
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    return seen, [*x.tolist(), *y.tolist()], optimizer


OPTIONS = [
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "history_size": 2, "max_iter": 3},
    {"line_search_fn": "strong_wolfe", "lr": 0.1, "max_eval": 7},
    {"lr": 0.05, "max_iter": 4},
    {"lr": 0.05, "history_size": 3, "tolerance_change": 1e-3},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("function", [rosenbrock, quartic])
def test_every_evaluation_is_torchs(function, options):
    torch = pytest.importorskip("torch")
    mine, x, a = minimise(cr, function, 4, options)
    theirs, z, b = minimise(torch, function, 4, options)
    assert len(mine) == len(theirs)
    np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(x, z, rtol=1e-5, atol=1e-7)
    state, other = a.state_dict()["state"][0], b.state_dict()["state"][0]
    assert state["n_iter"] == other["n_iter"] and state["func_evals"] == other["func_evals"]
    assert state.keys() == other.keys() - {"al"}


def test_it_finds_the_minimum():
    _, x, _ = minimise(cr, rosenbrock, 20, {"line_search_fn": "strong_wolfe"})
    np.testing.assert_allclose(x, np.ones(6), atol=1e-4)


def test_a_state_resumes():
    options = {"lr": 0.3, "max_iter": 3}
    results = []
    for cut in (False, True):
        x = cr.tensor([3.0, -2.0], dtype=cr.float64, requires_grad=True)
        scale = cr.tensor([1.0, 10.0], dtype=cr.float64)
        optimizer = optim.LBFGS([x], **options)

        def closure(x=x, scale=scale):
            x.grad = None
            loss = (scale * x * x).sum() + (x**4).sum()
            loss.backward()
            return loss

        for i in range(4):
            if cut and i == 2:
                state = copy.deepcopy(optimizer.state_dict())
                optimizer = optim.LBFGS([x], **options)
                optimizer.load_state_dict(state)
            optimizer.step(closure)
        results.append(x.tolist())
    assert results[0] == results[1]


def test_a_parameter_without_gradient_and_half_precision():
    x = cr.tensor([3.0], requires_grad=True)
    unused = cr.tensor([1.0], requires_grad=True)
    half = cr.tensor([2.0]).to(cr.bfloat16).requires_grad_()
    optimizer = optim.LBFGS([x, unused, half], line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = ((x - 1) ** 2).sum() + ((half.float() + 1) ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert x.item() == pytest.approx(1, abs=1e-2) and unused.item() == 1
    assert half.item() == pytest.approx(-1, abs=1e-2)


@pytest.mark.parametrize("t", [1e-4, 0.1, 1.0, 50.0])
def test_the_line_search_satisfies_the_wolfe_conditions(t):
    def evaluate(t):
        value = np.cos(t) + 0.05 * t * t - 0.5 * t
        slope = -np.sin(t) + 0.1 * t - 0.5
        return Point(t, value, np.array([slope]), slope)

    start = evaluate(0.0)
    point, trials = strong_wolfe(evaluate, start, t, 1.0, 1e-9)
    assert 1 <= trials <= 26
    assert point.loss <= start.loss + DECREASE * point.t * start.slope
    assert abs(point.slope) <= -CURVATURE * start.slope


def test_refusals():
    x, y = (cr.ones(2, requires_grad=True) for _ in range(2))
    with pytest.raises(ArgumentError, match="one parameter group"):
        optim.LBFGS([{"params": [x]}, {"params": [y]}])
    with pytest.raises(ArgumentError, match="closure"):
        optim.LBFGS([x]).step()
    with pytest.raises(ArgumentError, match="line_search_fn"):
        optim.LBFGS([x], line_search_fn="armijo")


def test_the_closure_may_be_compiled():
    rng = np.random.default_rng(0)
    x, y = cr.tensor(rng.normal(size=(20, 3))), cr.tensor(rng.normal(size=20))
    found = []
    for compiled in (False, True):
        w = cr.zeros(3, dtype=cr.float64, requires_grad=True)
        optimizer = optim.LBFGS([w], line_search_fn="strong_wolfe")

        def closure(w=w, optimizer=optimizer):
            optimizer.zero_grad()
            loss = ((x @ w - y) ** 2).mean()
            loss.backward()
            return loss

        optimizer.step(cr.compile(closure) if compiled else closure)
        found.append(w.detach().numpy())
    wanted = np.linalg.lstsq(x.numpy(), y.numpy(), rcond=None)[0]
    for w in found:
        np.testing.assert_allclose(w, wanted, rtol=1e-3)
    np.testing.assert_allclose(*found, rtol=1e-9)
