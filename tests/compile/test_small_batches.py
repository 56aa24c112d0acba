"""Backward convolutions of small batches run with the channels in the lanes, and give the same."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.nn import functional as F

# batch, channels before and after, height, kernel, stride, padding, dilation
SHAPES = [
    (2, 16, 32, 12, 3, 1, 1, 1),
    (1, 16, 16, 11, 3, 2, 1, 1),
    (2, 16, 24, 10, 1, 1, 0, 1),
    (2, 16, 24, 9, 1, 2, 0, 1),
    (3, 16, 16, 13, 3, 1, 2, 2),
    (2, 16, 16, 12, 5, 1, 2, 1),
    (2, 3, 16, 20, 7, 2, 3, 1),
    (2, 16, 16, 8, 2, 2, 0, 1),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_compiled_equals_glass(shape):
    n, before, after, size, kernel, stride, padding, dilation = shape
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, before, size, size))
    w = rng.standard_normal((after, before, kernel, kernel)) / np.sqrt(before * kernel**2)

    def step(x, w):
        a, b = x.detach().requires_grad_(), w.detach().requires_grad_()
        y = F.conv2d(F.relu(a), b, None, stride, padding, dilation)
        return (y, *cr.autograd.grad((y * y.sin()).sum(), (a, b)))

    given = [cr.tensor(v.astype(np.float32)) for v in (x, w)]
    compiled = cr.compile(step)
    found = compiled(*given)
    expected = step(*(cr.tensor(v) for v in (x, w)))  # float64
    assert compiled.stats()["backend"] == "native"
    for a, b in zip(found, expected, strict=True):
        scale = float(np.abs(b.detach().numpy()).max())
        error = np.abs(a.detach().numpy() - b.detach().numpy()).max()
        assert error < 2e-6 * scale * np.sqrt(before * kernel**2)


def test_only_small_batches_are_done_so():
    def step(x, w):
        a, b = x.detach().requires_grad_(), w.detach().requires_grad_()
        y = F.conv2d(a.relu(), b, None, 1, 1)
        return cr.autograd.grad(y.square().sum(), (a, b))

    for n, small in ((2, True), (64, False)):
        compiled = cr.compile(step)
        compiled(cr.randn(n, 16, 12, 12), cr.randn(32, 16, 3, 3))
        assert ("conv_weight" in str(compiled.inspect("schedule"))) is not small
