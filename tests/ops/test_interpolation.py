"""Interpolation, sampling at a grid, fractional pooling and shuffles against PyTorch."""

import itertools

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, ChainruleError, ShapeError
from chainrule.nn import functional as F
from chainrule.ops.interpolation import MODES

rng = np.random.default_rng(5)


def both(ours, theirs, torch, *arrays, tol=1e-10):
    """Value and gradients of two functions of the same arrays agree."""
    x = [cr.tensor(a, requires_grad=True) for a in arrays]
    z = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, w = ours(*x), theirs(*z)
    assert tuple(y.shape) == tuple(w.shape) and y.dtype.name == str(w.dtype)[6:]
    v = rng.normal(size=tuple(w.shape)).astype(arrays[0].dtype)
    found = [y, *cr.autograd.grad(y, x, cr.tensor(v))]
    wanted = [w, *torch.autograd.grad(w, z, torch.tensor(v))]
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tol, atol=tol)


@pytest.mark.parametrize("mode", MODES)
def test_interpolate_is_pytorchs(mode, functional):
    torch = pytest.importorskip("torch")
    ways = [{"size": s} for s in ((3, 11, 8), (7, 10, 4), (1, 1, 2))]
    ways += [{"scale_factor": s} for s in (0.5, 2.0, 1.3, 0.37)]
    ways += [{"scale_factor": 1.3, "recompute_scale_factor": True}]
    corners = (None,) if mode in ("nearest", "nearest-exact", "area") else (None, True)
    for n, way, align in itertools.product(MODES[mode], ways, corners):
        x = rng.normal(size=(2, 2, 7, 5, 4)[: n + 2])
        size = way.get("size")
        options = way | ({} if size is None else {"size": size[:n]})
        options |= {"mode": mode, "align_corners": align}
        for dtype, tol in (("float64", 1e-10), ("float32", 2e-5)):
            both(
                lambda x, o=options: F.interpolate(x, **o),
                lambda x, o=options: functional.interpolate(x, **o),
                torch, x.astype(dtype), tol=tol,
            )  # fmt: skip


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_antialiased_reduction_is_pytorchs(mode, functional):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(2, 2, 13, 9))
    for size, align in itertools.product(((4, 5), (13, 3), (20, 2), (1, 1)), (False, True)):
        options = {"size": size, "mode": mode, "align_corners": align, "antialias": True}
        both(
            lambda x, o=options: F.interpolate(x, **o),
            lambda x, o=options: functional.interpolate(x, **o),
            torch, x,
        )  # fmt: skip


def test_interpolation_keeps_nan_and_infinity_among_their_neighbours():
    x = cr.arange(12.0).reshape(1, 1, 12)
    x[0, 0, 3], x[0, 0, 9] = float("nan"), float("inf")
    y = F.interpolate(x, scale_factor=2, mode="linear").numpy()
    assert np.isnan(y).sum() == 4 and np.isinf(y).sum() == 4
    assert F.interpolate(x, scale_factor=2).isnan().sum().item() == 2


def test_nearest_copies_integers():
    y = F.interpolate(cr.tensor([[[3, 1, 2]]]), scale_factor=2)
    assert y.tolist() == [[[3, 3, 1, 1, 2, 2]]] and y.dtype is cr.int64


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "either size or scale_factor"),
        ({"size": 3, "scale_factor": 2.0}, "either size or scale_factor"),
        ({"size": 3, "recompute_scale_factor": True}, "recompute_scale_factor"),
        ({"size": (3, 3), "align_corners": True}, "align_corners"),
        ({"size": (3, 3, 3)}, "2 spatial axes"),
        ({"size": 3, "mode": "linear"}, "mode 'linear' takes inputs with 1 spatial axes"),
        ({"size": 3, "antialias": True}, "antialias"),
        ({"scale_factor": 0.1}, "at least one element"),
        ({"size": 0}, "size must be"),
        ({"scale_factor": -1.0}, "scale_factor must be"),
        ({"size": 3, "mode": "cubic"}, "mode must be"),
    ],
)
def test_interpolate_refuses_as_pytorch_does(options, text, functional):
    torch = pytest.importorskip("torch")
    with pytest.raises((ArgumentError, ShapeError), match=text):
        F.interpolate(cr.ones(1, 1, 4, 4), **options)
    with pytest.raises(Exception):  # noqa: B017, PT011
        functional.interpolate(torch.ones(1, 1, 4, 4), **options)


GRIDS = ["inside and out", "the elements themselves", "far away"]


@pytest.mark.parametrize("kind", GRIDS)
@pytest.mark.parametrize("axes", [2, 3])
def test_grid_sample_and_affine_grid_are_pytorchs(axes, kind, functional):
    torch = pytest.importorskip("torch")
    size = (4, 5, 3)[:axes]
    x = rng.normal(size=(2, 3, *size))
    theta = rng.normal(size=(2, axes, axes + 1))
    if kind == GRIDS[1]:
        theta = np.stack([np.eye(axes, axes + 1)] * 2)
    modes = ("bilinear", "nearest", "bicubic")[: 5 - axes]
    paddings = ("zeros", "border", "reflection")
    for mode, padding, align in itertools.product(modes, paddings, (True, False)):
        far = 1e3 if kind == GRIDS[2] else 1.0

        def program(f, x, theta, mode=mode, padding=padding, align=align, far=far):
            grid = f.affine_grid(theta, (2, 3, *size), align_corners=align)
            return f.grid_sample(x, grid * far + (far - 1) / 1e4, mode, padding, align)

        both(
            lambda x, t: program(F, x, t), lambda x, t: program(functional, x, t),
            torch, x, theta, tol=1e-8,
        )  # fmt: skip


def test_a_grid_that_is_no_number_reads_an_element_and_an_infinite_one_the_border():
    x = cr.arange(9.0).reshape(1, 1, 3, 3)
    grid = cr.tensor([[[[float("nan"), 0.0], [float("inf"), 0.0], [0.0, -float("inf")]]]])
    border = F.grid_sample(x, grid, padding_mode="border", align_corners=True)
    assert border.tolist() == [[[[3.0, 5.0, 1.0]]]]
    assert F.grid_sample(x, grid, align_corners=True).tolist() == [[[[3.0, 0.0, 0.0]]]]
    assert F.grid_sample(x, grid, "bilinear", "reflection").isfinite().all()


def test_sampling_refuses_what_does_not_fit():
    x = cr.ones(2, 3, 4, 4)
    for grid in (cr.zeros(1, 2, 2, 2), cr.zeros(2, 2, 2, 3), cr.zeros(2, 2, 2)):
        with pytest.raises(ShapeError, match="grid_sample"):
            F.grid_sample(x, grid)
    with pytest.raises(ChainruleError, match="bicubic"):
        F.grid_sample(cr.ones(1, 1, 2, 2, 2), cr.zeros(1, 2, 2, 2, 3), "bicubic")
    with pytest.raises(ShapeError, match="affine_grid"):
        F.affine_grid(cr.ones(1, 2, 3), (2, 1, 4, 4))


def test_fractional_windows_begin_where_the_formula_says():
    x = cr.arange(10.0).reshape(1, 1, 1, 10).expand(1, 1, 2, 10)
    u = cr.tensor([[[0.3, 0.9]]])
    y, at = F.fractional_max_pool2d(x, 2, (1, 4), return_indices=True, _random_samples=u)
    alpha = (10 - 2) / 3
    starts = [int((i + 0.3) * alpha) - int(0.3 * alpha) for i in range(3)] + [8]
    assert y.tolist() == [[[[s + 1.0 for s in starts]]]]
    assert at.tolist() == [[[[s + 1 for s in starts]]]]


def test_compiled_draws_other_windows_at_each_call():
    x = cr.randn(2, 8, 6, 7)
    step = cr.compile(lambda x: F.fractional_max_pool2d(x, 2, 3))
    assert not cr.equal(step(x), step(x))


def test_shuffles_undo_one_another():
    x = cr.randn(2, 3, 8, 12, 6)
    assert cr.equal(F.pixel_shuffle(F.pixel_unshuffle(x, 2), 2), x)
    assert cr.equal(F.channel_shuffle(F.channel_shuffle(x[0], 2), 4), x[0])
