"""Losses against PyTorch, their derivations, stability, and what bad input is told."""

import itertools
import math
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from chainrule.ops import functional as F

rng = np.random.default_rng(0)
REDUCTIONS = ("mean", "sum", "none")


def check(mine, inputs, torch_version, rtol=1e-10):
    """Value, gradients and gradients of the gradients of both libraries, in float64."""
    torch = pytest.importorskip("torch")
    results = []
    for lib, f in ((cr, mine), (torch, torch_version)):
        grad = lib.autograd.grad
        xs = [lib.tensor(x, requires_grad=True) for x in inputs]
        y = f(*xs)
        scale = lib.tensor(np.cos(np.arange(math.prod(y.shape))).reshape(tuple(y.shape)) + 2)
        gs = grad((y * scale).sum(), xs, create_graph=True)
        total = sum((g * g * (i + 1)).sum() for i, g in enumerate(gs))
        hs = grad(total, xs, allow_unused=True) if total.requires_grad else [None] * len(gs)
        results.append([y, *gs, *hs])
    for a, b in zip(*results, strict=True):
        # A gradient that does not depend on the inputs comes as None from either library.
        if a is None and b is None:
            continue
        a = np.zeros(tuple(b.shape)) if a is None else a.detach().numpy()
        b = np.zeros(a.shape) if b is None else b.numpy(force=True)
        assert a.shape == b.shape
        # Entries are sums of larger terms: rounding is relative to the largest.
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12 * (1 + np.abs(b).max(initial=0)))


def peer():
    return pytest.importorskip("torch").nn.functional


# ---- element by element ---------------------------------------------------------------------

SHAPES = [(), (5,), (3, 4), (2, 3, 2), (0, 3)]
PAIRS = [
    ("mse_loss", {}), ("l1_loss", {}), ("smooth_l1_loss", {}), ("smooth_l1_loss", {"beta": 0.3}),
    ("smooth_l1_loss", {"beta": 0.0}), ("huber_loss", {}), ("huber_loss", {"delta": 0.4}),
]  # fmt: skip


def pick(shape, low=-2.0, high=2.0):
    return rng.uniform(low, high, shape)


def usable(shape, reduction):
    return 0 not in shape or reduction != "mean"


CASES = [(s, r) for s, r in itertools.product(SHAPES, REDUCTIONS) if usable(s, r)]


@pytest.mark.parametrize(("shape", "reduction"), CASES, ids=str)
@pytest.mark.parametrize(("name", "params"), PAIRS, ids=str)
def test_regression_losses_equal_pytorch(name, params, shape, reduction):
    params = params | {"reduction": reduction}
    check(
        lambda x, y: getattr(F, name)(x, y, **params),
        [pick(shape), pick(shape)],
        lambda x, y: getattr(peer(), name)(x, y, **params),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_weighted_regression_losses_equal_pytorch(name, reduction):
    check(
        lambda x, y, w: getattr(F, name)(x, y, reduction=reduction, weight=w),
        [pick((3, 4)), pick((3, 4)), pick((3, 4), 0.5, 2.0)],
        lambda x, y, w: getattr(peer(), name)(x, y, reduction=reduction, weight=w),
    )


@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
def test_kl_div_equals_pytorch(reduction, log_target):
    p = pick((3, 4), 0.1, 1.0)
    p = np.log(p) if log_target else p
    params = {"reduction": reduction, "log_target": log_target}
    other = peer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns that "mean" is not the divergence
        check(
            lambda x, y: F.kl_div(x, y, **params),
            [pick((3, 4), -3, 0), p],
            lambda x, y: other.kl_div(x, y, **params),
        )


def test_kl_div_is_the_divergence_and_takes_zero_probabilities():
    p, q = np.array([[0.5, 0.5, 0.0]]), np.array([[0.25, 0.5, 0.25]])
    loss = F.kl_div(cr.tensor(np.log(q)), cr.tensor(p), reduction="batchmean")
    assert loss.item() == pytest.approx(0.5 * math.log(2))


def test_quadratic_loss_of_the_notes():
    h, y = pick((4, 3)), pick((4, 3))
    half = 0.5 * (h - y) ** 2
    x = cr.tensor(h, requires_grad=True)
    target = cr.tensor(y)
    for reduction, value in {
        "batchmean": half.sum() / 4, "sum": half.sum(), "mean": half.mean(), "none": half,
    }.items():  # fmt: skip
        loss = F.quadratic_loss(x, target, reduction=reduction).detach().numpy()
        np.testing.assert_allclose(loss, value)
    assert F.quadratic_loss(x, target).item() == pytest.approx(half.sum() / 4)
    F.quadratic_loss(x, target, reduction="sum").backward()
    np.testing.assert_allclose(x.grad.numpy(), h - y)
    assert cr.autograd.gradcheck(F.quadratic_loss, (x, cr.tensor(y, requires_grad=True)))


def test_mean_of_nothing_is_nan():
    empty = cr.zeros(0, 3)
    for name, _ in PAIRS:
        assert math.isnan(getattr(F, name)(empty, empty).item())
    assert math.isnan(F.cross_entropy(empty, cr.zeros(0, dtype=cr.int64)).item())


def test_column_against_row_is_refused():
    with pytest.raises(ShapeError) as error:
        F.mse_loss(cr.ones(4, 1), cr.ones(4))
    text = str(error.value)
    assert "mse_loss" in text and "(4, 1)" in text and "target.reshape((4, 1))" in text
    with pytest.raises(ShapeError, match=r"\(2, 3\).*\(3,\).*broadcast_tensors"):
        F.huber_loss(cr.ones(2, 3), cr.ones(3))
    with pytest.raises(ShapeError, match=r"weight has shape \(2,\).*\(2, 3\)"):
        F.binary_cross_entropy_with_logits(cr.ones(2, 3), cr.ones(2, 3), cr.ones(2))


# ---- two classes ----------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weight", [None, (4,), (3, 4), (3, 1)], ids=str)
def test_binary_cross_entropy_equals_pytorch(weight, reduction):
    other, torch = peer(), pytest.importorskip("torch")
    values = [] if weight is None else [pick(weight, 0.5, 2)]
    check(
        lambda x, y: F.binary_cross_entropy(x, y, *map(cr.tensor, values), reduction=reduction),
        [pick((3, 4), 0.05, 0.95), pick((3, 4), 0, 1)],
        lambda x, y: other.binary_cross_entropy(
            x, y, *map(torch.tensor, values), reduction=reduction
        ),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("positive", [False, True])
def test_binary_cross_entropy_with_logits_equals_pytorch(positive, weighted, reduction):
    other, torch = peer(), pytest.importorskip("torch")
    weights = {"weight": pick((3, 4), 0.5, 2)} if weighted else {}
    weights |= {"pos_weight": pick(4, 0.5, 2)} if positive else {}

    def keywords(tensor):
        return {k: tensor(w) for k, w in weights.items()} | {"reduction": reduction}

    check(
        lambda x, y: F.binary_cross_entropy_with_logits(x, y, **keywords(cr.tensor)),
        [pick((3, 4), -4, 4), pick((3, 4), 0, 1)],
        lambda x, y: other.binary_cross_entropy_with_logits(x, y, **keywords(torch.tensor)),
    )


@pytest.mark.parametrize("weight", [(3, 4), (4,)])
def test_binary_weights_have_gradients(weight):
    p, y = cr.tensor(pick((3, 4), 0.1, 0.9)), cr.tensor(pick((3, 4), 0.1, 0.9))
    w = cr.tensor(pick(weight, 0.5, 2), requires_grad=True)

    def of_scores(w):
        return F.binary_cross_entropy_with_logits(p, y, w, pos_weight=w)

    assert cr.autograd.gradcheck(lambda w: F.binary_cross_entropy(p, y, w), (w,))
    assert cr.autograd.gradcheck(of_scores, (w,))


@pytest.mark.parametrize("pos_weight", [None, 3.0])
def test_logits_of_any_size(pos_weight):
    x = cr.tensor([-1e8, -800.0, -120, 0, 120, 800, 1e8] * 2, requires_grad=True)
    y = cr.tensor([0.0] * 7 + [1.0] * 7)
    w = None if pos_weight is None else cr.tensor([pos_weight])
    loss = F.binary_cross_entropy_with_logits(x, y, reduction="none", pos_weight=w)
    loss.sum().backward()
    values = loss.detach().numpy()
    assert np.isfinite(values).all() and np.isfinite(x.grad.numpy()).all()
    k = pos_weight or 1.0
    np.testing.assert_allclose(
        values[[0, 3, 6, 7, 10, 13]],
        [0, math.log(2), 1e8, k * 1e8, k * math.log(2), 0],
        rtol=1e-6,
    )


def test_certain_and_wrong_probabilities_stay_finite():
    p = cr.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(p, cr.tensor([0.0, 1.0, 1.0, 0.0]), reduction="none")
    assert loss.tolist() == [0, 0, 100, 100]
    loss.sum().backward()
    assert p.grad.tolist()[:2] == [0, 0] and np.isfinite(p.grad.numpy()).all()


@pytest.mark.parametrize("bad", [1.5, -0.1, math.nan])
def test_what_is_no_probability_is_refused(bad):
    with pytest.raises(ArgumentError, match=r"input must hold.*\[0, 1\].*with_logits"):
        F.binary_cross_entropy(cr.tensor([0.5, bad]), cr.tensor([1.0, 0.0]))
    with pytest.raises(ArgumentError, match=r"target must hold"):
        F.binary_cross_entropy_with_logits(cr.tensor([1.0, 0.0]), cr.tensor([0.5, bad]))


@pytest.mark.parametrize("alpha", [None, 0.25])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_loss_follows_its_formula(alpha, gamma):
    x, y = pick((3, 4), -3, 3), rng.integers(0, 2, (3, 4)).astype(float)
    p = 1 / (1 + np.exp(-x))
    p_t = np.where(y == 1, p, 1 - p)
    a_t = 1 if alpha is None else np.where(y == 1, alpha, 1 - alpha)
    expected = -a_t * (1 - p_t) ** gamma * np.log(p_t)
    args = cr.tensor(x, requires_grad=True), cr.tensor(y)
    loss = F.focal_loss(*args, alpha=alpha, gamma=gamma, reduction="none")
    np.testing.assert_allclose(loss.detach().numpy(), expected)

    def f(x, y):
        return F.focal_loss(x, y, alpha, gamma)

    soft = cr.tensor(pick((3, 4), 0.1, 0.9), requires_grad=True)
    assert f(*args).item() == pytest.approx(expected.mean())
    assert cr.autograd.gradcheck(f, (args[0], soft))
    assert cr.autograd.gradgradcheck(f, (args[0], soft))


def test_focal_loss_without_focus_is_the_cross_entropy():
    x, y = cr.tensor(pick(9, -4, 4)), cr.tensor(rng.integers(0, 2, 9).astype(float))
    plain = F.binary_cross_entropy_with_logits(x, y)
    assert F.focal_loss(x, y, alpha=None, gamma=0).item() == pytest.approx(plain.item())
    assert F.focal_loss(x, y, alpha=0.5, gamma=0).item() == pytest.approx(plain.item() / 2)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_far_out(gamma):
    x = cr.tensor([-800.0, -120, 120, 800] * 2, requires_grad=True)
    y = cr.tensor([0.0] * 4 + [1.0] * 4)
    loss = F.focal_loss(x, y, gamma=gamma)
    (g,) = cr.autograd.grad(loss, x, create_graph=True)
    (h,) = cr.autograd.grad(g.sum(), x)
    assert all(np.isfinite(v.detach().numpy()).all() for v in (loss, g, h))


# ---- C classes ------------------------------------------------------------------------------

CLASSES = [(4,), (5, 4), (2, 3, 5), (2, 3, 2, 2), (0, 3)]


def indices(shape, n):
    return rng.integers(0, n, shape[:1] + shape[2:] if len(shape) > 1 else ())


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("ignore_index", [-100, 1])
@pytest.mark.parametrize("shape", CLASSES, ids=str)
def test_cross_entropy_equals_pytorch(shape, ignore_index, smoothing, weighted, reduction):
    n = shape[1] if len(shape) > 1 else shape[0]
    y, w = indices(shape, n), pick(n, 0.5, 2)
    if y.size and ignore_index == 1:
        y[...] = np.where(y == 1, 1, y)
        y.flat[0] = 0  # something must count
    if 0 in shape and reduction == "mean":
        return
    other = peer()
    torch = pytest.importorskip("torch")
    params = {"ignore_index": ignore_index, "reduction": reduction, "label_smoothing": smoothing}
    check(
        lambda x: F.cross_entropy(x, cr.tensor(y), cr.tensor(w) if weighted else None, **params),
        [pick(shape)],
        lambda x: other.cross_entropy(
            x, torch.tensor(y), torch.tensor(w) if weighted else None, **params
        ),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(4,), (5, 4), (2, 3, 5)], ids=str)
def test_cross_entropy_of_probabilities_equals_pytorch(shape, smoothing, weighted, reduction):
    n = shape[1] if len(shape) > 1 else shape[0]
    w, other, torch = pick(n, 0.5, 2), peer(), pytest.importorskip("torch")
    params = {"reduction": reduction, "label_smoothing": smoothing}
    check(
        lambda x, y: F.cross_entropy(x, y, cr.tensor(w) if weighted else None, **params),
        [pick(shape), pick(shape, 0, 1)],
        lambda x, y: other.cross_entropy(x, y, torch.tensor(w) if weighted else None, **params),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", CLASSES[:-1], ids=str)
def test_nll_loss_equals_pytorch(shape, weighted, reduction):
    n = shape[1] if len(shape) > 1 else shape[0]
    y, w, other, torch = indices(shape, n), pick(n, 0.5, 2), peer(), pytest.importorskip("torch")
    rest = (y, w) if weighted else (y,)
    check(
        lambda x: F.nll_loss(x, *map(cr.tensor, rest), reduction=reduction),
        [pick(shape, -3, 0)],
        lambda x: other.nll_loss(x, *map(torch.tensor, rest), reduction=reduction),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_class_weights_have_gradients(smoothing, reduction):
    y = cr.tensor([0, 2, -100, 1, 2])
    x = cr.tensor(pick((5, 3)), requires_grad=True)
    w = cr.tensor(pick(3, 0.5, 2), requires_grad=True)

    def f(x, w):
        return F.cross_entropy(x, y, w, reduction=reduction, label_smoothing=smoothing)

    assert cr.autograd.gradcheck(f, (x, w))
    assert cr.autograd.gradgradcheck(f, (x, w))


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", CLASSES[:-1], ids=str)
def test_p_minus_y_is_the_chain_rule_through_the_expansion(shape, reduction, ignored):
    n = shape[1] if len(shape) > 1 else shape[0]
    y = cr.tensor(indices(shape, n))
    axis, skip = (1 if len(shape) > 1 else 0), 0 if ignored and y.numel() > 1 else -100
    if skip == 0:
        y = y.clone()
        y[(0,) * y.ndim] = 1
    x = cr.tensor(pick(shape), requires_grad=True)
    one_hot = cr.tensor(np.moveaxis(np.eye(n)[y.numpy()], -1, axis))
    kept = (y != skip).double()
    logs = (x - x.max() - (x - x.max()).exp().sum(axis, keepdim=True).log()) * one_hot
    each = -logs.sum(axis) * kept
    expanded = each if reduction == "none" else each.sum()
    expanded = expanded / kept.sum() if reduction == "mean" else expanded
    loss = F.cross_entropy(x, y, ignore_index=skip, reduction=reduction)
    np.testing.assert_allclose(loss.detach().numpy(), expanded.detach().numpy())
    (g,), (g2,) = (cr.autograd.grad(v.sum(), x, create_graph=True) for v in (loss, expanded))
    np.testing.assert_allclose(g.detach().numpy(), g2.detach().numpy(), atol=1e-14)
    h, h2 = (cr.autograd.grad((v * v).sum(), x)[0].numpy() for v in (g, g2))
    np.testing.assert_allclose(h, h2, atol=1e-14)


def test_cross_entropy_gradient_is_p_minus_y():
    x, y = cr.tensor(pick((6, 4)), requires_grad=True), cr.tensor([0, 1, 2, 3, 0, 1])
    F.cross_entropy(x, y, reduction="sum").backward()
    p = F.softmax(x.detach(), 1).numpy()
    np.testing.assert_allclose(x.grad.numpy(), p - np.eye(4)[y.numpy()], atol=1e-15)
    assert cr.autograd.gradcheck(lambda v: F.cross_entropy(v, y), (x,))
    assert cr.autograd.gradgradcheck(lambda v: F.cross_entropy(v, y), (x,))


def test_probabilities_of_softmax_cross_entropy_have_a_gradient():
    x, y = cr.tensor(pick((3, 4)), requires_grad=True), cr.tensor([0, 1, 3])
    loss, p = F.softmax_cross_entropy(x, y)
    np.testing.assert_allclose(p.detach().numpy(), F.softmax(x, 1).detach().numpy())
    assert loss.item() == F.cross_entropy(x, y).item()
    assert cr.autograd.gradcheck(lambda v: F.softmax_cross_entropy(v, y)[1], (x,))

    def both(v):
        value, shares = F.softmax_cross_entropy(v, y)
        return value * shares

    assert cr.autograd.gradcheck(both, (x,))


def test_cross_entropy_of_huge_and_excluded_scores():
    x = cr.tensor([[1e8, 0.0, -1e8], [1e8, 0, -1e8], [-math.inf, 0, 0]], requires_grad=True)
    loss = F.cross_entropy(x, cr.tensor([0, 2, 1]), reduction="none")
    np.testing.assert_allclose(loss.detach().numpy(), [0, 2e8, math.log(2)], rtol=1e-6)
    loss.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[0, 0, 0], [1, 0, -1], [0, -0.5, 0.5]])


def test_all_targets_ignored():
    x, y = cr.tensor(pick((3, 4)), requires_grad=True), cr.tensor([-100] * 3)
    assert math.isnan(F.cross_entropy(x, y).item())
    assert F.cross_entropy(x, y, reduction="sum").item() == 0
    F.cross_entropy(x, y, reduction="sum").backward()
    assert not x.grad.numpy().any()


def test_an_ignored_impossible_class_counts_for_nothing():
    logs = cr.tensor([[-math.inf, 0.0], [-1.0, -2.0]], requires_grad=True)
    loss = F.nll_loss(logs, cr.tensor([0, 1]), ignore_index=0)
    loss.backward()
    assert loss.item() == 2 and logs.grad.tolist() == [[0, 0], [0, -1]]


def test_class_indices_of_any_integer_dtype():
    x, kinds = cr.tensor(pick((3, 4))), (cr.int64, cr.int32, cr.uint8)
    losses = {F.cross_entropy(x, cr.tensor([0, 1, 3], dtype=d)).item() for d in kinds}
    assert len(losses) == 1 and F.cross_entropy(x, [0, 1, 3]).item() in losses


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_bad_targets_are_named(name):
    f, x = getattr(F, name), cr.ones(3, 4)
    with pytest.raises(IndexRangeError, match=r"target\[1\] is class 4.*4 classes, 0 to 3"):
        f(x, cr.tensor([0, 4, 7]))
    with pytest.raises(IndexRangeError, match="class -1"):
        f(x, cr.tensor([0, 1, -1]))
    with pytest.raises(ShapeError, match=r"shape \(3, 4\).*\(3,\).*target has shape \(1,\)"):
        f(x, cr.tensor([1]))
    with pytest.raises(ShapeError, match=r"\(3, 1\)"):
        f(x, cr.tensor([[1], [2], [3]]))
    with pytest.raises(DTypeError, match=r"target has dtype float32.*target.long\(\)"):
        f(x, cr.tensor([0.0, 1.0, 2.0]))
    with pytest.raises(ShapeError, match=r"weight has shape \(3,\).*4 classes"):
        f(x, cr.tensor([0, 1, 2]), cr.ones(3))
    with pytest.raises(ArgumentError, match="reduction must be one of"):
        f(x, cr.tensor([0, 1, 2]), reduction="average")


def test_bad_arguments_of_cross_entropy():
    x = cr.ones(3, 4)
    with pytest.raises(ArgumentError, match="label_smoothing"):
        F.cross_entropy(x, cr.tensor([0, 1, 2]), label_smoothing=1.5)
    with pytest.raises(ArgumentError, match="ignore_index goes with class indices"):
        F.cross_entropy(x, x, ignore_index=1)
    with pytest.raises(ShapeError, match="axis of classes"):
        F.cross_entropy(cr.tensor(1.0), cr.tensor(0))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_are_computed_in_float32(dtype):
    x = cr.tensor(pick((3, 4)), dtype=dtype, requires_grad=True)
    for loss in (F.cross_entropy(x, cr.tensor([0, 1, 2])), F.mse_loss(x, x.detach() * 0)):
        assert loss.dtype.name == dtype
        loss.backward()
    assert x.grad.dtype.name == dtype
