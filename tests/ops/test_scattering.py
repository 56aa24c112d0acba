"""Writing and reading at indices: values, gradients, refusals and in-place forms are PyTorch's."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import (
    ArgumentError,
    AutogradError,
    DTypeError,
    IndexRangeError,
    ShapeError,
    TraceError,
)
from chainrule.compile import trace

rng = np.random.default_rng(2)
X = rng.normal(size=(3, 4, 5))
INDEX = rng.integers(0, 4, (3, 4))
INDEX[:, 1] = 2  # three writes to one place
SRC = rng.normal(size=(3, 4))
REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def with_gradient(m, f, *arrays):
    xs = [m.tensor(a, requires_grad=True) for a in arrays]
    y = f(*xs)
    weight = m.arange(y.numel()).reshape(y.shape) + 1
    return (y, *m.autograd.grad((y * weight).sum(), xs))


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_scatter_reduce_with_ties_zeros_and_nan(reduce, include, same):
    x, src = rng.normal(size=(4, 5)), SRC.copy()
    src[0, 1] = src[2, 1] = 0.0  # two zeros in one product, a tie of extremes
    if include:  # else PyTorch gives a share to an entry that takes no part
        x[INDEX[0, 0], 0] = src[0, 0]
    i = np.where(INDEX == 3, 0, INDEX)
    for index in (INDEX, i):
        same(
            lambda m, index=index: with_gradient(
                m,
                lambda a, b: m.scatter_reduce(
                    a, 0, m.tensor(index), b, reduce, include_self=include
                ),
                x,
                src,
            )
        )
    whole = rng.integers(-3, 9, (4, 5))
    given = np.round(3 * SRC).astype(np.int64)
    same(
        lambda m: m.scatter_reduce(
            m.tensor(whole), 0, m.tensor(INDEX), m.tensor(given), reduce, include_self=include
        )
    )
    src[1, 2] = np.nan
    same(
        lambda m: m.tensor(x).scatter_reduce(
            0, m.tensor(INDEX), m.tensor(src), reduce, include_self=include
        )
    )


def test_a_product_with_one_zero_has_its_gradient_there():
    x = cr.ones(1, dtype=cr.float64)
    src = cr.tensor([2.0, 0.0, 5.0], dtype=cr.float64, requires_grad=True)
    y = cr.scatter_reduce(x, 0, cr.tensor([0, 0, 0]), src, "prod")
    y.sum().backward()
    assert y.tolist() == [0.0] and src.grad.tolist() == [0.0, 10.0, 0.0]


@pytest.mark.filterwarnings("ignore:index_reduce.. is in beta:UserWarning")
@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("reduce", REDUCTIONS[1:])
def test_index_reduce(reduce, include, same):
    same(
        lambda m: with_gradient(
            m,
            lambda a, b: m.index_reduce(a, 1, m.tensor([1, 1, 3]), b, reduce, include_self=include),
            X,
            X[:, :3] * 1.5,
        )
    )


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_slices_added_copied_and_filled(dim, same):
    part = np.moveaxis(np.moveaxis(X, dim, 0)[:2], 0, dim) * 1.5
    for name in ("index_add", "index_copy"):
        for call in (name, f"{name}_"):
            same(
                lambda m, call=call: with_gradient(
                    m, lambda a, b: getattr(a * 1, call)(dim, m.tensor([2, 0]), b), X, part
                )
            )
    same(
        lambda m: with_gradient(
            m, lambda a, b: m.index_add(a, dim, m.tensor([1, 1]), b, alpha=-2), X, part
        )
    )
    same(lambda m: with_gradient(m, lambda a: m.index_fill(a, dim, m.tensor([-1, 0]), 2.5), X))
    same(lambda m: m.tensor(X).index_fill_(dim, m.tensor([1]), m.tensor(0.1, dtype=m.float64)))


def test_index_put_by_indices_and_masks(same):
    values = rng.normal(size=3)
    for add in (True, False):
        i, j = ([0, 1, 0], [1, 2, 1]) if add else ([0, 1, 2], [1, 2, -1])
        same(
            lambda m, add=add, i=i, j=j: with_gradient(
                m,
                lambda a, b: m.index_put(a, (m.tensor(i), m.tensor(j)), b, accumulate=add),
                X[..., 0],
                values,
            )
        )
    zero = lambda m: m.tensor(0.0, dtype=m.float64)  # noqa: E731
    same(lambda m: with_gradient(m, lambda a: (a * 1).index_put_((a > 0,), zero(m)), X))
    same(lambda m: with_gradient(m, lambda a: a.index_put((m.tensor(1),), a[0]), X))
    same(lambda m: m.index_put(m.tensor(X), (m.tensor([7]),), zero(m)))
    same(lambda m: m.index_put(m.tensor(X), (m.tensor([1]),), m.tensor(1.0)))
    x = cr.index_put(cr.tensor(X), (None, cr.tensor([0])), cr.tensor(0.0, dtype=cr.float64))
    assert not x[:, 0].any() and x[:, 1].all()


def test_scatter_with_numbers_and_reductions(same):
    index = lambda m: m.tensor([[0, 1], [2, 2]])  # noqa: E731
    for kind in ("add", "multiply"):
        same(lambda m, k=kind: m.scatter(m.tensor(X[0]), 1, index(m), 0.1, reduce=k))
    same(lambda m: m.scatter(m.tensor(X[0]), 1, index(m), value=0.1))
    same(lambda m: m.scatter(m.tensor(X[0]), 1, index(m), 0.1, reduce="mean"))
    same(lambda m: m.tensor(X[0]).scatter_(0, index(m), m.tensor(X[1])))
    same(lambda m: m.scatter(m.tensor(X[0]), 0, index(m), m.tensor(X[1]).float()))
    with pytest.raises(ArgumentError, match="src or value"):
        cr.scatter(cr.ones(3), 0, cr.tensor([0]))


def test_flat_positions_and_masks(same):
    at = lambda m: m.tensor([[0, 59], [-1, 5]])  # noqa: E731
    same(lambda m: with_gradient(m, lambda a: m.take(a, at(m)), X))
    same(lambda m: with_gradient(m, lambda a: a.put(at(m), a[0, :2, :2], accumulate=True), X))
    same(lambda m: m.tensor(X).put_(m.tensor([1, -2]), m.tensor(X[0, 0, :2])))
    mask = lambda m: m.tensor(X > 0)  # noqa: E731
    same(
        lambda m: with_gradient(m, lambda a, b: m.masked_scatter(a, mask(m), b), X, X[:, ::-1] * 2)
    )
    same(lambda m: m.tensor(X).masked_scatter_(m.tensor(X[0] > 0), m.tensor(X)))
    same(lambda m: m.masked_scatter(m.zeros(2), m.tensor([False, False]), m.zeros(0)))
    same(lambda m: m.tensor(X[:1]).masked_scatter_(mask(m), m.tensor(X)))
    same(lambda m: m.unravel_index(m.tensor([[0, 7], [23, 5]]), (2, 3, 4)))


def test_one_hot(same):
    f = lambda m: m.nn.functional.one_hot  # noqa: E731
    for values, n in (([[0, 2], [1, 1]], -1), ([0, 2], 4), ([0, 2], 2), ([-1], 2), ([0.5], 2)):
        same(lambda m, values=values, n=n: f(m)(m.tensor(values), n))
    same(lambda m: f(m)(m.tensor(1), 3))
    same(lambda m: f(m)(m.zeros(0).long(), 3))
    same(lambda m: f(m)(m.zeros(0).long()))


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_windows_along_an_axis(dim, step, agree):
    agree(lambda x: x.unfold(dim, 2, step), lambda x: x.unfold(dim, 2, step), (3, 4, 5))


def test_as_strided_reads_and_refuses_writes(agree, torch):
    agree(
        lambda x: cr.as_strided(x, (2, 3, 2), (7, 2, 0), 3),
        lambda x: torch.as_strided(x, (2, 3, 2), (7, 2, 0), 3),
        (3, 4, 5),
    )
    x = cr.tensor(X)
    with pytest.raises(AutogradError, match="share one place"):
        x.as_strided((2,), (1,)).zero_()
    with pytest.raises(IndexRangeError, match="element 99 of 60"):
        x.as_strided((10, 10), (10, 1))
    with pytest.raises(ArgumentError, match="contiguous"):
        x.mT.as_strided((2,), (1,))


@pytest.mark.parametrize("offset", [-4, -1, 0, 2, 7])
@pytest.mark.parametrize("axes", [(0, 1), (1, 2), (2, 0), (-1, -2)])
def test_diagonals(offset, axes, same):
    for view in (lambda a: a, lambda a: a.permute(2, 0, 1), lambda a: a[:, 1:, ::2]):
        same(
            lambda m, v=view: with_gradient(m, lambda a: m.diagonal(v(a), offset, *axes), X),
        )
    same(lambda m: with_gradient(m, lambda a: m.diag_embed(a, offset, *axes), X))
    same(
        lambda m: with_gradient(
            m,
            lambda a: m.diagonal_scatter(a, m.diagonal(a, offset, *axes) * 3, offset, *axes),
            X,
        )
    )
    same(lambda m: with_gradient(m, lambda a: m.diag(a, offset), X[0]))
    same(lambda m: with_gradient(m, lambda a: m.diag(a, offset), X[0, 0]))


def test_a_diagonal_can_be_written_to(same):
    def program(m):
        a = m.zeros(4, 4)
        a.diagonal().fill_(2.0)
        a.diagonal(1).add_(m.arange(3))
        a.mT.diagonal(-2).fill_(7)
        a[1:, :2].diagonal().mul_(5)
        return a

    same(program)

    def recorded(m):
        def f(x):
            a = x * 2
            a.diagonal().mul_(x[0, :4])
            return a

        return with_gradient(m, f, X[0])

    same(recorded)
    for shape in ((3, 3), (7, 3), (3, 5), (2, 2, 2), (2, 3, 2), (3,)):
        for wrap in (False, True):
            same(lambda m, s=shape, w=wrap: m.zeros(s).fill_diagonal_(5, w))


@pytest.mark.parametrize("axes", [(0, 1), (2, 0), (-1, -2)])
def test_a_diagonal_can_be_written_to_in_a_compiled_program(axes):
    def program(x):
        a = x * 2
        a.diagonal(1, *axes).mul_(x.sum())
        return a, cr.autograd.grad((a * a).sum(), x)[0]

    x = cr.tensor(X, requires_grad=True)
    for got, expected in zip(trace(program, x)(x), program(x), strict=True):
        np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy(), rtol=1e-12)


def test_a_part_replaced(same):
    same(lambda m: with_gradient(m, lambda a: m.select_scatter(a, a[0] * 2, 0, -1), X))
    same(lambda m: with_gradient(m, lambda a: m.slice_scatter(a, a[:, :2], 1, 1, None, 2), X))
    same(lambda m: with_gradient(m, lambda a: m.slice_scatter(a, a[:2], start=-2), X))
    same(lambda m: m.select_scatter(m.tensor(X), m.tensor(X), 0, 0))


def test_in_place_writes_keep_what_the_gradient_needs(same):
    def program(m):
        def f(x):
            a = x * 2
            a.scatter_reduce_(0, m.tensor([[0, 0, 2, 2, 1]] * 2), x[:2], "amax")
            return a * a

        return with_gradient(m, f, X[0])

    same(program)
    with pytest.raises(AutogradError, match="leaf"):
        cr.ones(2, requires_grad=True).index_fill_(0, cr.tensor([0]), 1.0)


def test_errors_name_the_argument_and_the_shapes():
    x = cr.zeros(3, 4)
    with pytest.raises(IndexRangeError, match="index_add: index 5 is out of range for size 3"):
        cr.index_add(x, 0, cr.tensor([5]), cr.zeros(1, 4))
    with pytest.raises(ShapeError, match=r"\(2, 4\); 1 slices along axis 0 of \(3, 4\)"):
        cr.index_copy(x, 0, cr.tensor([1]), cr.zeros(2, 4))
    with pytest.raises(DTypeError, match="float32 and what is written int64"):
        cr.index_add(x, 0, cr.tensor([1]), cr.zeros(1, 4).long())
    with pytest.raises(DTypeError, match="index must hold integers"):
        cr.take(x, cr.tensor([0.5]))
    with pytest.raises(ArgumentError, match="'sum', 'prod', 'mean', 'amax', 'amin'"):
        cr.scatter_reduce(x, 0, cr.tensor([[0]]), x, "median")
    with pytest.raises(ShapeError, match=r"must not exceed src's \(1, 4\)"):
        cr.scatter_reduce(x, 0, cr.zeros(2, 4).long(), cr.zeros(1, 4), "sum")
    with pytest.raises(ShapeError, match="2 true entries, source only 1"):
        cr.masked_scatter(cr.zeros(2), cr.tensor([True, True]), cr.zeros(1))


DATA_DEPENDENT = {
    "nonzero": lambda x: cr.nonzero(x),
    "argwhere": lambda x: cr.argwhere(x),
    "masked_select": lambda x: cr.masked_select(x, x > 0),
    "unique": lambda x: cr.unique(x),
    "unique_consecutive": lambda x: cr.unique_consecutive(x),
    "bincount": lambda x: cr.bincount((x > 0).long()),
    "one_hot": lambda x: cr.nn.functional.one_hot((x > 0).long()),
    "repeat_interleave": lambda x: cr.repeat_interleave(x, (x > 0).long()),
}


@pytest.mark.parametrize("name", DATA_DEPENDENT)
def test_a_compiled_program_refuses_shapes_that_depend_on_data(name):
    with pytest.raises(TraceError, match="values exist only when it runs"):
        trace(DATA_DEPENDENT[name], cr.tensor([0.0, 1.0, 2.0]))
