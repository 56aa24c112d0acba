"""Connectionist temporal classification: against PyTorch, against all alignments, and its edges."""

import itertools
import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, IndexRangeError, ShapeError
from chainrule.ops import functional as F

rng = np.random.default_rng(0)


def problem(steps, batch, classes, size, blank):
    y = rng.integers(0, classes - 1, (batch, size))
    return {
        "x": rng.normal(size=(steps, batch, classes)),
        "y": np.where(y >= blank, y + 1, y),
        "frames": rng.integers(max(1, steps // 2), steps + 1, batch),
        "sizes": rng.integers(0, size + 1, batch),
        "blank": blank,
    }


PROBLEMS = [
    problem(8, 3, 5, 3, 0), problem(12, 2, 4, 4, 2), problem(3, 4, 4, 3, 0), problem(6, 2, 3, 0, 1)
]  # fmt: skip


@pytest.mark.parametrize("case", PROBLEMS, ids=lambda c: str(c["x"].shape))
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("zero", [False, True])
def test_loss_and_gradient_are_pytorchs(case, reduction, zero):
    torch = pytest.importorskip("torch")
    results = []
    for lib in (cr, torch):
        x = lib.tensor(case["x"], requires_grad=True)
        loss = lib.nn.CTCLoss(case["blank"], reduction, zero)(
            x.log_softmax(2), lib.tensor(case["y"]), lib.tensor(case["frames"]),
            lib.tensor(case["sizes"]),
        )  # fmt: skip
        loss.sum().backward()
        results.append((loss.detach().numpy(), x.grad.numpy()))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_it_is_the_sum_over_all_alignments():
    logs = F.log_softmax(cr.tensor(rng.normal(size=(5, 1, 3))), 2)
    p, target = np.exp(logs.numpy()[:, 0]), (1, 1)
    total = 0.0
    for path in itertools.product(range(3), repeat=5):
        merged = [k for k, _ in itertools.groupby(path)]
        if tuple(k for k in merged if k) == target:
            total += math.prod(p[i, k] for i, k in enumerate(path))
    loss = F.ctc_loss(logs, cr.tensor([[1, 1]]), [5], [2], reduction="sum")
    assert loss.item() == pytest.approx(-math.log(total), rel=1e-12)


def test_targets_in_a_row_and_without_a_batch():
    logs = F.log_softmax(cr.tensor(rng.normal(size=(6, 2, 4))), 2)
    padded = F.ctc_loss(logs, cr.tensor([[1, 2, 3], [2, 0, 0]]), (6, 5), (3, 1))
    row = F.ctc_loss(logs, cr.tensor([1, 2, 3, 2]), (6, 5), (3, 1))
    assert row.item() == padded.item()
    one = F.ctc_loss(logs[:, 0], cr.tensor([1, 2, 3]), 6, 3, reduction="none")
    assert one.shape == ()
    assert one.item() == F.ctc_loss(logs[:, :1], cr.tensor([[1, 2, 3]]), [6], [3], 0, "sum").item()


def test_the_gradient_is_a_derivative_twice():
    x = cr.tensor(rng.normal(size=(4, 2, 3)), requires_grad=True)

    def loss(x):
        return F.ctc_loss(x, cr.tensor([[1, 2], [2, 2]]), [4, 3], [2, 2])

    assert cr.autograd.gradcheck(loss, (x,)) and cr.autograd.gradgradcheck(loss, (x,))


def test_impossible_targets_and_impossible_labels():
    x = cr.tensor(rng.normal(size=(2, 1, 3)), requires_grad=True)
    loss = F.ctc_loss(x.log_softmax(2), cr.tensor([[1, 1]]), [2], [2], reduction="none")
    assert loss.tolist() == [math.inf]
    loss.sum().backward()
    assert np.isnan(x.grad.numpy()).all()
    x.grad = None
    F.ctc_loss(x.log_softmax(2), cr.tensor([[1, 1]]), [2], [2], zero_infinity=True).backward()
    assert not x.grad.numpy().any()
    logs = cr.tensor([[[-math.inf, 0.0, -math.inf]]] * 3)
    assert F.ctc_loss(logs, cr.tensor([[1]]), [3], [1]).item() == 0
    assert F.ctc_loss(logs, cr.tensor([[2]]), [3], [1]).item() == math.inf
    broken = cr.tensor([[[math.nan, 0.0, -1.0]]] * 3)
    assert math.isnan(F.ctc_loss(broken, cr.tensor([[1]]), [3], [1]).item())


def test_compiled_equals_glass():
    logs = cr.tensor(rng.normal(size=(5, 2, 4)))
    y, frames, sizes = cr.tensor([[1, 2], [3, 3]]), cr.tensor([5, 4]), cr.tensor([2, 2])

    def loss(x, y, frames, sizes):
        return nn.CTCLoss()(x.log_softmax(2), y, frames, sizes)

    wanted = loss(logs, y, frames, sizes).item()
    assert cr.compile(loss)(logs, y, frames, sizes).item() == pytest.approx(wanted, rel=1e-9)


def test_refusals():
    x, y = cr.zeros(4, 2, 3), cr.tensor([[1, 2], [2, 1]])
    for call, kind, says in (
        (lambda: F.ctc_loss(x, y, [4, 5], [2, 2]), IndexRangeError, "input_lengths"),
        (lambda: F.ctc_loss(x, y, [4, 4], [2, 3]), IndexRangeError, "target_lengths"),
        (lambda: F.ctc_loss(x, y + 1, [4, 4], [2, 2]), IndexRangeError, "targets"),
        (lambda: F.ctc_loss(x, y, [4, 4], [2, 2], blank=3), IndexRangeError, "blank"),
        (lambda: F.ctc_loss(x, y[:1], [4, 4], [2, 2]), ShapeError, r"\(1, 2\)"),
        (lambda: F.ctc_loss(x, y.reshape(-1), [4, 4], [2, 1]), ShapeError, "add up to 3"),
        (lambda: F.ctc_loss(x, y, [4, 4], [2, 2], 0, "all"), ArgumentError, "reduction"),
    ):
        with pytest.raises(kind, match=says):
            call()
