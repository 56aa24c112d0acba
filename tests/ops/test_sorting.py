"""Sorting, order statistics, searching and counting: PyTorch's values, indices and gradients."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError

rng = np.random.default_rng(3)


@pytest.mark.parametrize("dtype", ["int64", "float32"])
@pytest.mark.parametrize("shape", [(7,), (3, 9), (2, 4, 5), (1,), ()])
def test_order_statistics_with_many_equals(dtype, shape, same):
    x = rng.integers(0, 4, shape).astype(dtype)
    for dim in range(-1, max(len(shape), 1)):
        for keep in (False, True):
            same(lambda m, d=dim, k=keep: m.mode(m.tensor(x), d, k))
            same(lambda m, d=dim, k=keep: m.kthvalue(m.tensor(x), 2, d, k)[0])
            same(lambda m, d=dim, k=keep: m.median(m.tensor(x), d, k)[0])
        same(lambda m, d=dim: m.cummax(m.tensor(x), d))
        same(lambda m, d=dim: m.cummin(m.tensor(x), d))
    for name in ("median", "nanmedian", "msort"):
        same(lambda m, n=name: getattr(m, n)(m.tensor(x)))


@pytest.mark.parametrize("shape", [(9,), (4, 6)])
def test_nan_is_the_largest_and_wins(shape, same):
    x = rng.integers(0, 4, shape).astype("float64")
    x[rng.random(shape) < 0.3] = np.nan
    for dim in range(len(shape)):
        for name in ("median", "nanmedian", "cummax", "cummin", "kthvalue"):
            rest = (5,) if name == "kthvalue" else ()
            same(lambda m, n=name, d=dim, r=rest: getattr(m, n)(m.tensor(x), *r, d)[0])
        same(lambda m, d=dim: m.cummax(m.tensor(x), d))
        for largest in (True, False):
            same(lambda m, d=dim, b=largest: m.topk(m.tensor(x), 3, d, b)[0])
    same(lambda m: (m.median(m.tensor(x)), m.nanmedian(m.tensor(x))))
    same(lambda m: m.nanmedian(m.tensor([np.nan, np.nan])))


def test_empty_lines(same):
    for f in (
        lambda m: m.median(m.zeros(0)),
        lambda m: m.median(m.zeros(2, 0), 1),
        lambda m: m.mode(m.zeros(2, 0), 1),
        lambda m: m.kthvalue(m.zeros(2, 0), 1),
        lambda m: m.topk(m.zeros(2, 0), 0),
        lambda m: m.cummax(m.zeros(2, 0), 1),
    ):
        same(f)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("shape", [(100,), (5, 60), (60, 5, 2)])
def test_topk_is_what_a_stable_sort_puts_in_front(shape, largest, same):
    distinct = rng.permutation(np.prod(shape)).reshape(shape)
    for dim in range(len(shape)):
        for k in (0, 1, 3, min(20, shape[dim]), shape[dim]):
            if k > shape[dim]:
                continue
            same(lambda m, k=k, d=dim: m.topk(m.tensor(distinct), k, d, largest))
            x = cr.tensor(distinct % 7)
            order = cr.sort(x, dim, descending=largest).indices.narrow(dim, 0, k)
            assert (cr.topk(x, k, dim, largest).indices == order).all()
    with pytest.raises(ArgumentError, match="topk: k=9 of 3"):
        cr.topk(cr.ones(3), 9)


def test_median_shares_the_gradient_of_equals():
    x = cr.tensor([1.0, 2.0, 2.0, 5.0], requires_grad=True)
    x.median().backward()
    assert x.grad.tolist() == [0.0, 0.5, 0.5, 0.0]


@pytest.mark.parametrize("right", [False, True])
def test_searching_rows_vectors_numbers_and_nan(right, same):
    rows = np.sort(rng.integers(0, 6, (3, 7)), 1).astype("float32")
    v = rng.integers(-1, 8, (3, 5)).astype("float32")
    v[0, 0], v[1, 1], v[2, 2] = np.nan, np.inf, -np.inf
    same(lambda m: m.searchsorted(m.tensor(rows), m.tensor(v), right=right))
    same(lambda m: m.searchsorted(m.tensor(rows[0]), m.tensor(v), right=right, out_int32=True))
    same(lambda m: m.searchsorted(m.tensor(rows[0]), 2.5, right=right))
    same(lambda m: m.bucketize(m.tensor(v), m.tensor(rows[0]), right=right))
    same(lambda m: m.bucketize(3, m.tensor(rows[0]), right=right))
    same(lambda m: m.searchsorted(m.tensor(rows), m.tensor(v), side="right", right=right))
    same(lambda m: m.searchsorted(m.tensor(rows), m.tensor(v), side="left", right=right))
    same(lambda m: m.searchsorted(m.zeros(0), m.tensor(v), right=right))
    same(lambda m: m.searchsorted(m.tensor(rows), m.tensor(v[:2]), right=right))
    mixed = rng.permutation(7)
    back = np.argsort(mixed)
    same(
        lambda m: m.searchsorted(
            m.tensor(rows[0][mixed].copy()), m.tensor(v), right=right, sorter=m.tensor(back)
        )
    )


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("counts", [False, True])
def test_distinct_values_and_slices(inverse, counts, same):
    x = rng.integers(0, 4, (4, 6))
    x[2] = x[0]
    y = x[:, [0, 0, 1, 1, 0, 2]]
    more = {"return_inverse": inverse, "return_counts": counts}
    for dim in (None, 0, 1, -1):
        same(lambda m, d=dim: m.unique(m.tensor(x), dim=d, **more))
        same(lambda m, d=dim: m.unique_consecutive(m.tensor(y), dim=d, **more))
    for values in (np.array([np.nan, 1.0, np.nan]), np.zeros(0), np.array(3), np.array([True])):
        same(lambda m, v=values: m.unique(m.tensor(v), **more))
        same(lambda m, v=values: m.unique_consecutive(m.tensor(v), **more))
    same(lambda m: m.unique(m.zeros(2, 0), dim=1, **more))
    same(lambda m: m.unique(m.zeros(2, 0), dim=0, **more))


def test_counts(same):
    v, w = rng.integers(0, 6, 20), rng.random(20)
    same(lambda m: m.bincount(m.tensor(v)))
    same(lambda m: m.bincount(m.tensor(v), m.tensor(w), 10))
    same(lambda m: m.bincount(m.tensor(v), m.tensor(w).float()), tol=1e-6)
    same(lambda m: m.bincount(m.tensor(v), m.tensor(v)))
    same(lambda m: m.bincount(m.zeros(0).long()))
    for bad in ([-1], [[1]], [0.5]):
        same(lambda m, b=bad: m.bincount(m.tensor(b)))
    x = rng.normal(size=(3, 7))
    for args in ((10, -1, 1), (5,), (7, 0, 2), (0,), (3, 1, -1)):
        same(lambda m, a=args: m.histc(m.tensor(x), *a))
    same(lambda m: m.histc(m.tensor([1.0, 1.0]), 4))
    same(lambda m: m.histc(m.tensor([1.0, np.nan]), 3, 0, 2))
    same(lambda m: m.histc(m.tensor([1.0, np.nan]), 3))
    same(lambda m: m.histc(m.tensor([1, 2]), 4))
    same(lambda m: m.histogram(m.tensor(x), 6))
    same(lambda m: m.histogram(m.tensor(x), 6, range=(-1.0, 1.0), density=True))
    edges = [-1.0, 0.0, 0.5, 2.0]
    same(
        lambda m: m.histogram(
            m.tensor(x), m.tensor(edges, dtype=m.float64), weight=m.tensor(np.abs(x))
        )
    )


def test_errors_name_the_argument_and_the_shapes():
    with pytest.raises(ArgumentError, match="kthvalue: k=4 of 3 entries along axis 0"):
        cr.kthvalue(cr.ones(3), 4)
    with pytest.raises(ShapeError, match=r"mode: axis 1 of \(2, 0\) is empty"):
        cr.mode(cr.ones(2, 0))
    with pytest.raises(ShapeError, match=r"bucketize: the boundaries .* \(2, 2\)"):
        cr.bucketize(cr.ones(3), cr.ones(2, 2))
    with pytest.raises(ShapeError, match=r"weights have shape \(2,\), the input \(3,\)"):
        cr.bincount(cr.tensor([0, 1, 2]), cr.ones(2))
    with pytest.raises(DTypeError, match="histc takes floats, not int64"):
        cr.histc(cr.tensor([1]))
