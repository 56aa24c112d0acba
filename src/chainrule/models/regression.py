"""Linear and logistic regression (row B; 001 of the notes, "线性回归" and "逻辑回归").

Both are modules with a cost of their own, so that gradient descent can be watched step by step;
beside it stand the ways that reach the same minimum faster.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule import nn
from chainrule.base.constraints import Choice, Int, NonNegative, Positive
from chainrule.base.errors import DataError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.nn import functional as F
from chainrule.ops import functional as ops
from chainrule.optim import LBFGS


def polynomial_features(x: Tensor, degree: int = 2) -> Tensor:
    """(m, d) → (m, d·degree): x₁ … x_d, x₁² … x_d², …; no products of different features, as in
    formula 2-1 of the notes."""
    n = Int(low=1).check(degree, "polynomial_features", "degree")
    return ops.cat([x**k for k in range(1, n + 1)], 1) if n > 1 else x


class _Regression(nn.Module):
    """θ from zero, and gradient descent on `cost`."""

    linear: nn.Linear

    def cost(self, x: Tensor, y: Tensor, ridge: float = 0.0) -> Tensor:
        raise NotImplementedError

    def descend(
        self, x: Tensor, y: Tensor, lr: float, steps: int, ridge: float, tolerance: float
    ) -> list[float]:
        """θ ← θ − lr·∂J/∂θ on all examples at once; the costs before each step."""
        name = type(self).__name__
        rate = Positive().check(lr, name, "lr")
        count = Int(low=0).check(steps, name, "steps")
        least = NonNegative().check(tolerance, name, "tolerance")
        costs: list[float] = []
        for _ in range(count):
            self.zero_grad()
            cost = self.cost(x, y, ridge)
            cost.backward()
            costs.append(float(cost.item()))
            if not np.isfinite(costs[-1]):
                raise DataError(
                    t(
                        "{name}: the cost is no longer finite after {n} steps: lr = {lr} is too "
                        "large, or the features should be normalised.",
                        name=name,
                        n=len(costs) - 1,
                        lr=lr,
                    )
                )
            largest = 0.0
            with no_grad():
                for theta in self.parameters():
                    slope: Any = theta.grad
                    largest = max(largest, float(abs(slope).max().item()))
                    theta.sub_(rate * slope)
            if largest <= least:
                break
        self.zero_grad()
        return costs

    def _penalty(self, ridge: float, examples: int) -> Any:
        strength = NonNegative().check(ridge, type(self).__name__, "ridge")
        return strength / (2 * examples) * ops.sum(self.linear.weight**2) if strength else 0.0

    def _checked(self, x: Tensor, y: Tensor) -> None:
        if x.ndim != 2 or len(x) != len(y) or not len(x):
            raise ShapeError(
                t(
                    "{name} takes x of shape (examples, features) and as many y, not {x} and {y}.",
                    name=type(self).__name__,
                    x=tuple(x.shape),
                    y=tuple(y.shape),
                )
            )

    def _assign(self, theta: np.ndarray) -> None:
        """θ as (features + 1, outputs), the constants in the last row."""
        with no_grad():
            self.linear.weight.copy_(Tensor(np.ascontiguousarray(theta[:-1].T)))
            bias: Any = self.linear.bias
            bias.copy_(Tensor(np.ascontiguousarray(theta[-1])))


class LinearRegression(_Regression):
    """h(x) = θᵀx + θ₀: (m, features) → (m, outputs)."""

    def __init__(self, features: int, outputs: int = 1) -> None:
        super().__init__()
        self.linear = nn.Linear(features, outputs)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)

    def cost(self, x: Tensor, y: Tensor, ridge: float = 0.0) -> Tensor:
        """J = 1/(2m) Σ (h − y)² + ridge/(2m) Σ θ², θ₀ left free. y: (m,) or (m, outputs)."""
        self._checked(x, y)
        h = self(x)
        return ops.sum((h - y.reshape(h.shape)) ** 2) / (2 * len(x)) + self._penalty(ridge, len(x))

    def fit(
        self,
        x: Tensor,
        y: Tensor,
        lr: float = 0.1,
        steps: int = 1000,
        ridge: float = 0.0,
        tolerance: float = 0.0,
    ) -> list[float]:
        """Gradient descent from where θ is; the costs before each step.

        It ends early where no slope is larger than `tolerance`. DataError where it diverges.
        """
        return self.descend(x, y, lr, steps, ridge, tolerance)

    def solve(self, x: Tensor, y: Tensor, ridge: float = 0.0) -> None:
        """θ at the minimum of `cost` at once: (XᵀX + ridge·I) θ = Xᵀy, X with a column of ones.

        Where XᵀX cannot be inverted, the smallest of the solutions.
        """
        self._checked(x, y)
        strength = NonNegative().check(ridge, "LinearRegression", "ridge")
        a, b = _matrix(x), _numbers(y).reshape(len(y), -1)
        if strength:
            # Rows √ridge·I under X add ridge·θ² to the squares, without squaring X's condition.
            rows = np.sqrt(strength) * np.eye(a.shape[1])[:-1]
            a, b = np.vstack([a, rows]), np.vstack([b, np.zeros((len(rows), b.shape[1]))])
        self._assign(np.linalg.lstsq(a, b, rcond=None)[0])

    def lasso(
        self, x: Tensor, y: Tensor, l1: float, steps: int = 1000, tolerance: float = 1e-9
    ) -> None:
        """θ at the minimum of 1/(2m) Σ (h − y)² + l1·Σ|θ| (θ₀ left free), by coordinate descent.

        One coordinate's minimum, the others fixed: θ_j = S(ρ_j, l1)/z_j with ρ_j = mean of x_j
        times the residual without j, z_j = mean x_j², S(ρ, λ) = sign(ρ)·max(|ρ| − λ, 0). Source:
        J. Friedman et al., "Regularization paths", J. Stat. Software 33, 2010. It ends after
        `steps` sweeps, or where no θ_j moved by more than `tolerance`.
        """
        self._checked(x, y)
        strength = NonNegative().check(l1, "LinearRegression", "l1")
        a, b = _numbers(x), _numbers(y).reshape(len(y), -1)
        means, middle = a.mean(0), b.mean(0)
        a = a - means
        squares = (a**2).mean(0)
        theta = np.zeros((a.shape[1], b.shape[1]))
        residual = b - middle
        for _ in range(Int(low=1).check(steps, "LinearRegression", "steps")):
            moved = 0.0
            for j in np.flatnonzero(squares):
                rho = a[:, j] @ residual / len(a) + squares[j] * theta[j]
                new = np.sign(rho) * np.maximum(abs(rho) - strength, 0) / squares[j]
                residual -= np.outer(a[:, j], new - theta[j])
                moved = max(moved, float(abs(new - theta[j]).max()))
                theta[j] = new
            if moved <= tolerance:
                break
        self._assign(np.vstack([theta, middle - means @ theta]))


class LogisticRegression(_Regression):
    """Probabilities from features: sigmoid(θᵀx + θ₀) (m,) for two classes, softmax (m, classes)
    for more. `degree`: powers of the features (formula 2-1 of the notes has 2)."""

    def __init__(self, features: int, classes: int = 2, degree: int = 1) -> None:
        super().__init__()
        self.classes = Int(low=2).check(classes, "LogisticRegression", "classes")
        self.degree = Int(low=1).check(degree, "LogisticRegression", "degree")
        self.linear = nn.Linear(features * degree, 1 if classes == 2 else classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)  # type: ignore[arg-type]

    def logits(self, x: Tensor) -> Tensor:
        """θᵀx + θ₀: (m,) for two classes, else (m, classes)."""
        z = self.linear(polynomial_features(x, self.degree))
        return z.squeeze(1) if self.classes == 2 else z

    def forward(self, x: Tensor) -> Tensor:
        z = self.logits(x)
        return F.sigmoid(z) if self.classes == 2 else F.softmax(z, 1)

    def predict(self, x: Tensor) -> Tensor:
        """The likelier class of each example, int64 (m,)."""
        with no_grad():
            z = self.logits(x)
            return (z > 0).to("int64") if self.classes == 2 else z.argmax(1)

    def cost(self, x: Tensor, y: Tensor, ridge: float = 0.0) -> Tensor:
        """The mean of −log(probability of the true class) (formulas 2-2 to 2-5), which is 0 where
        that is 1, + ridge/(2m) Σ θ², θ₀ left free. y: classes 0, 1, … (m,)."""
        self._checked(x, y)
        z = self.logits(x)
        if self.classes == 2:
            loss = F.binary_cross_entropy_with_logits(z, y.to(z.dtype))
        else:
            loss = F.cross_entropy(z, y.to("int64"))
        return loss + self._penalty(ridge, len(x))

    def fit(
        self,
        x: Tensor,
        y: Tensor,
        method: str = "gradient",
        lr: float = 0.1,
        steps: int = 1000,
        ridge: float = 0.0,
        tolerance: float = 1e-7,
    ) -> list[float]:
        """Lowers `cost` from where θ is; the costs before each step.

        "gradient": gradient descent (formula 2-6) with rate `lr`; "newton": Newton's method
        (iteratively reweighted least squares), which takes few steps, but each costs
        (features·classes)³; "lbfgs": quasi-Newton. Ends where no slope is larger than `tolerance`.
        Classes that a plane separates have no minimum without `ridge`.
        """
        kind = Choice("gradient", "newton", "lbfgs").check(method, "LogisticRegression", "method")
        if kind == "gradient":
            return self.descend(x, y, lr, steps, ridge, tolerance)
        count = Int(low=0).check(steps, "LogisticRegression", "steps")
        return getattr(self, f"_{kind}")(x, y, count, ridge, tolerance)  # type: ignore[no-any-return]

    def _lbfgs(
        self, x: Tensor, y: Tensor, steps: int, ridge: float, tolerance: float
    ) -> list[float]:
        costs: list[float] = []
        optimizer = LBFGS(
            self.parameters(), max_iter=steps, tolerance_grad=tolerance, tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )  # fmt: skip

        def closure() -> Tensor:
            optimizer.zero_grad()
            cost = self.cost(x, y, ridge)
            cost.backward()
            costs.append(float(cost.item()))
            return cost

        optimizer.step(closure)
        self.zero_grad()
        return costs

    def _newton(
        self, x: Tensor, y: Tensor, steps: int, ridge: float, tolerance: float
    ) -> list[float]:
        self._checked(x, y)
        with no_grad():
            a = _matrix(polynomial_features(x, self.degree))
            bias: Any = self.linear.bias
            theta = np.vstack([_numbers(self.linear.weight).T, _numbers(bias)[None]])
        labels = _numbers(y).astype(int)
        outputs = theta.shape[1]
        target = labels[:, None] if outputs == 1 else np.eye(outputs)[labels]
        weights = np.ones_like(theta) * ridge / len(a)
        weights[-1] = 0
        costs = [_log_loss(a @ theta, target) + float((weights * theta**2).sum() / 2)]
        for _ in range(steps):
            p = _probabilities(a @ theta)
            gradient = a.T @ (p - target) / len(a) + weights * theta
            if abs(gradient).max() <= tolerance:
                break
            # H = mean over examples of x xᵀ ⊗ (diag p − p pᵀ); for one sigmoid p(1 − p).
            curved = np.einsum("mk,kl->mkl", p, np.eye(outputs)) - np.einsum("mk,ml->mkl", p, p)
            hessian = np.einsum("mi,mkl,mj->ikjl", a, curved, a, optimize=True) / len(a)
            hessian = hessian.reshape(theta.size, theta.size) + np.diag(weights.ravel())
            # Adding a constant to all logits changes nothing, so H may be singular.
            step = np.linalg.lstsq(hessian, gradient.ravel(), rcond=1e-12)[0].reshape(theta.shape)
            for halving in range(30):
                new = theta - step / 2**halving
                cost = _log_loss(a @ new, target) + float((weights * new**2).sum() / 2)
                if cost <= costs[-1]:
                    break
            else:
                break
            theta = new
            costs.append(cost)
        self._assign(theta)
        return costs


def _numbers(x: Tensor) -> np.ndarray:
    return np.asarray(x.detach().numpy(), np.float64)


def _matrix(x: Tensor) -> np.ndarray:
    """X with a column of ones."""
    return np.hstack([_numbers(x), np.ones((len(x), 1))])


def _probabilities(z: np.ndarray) -> np.ndarray:
    if z.shape[1] == 1:
        return np.exp(-np.logaddexp(0, -z))
    z = np.exp(z - z.max(1, keepdims=True))
    return z / z.sum(1, keepdims=True)


def _log_loss(z: np.ndarray, target: np.ndarray) -> float:
    if z.shape[1] == 1:
        return float((np.logaddexp(0, z) - target * z).mean())
    top = z.max(1, keepdims=True)
    total = np.log(np.exp(z - top).sum(1, keepdims=True)) + top
    return float(((total - z) * target).sum(1).mean())
