"""What an output element really looks at, measured by its gradient (row I6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.base.constraints import Int, Ints
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.graph.backward import grad
from chainrule.nn import Module
from chainrule.ops import functional as ops
from chainrule.ops.random import Generator


def effective_receptive_field(
    model: Module, input_shape: Sequence[int], place: Sequence[int] | None = None,
    samples: int = 20, seed: int = 0,
) -> Tensor:  # fmt: skip
    """How much each input place matters to one output place: the mean |∂y/∂x|, largest 1.

    The receptive field of `summary` says what an output element can see; within it, places near the
    middle reach the output on many more paths, so that most of the field hardly counts (W. Luo et
    al., NIPS 2016).

    Args:
        model: convolutional, its output (N, O, *S′); it runs in eval mode, and is left as it was.
        input_shape: of one input, (C, *S).
        place: of the output, an index for each of the axes S′; the middle by default.
        samples: over how many standard normal inputs and random signs of the output channels the
            gradient is averaged.
        seed: of these inputs.

    Returns: (*S), summed over the input's channels.
    """
    shape = Ints(low=1).check(input_shape, "effective_receptive_field", "input_shape")
    count = Int(low=1).check(samples, "effective_receptive_field", "samples")
    generator = Generator(seed)
    dtype = next((p.dtype for p in model.parameters() if p.dtype.is_floating_point), None)
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        x = ops.randn((count, *shape), dtype=dtype, generator=generator).requires_grad_()
        y: Any = model(x)
        if y.ndim < 3:
            raise ShapeError(
                t(
                    "effective_receptive_field: the output must be (N, O, *S), got {y}: pass the "
                    "convolutional part of the model.",
                    y=y.shape,
                )
            )
        at = tuple(n // 2 for n in y.shape[2:]) if place is None else tuple(place)
        if len(at) != y.ndim - 2 or any(
            not -n <= i < n for i, n in zip(at, y.shape[2:], strict=True)
        ):
            raise ShapeError(
                t(
                    "effective_receptive_field: place {place} is not in an output of size {size}.",
                    place=at,
                    size=y.shape[2:],
                )
            )
        seen = y[(slice(None), slice(None), *at)]
        # Random signs, so that output channels do not cancel by chance of their weights.
        signs = ops.randn(tuple(seen.shape), dtype=y.dtype, generator=generator).sign()
        (g,) = grad(seen, [x], [signs])
        assert g is not None
    finally:
        for module, mode in modes:
            module.training = mode
    field = g.abs().mean(0).sum(0)
    return field / field.max().clamp(min=1e-30)
