"""Systems of equations and decompositions of matrices, with their gradients.

LAPACK works out the values, in compiled mode too (a program that uses them runs on NumPy). The
gradients are written in matrix products and further solutions, so they can be differentiated
again. M. B. Giles, "An extended collection of matrix derivative results" (2008), has their
derivations; J. Townsend, "Differentiating the singular value decomposition" (2016), that of svd.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.base.constraints import Bool, NonNegative
from chainrule.base.errors import AutogradError, ShapeError
from chainrule.base.shapes import broadcast_shapes
from chainrule.base.text import t
from chainrule.ops.op import Card, Op, op

Shapes = dict[str, tuple[int, ...]]

# ---- help -----------------------------------------------------------------------------------


def _matrices(name: str, x: tuple[int, ...], square: bool = True) -> tuple[int, ...]:
    """The batch axes of matrices; ShapeError where they are none."""
    if len(x) < 2 or (square and x[-1] != x[-2]):
        what = t("square matrices (…, n, n)") if square else t("matrices (…, m, n)")
        raise ShapeError(t("{name} takes {what}, got shape {x}.", name=name, what=what, x=x))
    return x[:-2]


def _T(F: Any, x: Any) -> Any:
    return F.matrix_transpose(x)


def _eye(F: Any, x: Any, n: int) -> Any:
    """The n × n unit matrix in the dtype of x."""
    return F.one_hot(F.arange(n, "int64"), n, x.dtype)


def _below(F: Any, x: Any) -> Any:
    """The entries under the diagonal; zeros elsewhere."""
    n, m = x.shape[-2:]
    under = F.less(F.expand_dims(F.arange(m, "int64"), 0), F.expand_dims(F.arange(n, "int64"), 1))
    return F.where(under, x, F.zeros_like(x))


def _spread(F: Any, x: Any) -> Any:
    """Vectors (…, n) as diagonal matrices (…, n, n)."""
    return F.expand_dims(x, -1) * _eye(F, x, x.shape[-1])


def _columns(F: Any, x: Any, start: int, stop: int) -> Any:
    return F.slice(x, (Ellipsis, slice(start, stop)))


def _of(seed: int, *shape: int) -> np.ndarray:
    """A sample with entries of order 1, well conditioned."""
    return np.random.default_rng(seed).normal(size=shape)


def _definite(seed: int, *shape: int) -> np.ndarray:
    x = _of(seed, *shape)
    return x @ np.swapaxes(x, -1, -2) + shape[-1] * np.eye(shape[-1])


def _regular(seed: int, *shape: int) -> np.ndarray:
    return 0.4 * _of(seed, *shape) + 2 * np.eye(shape[-1])


def _many(samples: Callable[[int], tuple[Any, ...]]) -> Any:
    """Twenty samples or more, of matrices of the given kinds; none before they are asked for."""

    def drawn() -> tuple[Any, ...]:
        rounds = -(-20 // len(samples(0)))
        return tuple(sample for k in range(rounds) for sample in samples(10 * k))

    return staticmethod(drawn)


# ---- systems of equations -------------------------------------------------------------------


def _solve_shape(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
    a, b = shapes["A"], shapes["B"]
    _matrices("solve", a)
    if len(b) < 2 or b[-2] != a[-1]:
        raise ShapeError(
            t("solve: A has shape {a}, B {b}: B needs {n} rows, (…, {n}, k).", a=a, b=b, n=a[-1])
        )
    return (*broadcast_shapes(a[:-2], b[:-2]), *b[-2:])


@op
class Solve(Op):
    """X with A @ X = B: A (…, n, n), B (…, n, k), the batches broadcast."""

    name = "matrix_solve"
    math = "inverse(A) @ B"
    dtypes = "float"
    autocast = "float32"
    on_host = True
    saves = {"A": ("A", "y"), "B": ("A",)}
    shape = staticmethod(_solve_shape)
    always_check = True
    method = False
    samples = _many(
        lambda k: (
            (_regular(k + 1, 2, 3, 3), (2, 3, 2)),
            (_regular(k + 2, 2, 1, 2, 2), (3, 2, 1)),
            (_regular(k + 3, 1, 4, 4), (4, 4)),
        )
    )
    card = Card(
        en="Solves a system of linear equations; its gradient solves the transposed one.",
        zh="解线性方程组；它的梯度解转置的方程组。",
    )

    def forward(F, A, B):
        (y,) = F.host("solve", A, B)
        return y

    def vjp(F, g, y, A, B):
        u = F.matrix_solve(_T(F, A), g)
        return lambda: F.sum_to(-(u @ _T(F, y)), A.shape), lambda: F.sum_to(u, B.shape)


@op
class PseudoInverse(Op):
    """The matrix A⁺ that gives least squares; singular values under a limit count as 0."""

    math = "pseudo_inverse(A)"
    params = {"rtol": NonNegative(1e-15), "atol": NonNegative(0.0)}
    dtypes = "float"
    autocast = "float32"
    on_host = True
    always_check = True
    method = False
    samples = _many(
        lambda k: ((_of(k + 1, 2, 4, 3),), (_of(k + 2, 2, 2, 3),), (_of(k + 3, 1, 3, 3),))
    )
    card = Card(
        en="The inverse where there is none: the shortest of the best solutions.",
        zh="没有逆矩阵时的替代：最优解中最短的一个。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
        *batch, m, n = (*_matrices("pinv", shapes["A"], False), *shapes["A"][-2:])
        return (*batch, n, m)

    def forward(F, A, *, rtol, atol):
        (y,) = F.host("pseudo_inverse", A, rtol=rtol, atol=atol)
        return y

    def vjp(F, g, y, A, *, rtol, atol):
        p, pt, gt = y, _T(F, y), _T(F, g)
        rows = gt - A @ (p @ gt)
        columns = gt - (gt @ p) @ A
        return (-(pt @ g @ pt) + rows @ p @ pt + pt @ p @ columns,)


# ---- determinants ---------------------------------------------------------------------------


def _det_shape(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
    return _matrices("det", shapes["A"])


@op
class Det(Op):
    """The determinant of square matrices (…, n, n).

    >>> cr.linalg.det(cr.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor(8.)
    """

    math = "det(A)"
    dtypes = "float"
    autocast = "float32"
    on_host = True
    saves = ("A",)
    shape = staticmethod(_det_shape)
    always_check = True
    samples = _many(
        lambda k: ((_of(k + 1, 2, 3, 3),), (_of(k + 2, 2, 1, 2, 2),), (_of(k + 3, 1, 1, 1),))
    )
    card = Card(
        en="How much volumes grow; its gradient is the matrix of cofactors.",
        zh="体积放大的倍数；梯度是余子式矩阵。",
    )

    def forward(F, A):
        (y,) = F.host("det", A)
        return y

    def vjp(F, g, y, A):
        return (F.reshape(g, (*g.shape, 1, 1)) * F.cofactor(A),)


@op
class Cofactor(Op):
    """The cofactors of square matrices, right for singular ones too (their gradient is not)."""

    math = "det(A) * inverse(A).T"
    dtypes = "float"
    autocast = "float32"
    on_host = True
    saves = ("A", "y")
    always_check = True
    method = False
    samples = _many(lambda k: ((_regular(k + 1, 2, 3, 3),), (_regular(k + 2, 2, 1, 2, 2),)))
    card = Card(
        en="Signed determinants of what is left without a row and a column.",
        zh="去掉一行一列后带符号的行列式。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
        _matrices("det", shapes["A"])
        return shapes["A"]

    def forward(F, A):
        (y,) = F.host("cofactor", A)
        return y

    def vjp(F, g, y, A):
        whole = F.sum(g * y, (-2, -1), True)
        return ((whole * y - y @ _T(F, g) @ y) / F.reshape(F.det(A), (*A.shape[:-2], 1, 1)),)


@op
class LogDet(Op):
    """The sign of the determinant, and the logarithm of its size (−inf where it is 0)."""

    math = "sign(det(A)), log(abs(det(A)))"
    outputs = ("sign", "logabsdet")
    dtypes = "float"
    autocast = "float32"
    on_host = True
    saves = ("A",)
    always_check = True
    method = False
    samples = _many(lambda k: ((_regular(k + 1, 2, 3, 3),), (_of(k + 2, 2, 1, 2, 2),)))
    card = Card(
        en="A determinant that cannot overflow; the gradient is the inverse, transposed.",
        zh="不会溢出的行列式；梯度是逆矩阵的转置。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Any:
        batch = _matrices("slogdet", shapes["A"])
        return batch, batch

    def forward(F, A):
        return F.host("log_det", A)

    def vjp(F, g, y, A):
        inverse = F.matrix_solve(_T(F, A), _eye(F, A, A.shape[-1]))
        return (F.reshape(g[1], (*g[1].shape, 1, 1)) * inverse,)


# ---- decompositions -------------------------------------------------------------------------


@op
class CholeskyFactor(Op):
    """The lower triangle L with L Lᵀ = (A + Aᵀ)/2, for positive definite matrices."""

    math = "cholesky(A)"
    dtypes = "float"
    autocast = "float32"
    on_host = True
    saves = ("y",)
    always_check = True
    method = False
    samples = _many(lambda k: ((_definite(k + 1, 2, 3, 3),), (_definite(k + 2, 2, 1, 2, 2),)))
    card = Card(
        en="The square root of a covariance: L times white noise has it.",
        zh="协方差的平方根：L 乘白噪声就具有该协方差。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
        _matrices("cholesky", shapes["A"])
        return shapes["A"]

    def forward(F, A):
        (y,) = F.host("cholesky", 0.5 * (A + _T(F, A)))
        return y

    def vjp(F, g, y, A):
        product = _T(F, y) @ g
        middle = _below(F, product) + 0.5 * product * _eye(F, y, y.shape[-1])
        half = F.matrix_solve(_T(F, y), middle)
        whole = _T(F, F.matrix_solve(_T(F, y), _T(F, half)))
        return (0.5 * (whole + _T(F, whole)),)


@op
class SymmetricEigen(Op):
    """Eigenvalues, ascending, and eigenvectors (columns) of (A + Aᵀ)/2.

    The gradient through the eigenvectors is not finite where two eigenvalues are equal.
    """

    math = "eigenvalues(A), eigenvectors(A)"
    outputs = ("values", "vectors")
    dtypes = "float"
    autocast = "float32"
    on_host = True
    saves = ("y",)
    always_check = True
    method = False
    samples = _many(lambda k: ((_definite(k + 1, 2, 3, 3),), (_definite(k + 2, 2, 1, 2, 2),)))
    card = Card(
        en="The axes of an ellipsoid and how long they are.",
        zh="椭球的主轴及其长度。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Any:
        _matrices("eigh", shapes["A"])
        return shapes["A"][:-1], shapes["A"]

    def forward(F, A):
        return F.host("eigen", 0.5 * (A + _T(F, A)))

    def vjp(F, g, y, A):
        (gw, gv), (w, v) = g, y
        inner = _spread(F, gw) + (_T(F, v) @ gv) * _gaps(F, w)
        whole = v @ inner @ _T(F, v)
        return (0.5 * (whole + _T(F, whole)),)


def _gaps(F: Any, w: Any) -> Any:
    """1/(wⱼ − wᵢ), and 0 on the diagonal."""
    unit = _eye(F, w, w.shape[-1])
    return (1 - unit) / (F.expand_dims(w, -2) - F.expand_dims(w, -1) + unit)


@op
class SingularValues(Op):
    """U, S, Vᵀ with A = U diag(S) Vᵀ: orthonormal columns and rows, S descending.

    The gradient through U and V is not finite where two singular values are equal. `full`: square
    U and V; their further columns have no gradient.
    """

    math = "U, S, Vh"
    params = {"full": Bool(False)}
    outputs = ("U", "S", "Vh")
    dtypes = "float"
    autocast = "float32"
    on_host = True
    saves = ("y",)
    always_check = True
    method = False
    samples = _many(
        lambda k: (
            (_of(k + 1, 2, 4, 3),),
            (_of(k + 2, 2, 2, 3),),
            (_of(k + 3, 1, 3, 3),),
            ((_of(k + 4, 1, 3, 3),), {"full": True}),
        )
    )
    card = Card(
        en="Turn, stretch, turn: what any matrix does.",
        zh="旋转、拉伸、再旋转：任何矩阵所做的事。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Any:
        *batch, m, n = (*_matrices("svd", shapes["A"], False), *shapes["A"][-2:])
        k = min(m, n)
        full = params["full"]
        return (*batch, m, m if full else k), (*batch, k), (*batch, n if full else k, n)

    def forward(F, A, *, full):
        return F.host("singular", A, full=full)

    def vjp(F, g, y, A, *, full):
        gu, gs, gvh = g
        u, s, vh = y
        k = s.shape[-1]
        u, gu = _columns(F, u, 0, k), _columns(F, gu, 0, k)
        v, gv = _columns(F, _T(F, vh), 0, k), _columns(F, _T(F, gvh), 0, k)
        gaps = _gaps(F, s * s)
        row, column = F.expand_dims(s, -2), F.expand_dims(s, -1)
        left, right = _T(F, u) @ gu, _T(F, v) @ gv
        middle = (gaps * (left - _T(F, left))) * row + column * (gaps * (right - _T(F, right)))
        out = u @ (middle + _spread(F, gs)) @ _T(F, v)
        if u.shape[-2] > k:
            out = out + ((gu - u @ left) / row) @ _T(F, v)
        if v.shape[-2] > k:
            out = out + (u / row) @ _T(F, gv - v @ right)
        return (out,)


@op
class OrthogonalTriangular(Op):
    """Q, R with A = Q R: orthonormal columns, and an upper triangle. `full`: a square Q."""

    math = "Q, R"
    params = {"full": Bool(False)}
    outputs = ("Q", "R")
    dtypes = "float"
    autocast = "float32"
    on_host = True
    always_check = True
    method = False
    samples = _many(
        lambda k: (
            (_of(k + 1, 2, 4, 3),),
            (_of(k + 2, 2, 2, 3),),
            (_of(k + 3, 1, 3, 3),),
            ((_of(k + 4, 1, 2, 3),), {"full": True}),
        )
    )
    card = Card(
        en="Gram and Schmidt's axes, made one column after the other.",
        zh="逐列得到的 Gram–Schmidt 正交轴。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Any:
        *batch, m, n = (*_matrices("qr", shapes["A"], False), *shapes["A"][-2:])
        k = m if params["full"] else min(m, n)
        return (*batch, m, k), (*batch, k, n)

    def forward(F, A, *, full):
        return F.host("orthogonal", A, full=full)

    def vjp(F, g, y, A, *, full):
        (gq, gr), (q, r) = g, y
        m, n = A.shape[-2:]
        if full and m > n:
            raise AutogradError(
                t("qr: mode 'complete' has no gradient for tall matrices: write 'reduced'.")
            )
        if m >= n:
            return (_qr_gradient(F, gq, gr, q, r),)
        # A = (X | Y): X alone makes Q, and Y is multiplied by it.
        far, grow = _columns(F, A, m, n), _columns(F, gr, m, n)
        gq = gq + far @ _T(F, grow)
        near = _qr_gradient(F, gq, _columns(F, gr, 0, m), q, _columns(F, r, 0, m))
        return (F.concat([near, q @ grow], -1),)


def _qr_gradient(F: Any, gq: Any, gr: Any, q: Any, r: Any) -> Any:
    middle = r @ _T(F, gr) - _T(F, gq) @ q
    low = _below(F, middle)
    mirrored = low + _T(F, low) + middle * _eye(F, middle, middle.shape[-1])
    return _T(F, F.matrix_solve(r, _T(F, gq + q @ mirrored)))
