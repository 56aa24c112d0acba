"""Convolution, its adjoints, transposed convolution, unfold and fold."""

from itertools import product

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import set_language
from chainrule.ops import functional as ops

rng = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [
        *product((1, (2, 1)), (0, (1, 2)), (1, (1, 2)), (1, 2)),
        (1, "same", (2, 1), 2), (1, "valid", 1, 1), (3, 1, 1, 4),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_conv2d_is_pytorchs(stride, padding, dilation, groups, functional, agree):
    more = (stride, padding, dilation, groups)
    agree(
        lambda x, w, b: ops.conv2d(x, w, b, *more),
        lambda x, w, b: functional.conv2d(x, w, b, *more),
        (2, 4, 7, 6), (4, 4 // groups, 3, 2), (4,),
    )  # fmt: skip


def test_other_dimensions_no_batch_no_bias_and_no_samples(functional, agree):
    agree(ops.conv1d, functional.conv1d, (2, 3, 7), (4, 3, 3), (4,))
    agree(ops.conv3d, functional.conv3d, (2, 2, 3, 4, 5), (3, 2, 2, 2, 3), (3,))
    agree(ops.conv2d, functional.conv2d, (3, 5, 6), (4, 3, 3, 2), (4,))
    agree(ops.conv2d, functional.conv2d, (2, 3, 5, 6), (4, 3, 3, 2))
    agree(ops.conv2d, functional.conv2d, (0, 3, 5, 6), (4, 3, 3, 2), (4,))


def test_gradients_of_an_empty_batch_are_zeros():
    x = cr.zeros(0, 3, 5, 6, requires_grad=True)
    w, b = cr.randn(4, 3, 3, 2, requires_grad=True), cr.randn(4, requires_grad=True)
    ops.conv2d(x, w, b).sum().backward()
    assert x.grad.shape == (0, 3, 5, 6)
    assert not w.grad.numpy().any() and not b.grad.numpy().any()


@pytest.mark.parametrize(
    ("stride", "padding", "more", "dilation", "groups"),
    [(1, 0, 0, 1, 1), (2, 1, 1, 1, 2), ((3, 2), (0, 1), (2, 1), 1, 1), (1, 2, 1, 2, 1)],
)
def test_conv_transpose_is_pytorchs(stride, padding, more, dilation, groups, functional, agree):
    args = (stride, padding, more, groups, dilation)
    agree(
        lambda x, w, b: ops.conv_transpose2d(x, w, b, *args),
        lambda x, w, b: functional.conv_transpose2d(x, w, b, *args),
        (2, 4, 3, 5), (4, 3, 3, 2), (3 * groups,),
    )  # fmt: skip
    if isinstance(stride, int):
        agree(
            lambda x, w: ops.conv_transpose1d(x, w, None, *args),
            lambda x, w: functional.conv_transpose1d(x, w, None, *args),
            (4, 3), (4, 3, 3),
        )  # fmt: skip


@pytest.mark.parametrize("args", [(2, 1, 0, 1), ((2, 3), 2, 1, (1, 2)), (3, (1, 2), (2, 0), 2)])
def test_unfold_and_fold_are_pytorchs(args, functional, agree):
    agree(lambda x: ops.unfold(x, *args), lambda x: functional.unfold(x, *args), (2, 3, 6, 7))
    columns = ops.unfold(cr.zeros(2, 3, 6, 7), *args).shape
    for shape in (columns, columns[1:]):
        agree(
            lambda x: ops.fold(x, (6, 7), *args), lambda x: functional.fold(x, (6, 7), *args), shape
        )


# ---- what the notes say ---------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2, 3, (2, 1)])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("size", [(7, 6), (5, 9)])
def test_same_with_stride_follows_the_notes(stride, dilation, size):
    # (3-2) to (3-4): W' = ceil(W/S), N_pad = (W'-1)S + F - W, the smaller half left.
    x, w = rng.standard_normal((1, 2, *size)), rng.standard_normal((3, 2, 3, 4))
    strides = np.broadcast_to(stride, 2)
    widths = [(0, 0), (0, 0)]
    for n, k, s in zip(size, (3, 4), strides, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * dilation + 1 - n, 0)
        widths.append((total // 2, total - total // 2))
    y = ops.conv2d(cr.tensor(x), cr.tensor(w), None, stride, "SAME", dilation)
    assert y.shape == (1, 3, *(-(-n // s) for n, s in zip(size, strides, strict=True)))
    padded = ops.conv2d(cr.tensor(np.pad(x, widths)), cr.tensor(w), None, stride, 0, dilation)
    np.testing.assert_allclose(y.numpy(), padded.numpy(), atol=1e-12)


def test_valid_size():
    # (3-1): ceil((W - F + 1) / S)
    for n, k, s in product(range(5, 12), (1, 2, 5), (1, 2, 3)):
        y = ops.conv1d(cr.zeros(1, 1, n), cr.zeros(1, 1, k), stride=s, padding="Valid")
        assert y.shape[-1] == -(-(n - k + 1) // s)


def test_backward_is_full_convolution_with_the_rotated_kernel():
    # I4: ∂x = full convolution of δ with the rotated kernel, ∂w = x correlated with δ, ∂b = Σδ.
    x = cr.tensor(rng.standard_normal((2, 3, 6, 7)), requires_grad=True)
    w = cr.tensor(rng.standard_normal((4, 3, 3, 2)), requires_grad=True)
    b = cr.tensor(rng.standard_normal(4), requires_grad=True)
    delta = cr.tensor(rng.standard_normal((2, 4, 4, 6)))
    y = ops.conv2d(x, w, b)
    y.backward(delta)
    rotated = w.detach().flip((2, 3)).transpose(0, 1)
    np.testing.assert_allclose(
        x.grad.numpy(), ops.conv2d(delta, rotated, padding=(2, 1)).numpy(), atol=1e-12
    )
    correlated = ops.conv2d(x.detach().transpose(0, 1), delta.transpose(0, 1)).transpose(0, 1)
    np.testing.assert_allclose(w.grad.numpy(), correlated.numpy(), atol=1e-12)
    np.testing.assert_allclose(b.grad.numpy(), delta.numpy().sum((0, 2, 3)), atol=1e-12)


def test_unfold_times_weight_is_the_convolution():
    x, w = cr.randn(2, 3, 6, 7, dtype=cr.float64), cr.randn(4, 3, 3, 2, dtype=cr.float64)
    y = w.reshape(4, -1) @ ops.unfold(x, (3, 2))
    np.testing.assert_allclose(y.numpy().reshape(2, 4, 4, 6), ops.conv2d(x, w).numpy(), atol=1e-12)


# ---- the tape -------------------------------------------------------------------------------


def test_conv2d_is_one_node_and_keeps_only_what_is_needed():
    x = cr.randn(2, 1, 8, 8)
    w, b = cr.randn(3, 1, 3, 3, requires_grad=True), cr.randn(3, requires_grad=True)
    y = ops.conv2d(x, w, b)
    node = y._node
    assert node.op.name == "conv2d" and node.edges == (None, w, b)
    assert isinstance(node.saved[0], np.ndarray)
    assert not isinstance(node.saved[1], np.ndarray)  # the weight is read by ∂x alone
    w.data.mul_(2)
    y.sum().backward()
    assert b.grad.numpy().tolist() == [72.0] * 3


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types(dtype):
    dtype = getattr(cr, dtype)
    x, w = cr.randn(2, 3, 6, 6).to(dtype), cr.randn(4, 3, 3, 3).to(dtype).requires_grad_()
    y = ops.conv2d(x, w)
    y.sum().backward()
    assert y.dtype is dtype and w.grad.dtype is dtype
    expected = ops.conv2d(x.float(), w.detach().float()).to(dtype)
    assert ops.equal(y.detach(), expected)


# ---- errors ---------------------------------------------------------------------------------

_x = (8, 3, 28, 28)


@pytest.mark.parametrize(
    ("shapes", "params", "kind", "words"),
    [
        ((_x, (6, 1, 5, 5)), {}, ShapeError,
         ["(8, 3, 28, 28) (N, C, H, W)", "3 channels", "(6, 1, 5, 5) (O, C/groups, kH, kW)",
          "groups=1", "takes 1", "or the weight (6, 3, 5, 5)"]),
        ((_x, (6, 2, 5, 5)), {"groups": 2}, ShapeError, ["Make the channels 4."]),
        ((_x, (6, 3, 5, 5)), {"groups": 4}, ShapeError, ["groups=4", "6 kernels"]),
        ((_x, (6, 3, 5)), {}, ShapeError, ["weight", "(O, C/groups, kH, kW)", "(6, 3, 5)"]),
        (((3, 28), (6, 3, 5, 5)), {}, ShapeError, ["(C, H, W) without a batch", "(3, 28)"]),
        ((_x, (6, 3, 5, 30)), {"padding": (0, 0)}, ShapeError, ["along W", "30", "28", "(0, 0)"]),
        ((_x, (6, 3, 5, 5)), {"dilation": 8}, ShapeError, ["along H", "33 elements"]),
        ((_x, (6, 3, 5, 5), (1,)), {}, ShapeError, ["bias", "(6,)", "(1,)"]),
        ((_x, (6, 3, 5, 5)), {"padding": "full"}, ArgumentError, ["'valid', 'same'", "'full'"]),
        ((_x, (6, 3, 5, 5)), {"padding": -1}, ArgumentError, ["padding", "-1"]),
        ((_x, (6, 3, 5, 5)), {"stride": (1, 1, 1)}, ArgumentError, ["stride", "2 integers"]),
        ((_x, (6, 3, 5, 5)), {"groups": 0}, ArgumentError, ["groups", "≥ 1"]),
    ],
)  # fmt: skip
def test_errors_say_what_and_what_instead(shapes, params, kind, words):
    with pytest.raises(kind) as caught:
        ops.conv2d(*(cr.zeros(s) for s in shapes), **params)
    assert all(word in str(caught.value) for word in ("conv2d", *words)), caught.value


def test_errors_of_the_others():
    with pytest.raises(ShapeError, match="takes 6"):
        ops.conv_transpose2d(cr.zeros(8, 3, 4, 4), cr.zeros(6, 1, 2, 2))
    with pytest.raises(ShapeError, match="output_padding 2 along H"):
        ops.conv_transpose2d(cr.zeros(8, 3, 4, 4), cr.zeros(3, 1, 2, 2), None, 2, 0, 2)
    with pytest.raises(ShapeError, match="pad less"):
        ops.conv_transpose1d(cr.zeros(1, 1, 1), cr.zeros(1, 1, 2), padding=1)
    with pytest.raises(ShapeError, match="needs 9 columns"):
        ops.fold(cr.zeros(1, 8, 8), (4, 4), 2)


def test_errors_in_chinese():
    set_language("zh")
    try:
        with pytest.raises(ShapeError, match="的输入有 3 个通道"):
            ops.conv2d(cr.zeros(_x), cr.zeros(6, 1, 5, 5))
    finally:
        set_language(None)
