"""Elementwise functions: accuracy in float32, special values, in-place forms, odd arguments.

CHAINRULE_SLOW=1: a million numbers for every function and way of computing it.
"""

import os

import numpy as np
import pytest

import chainrule as cr
from chainrule.ops.op import REGISTRY, Elementwise
from chainrule.testing.sampling import draw

# Sums may cancel: their error is counted in units of the largest term.
SUMS = {
    "add", "addcdiv", "addcmul", "gelu", "lerp", "logaddexp", "logaddexp2", "subtract",
    "tanhshrink",
}  # fmt: skip
SMOOTH = sorted(
    name for name, op in REGISTRY.items()
    if issubclass(op, Elementwise) and op.differentiable and isinstance(op.domain[0], float)
)  # fmt: skip
N = 1_000_000 if os.environ.get("CHAINRULE_SLOW") else 20_000
# Where floats end or functions do, beside the domains of the operations themselves.
WIDE = {
    "exp": (-87, 88.7), "exp2": (-126, 127.9), "expm1": (-20, 88.7), "sigmoid": (-87, 88),
    "tanh": (-20, 20), "softplus": (-87, 200), "logsigmoid": (-200, 87), "elu": (-50, 50),
    "selu": (-50, 50), "celu": (-50, 50), "silu": (-80, 80), "mish": (-80, 80), "gelu": (-12, 12),
    "reciprocal": (1e-6, 1e6), "square": (-1e6, 1e6), "log": (1e-38, 1e38), "log2": (1e-38, 1e38),
    "log10": (1e-38, 1e38), "log1p": (-0.9999, 1e6), "sqrt": (1e-38, 1e38),
    "rsqrt": (1e-38, 1e38), "sin": (-1e4, 1e4), "cos": (-1e4, 1e4), "tan": (-1e4, 1e4),
    "asin": (-1, 1), "acos": (-1, 1), "atan": (-1e4, 1e4), "sinh": (-88, 88), "cosh": (-88, 88),
    "erf": (-6, 6), "asinh": (-1e6, 1e6), "acosh": (1, 1e6), "atanh": (-0.99999, 0.99999),
    "erfc": (-6, 9), "erfinv": (-0.99999, 0.99999), "lgamma": (1e-3, 1e4), "digamma": (1e-3, 1e4),
    "polygamma": (0.01, 1e3), "i0": (-60, 60), "i1": (-60, 60), "sinc": (-20, 20),
    "logit": (1e-6, 1 - 1e-6), "hypot": (-1e6, 1e6), "atan2": (-1e6, 1e6), "logaddexp": (-80, 80),
    "logaddexp2": (-80, 80), "xlogy": (1e-6, 1e6), "pow": (0.01, 20), "remainder": (0.1, 1e3),
    "fmod": (0.1, 1e3), "divide": (-1e6, 1e6),
}  # fmt: skip


def numbers(op, wide):
    """N float32 numbers for each input: from its domain, or from WIDE, over its orders if many."""
    rng = np.random.default_rng(7)
    drawn = [draw(op, name, (N,), rng) for name in op.inputs]
    if wide:
        low, high = WIDE[op.name]
        far = low > 0 and high > 1e5 * low
        ends = np.log([low, high]) if far else (low, high)
        drawn = [rng.uniform(*ends, N) for _ in op.inputs]
        drawn = [np.exp(x) for x in drawn] if far else drawn
    return [x.astype(np.float32) if x.dtype.kind == "f" else x for x in drawn]


def in_small_pieces(f, x):
    """Short enough for NumPy to work it out: longer ones go to native kernels."""
    step = 8000
    pieces = [f(*(cr.tensor(a[i : i + step]) for a in x)).numpy() for i in range(0, N, step)]
    return np.concatenate(pieces)


def in_one(f, x):
    return f(*map(cr.tensor, x)).numpy()


def compiled(f, x):
    with cr.no_grad():
        return cr.compile(f)(*map(cr.tensor, x)).numpy()


@pytest.mark.parametrize("how", [in_small_pieces, in_one, compiled])
@pytest.mark.parametrize(
    ("name", "wide"), [(n, False) for n in SMOOTH] + [(n, True) for n in WIDE], ids=str
)
def test_float32_is_within_4_units_of_float64(name, wide, how):
    op = REGISTRY[name]
    given = {"polygamma": {"n": 1}, "threshold": {"threshold": 0.1, "value": -1.0}}
    params = op.validate(given.get(name, {}))
    x = numbers(op, wide)
    exact = op.function(
        *(cr.tensor(a.astype(np.float64) if a.dtype.kind == "f" else a) for a in x), **params
    ).numpy()
    y = how(lambda *xs: op.function(*xs, **params), x)
    scale = np.abs(exact)
    if name in SUMS:
        scale = np.maximum.reduce([scale, *map(np.abs, x)])
    # Below the smallest normal number the unit is that number's.
    unit = np.spacing(np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32))
    assert y.dtype == np.float32
    normal = np.abs(exact) <= np.finfo(np.float32).max
    assert np.isfinite(y[normal]).all()
    assert (np.abs(y - exact) / unit)[normal].max() <= 4


FAR = {
    "erfc": (-6.0, 9.0), "lgamma": (2.5, 60.0), "digamma": (2.0, 1e4), "i0": (-60.0, 60.0),
    "i1": (-60.0, 60.0), "logit": (1e-6, 1 - 1e-6), "erfinv": (-0.999999, 0.999999),
    "sinc": (-20.0, 20.0),
}  # fmt: skip


@pytest.mark.parametrize("name", FAR)
def test_special_functions_are_pytorchs_far_out(name, torch):
    low, high = FAR[name]
    x = np.random.default_rng(2).uniform(low, high, 20_000)
    mine = getattr(cr, name)(cr.tensor(x)).numpy()
    theirs = getattr(torch.special, {"lgamma": "gammaln"}.get(name, name))(torch.tensor(x)).numpy()
    np.testing.assert_allclose(mine, theirs, rtol=2e-12, atol=1e-15)


def test_gamma_functions_by_reflection(torch):
    x = np.array([-0.5, -3.3, -7.75, 0.2, 0.0, -0.0, -1.0, -4.0])
    for name in ("lgamma", "digamma"):
        mine = getattr(cr, name)(cr.tensor(x)).numpy()
        theirs = getattr(torch, name)(torch.tensor(x)).numpy()
        np.testing.assert_allclose(mine, theirs, rtol=1e-10)
    mine = cr.polygamma(1, cr.tensor(x[:4])).numpy()
    np.testing.assert_allclose(mine, torch.polygamma(1, torch.tensor(x[:4])).numpy(), rtol=1e-10)


def test_the_complement_keeps_its_digits():
    assert cr.erfc(cr.tensor(20.0, dtype=cr.float64)).item() == pytest.approx(
        5.395865611607901e-176, rel=1e-13
    )
    assert cr.erfinv(cr.tensor([1.0, -1.0, 1.5])).tolist()[:2] == [np.inf, -np.inf]
    assert cr.sinc(cr.tensor([0.0, 3.0])).tolist() == [1.0, 0.0]


def test_clamp_takes_tensors_and_its_gradient_goes_to_what_counts():
    x = cr.tensor([-1.0, 0.5, 3.0], requires_grad=True)
    low = cr.tensor([0.0, 0.0, 0.0], requires_grad=True)
    x.clamp(low, cr.tensor(2.0)).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 0.0]
    assert low.grad.tolist() == [1.0, 0.0, 0.0]
    with pytest.raises(cr.ChainruleError, match="at least one of min and max"):
        x.clamp()


def test_nan_to_num_uses_the_largest_number_of_the_dtype():
    x = cr.tensor([np.nan, np.inf, -np.inf, 1.0])
    for dtype in (cr.float32, cr.float64, cr.float16, cr.bfloat16):
        largest = cr.finfo(dtype).max
        assert x.to(dtype).nan_to_num().tolist() == [0.0, largest, -largest, 1.0]


def test_integer_functions(torch):
    for m in (cr, torch):
        a, b = m.tensor([12, -18, 0, 7]), m.tensor([8, 12, 0, 3])
        assert m.gcd(a, b).tolist() == [4, 6, 0, 1]
        assert m.lcm(a, b).tolist() == [24, 36, 0, 21]
        assert (a << 2).tolist() == [48, -72, 0, 28] and (a >> 1).tolist() == [6, -9, 0, 3]
        assert m.isin(a, m.tensor([7, 12])).tolist() == [True, False, False, True]
    with pytest.raises(cr.ChainruleError, match="gcd takes integers, not float32"):
        cr.gcd(cr.ones(2), 3)


INPLACE = {
    "exp_": (), "clamp_": (0.1, 0.5), "lerp_": (2.0, 0.3), "addcmul_": "pair", "addcdiv_": "pair",
    "nan_to_num_": (), "float_power_": (2,), "fmod_": (0.4,), "erfinv_": (), "lt_": (0.5,),
    "ge_": (0.5,), "polygamma_": None, "copysign_": (-1.0,), "deg2rad_": (), "xlogy_": (2.0,),
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n, args in INPLACE.items() if args is not None])
def test_the_form_in_place_writes_where_it_stands_and_keeps_the_gradient(name, torch):
    def run(m):
        x = m.tensor([0.2, 0.7, 0.9], dtype=m.float64, requires_grad=True)
        y = x * 1.0
        args = INPLACE[name]
        args = (m.tensor([1.0, 2.0, 3.0]).double(),) * 2 if args == "pair" else args
        if name == "lerp_":
            args = (m.full((3,), 2.0, dtype=m.float64), 0.3)
        assert getattr(y, name)(*args) is y
        y.sum().backward() if y.requires_grad and name not in ("lt_", "ge_") else None
        return y.tolist(), None if x.grad is None else x.grad.tolist()

    (mine, mine_grad), (theirs, theirs_grad) = run(cr), run(torch)
    assert mine == pytest.approx(theirs, rel=1e-12)
    assert (mine_grad or []) == pytest.approx(theirs_grad or [], rel=1e-9)


def test_forms_in_place_are_functions_too():
    x = cr.tensor([-1.0, 2.0])
    assert cr.relu_(x) is x and x.tolist() == [0.0, 2.0]
    assert cr.nn.functional.elu_(x) is x
    with pytest.raises(AttributeError):
        cr.no_such_function_  # noqa: B018
