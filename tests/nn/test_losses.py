"""Loss modules against PyTorch: arguments, values, gradients, state."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, IndexRangeError, ShapeError

torch = pytest.importorskip("torch")
rng = np.random.default_rng(0)
X, Y, Z = rng.normal(size=(3, 6, 4))
SIGNS = np.where(Y > 0, 1.0, -1.0)
SHARES = np.exp(Y) / np.exp(Y).sum(1, keepdims=True)
CLASSES = rng.integers(0, 4, 6)
W = np.array([0.5, 1.0, 2.0, 3.0])

CASES = [
    (lambda nn, w, **r: nn.SmoothL1Loss(beta=0.4, **r), X, Y),
    (lambda nn, w, **r: nn.HuberLoss(delta=0.4, **r), X, Y),
    (lambda nn, w, **r: nn.KLDivLoss(**r), np.log(SHARES), SHARES[::-1]),
    (lambda nn, w, **r: nn.KLDivLoss(log_target=True, **r), X, np.log(SHARES)),
    (lambda nn, w, **r: nn.PoissonNLLLoss(**r), X, Y**2),
    (lambda nn, w, **r: nn.PoissonNLLLoss(False, True, eps=1e-3, **r), X**2, 3 * Y**2),
    (lambda nn, w, **r: nn.GaussianNLLLoss(full=True, eps=0.2, **r), X, Y, Z**2),
    (lambda nn, w, **r: nn.SoftMarginLoss(**r), X, SIGNS),
    (lambda nn, w, **r: nn.HingeEmbeddingLoss(0.4, **r), X, SIGNS),
    (lambda nn, w, **r: nn.MarginRankingLoss(0.2, **r), X, Y, SIGNS),
    (lambda nn, w, **r: nn.MultiMarginLoss(2, 0.5, w, **r), X, CLASSES),
    (lambda nn, w, **r: nn.MultiLabelMarginLoss(**r), X, np.array([[3, 0, -1, 1]] * 6)),
    (lambda nn, w, **r: nn.MultiLabelSoftMarginLoss(w, **r), X, SHARES),
    (lambda nn, w, **r: nn.CosineEmbeddingLoss(0.3, **r), X, Y, SIGNS[:, 0]),
    (lambda nn, w, **r: nn.TripletMarginLoss(0.7, 3, 1e-4, True, **r), X, Y, Z),
    (
        lambda nn, w, **r: nn.TripletMarginWithDistanceLoss(
            distance_function=lambda a, b: (a - b).abs().sum(1), margin=2.0, **r
        ),
        X, Y, Z,
    ),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*reduction.*")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none", None])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_module(case, reduction):
    build, x, *rest = CASES[case]
    chosen = {} if reduction is None else {"reduction": reduction}
    results = []
    for lib in (cr, torch):
        loss = build(lib.nn, lib.tensor(W), **chosen)
        a = lib.tensor(np.ascontiguousarray(x), requires_grad=True)
        value = loss(a, *(lib.tensor(np.ascontiguousarray(r)) for r in rest))
        value.sum().backward()
        results.append((value.detach().numpy(), a.grad.numpy(), list(loss.state_dict())))
    for mine, its in zip(*(r[:2] for r in results), strict=True):
        assert mine.shape == its.shape
        np.testing.assert_allclose(mine, its, rtol=1e-9, atol=1e-11)
    assert results[0][2] == results[1][2]


def test_those_of_the_notes():
    x, y = cr.tensor(X), cr.tensor(Y)
    assert nn.RMSELoss()(x, y).item() == pytest.approx(np.sqrt(((X - Y) ** 2).mean()))
    hinge = np.maximum(0, 0.5 - SIGNS * X)
    assert nn.HingeLoss(0.5)(x, cr.tensor(SIGNS)).item() == pytest.approx(hinge.mean())
    squared = nn.HingeLoss(0.5, squared=True, reduction="sum")(x, cr.tensor(SIGNS))
    assert squared.item() == pytest.approx((hinge**2).sum())
    focal = nn.FocalLoss(None, 0.0)(x, cr.tensor(SHARES)).item()
    assert focal == pytest.approx(nn.BCEWithLogitsLoss()(x, cr.tensor(SHARES)).item())
    many = nn.SoftmaxFocalLoss(cr.tensor(W), 0.0, reduction="sum")(x, cr.tensor(CLASSES)).item()
    plain = nn.CrossEntropyLoss(cr.tensor(W), reduction="sum")(x, cr.tensor(CLASSES)).item()
    assert many == pytest.approx(plain)
    apart = nn.ContrastiveLoss(9.0, reduction="none")(x, y, cr.zeros(6)).numpy()
    wanted = 0.5 * (9 - np.linalg.norm(X - Y, axis=1)) ** 2
    np.testing.assert_allclose(apart, wanted)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: nn.HuberLoss(delta=0), "delta"),
        (lambda: nn.KLDivLoss(reduction="all"), "reduction"),
        (lambda: nn.MultiMarginLoss(p=3), "p must"),
        (lambda: nn.TripletMarginLoss(margin=0), "margin"),
        (lambda: nn.CTCLoss(blank=-1), "blank"),
        (lambda: nn.FocalLoss(alpha=2.0), "alpha"),
        (lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 6, [3, 2]), "cutoffs"),
        (lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 6, [6]), "cutoffs"),
    ],
)
def test_bad_arguments_are_named(make, says):
    with pytest.raises(ArgumentError, match=says):
        make()


# ---- adaptive softmax -----------------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True])
def test_adaptive_softmax_equals_torch(bias):
    mine = nn.AdaptiveLogSoftmaxWithLoss(16, 20, [4, 9, 12], 2.0, bias).double()
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(16, 20, [4, 9, 12], 2.0, bias).double()
    state = {k: torch.tensor(v.tolist()).double() for k, v in mine.state_dict().items()}
    theirs.load_state_dict(state)
    x, y = rng.normal(size=(8, 16)), np.array([0, 3, 4, 8, 11, 19, 12, 1])
    results = []
    for lib, module in ((cr, mine), (torch, theirs)):
        a = lib.tensor(x, requires_grad=True)
        output, loss = module(a, lib.tensor(y))
        loss.backward()
        single = module(a[2], lib.tensor(y)[2])
        results.append([output, loss, a.grad, module.log_prob(a), module.predict(a), *single])
        results[-1] += [p.grad for p in module.parameters()]
    for ours, its in zip(*results, strict=True):
        assert tuple(ours.shape) == tuple(its.shape)
        np.testing.assert_allclose(ours.detach().numpy(), its.detach().numpy(), rtol=1e-9)


def test_adaptive_softmax_refuses():
    module = nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2])
    with pytest.raises(IndexRangeError, match="0 to 5"):
        module(cr.ones(2, 4), cr.tensor([0, 6]))
    with pytest.raises(ShapeError, match=r"\(N, 4\)"):
        module(cr.ones(2, 3), cr.tensor([0, 1]))
