"""The convolution kernels against a naive loop, against PyTorch, and as adjoints of each other."""

import itertools
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from chainrule.ops.arrays.conv import conv, conv_input, conv_output_size, conv_weight

kernels = sys.modules["chainrule.ops.arrays.conv"]
SIZE, KERNEL = (9, 8, 10), (3, 2, 3)


def largest_divisor(n, below):
    return max(i for i in range(1, below + 1) if n % i == 0)


FORMS = {
    "chosen": kernels._best_form,
    "half tiles": lambda p: (largest_divisor(p.out[-1], (p.out[-1] + 1) // 2), 1),
    "whole rows": lambda p: (p.out[-1], 1),
    "columns": lambda p: (0, largest_divisor(int(np.prod(p.out)), 7)),
    "merged": lambda p: (0, 0),
}


@pytest.fixture(params=FORMS)
def form(request, monkeypatch):
    """Runs the test once in each of the layouts, whatever the cost model would choose."""
    monkeypatch.setattr(kernels, "_best_form", FORMS[request.param])
    kernels._plan.cache_clear()
    yield request.param
    kernels._plan.cache_clear()


def naive(x, w, stride, padding, dilation, groups):
    """The definition, element by element; a negative padding is read as an offset."""
    out = conv_output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    y = np.zeros((x.shape[0], w.shape[0], *out))
    c, f = w.shape[1], w.shape[0] // groups
    for o, at, k in itertools.product(
        range(w.shape[0]), np.ndindex(*out), np.ndindex(*w.shape[2:])
    ):
        place = [
            i * s + j * d - low
            for i, j, s, d, (low, _) in zip(at, k, stride, dilation, padding, strict=True)
        ]
        if all(0 <= q < n for q, n in zip(place, x.shape[2:], strict=True)):
            first = o // f * c
            y[(slice(None), o, *at)] += (
                x[(slice(None), slice(first, first + c), *place)] @ (w[(o, slice(None), *k)])
            )
    return y


def adjoints_hold(x, w, options):
    """<conv(x, w), g> = <x, conv_input(g, w)> = <w, conv_weight(x, g)>, and the shapes."""
    y = conv(x, w, **options)
    g = np.random.default_rng(7).standard_normal(y.shape)
    gx = conv_input(g, w, size=x.shape[2:], **options)
    gw = conv_weight(x, g, kernel=w.shape[2:], **options)
    assert gx.shape == x.shape and gw.shape == w.shape
    assert all(a.flags.c_contiguous for a in (y, gx, gw))
    np.testing.assert_allclose((x * gx).sum(), (y * g).sum(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose((w * gw).sum(), (y * g).sum(), rtol=1e-9, atol=1e-9)
    return y


@pytest.mark.parametrize(
    "padding", [((1, 2), (0, 3)), ((-1, 1), (2, -2)), ((-2, -1), (-1, -1)), ((-8, 5), (0, 0))]
)
@pytest.mark.parametrize("stride, dilation", [((1, 1), (1, 1)), ((2, 3), (1, 2)), ((1, 2), (2, 1))])
def test_unequal_and_negative_padding_is_the_definition(form, padding, stride, dilation):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 4, 7, 9)), rng.standard_normal((6, 2, 2, 3))
    options = dict(stride=stride, padding=padding, dilation=dilation, groups=2)
    y = adjoints_hold(x, w, options)
    np.testing.assert_allclose(y, naive(x, w, stride, padding, dilation, 2), atol=1e-12)


@pytest.mark.parametrize("nd", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_forward_and_adjoints_are_pytorchs(form, nd, stride, dilation):
    torch = pytest.importorskip("torch")
    forward = getattr(torch.nn.functional, f"conv{nd}d")
    rng = np.random.default_rng(0)
    for padding, groups in itertools.product((0, 1, 2), (1, 2, 4)):
        x = rng.standard_normal((5, 4, *SIZE[:nd]))
        w = rng.standard_normal((8, 4 // groups, *KERNEL[:nd]))
        tx, tw = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)
        ty = forward(tx, tw, None, stride, padding, dilation, groups)
        options = dict(
            stride=(stride,) * nd,
            padding=((padding, padding),) * nd,
            dilation=(dilation,) * nd,
            groups=groups,
        )
        g = rng.standard_normal(tuple(ty.shape))
        tgx, tgw = torch.autograd.grad(ty, (tx, tw), torch.tensor(g))
        ours = (
            conv(x, w, **options),
            conv_input(g, w, size=x.shape[2:], **options),
            conv_weight(x, g, kernel=w.shape[2:], **options),
        )
        for mine, theirs in zip(ours, (ty.detach(), tgx, tgw), strict=True):
            np.testing.assert_allclose(mine, theirs.numpy(), atol=1e-11)


NOTES = dict(stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1)


@pytest.mark.parametrize(
    "x_shape, w_shape",
    [
        ((64, 1, 28, 28), (6, 1, 5, 5)),
        ((64, 6, 12, 12), (12, 6, 5, 5)),
        ((40, 32, 14, 14), (64, 32, 3, 3)),
    ],
)
def test_float32_agrees_with_float64_and_repeats_its_bits(x_shape, w_shape):
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal(x_shape), rng.standard_normal(w_shape)
    y = adjoints_hold(x, w, NOTES)
    g = rng.standard_normal(y.shape)
    wide = (y, conv_input(g, w, size=x_shape[2:], **NOTES))
    wide += (conv_weight(x, g, kernel=w_shape[2:], **NOTES),)
    x, w, g = (a.astype(np.float32) for a in (x, w, g))

    def all_three(_=0):
        return (
            conv(x, w, **NOTES),
            conv_input(g, w, size=x_shape[2:], **NOTES),
            conv_weight(x, g, kernel=w_shape[2:], **NOTES),
        )

    first = all_three()
    for narrow, exact in zip(first, wide, strict=True):
        assert narrow.dtype == np.float32
        np.testing.assert_allclose(narrow, exact, atol=1e-5 * np.abs(exact).max())
    with ThreadPoolExecutor(3) as pool:  # callers on several threads share nothing
        for again in pool.map(all_three, range(6)):
            assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_an_infinity_stays_in_its_windows(form, bad):
    x, w = np.ones((2, 1, 8, 12), np.float32), np.ones((3, 1, 3, 3), np.float32)
    x[1, 0, 4, 6] = bad
    y = conv(x, w, **NOTES)
    hit = np.zeros(y.shape, bool)
    hit[1, :, 2:5, 4:7] = True
    assert np.array_equal(~np.isfinite(y), hit) and np.all(y[~hit] == 9)
    g = np.ones_like(y)
    g[0, 1, 2, 3] = bad
    gx = conv_input(g, w, size=(8, 12), **NOTES)
    hit = np.zeros(gx.shape, bool)
    hit[0, 0, 2:5, 3:6] = True
    assert np.array_equal(~np.isfinite(gx), hit)
    gw = conv_weight(np.ones_like(x), g, kernel=(3, 3), **NOTES)
    assert np.isfinite(gw[[0, 2]]).all() and not np.isfinite(gw[1]).any()


def test_huge_finite_values_keep_their_value():
    x = np.full((2, 1, 8, 12), 1e30, np.float32)  # its square overflows float32
    assert np.array_equal(conv(x, np.ones((3, 1, 1, 1), np.float32), **NOTES)[:, 0], x[:, 0])


def test_any_strides_and_no_input_is_written(form):
    rng = np.random.default_rng(2)
    base_x, base_w = rng.standard_normal((9, 10, 4, 3)), rng.standard_normal((2, 3, 4, 6))
    x, w = base_x.transpose(3, 2, 0, 1)[::-1, :, ::-1], base_w.transpose(3, 2, 1, 0)[:, :, ::-1]
    x.flags.writeable = w.flags.writeable = False
    options = {**NOTES, "padding": ((1, 1), (0, 1))}
    y = conv(x, w, **options)
    np.testing.assert_array_equal(y, conv(x.copy(), w.copy(), **options))
    g = rng.standard_normal(y.shape[::-1]).T
    g.flags.writeable = False
    gx = conv_input(g, w, size=(9, 10), **options)
    np.testing.assert_array_equal(gx, conv_input(g.copy(), w.copy(), size=(9, 10), **options))
    gw = conv_weight(x, g, kernel=(3, 2), **options)
    np.testing.assert_array_equal(gw, conv_weight(x.copy(), g.copy(), kernel=(3, 2), **options))


@pytest.mark.parametrize("batch, channels, features", [(0, 2, 3), (2, 0, 3), (2, 2, 0)])
def test_nothing_in_gives_zeros_of_the_right_shape(batch, channels, features):
    x, w = np.ones((batch, channels, 5, 6)), np.ones((features, channels, 2, 3))
    y = adjoints_hold(x, w, NOTES)
    assert y.shape == (batch, features, 4, 4) and not y.any()


def test_a_spatial_size_of_zero_may_be_padded(form):
    x, w = np.ones((2, 1, 0)), np.ones((1, 1, 2))
    options = dict(stride=(1,), padding=((2, 1),), dilation=(1,), groups=1)
    assert np.array_equal(conv(x, w, **options), np.zeros((2, 1, 2)))
    assert conv_input(np.ones((2, 1, 2)), w, size=(0,), **options).shape == (2, 1, 0)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.float16, np.float32])
def test_result_has_the_dtype_of_the_inputs(form, dtype):
    x, w = np.ones((2, 3, 6, 6), dtype), np.ones((4, 3, 2, 2), dtype)
    y = conv(x, w, **NOTES)
    gx = conv_input(y, w, size=(6, 6), **NOTES)
    gw = conv_weight(x, np.ones_like(y), kernel=(2, 2), **NOTES)
    assert y.dtype == gx.dtype == gw.dtype == dtype
    assert np.all(y == 12) and np.all(gw == 50) and gx[0, 0, 2, 2] == 192


def test_output_size_and_its_errors():
    sizes = conv_output_size((28, 7), (5, 3), (1, 2), ((0, 0), (1, 0)), (1, 1))
    assert sizes == (24, 3)
    with pytest.raises(ValueError, match=r"kernel \(5,\).*size \(3,\).*\(\(1, 0\),\)"):
        conv_output_size((3,), (5,), (1,), ((1, 0),), (1,))
    with pytest.raises(ValueError, match="at least 1"):
        conv_output_size((3,), (2,), (0,), ((0, 0),), (1,))
    with pytest.raises(ValueError, match="same length"):
        conv_output_size((3, 3), (2,), (1,), ((0, 0),), (1,))
    with pytest.raises(ValueError, match="size"):
        conv(np.ones((1, 1, 3, 3)), np.ones((1, 1, 5, 5)), **NOTES)


def test_shapes_that_do_not_belong_together_raise():
    x, w = np.ones((1, 4, 5, 5)), np.ones((3, 2, 3, 3))
    with pytest.raises(ValueError, match="groups"):
        conv(x, w, **NOTES)
    with pytest.raises(ValueError, match="groups"):
        conv(x, w, **{**NOTES, "groups": 2})
    with pytest.raises(ValueError, match="gradient has shape"):
        conv_input(np.ones((1, 3, 4, 4)), w, size=(5, 5), **NOTES)
    with pytest.raises(ValueError, match="gradient has shape"):
        conv_weight(x, np.ones((1, 3, 4, 4)), kernel=(3, 3), **NOTES)
