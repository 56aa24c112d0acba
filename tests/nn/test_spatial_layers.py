"""Convolution, pooling, padding, normalisation and resampling layers against PyTorch."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, ShapeError

torch = pytest.importorskip("torch")
rng = np.random.default_rng(3)

LINE, IMAGE, VOLUME = (2, 4, 7), (2, 4, 6, 5), (2, 4, 3, 4, 5)
SAMPLES = rng.uniform(size=(2, 4, 3))


def same(build, *shape, train=True, more=()):
    """Ours and PyTorch's layer agree on outputs, gradients, buffers and the names of the state."""
    ours, theirs = build(nn, cr).double(), build(torch.nn, torch).double()
    state = {k: torch.tensor(v.tolist(), dtype=getattr(torch, v.dtype.name))
             for k, v in ours.state_dict().items()}  # fmt: skip
    assert theirs.load_state_dict(state)
    ours.train(train)
    theirs.train(train)
    data = rng.normal(size=shape)
    x, z = cr.tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    for _ in range(2):  # running statistics move
        ys, ws = ours(x, *more), theirs(z, *more)
        ys, ws = (ys, ws) if isinstance(ys, tuple) else ((ys,), (ws,))
        (ys[0] * ys[0]).sum().backward()
        (ws[0] * ws[0]).sum().backward()
    pairs = [(x.grad, z.grad), *zip(ys, ws, strict=True)]
    pairs += [(p.grad, q.grad) for p, q in zip(ours.parameters(), theirs.parameters(), strict=True)]
    pairs += list(zip(ours.buffers(), theirs.buffers(), strict=True))
    for a, b in pairs:
        a, b = a.detach().numpy(), b.detach().numpy()
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def pads(n):
    return tuple(range(1, 2 * n + 1))[::-1] if n == 1 else (1, 2, 0, 1, 2, 1)[: 2 * n]


@pytest.mark.parametrize(("n", "shape"), [(1, LINE), (2, IMAGE), (3, VOLUME)])
@pytest.mark.parametrize("kind", ["Constant", "Zero", "Reflection", "Replication", "Circular"])
def test_padding(kind, n, shape):
    value = (0.5,) if kind == "Constant" else ()
    for padding in (1, pads(n)):
        same(lambda nn, m, p=padding: getattr(nn, f"{kind}Pad{n}d")(p, *value), *shape)
    with pytest.raises(ArgumentError, match="padding must be one integer"):
        getattr(nn, f"{kind}Pad{n}d")((1,) * (2 * n + 1), *value)


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda nn, m: nn.ConvTranspose1d(4, 6, 3, 2, 1, output_padding=1, groups=2), LINE),
        (lambda nn, m: nn.ConvTranspose2d(4, 3, (3, 2), (1, 2), bias=False), IMAGE),
        (lambda nn, m: nn.ConvTranspose2d(4, 2, 3, 2, dilation=2), IMAGE),
        (lambda nn, m: nn.ConvTranspose3d(4, 2, 2, 2, (0, 1, 0)), VOLUME),
        (lambda nn, m: nn.ConvTranspose2d(4, 3, 2), (4, 6, 5)),
        (lambda nn, m: nn.Conv1d(4, 3, 3, padding=2, padding_mode="circular"), LINE),
        (lambda nn, m: nn.Conv1d(4, 3, 4, padding="same", padding_mode="reflect"), LINE),
        (lambda nn, m: nn.Conv3d(4, 3, 2, padding=(1, 0, 1), padding_mode="replicate"), VOLUME),
        (lambda nn, m: nn.Conv3d(4, 2, 3, padding="same", dilation=(1, 2, 1)), VOLUME),
        (lambda nn, m: nn.AdaptiveMaxPool1d(3), LINE),
        (lambda nn, m: nn.AdaptiveMaxPool2d((3, None), return_indices=True), IMAGE),
        (lambda nn, m: nn.AdaptiveMaxPool3d(2), VOLUME),
        (lambda nn, m: nn.MaxPool1d(3, 2, 1, return_indices=True), LINE),
        (lambda nn, m: nn.MaxPool2d(2, dilation=2, return_indices=True), IMAGE),
        (lambda nn, m: nn.MaxPool3d(2, return_indices=True, ceil_mode=True), VOLUME),
        (lambda nn, m: nn.LPPool1d(2, 3, 2), LINE),
        (lambda nn, m: nn.LPPool2d(4, (2, 3), ceil_mode=True), IMAGE),
        (lambda nn, m: nn.LPPool3d(2, 2), VOLUME),
        (lambda nn, m: nn.FractionalMaxPool2d(
            (2, 3), output_ratio=(0.6, 0.5), return_indices=True,
            _random_samples=m.tensor(SAMPLES[..., :2])), IMAGE),
        (lambda nn, m: nn.FractionalMaxPool3d(
            2, (1, 2, 3), _random_samples=m.tensor(SAMPLES)), VOLUME),
        (lambda nn, m: nn.BatchNorm3d(4, momentum=None), VOLUME),
        (lambda nn, m: nn.BatchNorm3d(4, track_running_stats=False), VOLUME),
        (lambda nn, m: nn.LayerNorm(5), IMAGE),
        (lambda nn, m: nn.LayerNorm((6, 5), bias=False), IMAGE),
        (lambda nn, m: nn.LayerNorm((4, 6, 5), 1e-3, elementwise_affine=False), IMAGE),
        (lambda nn, m: nn.GroupNorm(2, 4), IMAGE),
        (lambda nn, m: nn.GroupNorm(4, 4, affine=False), LINE),
        (lambda nn, m: nn.RMSNorm(5), IMAGE),
        (lambda nn, m: nn.RMSNorm((6, 5), 1e-3, elementwise_affine=False), IMAGE),
        (lambda nn, m: nn.InstanceNorm1d(4), (4, 7)),
        (lambda nn, m: nn.InstanceNorm1d(4, affine=True, track_running_stats=True), LINE),
        (lambda nn, m: nn.InstanceNorm2d(4, momentum=0.3, track_running_stats=True), IMAGE),
        (lambda nn, m: nn.InstanceNorm3d(4, affine=True), VOLUME),
        (lambda nn, m: nn.LocalResponseNorm(3, 0.5, 0.6, 2.0), IMAGE),
        (lambda nn, m: nn.Unfold((2, 3), padding=1, stride=(1, 2)), IMAGE),
        (lambda nn, m: nn.Fold((4, 5), (2, 2), dilation=2, padding=1, stride=2), (2, 8, 6)),
        (lambda nn, m: nn.PixelShuffle(2), IMAGE),
        (lambda nn, m: nn.PixelUnshuffle(3), (2, 6, 9)),
        (lambda nn, m: nn.ChannelShuffle(2), IMAGE),
        (lambda nn, m: nn.Upsample(scale_factor=(1.5, 2), mode="bicubic"), IMAGE),
        (lambda nn, m: nn.Upsample(9, mode="linear", align_corners=True), LINE),
        (lambda nn, m: nn.Upsample((5, 2, 7), mode="trilinear"), VOLUME),
        (lambda nn, m: nn.UpsamplingNearest2d(scale_factor=3), IMAGE),
        (lambda nn, m: nn.UpsamplingBilinear2d((9, 4)), IMAGE),
    ],
)  # fmt: skip
@pytest.mark.parametrize("train", [True, False])
def test_layer(build, shape, train):
    same(build, *shape, train=train)


def test_a_transposed_convolution_makes_the_size_asked_for():
    layer = lambda nn, m: nn.ConvTranspose2d(4, 2, 3, 3, 1)  # noqa: E731
    for size in ((16, 13), (18, 15), (2, 2, 17, 14)):
        same(layer, *IMAGE, more=(size,))
    up = nn.ConvTranspose2d(4, 2, 3, 3, 1)
    with pytest.raises(ShapeError, match=r"can give sizes from \(16, 13\) to \(18, 15\)"):
        up(cr.zeros(IMAGE), output_size=(19, 13))
    with pytest.raises(ArgumentError, match="output_size must have 2 entries"):
        up(cr.zeros(IMAGE), output_size=(16,))
    with pytest.raises(ArgumentError, match="padding_mode"):
        nn.ConvTranspose2d(4, 2, 3, padding_mode="reflect")


@pytest.mark.parametrize(("n", "shape"), [(1, (2, 4, 8)), (2, (2, 4, 6, 5)), (3, (1, 2, 4, 4, 5))])
def test_unpooling_puts_back_what_pooling_took(n, shape):
    data = rng.normal(size=shape)
    results = []
    for m in (cr, torch):
        x = m.tensor(data, requires_grad=True)
        pool = getattr(m.nn, f"MaxPool{n}d")(2, return_indices=True)
        unpool = getattr(m.nn, f"MaxUnpool{n}d")(2)
        y = unpool(*pool(x), output_size=shape)
        (y * y).sum().backward()
        results.append((y.detach().numpy(), x.grad.numpy()))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_unpooling_refuses_sizes_that_pooling_would_not_make_equal():
    x, at = nn.MaxPool2d(3, return_indices=True)(cr.randn(1, 1, 8, 7))
    unpool = nn.MaxUnpool2d(3)
    assert unpool(x, at, output_size=(8, 7)).shape == (1, 1, 8, 7)
    for size in ((9, 7), (8,), (3, 7)):
        with pytest.raises(ShapeError, match="output_size must hold 2 sizes"):
            unpool(x, at, output_size=size)


def test_the_plain_average_is_the_population_estimate_of_the_notes():
    batches = [cr.randn(6, 3, 4).double() * (i + 1) + i for i in range(5)]
    bn = nn.BatchNorm1d(3, momentum=None).double()
    for x in batches:
        bn(x)
    m = 6 * 4
    mean = np.mean([x.numpy().mean((0, 2)) for x in batches], 0)
    var = m / (m - 1) * np.mean([x.numpy().var((0, 2)) for x in batches], 0)
    np.testing.assert_allclose(bn.running_mean.numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(bn.running_var.numpy(), var, rtol=1e-12)
    # Inference is one scale and one shift for each channel.
    x = batches[0]
    y = (x.numpy() - mean[:, None]) / np.sqrt(var + bn.eps)[:, None]
    np.testing.assert_allclose(bn.eval()(x).detach().numpy(), y, rtol=1e-9)


def test_random_windows_are_drawn_anew_and_from_the_seed():
    pool = nn.FractionalMaxPool2d(2, 5)
    x = cr.randn(1, 2, 12, 12)
    cr.manual_seed(1)
    first, second = pool(x), pool(x)
    assert not cr.equal(first, second)
    cr.manual_seed(1)
    assert cr.equal(pool(x), first)


def test_groups_of_one_and_of_all_channels_are_layer_and_instance_norm():
    x = cr.randn(3, 4, 5, 6).double()
    flat = nn.LayerNorm((4, 5, 6), elementwise_affine=False)(x)
    np.testing.assert_allclose(nn.GroupNorm(1, 4).double()(x).tolist(), flat.tolist(), rtol=1e-12)
    alone = nn.InstanceNorm2d(4)(x)
    np.testing.assert_allclose(nn.GroupNorm(4, 4).double()(x).tolist(), alone.tolist(), rtol=1e-12)


def test_cross_map_normalisation_has_a_symmetric_window():
    # PyTorch's own never lets channel 0 leave the window, so it cannot be asked here.
    x = cr.randn(2, 7, 3, 2).double()
    wide = nn.CrossMapLRN2d(5, 0.4, 0.6, 2.0)(x)
    np.testing.assert_allclose(wide.tolist(), nn.LocalResponseNorm(5, 0.4, 0.6, 2.0)(x).tolist())
    squares = np.pad(x.numpy() ** 2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    loud = 1 + 0.4 / 4 * (squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:])
    np.testing.assert_allclose(nn.CrossMapLRN2d(4, 0.4)(x).numpy(), x.numpy() / loud**0.75)


def test_the_gradient_of_an_average_pool_is_shared_equally():
    x = cr.zeros(1, 1, 2, 2, requires_grad=True)
    nn.AvgPool2d(2)(x).backward(cr.full((1, 1, 1, 1), 1.2))
    np.testing.assert_allclose(x.grad.tolist(), [[[[0.3, 0.3], [0.3, 0.3]]]], rtol=1e-7)


def test_errors_name_the_argument():
    for build, text in (
        (lambda: nn.GroupNorm(3, 4), "cannot be split into 3 groups"),
        (lambda: nn.LayerNorm(4.5), "normalized_shape"),
        (lambda: nn.PixelShuffle(0), "upscale_factor"),
        (lambda: nn.Upsample(mode="cubic"), "mode"),
        (lambda: nn.Upsample(scale_factor=math.nan), "scale_factor"),
        (lambda: nn.FractionalMaxPool2d(2), "output_size or output_ratio"),
        (lambda: nn.FractionalMaxPool2d(2, output_ratio=1.5), "output_ratio"),
        (lambda: nn.ConvTranspose2d(3, 4, 2, groups=2), "cannot be split"),
        (lambda: nn.LPPool2d(0, 2), "norm_type"),
    ):
        with pytest.raises(ArgumentError, match=text):
            build()
    with pytest.raises(ShapeError, match=r"InstanceNorm2d takes input of shape \(N, C, H, W\)"):
        nn.InstanceNorm2d(3)(cr.zeros(2, 3))
    with pytest.raises(ShapeError, match="multiple of 4"):
        nn.PixelShuffle(2)(cr.zeros(1, 3, 2, 2))
