"""Linear algebra: values and gradients are PyTorch's, errors say what is wrong."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.compile.backend import CompileWarning, native_available

# Of x (2, 4, 3), s (2, 3, 3) regular, b (2, 3, 2), v (3), w (2, 3): results that do not depend on
# the signs of singular and eigenvectors.
CALLS = [
    "m.linalg.solve(s, b)", "m.linalg.solve(s, b.mT, left=False)", "m.linalg.solve(s, w)",
    "m.linalg.solve(s[0], v)", "m.linalg.inv(s)", "m.inverse(s)", "s.inverse()",
    "m.linalg.solve_triangular(s, b, upper=True)",
    "m.linalg.solve_triangular(s, b, upper=False, unitriangular=True)",
    "m.linalg.det(s)", "m.det(s[0])", "m.linalg.slogdet(s).logabsdet", "m.linalg.slogdet(s)[0]",
    "m.logdet(s @ s.mT)", "m.linalg.cholesky(s @ s.mT)", "m.linalg.cholesky(s @ s.mT, upper=True)",
    "m.linalg.eigh(s + s.mT).eigenvalues", "m.linalg.eigvalsh(s @ s.mT)",
    "m.linalg.eigh(s + s.mT).eigenvectors.square()",
    "m.linalg.svd(x, full_matrices=False).S", "m.linalg.svdvals(x.mT)",
    "m.linalg.svd(x, full_matrices=False).U.square()",
    "m.linalg.svd(x.mT, full_matrices=False).Vh.square()",
    "m.linalg.svd(x)[0].shape", "m.linalg.svd(x)[2].shape",
    "m.linalg.qr(x).R.abs()", "m.linalg.qr(x).Q.square()", "m.linalg.qr(x.mT).R.abs()",
    "m.linalg.qr(x, mode='complete')[0].shape", "m.linalg.qr(x, mode='r')[0].shape",
    "m.linalg.pinv(x)", "m.linalg.pinv(x, rtol=0.5)", "m.linalg.pinv(x, atol=1.5)",
    "m.pinverse(x[0])", "m.linalg.lstsq(x, b.repeat(1, 2, 1)[:, :4]).solution",
    "m.linalg.matrix_rank(x)", "m.linalg.matrix_rank(x[0] * 0)", "m.linalg.matrix_power(s, 3)",
    "m.linalg.matrix_power(s, -2)", "m.matrix_power(s.detach(), 0)", "m.linalg.cond(s)",
    "m.linalg.cond(s.detach(), 1)", "m.linalg.cond(s.detach(), 'fro')", "m.linalg.cond(s, -2)",
    "m.linalg.multi_dot([x[0], s[0], b[0], b[1].mT, v])", "m.linalg.cross(w, v.expand(2, 3))",
    "m.linalg.vecdot(x, v)", "m.linalg.norm(x)", "m.linalg.norm(x, 3, dim=1)",
    "m.linalg.norm(x, 'nuc', dim=(0, 2))", "m.linalg.norm(s[0], 2)", "m.linalg.norm(v, 0.5)",
    "m.linalg.vector_norm(x, 4, dim=(0, 1))", "m.linalg.vector_norm(x, 0, keepdim=True)",
    "m.linalg.vector_norm(x, -1)", "m.linalg.vector_norm(x, float('inf'), dim=2)",
    "m.linalg.vector_norm(x, -float('inf'))",
    "m.linalg.vector_norm(x.detach().float(), dtype=m.float64)",
    "m.linalg.matrix_norm(x)", "m.linalg.matrix_norm(x, 'nuc', keepdim=True)",
    "m.linalg.matrix_norm(x, 1)", "m.linalg.matrix_norm(x, -1, dim=(0, 1))",
    "m.linalg.matrix_norm(x, float('inf'))", "m.linalg.matrix_norm(x, -2)",
    # Errors of both.
    "m.linalg.solve(s, b.mT)", "m.linalg.inv(x)", "m.linalg.cholesky(-s @ s.mT)",
    "m.linalg.inv(m.zeros(2, 2))", "m.linalg.det(v)", "m.linalg.qr(x, mode='wide')",
    "m.linalg.norm(x, 2)", "m.linalg.matrix_norm(v)", "m.linalg.matrix_norm(x, 3)",
    "m.linalg.multi_dot([s[0]])", "m.cross(x, x)[:, :, :2] @ v", "m.kron(v, s)[0] @ x",
    "m.linalg.vector_norm(x, 'fro')", "m.trace(x)", "m.vdot(x, v)", "m.tensordot(x, s, 1)",
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore:(Using )?torch[.]:UserWarning")
def test_value_and_gradient_are_pytorchs(call, torch):
    rng = np.random.default_rng(5)
    arrays = {
        "x": rng.normal(size=(2, 4, 3)), "s": rng.normal(size=(2, 3, 3)) + 3 * np.eye(3),
        "b": rng.normal(size=(2, 3, 2)), "v": rng.normal(size=3), "w": rng.normal(size=(2, 3)),
    }  # fmt: skip

    def run(m, errors):
        leaves = {k: m.tensor(a, requires_grad=True) for k, a in arrays.items()}
        try:
            y = eval(call, leaves | {"m": m})
        except errors:
            return "raises", []
        if not hasattr(y, "detach") or not y.requires_grad:
            return y, []
        weights = m.tensor(np.random.default_rng(6).normal(size=tuple(y.shape)))
        (y * weights).sum().backward()
        return y, [x.grad for x in leaves.values()]

    (mine, found), (theirs, expected) = run(cr, cr.ChainruleError), run(torch, Exception)
    if not hasattr(theirs, "detach"):
        assert mine == "raises" if theirs == "raises" else tuple(mine) == tuple(theirs)
        return
    np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-9)
    for g, e in zip(found, expected, strict=bool(expected)):
        mine, theirs = (0.0 if a is None else a.numpy() for a in (g, e))
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-8)


def test_the_determinant_of_a_singular_matrix_has_a_gradient():
    x = cr.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    cr.det(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), [[4, -2], [-2, 1]], atol=1e-5)


def test_factors_rebuild_their_matrix():
    x = cr.randn(2, 5, 3, generator=cr.Generator(1), dtype=cr.float64)
    u, s, vh = cr.linalg.svd(x, full_matrices=False)
    q, r = cr.linalg.qr(x)
    full = cr.linalg.qr(x, "complete")
    low = cr.cholesky(x.mT @ x)
    values, vectors = cr.linalg.eigh(x.mT @ x)
    for again in (u * s.unsqueeze(-2) @ vh, q @ r, full.Q @ full.R):
        assert cr.allclose(again, x)
    for again in (low @ low.mT, vectors * values.unsqueeze(-2) @ vectors.mT):
        assert cr.allclose(again, x.mT @ x)
    with pytest.raises(cr.ChainruleError, match="no gradient for tall matrices"):
        cr.linalg.qr(x.requires_grad_(), "complete").R.sum().backward()


def test_least_squares_tells_residuals_rank_and_singular_values(torch):
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    mine = cr.linalg.lstsq(cr.tensor(a), cr.tensor(b), driver="gelsd")
    theirs = torch.linalg.lstsq(torch.tensor(a), torch.tensor(b), driver="gelsd")
    for got, expected in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-10)


def test_singular_and_indefinite_matrices_are_named():
    with pytest.raises(cr.linalg.LinAlgError, match="solve: .*singular"):
        cr.linalg.solve(cr.zeros(2, 2), cr.ones(2))
    with pytest.raises(cr.ChainruleError, match="cholesky: .*positive definite"):
        cr.linalg.cholesky(-cr.eye(3))
    with pytest.raises(cr.ChainruleError, match=r"solve: A has shape \(2, 2\), B \(3, 1\)"):
        cr.linalg.solve(cr.eye(2), cr.ones(3, 1))


def test_a_compiled_program_with_linear_algebra_runs_on_numpy_and_says_so():
    @cr.compile
    def step(a, b):
        return cr.linalg.solve(a, b).sum() + cr.linalg.svdvals(a).sum() + cr.logdet(a @ a.mT)

    a, b = cr.eye(3) * 2 + cr.ones(3, 3), cr.ones(3, 2)
    if native_available():
        with pytest.warns(CompileWarning, match="LAPACK"):
            first = step(a, b)
    else:
        first = step(a, b)
    assert first.item() == pytest.approx(step(a, b).item())
    assert step.stats()["backend"] == "replay"
    assert math.isclose(first.item(), 2 * 3 * 0.2 + 9 + 2 * math.log(20), rel_tol=1e-5)


def test_matrix_chains_are_multiplied_in_the_cheapest_order(monkeypatch):
    from chainrule.ops import products

    made = []
    original = cr.Tensor.__matmul__

    def noted(self, other):
        made.append(self.shape[0] * self.shape[1] * other.shape[1])
        return original(self, other)

    monkeypatch.setattr(cr.Tensor, "__matmul__", noted)
    shapes = [(10, 100), (100, 5), (5, 50)]
    products.multi_dot([cr.ones(*s) for s in shapes])
    assert sum(made) == 10 * 100 * 5 + 10 * 5 * 50
