"""Functions that are several operations: their native program and its gradient = glass mode."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.compile import trace
from chainrule.compile.backend import native_available
from chainrule.compile.native import Native

pytestmark = pytest.mark.skipif(not native_available(), reason="llvmlite is not installed")
rng = np.random.default_rng(7)
X = rng.normal(size=(6, 40)).astype("float32")
INDEX = rng.integers(0, 6, (5, 40))
EDGES = np.sort(rng.normal(size=9)).astype("float32")

CALLS = {
    "topk": lambda x, i, e: cr.topk(x, 4, 1),
    "kthvalue": lambda x, i, e: cr.kthvalue(x, 3, 1),
    "median": lambda x, i, e: cr.median(x, 1),
    "nanmedian": lambda x, i, e: cr.nanmedian(x, 0),
    "mode": lambda x, i, e: cr.mode(x.round(), 1),
    "searchsorted": lambda x, i, e: cr.searchsorted(e, x, right=True),
    "index_add": lambda x, i, e: cr.index_add(x, 0, i[0, :3], x[:3]),
    "index_copy": lambda x, i, e: cr.index_copy(x, 1, cr.tensor([3, 1]), x[:, :2] * 2),
    "index_reduce": lambda x, i, e: cr.index_reduce(x, 0, i[0, :3], x[:3], "mean"),
    "index_put": lambda x, i, e: cr.index_put(x, (i[0],), x[0] * 2, accumulate=True),
    "masked_scatter": lambda x, i, e: cr.masked_scatter(x, x > 0, x.flip(0)),
    "take": lambda x, i, e: cr.take(x, i),
    "unravel_index": lambda x, i, e: cr.unravel_index(i, (2, 3)),
    "one_hot": lambda x, i, e: cr.nn.functional.one_hot(i, 6),
    "unfold": lambda x, i, e: x.unfold(1, 3, 2),
    "diag_embed": lambda x, i, e: cr.diag_embed(x, 1),
    "diagonal_scatter": lambda x, i, e: cr.diagonal_scatter(x, x[:, 0]),
    "slice_scatter": lambda x, i, e: cr.slice_scatter(x, x[:2] * 2, 0, 1, 3),
    "fill_diagonal_": lambda x, i, e: (x * 1).fill_diagonal_(3.0),
    "unsqueeze_": lambda x, i, e: (x * 1).unsqueeze_(0).transpose_(0, 1),
    "rot90": lambda x, i, e: cr.rot90(x),
    "repeat_interleave": lambda x, i, e: cr.repeat_interleave(x, 2, 1),
    "tensor_split": lambda x, i, e: cr.tensor_split(x, 3, 1),
    "cov": lambda x, i, e: cr.cov(x),
    "corrcoef": lambda x, i, e: cr.corrcoef(x),
    "diff": lambda x, i, e: cr.diff(x, 2),
    "cumulative_trapezoid": lambda x, i, e: cr.cumulative_trapezoid(x),
    "gradient": lambda x, i, e: cr.gradient(x),
    "quantile": lambda x, i, e: cr.quantile(x, cr.tensor([0.1, 0.5]), 1),
}


@pytest.mark.parametrize("name", CALLS)
def test_compiled_is_glass(name):
    def program(x, i, e):
        y = CALLS[name](x, i, e)
        each = list(y) if isinstance(y, tuple) else [y]
        smooth = [v for v in each if v.requires_grad]
        if smooth:
            each += cr.autograd.grad(sum((v * v).sum() for v in smooth), x)
        return [v.detach() for v in each]

    given = cr.tensor(X, requires_grad=True), cr.tensor(INDEX), cr.tensor(EDGES)
    traced = trace(program, *given)
    traced.executable = Native(traced.graph, 2, True)
    for got, expected in zip(traced(*given), program(*given), strict=True):
        assert got.dtype is expected.dtype
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=2e-5, atol=1e-5)
