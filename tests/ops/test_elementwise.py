"""Elementwise functions: accuracy in float32, special values, in-place forms, odd arguments."""

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
    if issubclass(op, Elementwise) and not op.integers and op.differentiable
    and isinstance(op.domain[0], float) and not any(p.default is None for p in op.params.values())
)  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
def test_float32_is_within_4_units_of_float64(name):
    op, rng = REGISTRY[name], np.random.default_rng(1)
    params = {"n": 1} if name == "polygamma" else {}
    try:
        params = op.validate(params)
    except cr.ChainruleError:
        pytest.skip("needs parameters")
    x = [draw(op, n, (50_000,), rng).astype(np.float32) for n in op.inputs]
    y = op.function(*map(cr.tensor, x), **params).numpy()
    exact = op.function(*(cr.tensor(a.astype(np.float64)) for a in x), **params).numpy()
    scale = np.abs(exact)
    if name in SUMS:
        scale = np.maximum.reduce([scale, *map(np.abs, x)])
    units = np.abs(y - exact) / np.spacing(scale.astype(np.float32))
    assert y.dtype == np.float32
    assert np.nanmax(units) <= 4


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
