"""All parameters as one vector."""

from __future__ import annotations

from collections.abc import Iterable

from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.ops.shaping import Cat


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters, flattened, one after the other.

    >>> cr.nn.utils.parameters_to_vector(cr.nn.Linear(3, 2).parameters()).shape
    (8,)
    """
    return Cat.function([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give the parameters the values of one vector, in order. They become views of its memory."""
    several = list(parameters)
    wanted = sum(p.numel() for p in several)
    if tuple(vec.shape) != (wanted,):
        raise ShapeError(
            t(
                "The parameters have {wanted} elements together, the vector has shape {shape}.",
                wanted=wanted,
                shape=tuple(vec.shape),
            )
        )
    start = 0
    for parameter in several:
        end = start + parameter.numel()
        parameter.data = vec.detach()[start:end].reshape(parameter.shape)
        start = end
