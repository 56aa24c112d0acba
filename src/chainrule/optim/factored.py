"""Rules that see a whole matrix: Adafactor and Muon."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from chainrule.base.constraints import Bool, Choice, Constraint, Int, NonNegative, Number, Optional
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.optim.groups import Pair, Triple
from chainrule.optim.optimizer import Optimizer


class Adafactor(Optimizer):
    """Adam's division with the memory of a row and a column: mean squares R_i·C_j/mean(R).

    R and C are running means of g² along the rows and columns of a matrix (of the last two axes),
    with weight t^`beta2_decay` for the new; vectors keep all of v. The step U = g/√v is scaled to a
    root mean square of at most `d`, and by min(lr, 1/√t)·max(eps[1], RMS(p)); v is at least eps[0]²
    (None: the dtype's rounding unit). N. Shazeer and M. Stern, ICML (2018).
    """

    options: ClassVar[dict[str, Constraint]] = {
        "lr": NonNegative(),
        "beta2_decay": Number(high=0),
        "eps": Pair(Optional(NonNegative()), NonNegative()),
        "d": Number(low=1.0),
        "weight_decay": NonNegative(),
        "maximize": Bool(),
    }
    elementwise = False

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, implementation)

    def shapes(self, group: dict[str, Any], shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        if len(shape) < 2:
            return {"variance": shape}
        return {"row_var": (*shape[:-1], 1), "col_var": (*shape[:-2], 1, shape[-1])}

    def flags(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"maximize": group["maximize"], "tiny": group["eps"][0]}

    def numbers(self, group: dict[str, Any], step: int, **scalars: float) -> dict[str, float]:
        return {
            "rate": min(group["lr"], 1 / math.sqrt(step)),
            "new": step ** group["beta2_decay"],
            "least": group["eps"][1],
            "most": group["d"],
            "shrink": 1 - group["lr"] * group["weight_decay"],
        }

    @staticmethod
    def update(
        F: Any, p: Any, g: Any, state: dict[str, Any], *, maximize: bool, tiny: float | None,
        rate: Any, new: Any, least: Any, most: Any, shrink: Any,
    ) -> Any:  # fmt: skip
        if maximize:
            g = -g
        if tiny is None:
            tiny = 2.0**-23 if g.dtype.itemsize <= 4 else 2.0**-52
        square = g * g
        if len(g.shape) < 2:
            v = state["variance"]
            v = v + new * (square - v)
            kept = {"variance": v}
        else:
            rows, columns = state["row_var"], state["col_var"]
            rows = rows + new * (F.mean(square, -1, True) - rows)
            columns = columns + new * (F.mean(square, -2, True) - columns)
            kept = {"row_var": rows, "col_var": columns}
            v = rows * columns / F.maximum(F.mean(rows, -2, True), tiny)
        change = g / F.sqrt(F.maximum(v, tiny * tiny))
        size = F.maximum(_rms(F, p), least) * rate / F.maximum(_rms(F, change) / most, 1.0)
        return p * shrink - size * change, kept


def _rms(F: Any, x: Any) -> Any:
    return F.sqrt(F.sum(x * x) / max(math.prod(x.shape), 1))


class Muon(Optimizer):
    """Momentum whose matrix is made orthogonal before the step. For weights of two axes only.

    B ← μB + (1 − μ)g; `nesterov` takes (1 − μ)g + μB. With its singular values brought near 1 by
    `ns_steps` of Newton-Schulz, X ← aX + (bXXᵀ + c(XXᵀ)²)X, it moves p by lr times √max(1, rows /
    columns) (`adjust_lr_fn="original"` or None), or 0.2·√max(rows, columns)
    ("match_rms_adamw"). Weight decay is decoupled. K. Jordan et al. (2024); J. Liu et al.,
    arXiv:2502.16982 (2025). The iteration runs in the parameter's dtype, PyTorch's in bfloat16.
    """

    options: ClassVar[dict[str, Constraint]] = {
        "lr": NonNegative(),
        "weight_decay": NonNegative(),
        "momentum": NonNegative(),
        "nesterov": Bool(),
        "ns_coefficients": Triple(Number()),
        "eps": NonNegative(),
        "ns_steps": Int(low=1),
        "adjust_lr_fn": Optional(Choice("original", "match_rms_adamw")),
    }
    exports_step = False
    elementwise = False

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def check_group(self, group: dict[str, Any]) -> None:
        for p in group["params"]:
            if p.ndim != 2:
                raise ShapeError(
                    t(
                        "Muon makes matrices orthogonal: a parameter has shape {shape}. Give "
                        "biases, scales and tables to an AdamW of their own.",
                        shape=p.shape,
                    )
                )

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",)

    def flags(self, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "nesterov": group["nesterov"],
            "coefficients": group["ns_coefficients"],
            "steps": group["ns_steps"],
            "by_size": group["adjust_lr_fn"] == "match_rms_adamw",
        }

    def numbers(self, group: dict[str, Any], step: int, **scalars: float) -> dict[str, float]:
        return {
            "lr": group["lr"],
            "momentum": group["momentum"],
            "rest": 1 - group["momentum"],
            "eps": group["eps"],
            "shrink": 1 - group["lr"] * group["weight_decay"],
        }

    @staticmethod
    def update(
        F: Any, p: Any, g: Any, state: dict[str, Any], *, nesterov: bool,
        coefficients: tuple[float, ...], steps: int, by_size: bool, lr: Any, momentum: Any,
        rest: Any, eps: Any, shrink: Any,
    ) -> Any:  # fmt: skip
        rows, columns = p.shape
        b = momentum * state["momentum_buffer"] + rest * g
        x = rest * g + momentum * b if nesterov else b
        x = F.matrix_transpose(x) if rows > columns else x
        x = x / F.maximum(F.sqrt(F.sum(x * x)), eps)
        first, second, third = coefficients
        for _ in range(steps):
            gram = F.matmul(x, F.matrix_transpose(x))
            x = first * x + F.matmul(second * gram + third * F.matmul(gram, gram), x)
        x = F.matrix_transpose(x) if rows > columns else x
        ratio = rows / columns if columns else 1.0
        scale = 0.2 * math.sqrt(max(p.shape)) if by_size else math.sqrt(max(1.0, ratio))
        return p * shrink - (lr * scale) * x, {"momentum_buffer": b}
