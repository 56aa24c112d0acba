"""Stacking, splitting, turning, repeating, and views that a tensor itself becomes."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, AutogradError, ShapeError, TraceError
from chainrule.compile import trace

rng = np.random.default_rng(6)
X = rng.normal(size=(3, 4, 5))
PARTS = {"0-d": lambda x: x.sum(), "1-d": lambda x: x[0, 0], "2-d": lambda x: x[0],
         "3-d": lambda x: x}  # fmt: skip


def with_gradient(m, f):
    x = m.tensor(X, requires_grad=True)
    y = f(x)
    each = y if isinstance(y, tuple | list) else (y,)
    total = sum((v * (m.arange(v.numel()).reshape(v.shape) + 1)).sum() for v in each)
    return (*each, *m.autograd.grad(total, x))


@pytest.mark.parametrize("name", ["hstack", "vstack", "row_stack", "dstack", "column_stack"])
def test_stacking(name, same):
    for part in PARTS.values():
        same(lambda m, p=part: with_gradient(m, lambda x: getattr(m, name)([p(x), p(x) * 2])))
    same(lambda m: with_gradient(m, lambda x: getattr(m, name)([x[0, 0], x[0]])))
    same(lambda m: getattr(m, name)([]))


def test_joining_to_nothing_yet(same):
    same(lambda m: with_gradient(m, lambda x: m.cat([m.zeros(0).double(), x, x], 1)))
    empty = cr.zeros(0, requires_grad=True)
    cr.cat([empty, cr.ones(2, 3)]).sum().backward()
    assert empty.grad.shape == (0,)
    for shapes in ([(0,), (3,)], [(2, 3), (0,)], [(0, 2), (2, 3)], [(0,), ()], [(0,)]):
        same(lambda m, s=shapes: m.cat([m.zeros(n) for n in s], -1))


@pytest.mark.parametrize("name", ["atleast_1d", "atleast_2d", "atleast_3d"])
def test_at_least_so_many_axes(name, same):
    for part in PARTS.values():
        same(lambda m, p=part: with_gradient(m, lambda x: getattr(m, name)(p(x))))
    same(lambda m: with_gradient(m, lambda x: getattr(m, name)(x.sum(), x[0])))
    same(lambda m: with_gradient(m, lambda x: getattr(m, name)([x.sum(), x[0]])))


@pytest.mark.parametrize("cuts", [1, 2, 3, 4, 7, 0, [1, 3], [0, 2, 9], [3, 1], [-1], (2,)])
def test_splitting(cuts, same):
    for dim in (0, 1, -1):
        same(lambda m, d=dim: with_gradient(m, lambda x: m.tensor_split(x, cuts, d)))
    for name in ("hsplit", "vsplit", "dsplit"):
        for part in PARTS.values():
            same(lambda m, n=name, p=part: getattr(m, n)(p(m.tensor(X)), cuts))
    same(lambda m: m.tensor_split(m.tensor(X), m.tensor([1, 2]), 1))


@pytest.mark.parametrize("k", range(-2, 6))
def test_quarter_turns(k, same):
    for dims in ((0, 1), (1, 0), (2, 0), (-1, 1)):
        same(lambda m, d=dims: with_gradient(m, lambda x: m.rot90(x, k, d)))
    same(lambda m: m.rot90(m.tensor(X), k, (1, 1)))


def test_mirrors_and_transposes(same):
    for f in (lambda x: x.fliplr(), lambda x: x.flipud(), lambda x: x.mH, lambda x: x[0].H,
              lambda x: x.moveaxis(0, -1), lambda x: x.adjoint()):  # fmt: skip
        same(lambda m, f=f: with_gradient(m, f))
    same(lambda m: m.tensor(X[0, 0]).fliplr())
    same(lambda m: m.tensor(X).H)


def test_repeating(same):
    for f in (
        lambda m, x: m.repeat_interleave(x, 2),
        lambda m, x: m.repeat_interleave(x, 2, 1),
        lambda m, x: x.repeat_interleave(m.tensor([0, 2, 1]), 0),
        lambda m, x: x.repeat_interleave(m.tensor([2]), -1),
    ):
        same(lambda m, f=f: with_gradient(m, lambda x: f(m, x)))
    same(lambda m: m.repeat_interleave(m.tensor([0, 2, 1])))
    same(lambda m: m.tensor(3).repeat_interleave(3))
    same(lambda m: m.repeat_interleave(m.tensor(X), m.tensor([0, 2]), 0))
    same(lambda m: m.repeat_interleave(m.tensor(X), -1))
    with pytest.raises(ArgumentError, match="output_size is 9, but 3 entries"):
        cr.repeat_interleave(cr.ones(3), 1, output_size=9)


def test_summing_to_a_shape(same):
    for size in ((4, 1), ((3, 4, 5),), ((),), (2,), (1, 1, 1, 1)):
        same(lambda m, s=size: with_gradient(m, lambda x: x.sum_to_size(*s)))


def test_a_tensor_becomes_its_view(same):
    calls = [("squeeze_",), ("squeeze_", 0), ("unsqueeze_", 1), ("transpose_", 0, 2),
             ("swapaxes_", 0, 1), ("swapdims_", -1, 0), ("t_",)]  # fmt: skip
    for name, *args in calls:
        for array in (X, X[:1], X[0]):
            same(lambda m, n=name, a=args, x=array: getattr(m.tensor(x), n)(*a))

    def program(m):
        def f(x):
            a = x * 2
            a.unsqueeze_(0).transpose_(1, 3)
            a.mul_(x.sum())
            a.squeeze_(0)
            a[0].fill_(3.0)
            return a * a

        return with_gradient(m, f)

    same(program)
    same(lambda m: m.tensor(X).tril_(1))
    same(lambda m: with_gradient(m, lambda x: (x * 2).triu_(-1)))
    x = cr.zeros(2, 3)
    assert x.t_() is x and x.shape == (3, 2)
    with pytest.raises(AutogradError, match="leaf"):
        cr.zeros(2, requires_grad=True).unsqueeze_(0)
    with pytest.raises(TraceError, match="unsqueeze_.. would change the shape"):
        trace(lambda y: x.unsqueeze_(0) + y, cr.ones(1))


def test_einstein_summation_with_numbers_for_letters(same):
    a, b = X[0], X[1].T.copy()
    for rest in ([], [[0, 2]], [[2, 0]]):
        same(lambda m, r=rest: m.einsum(m.tensor(a), [0, 1], m.tensor(b), [1, 2], *r))
    same(lambda m: m.einsum(m.tensor(X), [..., 1], m.tensor(b), [1, 2]))


def test_errors_name_the_argument_and_the_shapes():
    with pytest.raises(ShapeError, match=r"dsplit needs at least 3 axes, got shape \(2, 2\)"):
        cr.dsplit(cr.ones(2, 2), 2)
    with pytest.raises(ArgumentError, match="vsplit: 3 entries along axis 0 do not make 2"):
        cr.vsplit(cr.ones(3, 2), 2)
    with pytest.raises(ShapeError, match=r"sum_to_size: \(2,\) does not broadcast to \(3,\)"):
        cr.ones(3).sum_to_size(2)
