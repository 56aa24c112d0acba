"""L-BFGS: Newton's step with a Hessian guessed from the last gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from chainrule.base.constraints import Choice, Constraint, Int, NonNegative, Optional
from chainrule.base.errors import ArgumentError, TraceError
from chainrule.base.text import t
from chainrule.graph import Tensor, enable_grad, memory
from chainrule.graph.convert import cast_array
from chainrule.graph.modes import mode
from chainrule.graph.tensor import wrap
from chainrule.optim.line_search import Point, strong_wolfe
from chainrule.optim.optimizer import Optimizer
from chainrule.optim.states import HALVES


class LBFGS(Optimizer):
    """Limited-memory BFGS: `optimizer.step(closure)`, several iterations a call.

    The direction is −H·g, where H is built from the last `history_size` pairs of steps and changes
    of the gradient. `closure` clears the gradients, computes the loss, calls backward and returns
    the loss; it is called up to `max_eval` times (None: max_iter·5/4). A step has length `lr`
    (the first is lr·min(1, 1/|g|₁)), or with `line_search_fn="strong_wolfe"` one that satisfies the
    strong Wolfe conditions. It ends at max|g| ≤ `tolerance_grad`, or where loss or parameters move
    less than `tolerance_change`. Made for whole batches; in glass mode only.
    D. C. Liu and J. Nocedal, Mathematical Programming 45 (1989).

    >>> w = cr.tensor([3.0], requires_grad=True)
    >>> optimizer = cr.optim.LBFGS([w], lr=0.5, max_iter=1)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (w**2).sum()
    ...     loss.backward()
    ...     return loss
    >>> _ = optimizer.step(closure)
    >>> bool(abs(w) < 3)
    True
    """

    options: ClassVar[dict[str, Constraint]] = {
        "lr": NonNegative(),
        "max_iter": Int(low=0),
        "max_eval": Optional(Int(low=0)),
        "tolerance_grad": NonNegative(),
        "tolerance_change": NonNegative(),
        "history_size": Int(low=1),
        "line_search_fn": Optional(Choice("strong_wolfe")),
    }

    def __init__(
        self,
        params: Any,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        if self.param_groups:
            raise ArgumentError(
                t(
                    "LBFGS sees all parameters as one vector: give one parameter group, not {n}.",
                    n=len(self.param_groups) + 1,
                )
            )
        super().add_param_group(param_group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to `max_iter` iterations; returns the loss before them."""
        if mode.trace is not None:
            raise TraceError(
                t(
                    "LBFGS decides by the values that it finds how often it calls the closure, so "
                    "that it cannot be compiled: call step() outside the compiled function (the "
                    "closure may be compiled)."
                )
            )
        if closure is None:
            raise ArgumentError(
                t(
                    "LBFGS.step needs a closure that clears the gradients, computes the loss, "
                    "calls backward and returns the loss."
                )
            )
        with enable_grad():
            first = closure()
        _Iteration(self, closure).run(float(first))
        return first


class _Iteration:
    """One call of `step`: the parameters as one vector, and the memory of H."""

    def __init__(self, optimizer: LBFGS, closure: Callable[[], Any]) -> None:
        (self.group,) = optimizer.param_groups
        self.params: list[Tensor] = self.group["params"]
        self.state = optimizer.state[self.params[0]]
        self.closure = closure
        wide = any(p.dtype.name == "float64" for p in self.params)
        self.dtype = np.float64 if wide else np.float32
        self.evaluations = 1

    def run(self, loss: float) -> None:
        group, state = self.group, self.state
        state["func_evals"] = state.get("func_evals", 0) + 1
        g = self.gradient()
        if _largest(g) <= group["tolerance_grad"]:
            return
        steps = [_array(s) for s in state.get("old_stps", ())]
        changes = [_array(y) for y in state.get("old_dirs", ())]
        scale = float(state.get("H_diag", 1.0))
        for n in range(1, group["max_iter"] + 1):
            state["n_iter"] = state.get("n_iter", 0) + 1
            begins = state["n_iter"] == 1
            if not begins:
                y = g - _array(state["prev_flat_grad"])
                s = _array(state["d"]) * float(state["t"])
                curvature = float(y @ s)
                if curvature > 1e-10:  # else H would stop being positive
                    changes, steps = (
                        [*old, new][-group["history_size"] :]
                        for old, new in ((changes, y), (steps, s))
                    )
                    scale = curvature / float(y @ y)
            d = -_times_inverse_hessian(g, steps, changes, scale)
            t = group["lr"] * (min(1.0, 1.0 / float(np.abs(g).sum())) if begins else 1.0)
            previous, slope = loss, float(g @ d)
            state |= {
                "d": wrap(d), "t": t, "H_diag": scale, "prev_loss": loss, "prev_flat_grad": wrap(g),
                "old_dirs": [wrap(y) for y in changes], "old_stps": [wrap(s) for s in steps],
                "ro": [1 / float(y @ s) for y, s in zip(changes, steps, strict=True)],
            }  # fmt: skip
            if slope > -group["tolerance_change"]:
                return
            last = n == group["max_iter"]
            if group["line_search_fn"] is not None:
                point, trials = self.search(d, t, Point(0.0, loss, g, slope))
                t, loss, g = point.t, point.loss, point.gradient
                state["t"] = t
            else:
                self.move(self.vector() + t * d)
                trials = 0 if last else 1
                if not last:
                    loss, g = self.evaluate()
            self.evaluations += trials
            state["func_evals"] += trials
            if (
                last
                or self.evaluations >= group["max_eval"]
                or _largest(g) <= group["tolerance_grad"]
                or _largest(d) * t <= group["tolerance_change"]
                or abs(loss - previous) < group["tolerance_change"]
            ):
                return

    def search(self, d: np.ndarray, t: float, start: Point) -> tuple[Point, int]:
        """The point that the line search finds; the parameters are moved there."""
        x = self.vector()

        def evaluate(t: float) -> Point:
            self.move(x + t * d)
            loss, g = self.evaluate()
            return Point(t, loss, g, float(g @ d))

        left = self.group["max_eval"] - self.evaluations
        found = strong_wolfe(evaluate, start, t, _largest(d), 1e-9, left)
        self.move(x + found[0].t * d)
        return found

    def evaluate(self) -> tuple[float, np.ndarray]:
        with enable_grad():
            loss = float(self.closure())
        return loss, self.gradient()

    # ---- the parameters as one vector -------------------------------------------------------

    def vector(self) -> np.ndarray:
        return np.concatenate([p._data.reshape(-1).astype(self.dtype) for p in self.params])

    def gradient(self) -> np.ndarray:
        return np.concatenate(
            [
                np.zeros(p.numel(), self.dtype)
                if p.grad is None
                else p.grad.to_dense()._data.reshape(-1).astype(self.dtype)
                for p in self.params
            ]
        )

    def move(self, vector: np.ndarray) -> None:
        start = 0
        for p in self.params:
            part = vector[start : start + p.numel()].reshape(p.shape)
            p._data[...] = cast_array(part, p.dtype) if p.dtype in HALVES else part
            memory.written(p._data)
            start += p.numel()


def _times_inverse_hessian(
    g: np.ndarray, steps: list[np.ndarray], changes: list[np.ndarray], scale: float
) -> np.ndarray:
    """H·g by the two loops over the pairs, with H₀ = scale·I (Nocedal and Wright, 7.4)."""
    q, shares = g, []
    pairs = [(s, y, 1 / float(y @ s)) for s, y in zip(steps, changes, strict=True)]
    for s, y, rho in reversed(pairs):
        shares.append(rho * float(s @ q))
        q = q - shares[-1] * y
    r = q * g.dtype.type(scale)
    for (s, y, rho), share in zip(pairs, reversed(shares), strict=True):
        r = r + (share - rho * float(y @ r)) * s
    return r


def _largest(x: np.ndarray) -> float:
    return float(np.abs(x).max(initial=0.0))


def _array(x: Any) -> np.ndarray:
    return np.asarray(x._data if isinstance(x, Tensor) else x)
