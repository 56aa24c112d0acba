"""Shape rules that operations share: from the inputs' shapes and the params to the output's."""

from __future__ import annotations

from typing import Any

from chainrule.base.shapes import normalize_axes

Shapes = dict[str, tuple[int, ...]]


def same_as(name: str) -> Any:
    """The shape of one input."""

    def rule(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
        return shapes[name]

    return staticmethod(rule)


def reduced(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
    """The first input without the axes `dim`, or with size 1 there if `keepdim`."""
    shape = next(iter(shapes.values()))
    axes = normalize_axes(params["dim"], len(shape))
    if params.get("keepdim"):
        return tuple(1 if i in axes else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axes)
