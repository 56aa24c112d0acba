"""Window sums, maxima, unfold and fold against naive loops and against PyTorch."""

import itertools

import numpy as np
import pytest

from chainrule.ops.arrays.window import (
    fold,
    unfold,
    windows_argmax,
    windows_sum,
    windows_sum_adjoint,
)

SIZE = (7, 8, 9)
CASES = [
    dict(window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)), dilation=(1, 1)),
    dict(window=(3, 2), stride=(2, 1), padding=((1, 2), (0, 1)), dilation=(1, 2)),
    dict(window=(2, 3), stride=(3, 2), padding=((-1, 0), (2, -2)), dilation=(2, 1)),
    dict(window=(7, 8), stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1)),
    dict(window=(1, 1), stride=(2, 3), padding=((0, 0), (0, 0)), dilation=(1, 1)),
    dict(window=(1, 1), stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1)),
    dict(window=(2, 3), stride=(2, 3), padding=((1, 0), (0, 1)), dilation=(1, 1)),
]


def windows(x, window, stride, padding, dilation):
    """Every window of a matrix, as {output place: [(place, element), ...]} without padding."""
    (n, m), found = x.shape, {}
    rows, cols = (
        (low + size + high - (k - 1) * d - 1) // s + 1
        for size, k, s, (low, high), d in zip(
            x.shape, window, stride, padding, dilation, strict=True
        )
    )
    for i, j in itertools.product(range(rows), range(cols)):
        found[i, j] = []
        for a, b in itertools.product(range(window[0]), range(window[1])):
            r = i * stride[0] + a * dilation[0] - padding[0][0]
            c = j * stride[1] + b * dilation[1] - padding[1][0]
            if 0 <= r < n and 0 <= c < m:
                found[i, j].append((r * m + c, x[r, c]))
    return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_sum_is_the_loop_and_its_adjoint_is_one(case, dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, (2, 3, 7, 8)).astype(dtype)
    y = windows_sum(x, **case)
    for at, seen in windows(x[1, 2], **case).items():
        assert y[(1, 2, *at)] == sum(v for _, v in seen)
    g = rng.integers(-9, 9, y.shape).astype(dtype)
    gx = windows_sum_adjoint(g, size=(7, 8), **case)
    assert gx.shape == x.shape and y.dtype == gx.dtype == dtype
    assert (gx * x).sum() == (y * g).sum()
    assert y.flags.c_contiguous and gx.flags.c_contiguous
    assert not np.may_share_memory(x, y) and not np.may_share_memory(g, gx)


@pytest.mark.parametrize("nd", [1, 2, 3])
@pytest.mark.parametrize("k, s, p", [*itertools.product((1, 2, 3), (1, 2, 3), (0, 1))])
def test_average_pooling_is_pytorchs(nd, k, s, p):
    if p > k // 2:
        pytest.skip("PyTorch has no such padding")
    torch = pytest.importorskip("torch")
    pool = getattr(torch.nn.functional, f"avg_pool{nd}d")
    x = np.random.default_rng(0).standard_normal((2, 3, *SIZE[:nd]))
    tx = torch.tensor(x, requires_grad=True)
    ty = pool(tx, k, s, p)
    case = dict(window=(k,) * nd, stride=(s,) * nd, padding=((p, p),) * nd, dilation=(1,) * nd)
    np.testing.assert_allclose(windows_sum(x, **case) / k**nd, ty.detach(), atol=1e-12)
    g = np.random.default_rng(1).standard_normal(tuple(ty.shape))
    (tg,) = torch.autograd.grad(ty, tx, torch.tensor(g))
    gx = windows_sum_adjoint(g / k**nd, size=x.shape[2:], **case)
    np.testing.assert_allclose(gx, tg, atol=1e-12)


@pytest.mark.parametrize("nd", [1, 2, 3])
@pytest.mark.parametrize("kind", ["ties", "nan", "-inf"])
@pytest.mark.parametrize("d", [1, 2])
def test_argmax_is_pytorchs_indices(nd, kind, d):
    torch = pytest.importorskip("torch")
    pool = getattr(torch.nn.functional, f"max_pool{nd}d")
    rng = np.random.default_rng(0)
    for k, s, p in itertools.product((1, 2, 3), (1, 2, 3), (0, 1)):
        if p > k // 2:
            continue
        x = rng.integers(0, 4, (2, 3, *SIZE[:nd])).astype(np.float64)
        if kind != "ties":
            x[rng.random(x.shape) < (0.15 if kind == "nan" else 0.8)] = float(kind)
        _, expected = pool(torch.tensor(x), k, s, p, d, return_indices=True)
        found = windows_argmax(
            x, window=(k,) * nd, stride=(s,) * nd, padding=((p, p),) * nd, dilation=(d,) * nd
        )
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, expected.numpy())


@pytest.mark.parametrize("case", CASES[:5])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8])
def test_argmax_is_the_first_maximum_of_the_loop(case, dtype):
    if any(low > 1 for low, _ in case["padding"]):
        case = {**case, "padding": ((-1, 0), (1, -2))}
    x = np.random.default_rng(0).integers(0, 3, (1, 7, 8)).astype(dtype)
    found = windows_argmax(x, **case)
    for at, seen in windows(x[0], **case).items():
        top = max(v for _, v in seen)
        assert found[(0, *at)] == next(place for place, v in seen if v == top)


def test_argmax_never_chooses_padding_and_says_so_if_there_is_nothing_else():
    case = dict(window=(2,), stride=(2,), dilation=(1,))
    x = np.full((1, 4), -np.inf)
    assert windows_argmax(x, padding=((1, 1),), **case).tolist() == [[0, 1, 3]]
    assert windows_argmax(np.zeros((1, 2), np.uint8), padding=((1, 1),), **case).tolist() == [
        [0, 1]
    ]
    for padding in ((2, 0), (0, 2)):
        with pytest.raises(ValueError, match="only padding"):
            windows_argmax(x, padding=(padding,), **case)


def test_argmax_of_a_window_wider_than_a_byte_can_number():
    x = np.zeros((1, 20, 20))
    x[0, 19, 18] = 1
    case = dict(window=(20, 20), stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1))
    assert windows_argmax(x, **case).tolist() == [[[19 * 20 + 18]]]


@pytest.mark.parametrize("k, s, p, d", [(2, 1, 0, 1), (3, 2, 1, 1), (2, 3, 1, 2), (1, 1, 0, 1)])
def test_unfold_and_fold_are_pytorchs(k, s, p, d):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 8))
    case = dict(window=(k, k), stride=(s, s), padding=((p, p), (p, p)), dilation=(d, d))
    cols = unfold(x, **case)
    np.testing.assert_array_equal(cols, torch.nn.functional.unfold(torch.tensor(x), k, d, p, s))
    assert cols.flags.c_contiguous and not np.may_share_memory(x, cols)
    g = np.random.default_rng(1).standard_normal(cols.shape)
    expected = torch.nn.functional.fold(torch.tensor(g), (7, 8), k, d, p, s)
    np.testing.assert_allclose(fold(g, size=(7, 8), **case), expected, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_fold_is_the_adjoint_of_unfold(case):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 7, 8))
    cols = unfold(x, **case)
    g = rng.standard_normal(cols.shape)
    np.testing.assert_allclose((cols * g).sum(), (x * fold(g, size=(7, 8), **case)).sum())


def test_fold_of_columns_that_do_not_fit_raises():
    with pytest.raises(ValueError, match="fold got columns"):
        fold(np.ones((1, 4, 5)), size=(4, 4), **CASES[0])
    with pytest.raises(ValueError, match="fold got columns"):
        fold(np.ones((1, 3, 4)), size=(4, 4), **CASES[0])


@pytest.mark.parametrize("shape", [(0, 3, 7, 8), (2, 0, 7, 8)])
@pytest.mark.parametrize("case", CASES[:2])
def test_nothing_in_nothing_out(shape, case):
    x = np.ones(shape)
    y = windows_sum(x, **case)
    assert y.shape[:2] == shape[:2] and windows_argmax(x, **case).shape == y.shape
    assert windows_sum_adjoint(y, size=(7, 8), **case).shape == shape
    assert fold(unfold(x, **case), size=(7, 8), **case).shape == shape


def test_any_strides_and_no_input_is_written():
    x = np.random.default_rng(0).standard_normal((8, 7, 3, 2)).T[:, ::-1, ::-1]
    x.flags.writeable = False
    for case in CASES:
        np.testing.assert_allclose(windows_sum(x, **case), windows_sum(x.copy(), **case))
        np.testing.assert_array_equal(unfold(x, **case), unfold(x.copy(), **case))
        y = windows_sum(x, **case).T.copy().T
        y.flags.writeable = False
        a, b = (windows_sum_adjoint(g, size=(7, 8), **case) for g in (y, y.copy("C")))
        np.testing.assert_array_equal(a, b)
    case = CASES[0]
    np.testing.assert_array_equal(windows_argmax(x, **case), windows_argmax(x.copy(), **case))


def test_float16_sums_are_rounded_once():
    x = np.full((1, 64, 64), 1.001, np.float16)
    case = dict(window=(64, 64), stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1))
    y = windows_sum(x, **case)
    assert y.dtype == np.float16 and y[0, 0, 0] == np.float16(x.astype(np.float64).sum())
