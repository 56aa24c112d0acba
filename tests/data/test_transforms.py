"""Transforms: values against plain loops and SciPy, determinism, arguments."""

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.data import Draws
from chainrule.data import transforms as T
from chainrule.data.transforms.affine import inverse_matrices, warp
from chainrule.graph import Tensor
from chainrule.ops import random
from chainrule.ops.arrays import native


def images(n=6, c=2, h=9, w=7, dtype=np.float32):
    rng = np.random.default_rng(0)
    x = rng.random((n, c, h, w))
    return (x * 255).astype(dtype) if dtype == np.uint8 else x.astype(dtype)


def draws(n=6, seed=1):
    return Draws(seed, 0, np.arange(n))


RANDOM = [
    T.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), (-5, 5, -5, 5)),
    T.RandomRotation(30),
    T.RandomCrop((5, 4), padding=1),
    T.RandomHorizontalFlip(),
    T.RandomVerticalFlip(),
    T.RandomErasing(p=0.9),
    T.Cutout(3),
    T.GaussianNoise(),
    T.Compose([T.RandomHorizontalFlip(), T.Compose([T.GaussianNoise(), T.RandomCrop(5)])]),
]


@pytest.mark.parametrize("transform", RANDOM, ids=lambda t: type(t).__name__)
def test_random_transforms_are_functions_of_the_draws(transform):
    x = images()
    before = x.copy()
    whole = transform(x, draws())
    assert np.array_equal(x, before), "the input was changed"
    assert np.array_equal(whole, transform(x, draws()))
    assert not np.array_equal(whole, transform(x, draws(seed=2)))
    rows = np.array([4, 1])
    assert np.array_equal(whole[rows], transform(x[rows], draws().rows(rows)))
    # One sample [C, H, W] is the batch of one.
    assert np.array_equal(transform(x[2], draws().rows([2])), whole[2])
    assert len(transform(x[:0], draws(0))) == 0


@pytest.mark.parametrize("transform", RANDOM, ids=lambda t: type(t).__name__)
def test_non_contiguous_input(transform):
    x = images()
    turned = np.ascontiguousarray(x[:, ::-1, ::-1, ::-1])[:, ::-1, ::-1, ::-1]
    assert np.array_equal(transform(turned, draws()), transform(x, draws()))


def test_without_draws_manual_seed_decides():
    noise = T.GaussianNoise()
    before = random.default_generator.seed
    random.manual_seed(3)
    first, second = noise(images()), noise(images())
    random.manual_seed(3)
    assert np.array_equal(noise(images()), first) and not np.array_equal(first, second)
    random.manual_seed(before)


def test_tensors_stay_tensors():
    x = images()
    out = T.RandomHorizontalFlip()(Tensor(x), draws())
    assert isinstance(out, Tensor)
    assert np.array_equal(out.numpy(), T.RandomHorizontalFlip()(x, draws()))


# -- values ----------------------------------------------------------------------------------


def test_to_float():
    x = images(dtype=np.uint8)
    out = T.ToFloat()(x)
    assert out.dtype == np.float32 and np.array_equal(out, x.astype(np.float32) / 255)
    assert T.ToFloat()(np.float64([1.5])).dtype == np.float32
    half = np.float16([1.5])
    assert T.ToFloat()(half).dtype == np.float16
    assert T.ToFloat()(np.int64([[300]])).tolist() == [[300.0]]


def test_to_tensor():
    x = images(n=2, c=3, dtype=np.uint8)
    last = x.transpose(0, 2, 3, 1)
    assert np.array_equal(T.ToTensor()(last), T.ToFloat()(x))
    assert np.array_equal(T.ToTensor()(last[0]), T.ToFloat()(x[0]))
    assert T.ToTensor()(np.zeros((4, 5), np.uint8)).shape == (1, 4, 5)
    assert T.ToTensor().batch(np.zeros((2, 4, 5), np.uint8), None).shape == (2, 1, 4, 5)
    assert T.Compose([T.ToTensor(), T.Normalize(0, 1)])(last[0]).shape == x[0].shape
    with pytest.raises(ShapeError, match="channels last"):
        T.ToTensor()(np.zeros((3, 28, 28), np.uint8))
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        T.ToTensor()(np.zeros(3, np.uint8))


def test_normalize():
    x = images(c=2)
    mean, std = [0.5, 0.25], [2.0, 4.0]
    out = T.Normalize(mean, std)(x)
    for channel in range(2):
        expected = (x[:, channel] - mean[channel]) / std[channel]
        assert np.allclose(out[:, channel], expected, atol=1e-7)
    assert out.dtype == np.float32
    assert np.allclose(T.Normalize(0.5, 2)(x[0]), (x[0] - 0.5) / 2)
    table = np.float32([[1, 2], [3, 4]])
    assert T.Normalize([1, 2], [1, 2])(table).tolist() == [[0, 0], [2, 1]]
    assert T.Normalize([1, 2], [1, 2])(table[1]).tolist() == [2, 1]
    with pytest.raises(ShapeError, match="mean has 3 values.*2 channels"):
        T.Normalize([1, 2, 3], 1)(x)
    with pytest.raises(ArgumentError, match="above zero"):
        T.Normalize(0, [1, 0])
    with pytest.raises(ArgumentError, match="finite"):
        T.Normalize(float("nan"), 1)
    with pytest.raises(DTypeError, match=r"ToFloat\(\)"):
        T.Normalize(0, 1)(images(dtype=np.uint8))


def test_gaussian_noise():
    x = np.full((400, 1, 8, 8), 0.5, np.float32)
    out = T.GaussianNoise(0.1, 0.2, clip=False)(x, draws(400))
    assert abs((out - x).mean() - 0.1) < 0.005 and abs((out - x).std() - 0.2) < 0.005
    clipped = T.GaussianNoise(sigma=2.0)(x, draws(400))
    assert clipped.min() == 0 and clipped.max() == 1
    with pytest.raises(ArgumentError, match="sigma"):
        T.GaussianNoise(sigma=-1)


# -- place -----------------------------------------------------------------------------------


def naive_warp(x, matrices, fill):
    n, c, h, w = x.shape
    out = np.empty(x.shape)
    for i, j, row, column in np.ndindex(x.shape):
        sx, sy = matrices[:, i] @ [column, row, 1]
        left, top = int(np.floor(sx)), int(np.floor(sy))
        value = 0.0
        for yy, wy in ((top, 1 - (sy - top)), (top + 1, sy - top)):
            for xx, wx in ((left, 1 - (sx - left)), (left + 1, sx - left)):
                inside = 0 <= yy < h and 0 <= xx < w
                value += wy * wx * (x[i, j, yy, xx] if inside else fill)
        out[i, j, row, column] = value
    return out


@pytest.mark.parametrize("fill", [0.0, 0.7])
def test_affine_against_a_plain_loop(fill):
    x = images(n=4)
    transform = T.RandomAffine(60, (0.4, 0.4), (0.5, 1.6), (-20, 20, -20, 20), fill=fill)
    matrices = inverse_matrices(transform.parameters(4, 9, 7, draws(4)), 9, 7)
    out = transform(x, draws(4))
    assert np.allclose(out, naive_warp(x, matrices, fill), atol=2e-5)


def test_affine_against_scipy():
    ndimage = pytest.importorskip("scipy.ndimage")
    x = images(n=5, c=1, h=28, w=28, dtype=np.float64)
    transform = T.RandomAffine(25, (0.1, 0.1), (0.8, 1.2), 10)
    matrices = inverse_matrices(transform.parameters(5, 28, 28, draws(5)), 28, 28)
    out = transform(x, draws(5))
    for i in range(5):
        # SciPy counts (row, column).
        matrix = matrices[::-1, i, [1, 0]]
        expected = ndimage.affine_transform(
            x[i, 0], matrix, matrices[::-1, i, 2], order=1, mode="grid-constant"
        )
        assert np.allclose(out[i, 0], expected, atol=1e-10)


def test_affine_matrices_are_the_stated_forward_map():
    amounts = np.array([[30.0, 2.0, -1.0, 1.3, 12.0, -7.0]])
    rx, ry, _ = (*inverse_matrices(amounts, 11, 15)[:, 0], None)
    angle, sx, sy = np.radians([30.0, 12.0, -7.0])
    rotate = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1, 0], [-np.tan(sy), 1]]) @ np.array([[1, -np.tan(sx)], [0, 1]])
    centre = np.array([7.0, 5.0])
    for point in ([3.0, 4.0], [0.0, 0.0]):
        image = 1.3 * rotate @ shear @ (np.array(point) - centre) + centre + [2.0, -1.0]
        assert np.allclose([rx @ [*image, 1], ry @ [*image, 1]], point)


def test_affine_special_cases():
    x = images(h=8, w=8)
    assert np.allclose(T.RandomAffine(0)(x, draws()), x, atol=1e-6)
    quarter = T.RandomRotation((90, 90))(x, draws())
    assert np.allclose(quarter, np.rot90(x, axes=(2, 3)), atol=1e-4), "anticlockwise"
    quarter = T.RandomAffine((90, 90))(x, draws())
    assert np.allclose(quarter, np.rot90(x, -1, axes=(2, 3)), atol=1e-4), "clockwise"
    moved = np.array([[0, 2.0, 1.0, 1, 0, 0]] * 6)
    out = warp(x, inverse_matrices(moved, 8, 8))
    assert np.allclose(out[:, :, 1:, 2:], x[:, :, :-1, :-2], atol=1e-5)
    assert not out[:, :, 0].any() and not out[:, :, :, :2].any()
    far = np.array([[0, 1e9, -1e9, 1, 0, 0]] * 6)
    assert (warp(x, inverse_matrices(far, 8, 8), 0.25) == 0.25).all()


def test_affine_of_bytes_rounds():
    x = images(dtype=np.uint8)
    transform = T.RandomAffine(15, (0.1, 0.1))
    out = transform(x, draws())
    exact = transform(x.astype(np.float64), draws())
    assert out.dtype == np.uint8 and np.abs(out - exact).max() <= 0.5 + 1e-2


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.uint8])
@pytest.mark.parametrize("shape", [(64, 1, 28, 28), (33, 3, 17, 20), (2, 2, 90, 70)])
def test_affine_by_a_kernel_has_the_bits_of_numpys_form(dtype, shape, monkeypatch):
    x = (np.random.default_rng(0).random(shape) * 255).astype(dtype)
    n, _, h, w = shape
    transform = T.RandomAffine(180, (0.5, 0.5), (0.3, 3), (-40, 40, -40, 40))
    matrices = inverse_matrices(transform.parameters(n, h, w, draws(n)), h, w)
    found = warp(x, matrices, 0.25)
    monkeypatch.setattr(native, "_source", None)
    np.testing.assert_array_equal(found, warp(x, matrices, 0.25))


@pytest.mark.parametrize("size", [(40, 2, 20, 21), (2, 2, 3, 2)])  # by a kernel, and by NumPy
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.float16])
def test_an_affine_map_in_one_pass_has_the_bits_of_several(dtype, size):
    x = np.random.default_rng(0).integers(0, 256, size).astype(dtype)
    chain = [
        T.ToFloat() if dtype == np.uint8 else T.Lambda(np.negative),
        T.RandomAffine(40, (0.2, 0.2), fill=0.5),
        T.Normalize((0.1, 0.3), (0.5, 0.2)),
        T.RandomRotation(30),
        T.RandomHorizontalFlip(),
    ]
    n, one_by_one = len(x), x
    numbers = draws(n)
    for transform in chain:
        one_by_one = transform(one_by_one, numbers)
    np.testing.assert_array_equal(T.Compose(chain)(x, draws(n)), one_by_one)
    with pytest.raises(ShapeError, match="mean has 3 values"):
        T.Compose([*chain[:2], T.Normalize((0, 0, 0), 1)])(x, draws(n))


def test_a_map_that_does_otherwise_is_asked_itself():
    class Halved(T.RandomAffine):
        def batch(self, x, draws):
            return super().batch(x, draws) / 2

    x = images()
    both = [T.Compose([made, T.Normalize(0, 1)])(x, draws()) for made in (
        T.RandomAffine(30), Halved(30)
    )]  # fmt: skip
    np.testing.assert_array_equal(both[0] / 2, both[1])


def test_affine_works_in_chunks():
    x = images(n=3, c=1, h=200, w=300)
    amounts = T.RandomAffine(20).parameters(3, 200, 300, draws(3))
    matrices = inverse_matrices(amounts, 200, 300)
    single = [warp(x[i : i + 1], matrices[:, i : i + 1]) for i in range(3)]
    assert np.array_equal(warp(x, matrices), np.concatenate(single))


def test_affine_parameters_stay_in_range():
    transform = T.RandomAffine((5, 10), (0.1, 0.2), (0.5, 2), (1, 2, 3, 4))
    amounts = transform.parameters(5000, 10, 20, Draws(0, 0, np.arange(5000)))
    low, high = [5, -2, -2, 0.5, 1, 3], [10, 2, 2, 2, 2, 4]
    assert (amounts >= low).all() and (amounts <= high).all()
    assert np.allclose(amounts.min(0), low, atol=0.02) and np.allclose(
        amounts.max(0), high, atol=0.02
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"degrees": -1},
        {"degrees": (3, 1)},
        {"degrees": float("nan")},
        {"degrees": 0, "translate": (0.1, 1.5)},
        {"degrees": 0, "translate": 0.1},
        {"degrees": 0, "scale": (0, 1)},
        {"degrees": 0, "scale": (2, 1)},
        {"degrees": 0, "shear": 90},
        {"degrees": 0, "shear": (1, 2, 3)},
    ],
)
def test_bad_affine_arguments(arguments):
    with pytest.raises(ArgumentError, match="RandomAffine: "):
        T.RandomAffine(**arguments)


def test_random_crop_against_a_loop():
    x = images(n=50)
    out = T.RandomCrop((5, 4), padding=(1, 2, 3, 0), fill=0.5)(x, draws(50))
    padded = np.pad(x, ((0, 0), (0, 0), (2, 0), (1, 3)), constant_values=0.5)
    corners = set()
    for i in range(50):
        found = [
            (top, left)
            for top in range(11 - 5 + 1)
            for left in range(11 - 4 + 1)
            if np.array_equal(out[i], padded[i, :, top : top + 5, left : left + 4])
        ]
        assert found
        corners.add(found[0])
    assert len(corners) > 20
    assert np.array_equal(T.RandomCrop((9, 7))(x, draws(50)), x)


def test_random_crop_arguments():
    assert T.RandomCrop(4, padding=(1, 2)).padding == (1, 2, 1, 2)
    with pytest.raises(ShapeError, match=r"\(30, 30\) does not fit.*\(9, 7\)"):
        T.RandomCrop(30)(images())
    for arguments in ((0,), ((3, 2.5),), ((1, 2, 3),)):
        with pytest.raises(ArgumentError, match="size"):
            T.RandomCrop(*arguments)
    for padding in (-1, (1, 2, 3)):
        with pytest.raises(ArgumentError, match="padding"):
            T.RandomCrop(3, padding)


@pytest.mark.parametrize(("kind", "axis"), [("Horizontal", 3), ("Vertical", 2)])
def test_flips(kind, axis):
    x = images(n=400, h=4, w=3)
    flip = getattr(T, f"Random{kind}Flip")
    out = flip(0.25)(x, draws(400))
    mirrored = np.array([np.array_equal(o, f) for o, f in zip(out, np.flip(x, axis), strict=True)])
    same = np.array([np.array_equal(o, i) for o, i in zip(out, x, strict=True)])
    assert (mirrored ^ same).all() and 0.15 < mirrored.mean() < 0.35
    assert np.array_equal(flip(1.0)(x, draws(400)), np.flip(x, axis))
    assert np.array_equal(flip(0.0)(x, draws(400)), x)
    with pytest.raises(ArgumentError, match="probability"):
        flip(1.2)


def test_random_erasing():
    x = np.ones((500, 2, 20, 30), np.float32)
    out = T.RandomErasing(p=0.5, scale=(0.1, 0.2), ratio=(0.5, 2), value=-1)(x, draws(500))
    hit = (out == -1).any((1, 2, 3))
    assert 0.4 < hit.mean() < 0.6
    for image in out[hit]:
        hole = image[0] == -1
        rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
        assert hole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all(), "a rectangle"
        assert np.array_equal(image[0], image[1])
        assert 0.08 < hole.mean() < 0.22 and 0.4 < len(rows) / len(columns) < 2.5
    # What never fits leaves the image as it is.
    wide = T.RandomErasing(p=1, scale=(0.9, 1), ratio=(10, 11))
    assert np.array_equal(wide(x[:4], draws(4)), x[:4])


def test_cutout():
    x = np.ones((2000, 1, 9, 9), np.float32)
    out = T.Cutout(3)(x, draws(2000))
    hidden = (out == 0).sum((1, 2, 3))
    assert hidden.max() == 9 and hidden.min() == 4, "cut off at the corners"
    assert len(np.unique(out, axis=0)) == 81, "every centre occurs"


@pytest.mark.parametrize(
    "make",
    [
        lambda: T.RandomErasing(p=2),
        lambda: T.RandomErasing(scale=(0.5, 0.1)),
        lambda: T.RandomErasing(ratio=(0, 1)),
        lambda: T.Cutout(0),
        lambda: T.Cutout(2.5),
        lambda: T.Compose([3]),
        lambda: T.Lambda("x"),
    ],
)
def test_bad_arguments(make):
    with pytest.raises(ArgumentError):
        make()


@pytest.mark.parametrize("transform", RANDOM[:7], ids=lambda t: type(t).__name__)
def test_images_only(transform):
    with pytest.raises(ShapeError, match=r"\(4, 5\)"):
        transform(np.zeros((4, 5), np.float32), draws(4))
    with pytest.raises(DTypeError, match="int64"):
        transform(np.zeros((1, 1, 9, 7), np.int64), draws(1))


# -- chains ----------------------------------------------------------------------------------


def test_compose_applies_in_order_and_takes_plain_functions():
    chain = T.Compose([T.ToFloat(), lambda sample: sample + sample.max(), T.Lambda(np.negative)])
    x = images(dtype=np.uint8)
    scaled = x.astype(np.float32) / 255
    expected = -(scaled + scaled.max((1, 2, 3), keepdims=True))
    assert np.array_equal(chain(x), expected) and np.array_equal(chain(x[1]), expected[1])
    assert not chain.random
    assert "ToFloat()" in repr(chain)
    assert np.array_equal(T.Compose([])(x), x)


def test_two_of_a_kind_draw_different_numbers():
    x = np.zeros((4, 1, 3, 3), np.float32)
    noise = T.GaussianNoise(clip=False)
    twice = T.Compose([noise, noise])(x, draws(4))
    assert not np.allclose(twice, 2 * noise(x, draws(4)))


def test_batched_lambda_must_keep_the_samples():
    x = images()
    assert np.array_equal(T.Lambda(lambda b: b - b.mean(), batched=True)(x), x - x.mean())
    with pytest.raises(ShapeError, match="first axis"):
        T.Lambda(lambda b: b.sum(0), batched=True)(x)
