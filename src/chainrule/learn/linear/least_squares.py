"""LinearRegression and Ridge: squared error, solved at once or by descent."""

from __future__ import annotations

from numbers import Integral, Real
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp
from scipy.optimize import nnls
from scipy.sparse.linalg import LinearOperator, cg, lsqr
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

from chainrule.base.text import t
from chainrule.learn.checks import checked_pair
from chainrule.learn.linear import kernels
from chainrule.learn.linear.base import LinearRegressor, centred, floats, gram, means
from chainrule.learn.linear.descent import descend

# With a condition number below this the normal equation and one refinement lose nothing; above it
# the singular value decomposition decides about the rank.
_CONDITION = 1e5
# Sparse data with at most so many columns: their Gram matrix is small and exact.
_FEW_COLUMNS = 2000


def solve_positive(Q: Any, q: Any) -> Any:
    """Least squares from its normal equation, definite Q: [p] or [p, targets]."""
    return la.cho_solve(la.cho_factor(Q, lower=True, check_finite=False), q, check_finite=False)


def centred_operator(X: Any, mean: Any, weight: Any) -> LinearOperator:
    """√weight·(X − x̄) of a sparse X as an operator, without filling it."""
    root = np.ones(X.shape[0]) if weight is None else np.sqrt(weight)
    return LinearOperator(
        X.shape,
        matvec=lambda b: root * (X @ np.ravel(b) - mean @ np.ravel(b)),
        rmatvec=lambda r: X.T @ (root * np.ravel(r)) - mean * (root @ np.ravel(r)),
        dtype=np.float64,
    )


class LinearRegression(LinearRegressor):
    """Linear regression: min Σ(h − y)² with h = X·w + b.

    Args:
        fit_intercept, copy_X, tol, n_jobs, positive: as in scikit-learn; tol: singular values
            below tol times the largest count as zero; for gradient descent the relative size of
            the gradient at which it ends.
        solver: "normal" solves the normal equation XᵀX·w = Xᵀy (by singular values where it is
            badly conditioned); "gradient_descent" walks down J = Σ(h − y)²/(2m).
        learning_rate: α of gradient descent, or "auto", 1/(largest curvature).
        batch_size: samples a step: None all (BGD), 1 (SGD), or some (MBGD).
        max_iter: rounds through the data; random_state: order of the samples; verbose: progress.

    Attributes:
        coef_: [p] or [targets, p]; intercept_; rank_, singular_ (dense data, solver "normal");
        n_iter_: rounds of gradient descent, else 1.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "fit_intercept": ["boolean"],
        "copy_X": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_jobs": [None, Integral],
        "positive": ["boolean"],
        "solver": [StrOptions({"normal", "gradient_descent"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        tol: float = 1e-6,
        n_jobs: int | None = None,
        positive: bool = False,
        solver: str = "normal",
        learning_rate: float | str = "auto",
        batch_size: int | None = None,
        max_iter: int = 1000,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.tol = tol
        self.n_jobs = n_jobs
        self.positive = positive
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, trace: bool = False) -> Any:
        """Fits X [N, p] (dense or sparse) to y [N] or [N, targets]; trace: keep the working."""
        sparse = ["csr", "csc", "coo"] if not self.positive else False
        X, y = checked_pair(self, X, y, accept_sparse=sparse, y_numeric=True, multi_output=True)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
        if sp.issparse(X):
            X = X.tocsr()
        y = y.astype(np.float64, copy=False)
        self.trace_ = SimpleNamespace(X=X, y=y, weight=weight, path=None) if trace else None
        if self.solver == "gradient_descent":
            return self._descend(X, y, weight)
        self.n_iter_ = 1
        mean, y_mean = means(X, y, weight, self.fit_intercept)
        if self.positive:
            Xc, yc = centred(X, y, mean, y_mean, weight)
            columns = yc.reshape(len(yc), -1).T
            coef = np.stack([nnls(Xc, column)[0] for column in columns])
        elif sp.issparse(X):
            coef = self._sparse(X, y.reshape(len(y), -1), mean, np.atleast_1d(y_mean), weight)
        else:
            coef = self._dense(X, y, mean, y_mean, weight)
        self._take(coef[0] if y.ndim == 1 and coef.ndim == 2 else coef, mean, y_mean, floats(X))
        return self

    def _dense(self, X: Any, y: Any, mean: Any, y_mean: Any, weight: Any) -> Any:
        if X.shape[0] >= 2 * X.shape[1]:
            Q, q = gram(X, y, mean, y_mean, weight)
            values = la.eigvalsh(Q, check_finite=False) if np.isfinite(Q).all() else np.zeros(1)
            if (
                values[0] > 0
                and values[-1] < min(_CONDITION, 0.1 / max(self.tol, 1e-12)) ** 2 * (values[0])
            ):
                factor = la.cho_factor(Q, lower=True, check_finite=False)
                w = la.cho_solve(factor, q, check_finite=False)
                # The residual of the data, not of the normal equation, puts the rounding right.
                rest = (y - y_mean) - (X @ w - mean @ w)
                rest = rest if weight is None else (rest.T * weight).T
                slope = X.T @ rest - np.multiply.outer(mean, rest.sum(axis=0))
                w += la.cho_solve(factor, slope, check_finite=False)
                self.rank_, self.singular_ = X.shape[1], np.sqrt(values[::-1])
                return w.T
        Xc, yc = centred(X, y, mean, y_mean, weight)
        w, _, self.rank_, self.singular_ = la.lstsq(Xc, yc, cond=self.tol, check_finite=False)
        return w.T

    def _sparse(self, X: Any, Y: Any, mean: Any, y_mean: Any, weight: Any) -> Any:
        if X.shape[1] <= min(_FEW_COLUMNS, X.shape[0] // 2):
            Q, q = gram(X, Y, mean, y_mean, weight)
            values = la.eigvalsh(Q, check_finite=False)
            # Centring by subtraction costs digits: ask for a better condition than dense data.
            if values[0] > 0 and values[-1] < 1e8 * values[0]:
                return solve_positive(Q, q).T
        operator = centred_operator(X, mean, weight)
        root = 1.0 if weight is None else np.sqrt(weight)
        tol = min(self.tol, 1e-12)
        found = [lsqr(operator, root * c, atol=tol, btol=tol)[0] for c in (Y - y_mean).T]
        return np.stack(found)

    def _descend(self, X: Any, y: Any, weight: Any) -> Any:
        if sp.issparse(X) or self.positive or y.ndim != 1:
            raise ValueError("gradient_descent takes dense X, one target, and positive=False.")
        weight = np.ones(len(X)) if weight is None else weight
        theta, path, self.n_iter_ = descend(
            self, np.asarray(X, np.float64), y, weight, intercept=self.fit_intercept,
            rate=self.learning_rate, batch=self.batch_size, rounds=self.max_iter, tol=self.tol,
            random=check_random_state(self.random_state), verbose=self.verbose,
        )  # fmt: skip
        self.coef_ = theta[1:].astype(floats(X))
        self.intercept_ = float(theta[0]) if self.fit_intercept else 0.0
        if self.trace_ is not None:
            self.trace_.path = path
        return self

    def _working(self) -> Any:
        from chainrule.learn.linear import workings

        trace = self._needs_trace()
        if trace.path is not None:
            return workings.of_descent(self, trace)
        return workings.of_normal_equation(self, trace)


class Ridge(LinearRegressor):
    """Ridge regression: min ‖y − Xw − b‖² + α‖w‖².

    Args: as in scikit-learn. solver: "auto" and "cholesky" solve (XᵀX + αI)w = Xᵀy, or the dual
        (XXᵀ + αI) where there are fewer samples than features; "svd" by singular values; "lsqr",
        "sparse_cg" iterate; "lbfgs" names the one for positive=True, which is coordinate descent.

    Attributes: coef_ [p] or [targets, p], intercept_, solver_, n_iter_ (1 where nothing iterates).
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "alpha": [Interval(Real, 0, None, closed="left"), np.ndarray],
        "fit_intercept": ["boolean"],
        "copy_X": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions({"auto", "svd", "cholesky", "lsqr", "sparse_cg", "lbfgs"})],
        "positive": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        alpha: Any = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-4,
        solver: str = "auto",
        positive: bool = False,
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, trace: bool = False) -> Any:
        """Fits X [N, p] (dense or sparse) to y [N] or [N, targets]; trace: keep the working."""
        X, y = checked_pair(
            self,
            X,
            y,
            accept_sparse=["csr", "csc", "coo"],
            multi_output=True,
            y_numeric=True,
        )
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if sp.issparse(X):
            X = X.tocsr()
        Y = y.astype(np.float64, copy=False).reshape(len(y), -1)
        alphas = self._alphas(Y.shape[1])
        self.solver_ = self._choose()
        self.n_iter_: Any = 1
        self.trace_ = SimpleNamespace(X=X, y=y, weight=weight) if trace else None
        mean, y_mean = means(X, Y, weight, self.fit_intercept)
        coef = self._solve(X, Y, mean, y_mean, weight, alphas)
        flat = y.ndim == 1
        one = coef.shape[0] == 1
        self._take(coef[0] if one else coef, mean, y_mean[0] if flat else y_mean, floats(X))
        # Squares of such means overflow, and what was solved with them would be no solution.
        if not np.isfinite(self.coef_).all() or np.any(np.abs(mean) > 1e150):
            raise ValueError(t("The input contains values too large: the weights overflow."))
        return self

    def _alphas(self, targets: int) -> Any:
        alphas = np.asarray(self.alpha, np.float64).ravel()
        if alphas.size not in (1, targets):
            raise ValueError(
                f"Number of targets and number of penalties do not correspond: {alphas.size} != "
                f"{targets}"
            )
        return np.broadcast_to(alphas, targets)

    def _choose(self) -> str:
        if self.positive and self.solver not in ("auto", "lbfgs"):
            raise ValueError(
                f"solver='{self.solver}' does not support positive fitting. Please set the solver "
                "to 'auto' or 'lbfgs', or set `positive=False`"
            )
        if self.solver == "lbfgs" and not self.positive:
            raise ValueError("'lbfgs' solver can be used only when positive=True.")
        if self.positive:
            return "lbfgs"
        return "cholesky" if self.solver == "auto" else self.solver

    def _solve(self, X: Any, Y: Any, mean: Any, y_mean: Any, weight: Any, alphas: Any) -> Any:
        n, p = X.shape
        if self.solver_ == "svd":
            dense = X.toarray() if sp.issparse(X) else X
            Xc, Yc = centred(dense, Y, mean, y_mean, weight)
            return _by_svd(Xc, Yc, alphas)
        if self.solver_ in ("lsqr", "sparse_cg") or (sp.issparse(X) and p > _FEW_COLUMNS):
            if self.solver_ == "cholesky":
                self.solver_ = "sparse_cg"
            return self._iterate(X, Y, mean, y_mean, weight, alphas)
        if n < p and self.solver_ == "cholesky" and not sp.issparse(X):
            Xc, Yc = centred(X, Y, mean, y_mean, weight)
            return _dual(Xc, Yc, alphas)
        Q, q = gram(X, Y, mean, y_mean, weight)
        if self.solver_ == "lbfgs":
            return self._positive(Q, q, alphas)
        try:
            return _by_cholesky(Q, q, alphas)
        except la.LinAlgError:  # singular, and no penalty to make it regular
            dense = X.toarray() if sp.issparse(X) else X
            self.solver_ = "svd"
            return _by_svd(*centred(dense, Y, mean, y_mean, weight), alphas)

    def _iterate(self, X: Any, Y: Any, mean: Any, y_mean: Any, weight: Any, alphas: Any) -> Any:
        A = centred_operator(X, mean, weight)
        root = np.ones(len(Y)) if weight is None else np.sqrt(weight)
        found, counts = [], []
        for target, alpha in zip((Y - y_mean).T, alphas):
            if self.solver_ == "lsqr":
                out = lsqr(A, root * target, damp=np.sqrt(alpha), atol=self.tol, btol=self.tol,
                           iter_lim=self.max_iter)  # fmt: skip
                found.append(out[0])
                counts.append(out[2])
                continue
            steps = [0]

            def normal(b: Any, alpha: float = alpha) -> Any:
                return A.rmatvec(A.matvec(b)) + alpha * b

            def count(_: Any, steps: list[int] = steps) -> None:
                steps[0] += 1

            N = LinearOperator((X.shape[1],) * 2, matvec=normal, dtype=np.float64)
            w, _ = cg(N, A.rmatvec(root * target), rtol=self.tol, atol=0.0,
                      maxiter=self.max_iter, callback=count)  # fmt: skip
            found.append(w)
            counts.append(steps[0])
        self.n_iter_ = np.array(counts, np.int32)
        return np.stack(found)

    def _positive(self, Q: Any, q: Any, alphas: Any) -> Any:
        """w ≥ 0 by coordinate descent, until no weight moves."""
        found, counts = [], []
        p = len(Q)
        for target, alpha in zip(q.T.copy(), alphas):
            w = np.zeros(p)
            _, count = kernels.by_gram(
                w, Q, target, np.inf, 0.0, alpha, self.max_iter or 15000, self.tol * 1e-4, True,
                np.arange(p)[None], np.ones(p),
            )  # fmt: skip
            found.append(w)
            counts.append(int(count))
        self.n_iter_ = np.array(counts, np.int32)
        return np.stack(found)

    def _working(self) -> Any:
        from chainrule.learn.linear import workings

        return workings.of_ridge(self, self._needs_trace())


def _by_cholesky(Q: Any, q: Any, alphas: Any) -> Any:
    diagonal = np.diagonal(Q).copy()
    if np.all(alphas == alphas[0]):
        np.fill_diagonal(Q, diagonal + alphas[0])
        return solve_positive(Q, q).T
    found = []
    for target, alpha in zip(q.T, alphas):
        np.fill_diagonal(Q, diagonal + alpha)
        found.append(solve_positive(Q, target))
    return np.stack(found)


def _dual(X: Any, Y: Any, alphas: Any) -> Any:
    """w = Xᵀ(XXᵀ + αI)⁻¹y: n equations instead of p."""
    K = X @ X.T
    if np.any(alphas == 0):
        return _by_svd(X, Y, alphas)
    return _by_cholesky(K, Y, alphas) @ X


def _by_svd(X: Any, Y: Any, alphas: Any) -> Any:
    U, s, Vt = la.svd(X, full_matrices=False, check_finite=False)
    kept = s > 1e-15
    s = s[kept]
    factors = s[:, None] / (s[:, None] ** 2 + alphas)
    return (factors * (U[:, kept].T @ Y)).T @ Vt[kept]
