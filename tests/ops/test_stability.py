"""The rows of docs/stability.md that are no losses: value and gradient where formulas break."""

import math

import pytest

import chainrule as cr

F = cr.nn.functional
INF, NAN = math.inf, math.nan

# A call in x, where x is, the value and the gradient of the sum.
ROWS = {
    "logsumexp of all −∞": ("cr.logsumexp(x, 0)", [-INF, -INF], -INF, [0, 0]),
    "logsumexp of one +∞": ("cr.logsumexp(x, 0)", [INF, 1.0], INF, None),
    "logsumexp at ±1e8": ("cr.logsumexp(x, 0)", [1e8, -1e8], 1e8, [1, 0]),
    "softmax of all −∞": ("F.softmax(x, 0)", [-INF, -INF], [NAN, NAN], None),
    "softmax at ±1e8": ("F.softmax(x, 0)", [1e8, -1e8], [1, 0], [0, 0]),
    "norm at 0": ("cr.norm(x)", [0.0, 0.0], 0, [0, 0]),
    "vector norm 1 at 0": ("cr.norm(x, 1)", [0.0, 2.0], 2, [0, 1]),
    "normalize of 0": ("F.normalize(x, dim=0)", [0.0, 0.0], [0, 0], None),
    "prod with one zero": ("cr.prod(x)", [2.0, 0.0, 3.0], 0, [0, 6, 0]),
    "prod with two zeros": ("cr.prod(x)", [2.0, 0.0, 0.0], 0, [0, 0, 0]),
    "cumprod with a zero": ("cr.cumprod(x, 0)", [2.0, 0.0, 3.0], [2, 0, 0], [1, 8, 0]),
    "where, NaN not taken": ("cr.where(x > 0, x, x.detach() / 0 * 0)", [1.0, 2.0], [1, 2], [1, 1]),
    "where, NaN taken": ("cr.where(x > 0, x, x.detach() * float('nan'))", [1.0, -2.0], [1, NAN],
                         [1, 0]),
    "max-pool with NaN": ("F.max_pool1d(x[None], 2)[0]", [1.0, NAN, 3.0, 2.0], [NAN, 3],
                          [0, 1, 1, 0]),
    "max with NaN": ("x.amax()", [1.0, NAN], NAN, None),
    "std of a constant": ("x.std()", [3.0, 3.0, 3.0], 0, [0, 0, 0]),
    "var of one number": ("x.var()", [3.0], NAN, None),
    "mean of nothing": ("x.mean()", [], NAN, []),
    "xlogy(0, 0)": ("cr.xlogy(x, x.detach())", [0.0], [0], None),
    "0 to the power 0": ("x ** 0.0", [0.0, 2.0], [1, 1], [0, 0]),
    "sigmoid at ±1e8": ("cr.sigmoid(x)", [1e8, -1e8], [1, 0], [0, 0]),
    "softplus at ±1e8": ("F.softplus(x)", [1e8, -1e8], [1e8, 0], [1, 0]),
    "log1p of a small number": ("cr.log1p(x)", [1e-20], [1e-20], [1]),
    "hypot of large numbers": ("cr.hypot(x, x.detach())", [1e30], [1.4142135e30], [0.70710677]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ROWS)
def test_as_documented(name):
    call, at, value, gradient = ROWS[name]
    x = cr.tensor(at, dtype=cr.float32, requires_grad=True)
    y = eval(call, {"cr": cr, "F": F, "x": x})
    assert y.tolist() == pytest.approx(value, rel=1e-6, nan_ok=True)
    if gradient is not None:
        (g,) = cr.autograd.grad(y.sum(), x)
        assert g.tolist() == pytest.approx(gradient, rel=1e-6, nan_ok=True)


def test_the_gradient_of_what_is_not_taken_is_still_multiplied():
    x = cr.tensor([-1.0, 4.0], requires_grad=True)
    y = cr.where(x > 0, cr.sqrt(x), 0.0)
    assert y.tolist() == [0, 2]
    y.sum().backward()  # 0 · NaN, as in PyTorch: keep the root's input in its domain instead
    assert math.isnan(x.grad[0].item()) and x.grad[1].item() == 0.25
