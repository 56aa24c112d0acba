"""Models by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from chainrule.base.constraints import Int, Ints
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.nn import Module

Kind = TypeVar("Kind", bound=Callable[..., Module])
_MODELS: dict[str, Callable[..., Module]] = {}


def model(name: str) -> Callable[[Kind], Kind]:
    """Class decorator: `build(name)` makes this class."""

    def register(kind: Kind) -> Kind:
        _MODELS[name] = kind
        return kind

    return register


def names() -> list[str]:
    """The names that `build` takes."""
    return list(_MODELS)


def build(
    name: str, input_shape: Sequence[int] = (1, 28, 28), classes: int = 10, **options: Any
) -> Any:
    """The model `name`, with fresh weights.

    Args:
        input_shape: of one input, without the batch: (C, H, W) or (D,).
        classes: how many outputs; they are logits unless an option says otherwise.
        options: what the class takes beyond these.

    The arguments stay on the model as `config`, so `build(**model.config)` makes another one.

    Raises:
        ArgumentError: an unknown name or option; lists the known ones.
        ShapeError: an input that the model cannot take.
    """
    kind = model_class(name)
    shape = Ints(low=1).check(input_shape, name, "input_shape")
    count = Int(low=1).check(classes, name, "classes")
    known = [p for p in inspect.signature(kind).parameters if p not in ("input_shape", "classes")]
    for option in options:
        if option not in known:
            raise ArgumentError(
                t(
                    "Model {name} has no option {option!r}. Known: {known}.",
                    name=name,
                    option=option,
                    known=", ".join(known) or t("none"),
                )
            )
    made: Any = kind(input_shape=shape, classes=count, **options)
    made.config = {"name": name, "input_shape": list(shape), "classes": count, **options}
    return made


def model_class(name: str) -> Callable[..., Module]:
    """The class behind a name. Raises ArgumentError for one that is not known."""
    if name in _MODELS:
        return _MODELS[name]
    known = ", ".join(_MODELS)
    close = difflib.get_close_matches(str(name), _MODELS, 1)
    if close:
        raise ArgumentError(
            t(
                "Unknown model {name!r}; did you mean {close!r}? Known: {known}.",
                name=name,
                close=close[0],
                known=known,
            )
        )
    raise ArgumentError(t("Unknown model {name!r}. Known: {known}.", name=name, known=known))
