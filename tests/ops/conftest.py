"""What the tests of several families share."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr


@pytest.fixture
def functional() -> Any:
    """PyTorch's functions; the test is skipped where PyTorch is not installed."""
    return pytest.importorskip("torch").nn.functional


@pytest.fixture
def agree() -> Callable[..., None]:
    """`agree(ours, theirs, *shapes)`: the value of two functions of random arrays, its gradient
    and the gradient of its gradient are equal, ours and PyTorch's, at float64."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)

    def check(ours: Any, theirs: Any, *shapes: tuple[int, ...], tol: float = 1e-10) -> None:
        data = [rng.standard_normal(s) for s in shapes]
        x = [cr.tensor(a, requires_grad=True) for a in data]
        z = [torch.tensor(a, requires_grad=True) for a in data]
        y, w = ours(*x), theirs(*z)
        assert tuple(y.shape) == tuple(w.shape)
        np.testing.assert_allclose(y.detach().numpy(), w.detach().numpy(), rtol=tol, atol=tol)
        if not w.numel():
            return
        v = rng.standard_normal(w.shape)
        gx = cr.autograd.grad((y * y * cr.tensor(v)).sum(), x, create_graph=True)
        gz = torch.autograd.grad((w * w * torch.tensor(v)).sum(), z, create_graph=True)
        hx = cr.autograd.grad(sum((g * g * g).sum() for g in gx), x)
        hz = torch.autograd.grad(sum((g * g * g).sum() for g in gz), z)
        for a, b in zip((*gx, *hx), (*gz, *hz), strict=True):
            b = b.detach().numpy()
            np.testing.assert_allclose(
                a.detach().numpy(), b, rtol=tol, atol=tol * (1 + abs(b).max())
            )

    return check


@pytest.fixture
def same() -> Callable[..., None]:
    """`same(program)`: program(chainrule) and program(torch) give equal tensors (or tuples of
    them): dtype, shape and values; or both raise."""
    torch = pytest.importorskip("torch")

    def result(program: Any, module: Any) -> Any:
        try:
            found = program(module)
        except (cr.ChainruleError, RuntimeError, IndexError, ValueError, TypeError):
            return None
        each = found if isinstance(found, tuple | list) else (found,)
        return [(str(v.dtype).split(".")[-1], np.asarray(v.detach().tolist()), tuple(v.shape))
                for v in each]  # fmt: skip

    def check(program: Any, tol: float = 1e-12) -> None:
        mine, theirs = result(program, cr), result(program, torch)
        assert (mine is None) == (theirs is None), (mine, theirs)
        for a, b in zip(mine or (), theirs or (), strict=True):
            assert (a[0], a[2]) == (b[0], b[2])
            np.testing.assert_allclose(a[1].astype(float), b[1].astype(float), rtol=tol, atol=tol)

    return check
