"""Convolution in four ways, its matrix, and the four kinds of transposed convolution."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ShapeError
from chainrule.nn import functional as F

WAYS = [F.conv2d_direct, F.conv2d_im2col, F.conv2d_matrix, F.conv2d_fft]
CASES = [
    ((2, 3, 7, 6), (4, 3, 3, 2), {}),
    ((2, 3, 8, 8), (4, 3, 5, 5), {"padding": 2}),
    ((2, 4, 9, 7), (6, 2, 3, 3), {"stride": 2, "padding": 1, "groups": 2}),
    ((1, 3, 9, 8), (3, 1, 3, 3), {"dilation": 2, "groups": 3, "padding": "same"}),
    ((3, 7, 5), (2, 3, 7, 5), {}),
    ((2, 3, 4, 4), (5, 3, 1, 1), {"stride": (1, 3)}),
    ((2, 1, 3, 3), (1, 1, 3, 3), {"padding": 4}),
]


@pytest.mark.parametrize(("x", "w", "options"), CASES)
def test_all_ways_are_equal_forward_and_backward(x, w, options):
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=s) for s in (x, w, (w[0],))]

    def run(way):
        leaves = [cr.tensor(a, requires_grad=True) for a in arrays]
        y = way(*leaves, **options)
        v = cr.arange(float(y.numel())).double().reshape(y.shape).cos()
        first = cr.autograd.grad(y, leaves, v, create_graph=True)
        second = cr.autograd.grad(sum((g * g).sum() for g in first[:2]), leaves[:2])
        return [a.detach().numpy() for a in (y, *first, *second)]

    wanted = run(F.conv2d)
    for way in WAYS:
        for a, b in zip(run(way), wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * (1 + abs(b).max()))


def test_float32_differs_by_rounding_alone():
    x, w = cr.randn(2, 8, 12, 13), cr.randn(8, 8, 5, 5)
    wanted = F.conv2d(x.double(), w.double()).numpy()
    for way in WAYS:
        assert np.abs(way(x, w).numpy() - wanted).max() < 1e-6 * np.abs(wanted).max()


@pytest.mark.parametrize("way", WAYS)
def test_each_way_refuses_what_conv2d_refuses(way):
    with pytest.raises(ShapeError, match="takes 4"):
        way(cr.ones(1, 3, 5, 5), cr.ones(2, 4, 3, 3))
    with pytest.raises(ShapeError, match="window covers"):
        way(cr.ones(1, 3, 2, 2), cr.ones(2, 3, 3, 3))


@pytest.mark.parametrize(("x", "w", "options"), CASES)
def test_the_matrix_takes_pictures_forth_and_gradients_back(x, w, options):
    rng = np.random.default_rng(2)
    picture = cr.tensor(rng.normal(size=x[-3:]), requires_grad=True)
    weight = cr.tensor(rng.normal(size=w))
    matrix = F.convolution_matrix(weight, x[-2:], **options)
    y = F.conv2d(picture, weight, **options)
    np.testing.assert_allclose(matrix @ picture.detach().flatten(), y.detach().flatten(), 1e-9)
    g = cr.tensor(rng.normal(size=y.shape))
    (pulled,) = cr.autograd.grad(y, picture, g)
    np.testing.assert_allclose(matrix.T @ g.flatten(), pulled.flatten(), rtol=1e-9, atol=1e-12)


def test_the_notes_matrix_of_a_3x3_kernel_on_5x5():
    weight = cr.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    matrix = F.convolution_matrix(weight, 5)
    assert matrix.shape == (9, 25) and (matrix != 0).sum().item() == 81
    assert matrix[0].reshape(5, 5)[:3, :3].tolist() == weight[0, 0].tolist()
    assert matrix[8].reshape(5, 5)[2:, 2:].tolist() == weight[0, 0].tolist()


KINDS = {
    "no padding, no strides": {},
    "no padding, strides": {"stride": 2},
    "padding, strides": {"stride": 2, "padding": 1},
    "dilated": {"dilation": 2},
}


@pytest.mark.parametrize("kind", KINDS)
def test_transposed_convolution_is_the_transposed_matrix_and_a_convolution_with_zeros(kind):
    options = KINDS[kind]
    stride, pad, dilation = (options.get(k, d) for k, d in
                             (("stride", 1), ("padding", 0), ("dilation", 1)))  # fmt: skip
    x, w = cr.randn(2, 4, 5).double(), cr.randn(2, 3, 3, 3).double()
    y = F.conv_transpose2d(x, w, **options)
    # The transposed matrix of the convolution from y's shape to x's.
    matrix = F.convolution_matrix(w, y.shape[1:], **options)
    np.testing.assert_allclose(matrix.T @ x.flatten(), y.flatten(), rtol=1e-9, atol=1e-12)
    # Zeros between the elements, a border of zeros, and the rotated kernel.
    wide = cr.zeros(2, *((n - 1) * stride + 1 for n in x.shape[1:])).double()
    wide[:, ::stride, ::stride] = x
    border = dilation * 2 - pad
    rotated = w.flip(2, 3).transpose(0, 1)
    full = F.conv2d(wide, rotated, padding=border, dilation=dilation)
    np.testing.assert_allclose(full, y, rtol=1e-9, atol=1e-12)
