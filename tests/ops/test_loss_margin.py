"""Losses by margin, by distance and by likelihood against PyTorch; their limits and refusals."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, IndexRangeError, ShapeError
from chainrule.ops import functional as F

rng = np.random.default_rng(0)
X, Y, Z = (rng.normal(size=(5, 4)) for _ in range(3))
SIGNS = np.where(rng.random((5, 4)) < 0.5, -1.0, 1.0)
SIDES = SIGNS[:, 0]
W = rng.uniform(0.5, 2, 4)
CLASSES = np.array([0, 3, 1, 1, 2])
LISTS = np.array([[3, 0, -1, 1], [2, -1, 0, 0], [-1, 1, 2, 3], [0, 1, 2, 3], [1, 1, -1, 0]])

# (name, float inputs, further positional arguments, options)
CASES = [
    ("soft_margin_loss", (X,), (SIGNS,), {}),
    ("hinge_embedding_loss", (X,), (SIGNS,), {}),
    ("hinge_embedding_loss", (X,), (SIGNS,), {"margin": 0.3}),
    ("margin_ranking_loss", (X, Y, SIGNS), (), {}),
    ("margin_ranking_loss", (X, Y[:, :1], SIGNS), (), {"margin": 0.5}),
    ("multi_margin_loss", (X,), (CLASSES,), {}),
    ("multi_margin_loss", (X,), (CLASSES,), {"p": 2, "margin": 0.5, "weight": W}),
    ("multi_margin_loss", (X[0],), (CLASSES[1],), {}),
    ("multilabel_margin_loss", (X,), (LISTS,), {}),
    ("multilabel_margin_loss", (X[0],), (LISTS[0],), {}),
    ("multilabel_soft_margin_loss", (X, SIGNS / 2 + 0.5), (), {}),
    ("multilabel_soft_margin_loss", (X, SIGNS / 2 + 0.5), (), {"weight": W}),
    ("cosine_embedding_loss", (X, Y), (SIDES,), {}),
    ("cosine_embedding_loss", (X, Y), (SIDES,), {"margin": 0.3}),
    ("cosine_embedding_loss", (X[0], Y[0]), (SIDES[0],), {}),
    ("triplet_margin_loss", (X, Y, Z), (), {}),
    ("triplet_margin_loss", (X, Y, Z), (), {"margin": 0.5, "p": 3.0, "swap": True}),
    ("triplet_margin_loss", (X[0], Y[0], Z[0]), (), {"p": 1.0}),
    ("triplet_margin_with_distance_loss", (X, Y, Z), (), {"swap": True}),
    ("poisson_nll_loss", (X, X**2 + 0.3), (), {}),
    ("poisson_nll_loss", (X**2 + 0.2, 3 * Y**2), (), {"log_input": False, "full": True}),
    ("gaussian_nll_loss", (X, Y, Z**2 + 0.1), (), {}),
    ("gaussian_nll_loss", (X, Y, Z[:, 0] ** 2 + 0.1), (), {"full": True}),
    ("gaussian_nll_loss", (X, Y, Z[:, :1] ** 2), (), {"eps": 0.5}),
    ("gaussian_nll_loss", (X, Y), (0.7,), {}),
]  # fmt: skip


# PyTorch has no second derivative; or takes its first as constant where var < eps.
ONCE = {"multi_margin_loss", "multilabel_margin_loss"}


def run(lib, functions, case, reduction):
    name, floats, rest, options = case
    leaves = [lib.tensor(x, requires_grad=True) for x in floats]
    rest = [lib.tensor(r) if isinstance(r, np.ndarray | np.generic) else r for r in rest]
    options = {k: lib.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    loss = getattr(functions, name)(*leaves, *rest, reduction=reduction, **options)
    weights = lib.tensor(np.cos(np.arange(math.prod(loss.shape))).reshape(tuple(loss.shape)) + 2)
    twice = name not in ONCE and "eps" not in options
    first = lib.autograd.grad((loss * weights).sum(), leaves, create_graph=twice)
    penalty = sum((g * g).sum() for g in first)
    second = [None] * len(leaves)
    if twice and penalty.requires_grad:
        second = lib.autograd.grad(penalty, leaves, allow_unused=True)
    # Where the second derivative is 0 either library may give None.
    return [loss, *first, *(lib.zeros_like(x) if g is None else g
                            for x, g in zip(leaves, second, strict=True))]  # fmt: skip


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]} {c[3]}")
def test_value_and_two_gradients_are_pytorchs(case, reduction):
    torch = pytest.importorskip("torch")
    theirs = run(torch, torch.nn.functional, case, reduction)
    for a, b in zip(run(cr, F, case, reduction), theirs, strict=True):
        a, b = a.detach().numpy(), b.numpy(force=True)
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


# ---- what PyTorch has not -------------------------------------------------------------------


def test_hinge_loss_of_the_support_vector_machine():
    x, y = cr.tensor([2.0, 0.5, -1.0, 1.0]), cr.tensor([1.0, 1.0, 1.0, -1.0])
    assert F.hinge_loss(x, y, reduction="none").tolist() == [0, 0.5, 2, 2]
    assert F.hinge_loss(x, y, squared=True, reduction="sum").item() == 8.25
    assert F.hinge_loss(x, y, margin=0.25).item() == pytest.approx((1.25 + 1.25) / 4)


def test_rmse_is_the_root_and_has_a_gradient_where_all_is_right():
    x = cr.tensor([1.0, 5.0], requires_grad=True)
    assert F.rmse_loss(x, cr.tensor([4.0, 1.0])).item() == pytest.approx(math.sqrt(12.5))
    F.rmse_loss(x, x.detach()).backward()
    assert x.grad.tolist() == [0, 0]
    assert math.isnan(F.rmse_loss(cr.zeros(0), cr.zeros(0)).item())


def test_contrastive_loss_pulls_and_pushes():
    a = cr.tensor([[0.0, 0.0]] * 4, requires_grad=True)
    b = cr.tensor([[3.0, 4.0], [0.3, 0.4], [3.0, 4.0], [0.0, 0.0]])
    y = cr.tensor([1, 0, 0, 0])
    loss = F.contrastive_loss(a, b, y, margin=1.0, reduction="none")
    np.testing.assert_allclose(loss.tolist(), [12.5, 0.125, 0, 0.5], rtol=1e-6)
    loss.sum().backward()
    np.testing.assert_allclose(a.grad.tolist(), [[-3, -4], [0.3, 0.4], [0, 0], [0, 0]], atol=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_softmax_focal_loss_follows_its_formula(gamma, reduction):
    y = np.array([0, 3, -100, 1, 2])
    p = np.exp(X) / np.exp(X).sum(1, keepdims=True)
    right = p[np.arange(5), np.maximum(y, 0)]
    each = np.where(y >= 0, -W[np.maximum(y, 0)] * (1 - right) ** gamma * np.log(right), 0)
    wanted = {"none": each, "sum": each.sum(), "mean": each.sum() / 4}[reduction]
    x = cr.tensor(X, requires_grad=True)

    def loss(x):
        return F.softmax_focal_loss(x, cr.tensor(y), cr.tensor(W), gamma, reduction=reduction)

    np.testing.assert_allclose(loss(x).detach().numpy(), wanted, rtol=1e-12)
    assert cr.autograd.gradcheck(loss, (x,))
    plain = F.softmax_focal_loss(x, cr.tensor(y), None, 0.0)
    assert plain.item() == pytest.approx(F.cross_entropy(x, cr.tensor(y)).item(), rel=1e-12)


def test_softmax_focal_loss_of_certain_scores():
    x = cr.tensor([[1e4, 0.0], [0.0, 1e4]], requires_grad=True)
    for gamma in (0.5, 1.0, 2.0):
        x.grad = None
        loss = F.softmax_focal_loss(x, cr.tensor([0, 0]), gamma=gamma, reduction="none")
        loss.sum().backward()
        assert loss.tolist() == [0, 1e4]
        assert np.isfinite(x.grad.numpy()).all()


# ---- refusals -------------------------------------------------------------------------------

BAD = [
    (lambda x: F.hinge_loss(x, cr.ones(4, 5)), ShapeError, "hinge_loss"),
    (lambda x: F.margin_ranking_loss(x, x, cr.ones(4)), ShapeError, "as many axes"),
    (lambda x: F.multi_margin_loss(x, cr.tensor([0, 1, 2, 3, 4])), IndexRangeError, "class 4"),
    (lambda x: F.multi_margin_loss(x, cr.tensor([0, -100, 2, 3, 0])), IndexRangeError, "-100"),
    (lambda x: F.multi_margin_loss(x, cr.tensor([0, 1])), ShapeError, r"target \(5,\)"),
    (lambda x: F.multi_margin_loss(x, cr.tensor(CLASSES), p=3), ArgumentError, "one of 1, 2"),
    (lambda x: F.multilabel_margin_loss(x, cr.tensor(LISTS + 1)), IndexRangeError, "class 4"),
    (lambda x: F.multilabel_soft_margin_loss(x, x, cr.ones(3)), ShapeError, "weight"),
    (lambda x: F.cosine_embedding_loss(x, x, cr.ones(4)), ShapeError, "cosine_embedding_loss"),
    (lambda x: F.contrastive_loss(x, x, cr.ones(5), margin=0), ArgumentError, "margin"),
    (lambda x: F.triplet_margin_loss(x, x, x[0]), ShapeError, "anchor"),
    (lambda x: F.triplet_margin_loss(x, x, x, margin=-1), ArgumentError, "margin"),
    (lambda x: F.gaussian_nll_loss(x, x, -cr.ones(5, 4)), ArgumentError, "variance"),
    (lambda x: F.gaussian_nll_loss(x, x, cr.ones(4)), ShapeError, "var must have"),
    (lambda x: F.poisson_nll_loss(x, x, eps=0), ArgumentError, "eps"),
    (lambda x: F.softmax_focal_loss(x, cr.tensor(CLASSES), gamma=-1), ArgumentError, "gamma"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "says"), BAD)
@pytest.mark.parametrize("recorded", [False, True])
def test_refusals_name_the_argument(call, kind, says, recorded):
    with pytest.raises(kind, match=says):
        call(cr.ones(5, 4, requires_grad=recorded))
