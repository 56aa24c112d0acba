"""Linear algebra under the names of `torch.linalg`, and the older names of `torch` itself."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.creation import eye
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.functions import function
from chainrule.ops.mixed import in_float32
from chainrule.ops.norms import linalg_norm
from chainrule.ops.op import REGISTRY


class SlogdetResult(NamedTuple):
    """Sign and logarithm of the size of a determinant."""

    sign: Tensor
    logabsdet: Tensor


class EighResult(NamedTuple):
    """Eigenvalues, ascending, and eigenvectors in columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class SVDResult(NamedTuple):
    """A = U diag(S) Vh."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class SVDTriple(NamedTuple):
    """A = U diag(S) Vᵀ."""

    U: Tensor
    S: Tensor
    V: Tensor


class QRResult(NamedTuple):
    """A = Q R."""

    Q: Tensor
    R: Tensor


class LstsqResult(NamedTuple):
    """What least squares gives; empty where it was not worked out."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


def _run(name: str, *inputs: Any, **params: Any) -> Any:
    op = REGISTRY[name]
    return apply(op, *inputs, **(op.defaults | params))


def _batch(x: Tensor, name: str) -> Tensor:
    if x.ndim < 2:
        raise ShapeError(t("{name} takes matrices (…, m, n), got shape {x}.", name=name, x=x.shape))
    return x


# ---- solving --------------------------------------------------------------------------------


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A @ X = B (`left=False`: X @ A = B). B: (…, n, k), or vectors (…, n).

    >>> cr.linalg.solve(cr.tensor([[2.0, 0.0], [0.0, 4.0]]), cr.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    _batch(A, "solve")
    if not left:
        return solve(A.mT, B.mT).mT
    if B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]):
        return _run("matrix_solve", A, B.unsqueeze(-1)).squeeze(-1)
    return _run("matrix_solve", A, B)


def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """X with A @ X = B for a triangle A; what stands outside the triangle does not matter."""
    A = _batch(A, "solve_triangular").triu() if upper else A.tril()
    if unitriangular:
        unit = eye(A.shape[-1], dtype=A.dtype)
        A = A * (1 - unit) + unit
    return solve(A, B, left=left)


def inv(A: Tensor) -> Tensor:
    """The inverse of square matrices; ArgumentError where there is none.

    >>> cr.linalg.inv(cr.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return _run("matrix_solve", A, eye(_batch(A, "inv").shape[-1], dtype=_floats(A).dtype))


def _floats(x: Tensor) -> Tensor:
    return x if x.dtype.is_floating_point else cast(x, dtypes.get_default_dtype())


@function("inverse")
def inverse(input: Tensor) -> Tensor:
    """The inverse of square matrices; ArgumentError where there is none."""
    return inv(input)


def pinv(
    A: Tensor, rcond: float | None = None, hermitian: bool = False, *, atol: float | None = None,
    rtol: float | None = None,
) -> Tensor:  # fmt: skip
    """The pseudo-inverse (…, n, m); singular values up to max(atol, rtol·largest) count as 0.

    `rtol`: max(m, n)·eps unless given, and 0 if only `atol` is. `rcond`: its old name.
    """
    rtol = rcond if rtol is None else rtol
    A = _floats(_batch(A, "pinv"))
    if rtol is None:
        eps = float(np.finfo(A.dtype.numpy).eps)
        rtol = 0.0 if atol is not None and atol > 0 else max(A.shape[-2:]) * eps
    return _run("pseudo_inverse", A, rtol=float(rtol), atol=float(atol or 0.0))


@function("pinverse")
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The pseudo-inverse; singular values up to rcond·largest count as 0."""
    return pinv(input, rtol=rcond)


@in_float32
def lstsq(
    A: Tensor, B: Tensor, *, rcond: float | None = None, driver: str | None = None
) -> LstsqResult:
    """X that makes |A @ X − B| least, the shortest such: A (…, m, n), B (…, m, k) or (…, m).

    Also the squared residuals of each column (where m > n and A has full rank), the ranks of A,
    and its singular values. `driver` names an algorithm of LAPACK; it is always the singular values
    here.
    """
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise ArgumentError(
            t("lstsq: driver must be gels, gelsy, gelsd or gelss, got {driver!r}.", driver=driver)
        )
    A = _floats(_batch(A, "lstsq"))
    m, n = A.shape[-2:]
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    wide = B.unsqueeze(-1) if vector else B
    solution = pinv(A, rtol=rcond) @ wide
    rank = matrix_rank(A, rtol=rcond)
    residuals = A.new_empty(0)
    if m > n and bool(rank.eq(n).all()):
        gap = A @ solution - wide
        residuals = (gap * gap).sum(-2)
    solution = solution.squeeze(-1) if vector else solution
    return LstsqResult(solution, residuals, rank, svdvals(A))


# ---- determinants ---------------------------------------------------------------------------


@function("slogdet")
def slogdet(input: Tensor) -> SlogdetResult:
    """Sign and ln |det|; −inf for singular matrices."""
    return SlogdetResult(*_run("log_det", input))


@function("logdet")
def logdet(input: Tensor) -> Tensor:
    """ln det; −inf for singular matrices, NaN for a negative determinant."""
    sign, size = slogdet(input)
    return _run("where", sign < 0, math.nan, size)


# ---- decompositions -------------------------------------------------------------------------


@function("cholesky")
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """The lower triangle L with L Lᵀ = input (`upper`: Lᵀ), for positive definite matrices.

    Of a matrix that is not symmetric, (A + Aᵀ)/2 is taken. ArgumentError where it is not definite.
    """
    factor = _run("cholesky_factor", input)
    return factor.mT if upper else factor


@function("cholesky_solve")
def cholesky_solve(input: Tensor, input2: Tensor, upper: bool = False) -> Tensor:
    """X with L Lᵀ X = input, from the Cholesky factor L = input2 (`upper`: LᵀL)."""
    low = input2.mT if upper else input2
    half = solve_triangular(low, input, upper=False)
    return solve_triangular(low.mT, half, upper=True)


@function("cholesky_inverse")
def cholesky_inverse(input: Tensor, upper: bool = False) -> Tensor:
    """The inverse of L Lᵀ, from the Cholesky factor L = input (`upper`: of LᵀL)."""
    return cholesky_solve(eye(input.shape[-1], dtype=input.dtype), input, upper)


def eigh(A: Tensor, UPLO: str = "L") -> EighResult:
    """Eigenvalues and eigenvectors of symmetric matrices. Of others, (A + Aᵀ)/2 is taken."""
    if UPLO not in ("L", "U"):
        raise ArgumentError(t("eigh: UPLO must be 'L' or 'U', got {UPLO!r}.", UPLO=UPLO))
    return EighResult(*_run("symmetric_eigen", A))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric matrices, ascending."""
    return eigh(A, UPLO).eigenvalues


def linalg_svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> SVDResult:
    """U, S, Vh with A = U diag(S) Vh; `full_matrices=False`: only as many columns as needed."""
    return SVDResult(*_run("singular_values", A, full=bool(full_matrices)))


def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values, descending."""
    return _run("singular_values", A)[1]


@function("svd")
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> SVDTriple:
    """U, S, V with input = U diag(S) Vᵀ; without `compute_uv`, U and V are zeros."""
    u, s, vh = _run("singular_values", input, full=not some or not compute_uv)
    if not compute_uv:
        return SVDTriple((u * 0).detach(), s, (vh.mT * 0).detach())
    return SVDTriple(u, s, vh.mT)


def linalg_qr(A: Tensor, mode: str = "reduced") -> QRResult:
    """Q, R with A = Q R; mode "complete": a square Q; "r": R alone, Q is empty."""
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(
            t("qr: mode must be 'reduced', 'complete' or 'r', got {mode!r}.", mode=mode)
        )
    q, r = _run("orthogonal_triangular", A, full=mode == "complete")
    return QRResult(A.new_empty(0) if mode == "r" else q, r)


@function("qr")
def qr(input: Tensor, some: bool = True) -> QRResult:
    """Q, R with input = Q R; `some=False`: a square Q."""
    return linalg_qr(input, "reduced" if some else "complete")


# ---- of one matrix --------------------------------------------------------------------------


@function("matrix_power")
def matrix_power(input: Tensor, n: int) -> Tensor:
    """input @ input @ …, n times; below 0, of the inverse."""
    _batch(input, "matrix_power")
    if input.shape[-1] != input.shape[-2]:
        raise ShapeError(
            t("matrix_power takes square matrices (…, n, n), got shape {x}.", x=input.shape)
        )
    if n < 0:
        return matrix_power(inv(input), -n)
    out, power = None, input
    while n:
        if n & 1:
            out = power if out is None else out @ power
        n >>= 1
        power = power @ power if n else power
    if out is None:
        return eye(input.shape[-1], dtype=input.dtype).expand(input.shape).clone()
    return out.clone() if out is input else out


@function("matrix_exp")
def matrix_exp(input: Tensor) -> Tensor:
    """exp of square matrices: I + A + A²/2 + … , of A halved until it is small, then squared back.

    How often it is halved follows from the values, so a trace cannot hold it.
    """
    A = _floats(_batch(input, "matrix_exp"))
    if A.shape[-1] != A.shape[-2]:
        raise ShapeError(t("{name} takes {what}, got shape {x}.", name="matrix_exp",
                           what=t("square matrices (…, n, n)"), x=A.shape))  # fmt: skip
    values = np.abs(np.asarray(A._values(), np.float64))
    size = float(values.sum(-2).max(initial=0.0))
    halvings = max(0, math.ceil(math.log2(size / 0.25))) if 0 < size < math.inf else 0
    small = A * 2.0**-halvings
    unit = eye(A.shape[-1], dtype=A.dtype)
    out = unit.expand(A.shape)
    for k in range(13, 0, -1):
        out = unit + small @ out / k
    for _ in range(halvings):
        out = out @ out
    return out


def matrix_rank(
    A: Tensor, tol: float | None = None, hermitian: bool = False, *, atol: float | None = None,
    rtol: float | None = None,
) -> Tensor:  # fmt: skip
    """How many singular values exceed max(atol, rtol·largest); limits as in `pinv`.

    `tol`: an old form, atol without rtol.
    """
    if tol is not None:
        atol, rtol = tol, 0.0
    A = _floats(_batch(A, "matrix_rank")).detach()
    values = svdvals(A)
    if rtol is None:
        eps = float(np.finfo(A.dtype.numpy).eps)
        rtol = 0.0 if atol is not None and atol > 0 else max(A.shape[-2:]) * eps
    least = (values.amax(-1, keepdim=True) * rtol).clamp_min(atol or 0.0)
    return (values > least).sum(-1)


def cond(A: Tensor, p: Any = None) -> Tensor:
    """How much solving may magnify errors: |A|·|A⁻¹| in the p-norm of matrices (None: 2)."""
    _batch(A, "cond")
    if p in (None, 2, -2):
        values = svdvals(A)
        ends = values[..., 0], values[..., -1]
        return ends[1] / ends[0] if p == -2 else ends[0] / ends[1]
    axes = (-2, -1)
    return linalg_norm(A, p, axes) * linalg_norm(inv(A), p, axes)
