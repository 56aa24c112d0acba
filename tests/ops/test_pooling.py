"""Pooling with given and with fitted windows, unpooling, padding."""

from itertools import product

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from chainrule.ops import functional as ops
from chainrule.ops.op import REGISTRY

rng = np.random.default_rng(1)
_SIZES = {1: (7,), 2: (7, 6), 3: (4, 5, 6)}


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("args", [(2, None, 0), (3, 2, 1), (2, 3, 1), (3, 1, 0)])
def test_pools_are_pytorchs(n, ceil, args, functional, agree):
    for lead, counted in product(((2, 3), (3,)), (True, False)):
        shape = (*lead, *_SIZES[n])
        name = f"avg_pool{n}d"
        agree(
            lambda x, name=name, c=counted: getattr(ops, name)(x, *args, ceil, c),
            lambda x, name=name, c=counted: getattr(functional, name)(x, *args, ceil, c),
            shape,
        )
    ours, theirs = getattr(ops, f"max_pool{n}d"), getattr(functional, f"max_pool{n}d")
    for dilation in (1, 2):
        if min(_SIZES[n]) + 2 * args[2] >= (args[0] - 1) * dilation + 1:
            more = (*args, dilation, ceil)
            agree(
                lambda x, m=more: ours(x, *m), lambda x, m=more: theirs(x, *m), (2, 3, *_SIZES[n])
            )
    if not args[2]:
        name = f"lp_pool{n}d"
        agree(
            lambda x: getattr(ops, name)(x, 2, *args[:2], ceil),
            lambda x: getattr(functional, name)(x, 2, *args[:2], ceil),
            (2, 3, *_SIZES[n]),
            tol=1e-8,
        )


def test_divisor_override_and_empty_batch(functional, agree):
    agree(
        lambda x: ops.avg_pool2d(x, 3, 2, 1, True, False, 5),
        lambda x: functional.avg_pool2d(x, 3, 2, 1, True, False, 5),
        (2, 3, 7, 6),
    )
    for pool in (ops.avg_pool2d, ops.max_pool2d, ops.adaptive_avg_pool2d, ops.adaptive_max_pool2d):
        x = cr.zeros(0, 3, 7, 6, requires_grad=True)
        y = pool(x, 2)
        y.sum().backward()
        assert y.shape[0] == 0 and x.grad.shape == x.shape


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 9, 14])
def test_adaptive_pools_are_pytorchs(n, size, functional, agree):
    for kind in ("avg", "max"):
        name = f"adaptive_{kind}_pool{n}d"
        agree(
            lambda x, f=name: getattr(ops, f)(x, size),
            lambda x, f=name: getattr(functional, f)(x, size),
            (2, 3, *_SIZES[n]),
        )


def test_adaptive_size_none_keeps_an_axis():
    assert ops.adaptive_avg_pool2d(cr.zeros(2, 3, 7, 6), (None, 4)).shape == (2, 3, 7, 4)
    assert ops.adaptive_max_pool2d(cr.zeros(2, 3, 7, 6), (4, None)).shape == (2, 3, 4, 6)
    assert ops.adaptive_avg_pool2d(cr.zeros(2, 3, 7, 6), 0).shape == (2, 3, 0, 0)


def test_average_shares_the_gradient_equally():
    # The example of I5: 1.2 over a 2×2 window gives 0.3 each.
    x = cr.zeros(1, 1, 4, 4, dtype=cr.float64, requires_grad=True)
    ops.avg_pool2d(x, 2).backward(cr.full((1, 1, 2, 2), 1.2, dtype=cr.float64))
    np.testing.assert_allclose(x.grad.numpy(), 0.3)


def test_max_routes_the_gradient_to_the_first_winner():
    x = cr.tensor([[[1.0, 3.0, 2.0, 2.0], [3.0, 0.0, 2.0, 1.0]]], requires_grad=True)
    ops.max_pool2d(x, 2).backward(cr.tensor([[[1.2, 5.0]]]))
    np.testing.assert_allclose(x.grad.numpy(), [[[0, 1.2, 5, 0], [0, 0, 0, 0]]], rtol=1e-6)
    x = cr.tensor([[1.0, 3.0, 2.0]], requires_grad=True)
    ops.max_pool1d(x, 2, 1).sum().backward()  # the 3 wins twice
    assert x.grad.tolist() == [[0.0, 2.0, 0.0]]


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d", "adaptive_avg_pool2d",
                                  "adaptive_max_pool2d"])  # fmt: skip
@pytest.mark.parametrize("size", [2, 4, 5])
def test_nan_infinities_and_ties_as_pytorch(name, size):
    torch = pytest.importorskip("torch")
    x = np.round(2 * rng.standard_normal((2, 3, 6, 6)))
    x[0, 0, 1, 1] = x[0, 0, 1, 2] = x[1, 2, 5, 4] = np.nan
    x[0, 1], x[1, 1, 2, 2] = -np.inf, np.inf
    more = {"return_indices": True} if "max" in name else {}
    y = getattr(ops, name)(cr.tensor(x), size, **more)
    w = getattr(torch.nn.functional, name)(torch.tensor(x), size, **more)
    for a, b in zip(y, w, strict=True) if more else [(y, w)]:
        assert a.dtype.name == str(b.dtype).removeprefix("torch.")
        np.testing.assert_array_equal(np.isnan(a.numpy()), np.isnan(b.numpy()))
        np.testing.assert_allclose(a.numpy(), b.numpy())


def test_lp_pool_with_odd_p_and_the_norm_of_the_notes():
    x = np.array([[[3.0, -4.0, 1.0, 2.0]]])
    signed = ops.lp_pool1d(cr.tensor(x), 3, 2).numpy()
    assert np.isnan(signed[0, 0, 0])  # 27 − 64 has no real PyTorch root
    norm = ops.lp_pool1d(cr.tensor(x), 3, 2, absolute=True).numpy()
    np.testing.assert_allclose(norm, [[[91 ** (1 / 3), 9 ** (1 / 3)]]])
    z = cr.zeros(1, 1, 4, requires_grad=True)
    ops.lp_pool1d(z, 2, 2).sum().backward()
    assert z.grad.tolist() == [[[0.0] * 4]]


def test_unpooling_puts_the_maxima_back(functional, agree):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((2, 3, 7, 6))
    _, indices = ops.max_pool2d(cr.tensor(x), 2, return_indices=True)
    theirs = torch.tensor(indices.numpy())
    for size in (None, (7, 6), (2, 3, 7, 6)):
        agree(
            lambda v, s=size: ops.max_unpool2d(v, indices, 2, output_size=s or (7, 6)),
            lambda v: functional.max_unpool2d(v, theirs, 2, output_size=(7, 6)),
            (2, 3, 3, 3),
        )
    y, i = ops.max_pool1d(cr.tensor([[[1.0, 5.0, 4.0, 2.0]]]), 2, return_indices=True)
    assert ops.max_unpool1d(y, i, 2).tolist() == [[[0.0, 5.0, 4.0, 0.0]]]


def test_half_and_integer_types():
    for name in ("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"):
        for dtype in (cr.float16, cr.bfloat16):
            x = cr.randn(2, 3, 6, 6).to(dtype).requires_grad_()
            y = getattr(ops, name)(x, 2)
            y.sum().backward()
            assert y.dtype is x.grad.dtype is dtype
    y = ops.max_pool2d(cr.arange(16).reshape(1, 4, 4), 2)
    assert y.dtype is cr.int64 and y.tolist() == [[[5, 7], [13, 15]]]
    with pytest.raises(DTypeError, match="float"):
        ops.avg_pool2d(cr.arange(16).reshape(1, 4, 4), 2)


def test_the_next_layer_may_work_in_place():
    x = cr.randn(2, 3, 6, 6, requires_grad=True)
    for pool in (ops.max_pool2d, ops.avg_pool2d):
        pool(x * 1.0, 2).relu_().sum().backward()
    assert x.grad.shape == x.shape


def test_the_tape_names_the_pool_and_keeps_the_input_free():
    x = cr.randn(2, 3, 6, 6, requires_grad=True)
    y = ops.max_pool2d(x, 2)
    assert y._node.op is REGISTRY["max_pool"]
    assert all(not (isinstance(s, np.ndarray) and s.dtype.kind == "f") for s in y._node.saved)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: ops.max_pool2d(cr.zeros(1, 1, 4, 4), 5), ShapeError, "max_pool2d: along H"),
        (lambda: ops.max_pool2d(cr.zeros(1, 1, 4, 4), 2, padding=2), ShapeError, "at most 1"),
        (lambda: ops.avg_pool2d(cr.zeros(4, 4), 2), ShapeError, r"\(N, C, H, W\)"),
        (lambda: ops.avg_pool2d(cr.zeros(1, 4, 4), 0), ArgumentError, "kernel_size"),
        (lambda: ops.max_pool2d(cr.zeros(1, 4, 4), 2, 0), ArgumentError, "stride"),
        (lambda: ops.max_pool2d(cr.zeros(1, 4, 4), [2, 2, 2]), ArgumentError, "kernel_size"),
        (lambda: ops.adaptive_avg_pool2d(cr.zeros(1, 4, 4), -1), ArgumentError, "output_size"),
        (lambda: ops.adaptive_max_pool2d(cr.zeros(1, 0, 4), 1), ShapeError, "no elements"),
        (lambda: ops.max_unpool1d(cr.zeros(1, 2), cr.tensor([[0, 9]]), 2), IndexRangeError,
         "output_size="),
        (lambda: ops.max_unpool1d(cr.zeros(1, 2), cr.tensor([[0]]), 2), ShapeError, "equal"),
    ],
)  # fmt: skip
def test_errors(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


# ---- padding --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "shape", "width"),
    [
        ("constant", (2, 3, 5), (1, 2)), ("constant", (2, 3, 5), (-1, 2, 0, 1, 3, -1)),
        ("reflect", (2, 3, 5), (4, 1)), ("reflect", (2, 3, 4, 5), (1, 2, -1, 3)),
        ("reflect", (3, 4, 5), (0, 4, 3, 0)),
        ("replicate", (2, 3, 5), (7, -2)), ("replicate", (1, 2, 3, 4, 3), (1, 2, 2, 1, 0, 2)),
        ("circular", (2, 3, 5), (5, 4)), ("circular", (2, 3, 5), (-1, 2)),
        ("circular", (2, 3, 4, 5), (1, 2, 3, 0)),
    ],
)  # fmt: skip
def test_pad_is_pytorchs(mode, shape, width, functional, agree):
    agree(lambda x: ops.pad(x, width, mode), lambda x: functional.pad(x, width, mode), shape)


def test_pad_value_and_errors():
    assert ops.pad(cr.ones(2), (1, 2), value=3.0).tolist() == [3, 1, 1, 3, 3]
    for args, words in (
        (((1,),), "at most 6 numbers"),
        (((4, 1), "reflect"), "at most 3"),
        (((5, 1), "circular"), "at most 4"),
        (((1, 1, 1, 1, 1, 1), "reflect"), "2/4 numbers"),
        (((-2, -3),), "would take more"),
        (((1, 1), "mirror"), "'reflect'"),
        (((1, 1), "reflect", 1.0), "'constant'"),
    ):
        with pytest.raises((ShapeError, ArgumentError), match=words):
            ops.pad(cr.zeros(2, 3, 4), *args)
