"""Running reductions, statistics, differences and areas: PyTorch's values and gradients."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError

rng = np.random.default_rng(5)
X = rng.normal(size=(3, 7))
HOLES = np.where(rng.random(X.shape) < 0.3, np.nan, X)
HOLES[1] = np.nan


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_running_reductions_and_two_gradients(name, dim, agree, torch):
    def run(m):
        return lambda x: out if hasattr(out := getattr(m, name)(x, dim), "shape") else out[0]

    for shape in ((3, 7), (2, 5, 3)):
        agree(run(cr), run(torch), shape)


@pytest.mark.parametrize("zeros", [(0,), (2,), (6,), (1, 4), (0, 1, 6)])
def test_gradient_of_running_products_with_zeros(zeros, same):
    x = X.copy()
    x[:, list(zeros)] = 0

    def program(m):
        v = m.tensor(x, requires_grad=True)
        y = v.cumprod(1)
        weight = m.arange(21).reshape(3, 7).double() + 1
        (g,) = m.autograd.grad((y * weight).sum(), v, create_graph=True)
        return y, g, *m.autograd.grad((g * weight).sum(), v)

    same(program)


def test_running_log_sum_of_exp_where_others_overflow(same):
    for values in (
        [1e4, -1e4, 1e4 + 1],
        [-np.inf, -np.inf, 0.0],
        [0.0, -np.inf, 3.0],
        [1.0, np.inf, 2.0],
        [1.0, np.nan, 2.0],
    ):
        same(lambda m, v=values: m.logcumsumexp(m.tensor(v), 0))
    x = cr.tensor([-np.inf, -np.inf, 0.0], requires_grad=True)
    cr.logcumsumexp(x, 0)[2].backward()
    assert x.grad.tolist() == [0.0, 0.0, 1.0]


def test_running_reductions_in_place_and_in_another_dtype(same):
    same(lambda m: m.tensor(X).cumsum_(1))
    same(lambda m: m.tensor(X).cumprod_(0))
    same(lambda m: m.tensor([1, 2, 3]).cumsum(0, dtype=m.float32))
    same(lambda m: m.tensor([True, True]).cumprod(0))


@pytest.mark.parametrize("dim", [None, 0, 1, (0, 1)])
def test_reductions_that_leave_nan_out(dim, same):
    for name in ("nansum", "nanmean"):
        same(lambda m, n=name: getattr(m, n)(m.tensor(HOLES), dim))

        def program(m, name=name):
            x = m.tensor(HOLES, requires_grad=True)
            return m.autograd.grad(getattr(m, name)(x, dim).nansum(), x)

        if name == "nansum":
            same(program)
    same(lambda m: m.count_nonzero(m.tensor(np.round(X)), dim))
    same(lambda m: m.var_mean(m.tensor(X), dim, correction=0))
    same(lambda m: m.std_mean(m.tensor(X), dim, keepdim=True))
    same(lambda m: m.std_mean(m.tensor(X), False))
    same(lambda m: m.nanmean(m.tensor([1, 2])))
    same(lambda m: m.nansum(m.tensor([1, 2]), dtype=m.float32))


@pytest.mark.parametrize("how", ["linear", "lower", "higher", "nearest", "midpoint"])
def test_quantiles(how, same):
    def program(m, q, dim, keep, name, x):
        q = m.tensor(q, dtype=m.float64) if isinstance(q, list) else q
        v = m.tensor(x, requires_grad=True)
        y = getattr(m, name)(v, q, dim, keep, interpolation=how)
        weight = m.arange(y.numel()).reshape(y.shape) + 1
        return (y, *m.autograd.grad((y * weight).sum(), v))

    for dim in (None, 0, 1):
        for keep in (False, True):
            for q in (0.3, [0.0, 0.25, 0.5, 1.0], [0.1]):
                same(lambda m, a=(q, dim, keep, "quantile", X): program(m, *a))
                for name in ("quantile", "nanquantile"):
                    same(
                        lambda m, a=(q, dim, keep, name, HOLES): program(m, *a)[0]
                    )  # the gradient at NaN is nobody's


def test_quantiles_refuse(same):
    for f in (
        lambda m: m.quantile(m.tensor(X), 1.5),
        lambda m: m.quantile(m.tensor(X), m.tensor([0.5])),
        lambda m: m.quantile(m.zeros(0), 0.5),
        lambda m: m.quantile(m.tensor([1, 2]), 0.5),
        lambda m: m.quantile(m.tensor([1.0, 2.0]), 0.5, interpolation="cubic"),
        lambda m: m.quantile(m.tensor(3.0), 0.5, 0),
    ):
        same(f)
    with pytest.raises(ArgumentError, match="q must lie between 0 and 1"):
        cr.quantile(cr.tensor(X), -0.1)


@pytest.mark.filterwarnings("ignore:cov.*degrees of freedom:UserWarning")
def test_covariances(same, agree, torch):
    counts, matter = rng.integers(1, 4, 7), rng.random(7)
    agree(cr.cov, torch.cov, (3, 7))
    agree(cr.corrcoef, torch.corrcoef, (3, 7), tol=1e-8)
    for given in ({"correction": 0}, {"fweights": counts}, {"aweights": matter},
                  {"fweights": counts, "aweights": matter}):  # fmt: skip
        same(
            lambda m, g=given: m.cov(
                m.tensor(X), **{k: v if k == "correction" else m.tensor(v) for k, v in g.items()}
            )
        )
    for x in (X[0], X[:1], X[:, :1], np.array([[1, 2, 3], [4, 5, 7]]), np.array(2.0)):
        same(lambda m, x=x: m.cov(m.tensor(x)))
    same(lambda m: m.cov(m.zeros(2, 2, 2)))
    same(lambda m: m.cov(m.tensor(X), fweights=m.tensor(matter)))
    with pytest.raises(ShapeError, match=r"aweights has shape \(2,\); there are 7"):
        cr.cov(cr.tensor(X), aweights=cr.ones(2))


@pytest.mark.parametrize("dim", [0, 1])
def test_differences_and_areas(dim, same, agree, torch):
    for n in (0, 1, 2, 8):
        agree(lambda x, n=n: cr.diff(x, n, dim), lambda x, n=n: torch.diff(x, n, dim), (3, 7))
    agree(
        lambda x: cr.diff(x, 1, dim, x * 2, x * 3),
        lambda x: torch.diff(x, 1, dim, x * 2, x * 3),
        (3, 7),
    )
    for name in ("trapezoid", "cumulative_trapezoid"):
        both = getattr(cr, name), getattr(torch, name)
        for more in ({}, {"dx": 0.3}):
            agree(*(lambda y, f=f, k=more: f(y, dim=dim, **k) for f in both), (3, 7))
        for points in ((3, 7), ((3, 7)[dim],)):
            agree(*(lambda y, x, f=f: f(y, x, dim=dim) for f in both), (3, 7), points)
    same(lambda m: m.diff(m.tensor([True, False, False, True])))
    same(lambda m: m.diff(m.tensor(1.0)))
    same(lambda m: m.trapezoid(m.tensor([1, 2, 4])))
    same(lambda m: m.trapezoid(m.tensor([1.0])))
    same(lambda m: m.trapezoid(m.tensor([1.0, 2.0, 3.0]), m.tensor([1.0, 2.0])))
    same(lambda m: m.trapezoid(m.tensor([1.0, 2.0]), m.tensor([1.0, 2.0]), dx=1.0))


@pytest.mark.parametrize("order", [1, 2])
def test_slopes_of_samples(order, same, agree, torch):
    at = np.sort(rng.random(7))
    for more in ({}, {"spacing": 0.5, "dim": 1}, {"spacing": [2.0, 0.5]}):
        for i in range(2 if "dim" not in more else 1):
            agree(
                lambda x, i=i, k=more: cr.gradient(x, edge_order=order, **k)[i],
                lambda x, i=i, k=more: torch.gradient(x, edge_order=order, **k)[i],
                (3, 7),
            )
    same(lambda m: m.gradient(m.tensor(X), spacing=(m.tensor(at),), dim=1, edge_order=order))
    same(lambda m: m.gradient(m.tensor([1, 4, 9, 16]), edge_order=order))
    same(lambda m: m.gradient(m.tensor([1.0, 2.0]), edge_order=order))
    with pytest.raises(ShapeError, match="7 coordinates are needed along axis 1"):
        cr.gradient(cr.tensor(X), spacing=(cr.ones(3),), dim=1)
    with pytest.raises(DTypeError, match="float32 or float64"):
        cr.nanquantile(cr.tensor([1]), 0.5)
