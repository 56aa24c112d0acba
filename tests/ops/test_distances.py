"""Distances, similarities and what is scaled by norms."""

import numpy as np
import pytest

import chainrule as cr

CALLS = [
    *(f"m.cdist(x, y, p={p})" for p in (0.0, 0.5, 1.0, 2.0, 3.0, "float('inf')")),
    "m.cdist(x.repeat(10, 1), y.repeat(9, 1))",
    "m.cdist(x, y, compute_mode='use_mm_for_euclid_dist')",
    "m.cdist(x.reshape(2, 2, 3), y[None])", "m.cdist(x[:0], y)",
    *(f"f.pdist(x, {p})" for p in (1.0, 2.0, 2.5, "float('inf')")), "f.pdist(x[:1])",
    "f.pairwise_distance(x, y[:4])", "f.pairwise_distance(x, x[0], p=1, keepdim=True)",
    "f.cosine_similarity(x, y[:4])", "f.cosine_similarity(x, x[0] * 0)",
    "f.cosine_similarity(x[:, None], y[None], dim=-1)",
    "f.normalize(x)", "f.normalize(x, p=3, dim=0)", "f.normalize(x * 0)",
    "f.normalize(x, dim=(0, 1))",
    "m.renorm(x, 2, 0, 1.0)", "m.dist(x, y[:4])", "m.dist(x, y[:4], float('inf'))",
    "m.cdist(x, y[:, :2])", "m.cdist(x[0], y)", "m.renorm(x[0], 2, 0, 1.0)", "m.cdist(x, y, p=-1)",
    "m.renorm(x, -2, 0, 1.0)", "f.pdist(x[0])",
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_value_and_gradient_are_pytorchs(call, torch):
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    b[0] = a[0]  # a distance of 0

    def run(m, errors):
        x, y = m.tensor(a, requires_grad=True), m.tensor(b, requires_grad=True)
        try:
            z = eval(call, {"m": m, "f": m.nn.functional, "x": x, "y": y})
        except errors:
            return "raises"
        (z * m.arange(1, z.numel() + 1).reshape(z.shape)).sum().backward()
        zero = np.zeros(1)
        return [z.detach().numpy(), *(zero if v.grad is None else v.grad.numpy() for v in (x, y))]

    mine, theirs = run(cr, cr.ChainruleError), run(torch, Exception)
    if isinstance(theirs, str):
        assert mine == theirs
        return
    assert mine[0].shape == theirs[0].shape
    # A product loses digits where points are close: there, half of them.
    tol = 2e-7 if "mm" in call or "repeat" in call else 1e-9
    for got, expected in zip(mine, theirs, strict=True):
        keep = np.isfinite(expected) if "mm" in call or "repeat" in call else slice(None)
        if isinstance(keep, np.ndarray) and np.abs(expected).max(initial=0) > 1e5:
            continue  # the gradient at two points that rounding alone keeps apart
        np.testing.assert_allclose(got, expected, rtol=tol, atol=tol)


def test_far_points_are_told_apart_by_the_product_as_without_it():
    x = cr.randn(40, 8, generator=cr.Generator(1), dtype=cr.float64)
    y = cr.randn(30, 8, generator=cr.Generator(2), dtype=cr.float64)
    plain = cr.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    assert cr.allclose(cr.cdist(x, y), plain, rtol=1e-10)
    assert not cr.cdist(x, x).isnan().any()


def test_a_distance_of_zero_has_gradient_zero():
    x = cr.ones(30, 3, requires_grad=True)
    cr.cdist(x, cr.ones(30, 3)).sum().backward()
    assert x.grad.abs().max().item() == 0
