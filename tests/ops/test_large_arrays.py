"""Operations whose large arrays take another way than small ones: both give PyTorch's values, and
its gradients of order 1 and 2."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.ops.arrays import NUMPY, index

rng = np.random.default_rng(5)


def pulled(m, f, *arrays, second=True):
    """The result, its gradients, and those of a sum of these."""
    xs = [m.tensor(a, requires_grad=True) for a in arrays]
    y = f(m, *xs)
    weight = m.tensor(np.cos(np.arange(y.numel())).reshape(y.shape))
    first = m.autograd.grad((y * weight).sum(), xs, create_graph=second)
    if not second:
        return (y, *first)
    total = sum((g * g).sum() for g in first)
    return (y, *first, *m.autograd.grad(total, xs))


def near_one(*shape):
    """Factors whose products stay in range, some of them 0."""
    x = rng.choice([-1.0, 1.0], shape) * rng.uniform(0.9, 1.1, shape)
    x.reshape(-1)[[3, 40, 41, -2]] = 0
    return x


# Below LONG elements; one step for many lines; pieces of few lines; a length that pieces do not
# fill.
@pytest.mark.parametrize(
    ("shape", "dim"), [((40, 5), 0), ((90, 100), 0), ((100, 90), 1), ((2, 4100), 1), ((8200,), 0)]
)
def test_cumprod_has_its_gradients_where_entries_are_zero(shape, dim, same):
    x = near_one(*shape)
    same(lambda m: pulled(m, lambda m, x: x.cumprod(dim), x, second=x.size < 5000))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("shape", "axis"), [((130, 70), 0), ((3, 3000), 1), ((3, 9, 400), 2)])
def test_a_long_recurrence_is_its_definition(shape, axis, reverse):
    factor, x = (rng.uniform(-1, 1, shape) for _ in range(2))
    expected = np.zeros(shape)
    a, b, r = (np.moveaxis(v, axis, 0) for v in (factor, x, expected))
    last = np.zeros_like(b[0])
    for i in range(len(b))[:: -1 if reverse else 1]:
        last = r[i] = b[i] + a[i] * last
    found = NUMPY.linear_recurrence(factor, x, dim=axis, reverse=reverse)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dim", [0, 1, None])
def test_prod_has_its_gradients_where_factors_are_zero(dim, same):
    for x in (near_one(70, 130), near_one(6, 8)):
        function = (lambda m, x: x.prod()) if dim is None else (lambda m, x: x.prod(dim))
        same(lambda m, x=x, f=function: pulled(m, f, x, second=x.size < 100))


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax"])
def test_scatter_reduce(reduce, dim, same):
    x, src = near_one(100, 100), near_one(90, 95)
    x.reshape(-1)[:] = rng.permutation(x.size) / x.size + 0.5  # no ties with src
    at = rng.integers(0, 100, src.shape)
    same(
        lambda m: pulled(
            m, lambda m, x, s: m.scatter_reduce(x, dim, m.tensor(at), s, reduce), x, src,
            second=False,
        )
    )  # fmt: skip


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample_of_large_pictures(mode, padding_mode, same):
    x, grid = rng.normal(size=(2, 3, 30, 40)), rng.uniform(-2.6, 2.6, (2, 50, 45, 2))
    grid[0, 0, :3] = [[30.0, 0.1], [1.0, -1.0], [0.2, -30.0]]

    def sampled(m, x, grid):
        sample = m.nn.functional.grid_sample
        return sample(x, grid, mode=mode, padding_mode=padding_mode, align_corners=False)

    same(lambda m: pulled(m, sampled, x, grid, second=False))


@pytest.mark.parametrize("size", [(3, 4), (5, 8), (1, 1)])
def test_adaptive_max_pool_finds_the_first_winner_or_the_last_nan(size, same):
    for shape in ((2, 2, 15, 16), (4, 3, 35, 32)):
        x = rng.integers(0, 4, shape).astype(np.float64)  # many ties
        x[0, 0, 2, 3] = x[0, 0, 4, 1] = x[0, 1, 0, 0] = np.nan
        x[1, 1] = -np.inf
        same(
            lambda m, x=x: m.nn.functional.adaptive_max_pool2d(
                m.tensor(x), size, return_indices=True
            )
        )


@pytest.mark.parametrize("largest", [True, False])
def test_the_few_best_are_what_a_stable_sort_puts_in_front(largest):
    plain = rng.normal(size=(30, 100))
    whole = rng.integers(-3, 4, (30, 100))
    infinite = plain.copy()
    infinite[0, :99] = -np.inf if largest else np.inf
    spoilt = plain.copy()
    spoilt[2, 5] = np.nan
    least = whole.astype(np.int8)
    least[0] = -128 if largest else 127
    for x in (plain, whole, infinite, spoilt, least, whole.astype(np.float32)):
        for axis, y in ((1, x), (0, x.T)):
            for k in (1, 5, 20):
                expected = index.argsort(y, axis, largest)
                expected = expected[:k] if axis == 0 else expected[:, :k]
                assert np.array_equal(index.leading(y, k, axis, largest), expected)


def test_adding_at_places_takes_negative_ones_and_refuses_others():
    x = rng.normal(size=(2, 3, 4))
    at = rng.integers(-5, 5, x.shape)
    for axis in range(3):
        found = index.put_along_axis_add(x, at, axis, 5)
        expected = np.zeros_like(found)
        for place in np.ndindex(x.shape):
            to = list(place)
            to[axis] = at[place]
            expected[tuple(to)] += x[place]
        np.testing.assert_allclose(found, expected, rtol=1e-15)
    for bad in (5, -6):
        with pytest.raises(IndexError, match=str(bad)):
            index.put_along_axis_add(x, np.full(x.shape, bad), 0, 5)
        with pytest.raises(IndexError, match=str(bad)):
            index.scatter_add(x, (5, 3, 4), (index.HOLE,), np.array([0, bad]))
    rows = index.scatter_add(x, (5, 3, 4), (index.HOLE,), np.array([-1, 4]))
    np.testing.assert_allclose(rows[4], x[0] + x[1])
    assert not rows[:4].any()
    with pytest.raises(IndexError):
        cr.zeros(5).index_add(0, cr.tensor([7]), cr.ones(1))
