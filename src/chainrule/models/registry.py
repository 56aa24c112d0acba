"""Models by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeVar

from chainrule.base.constraints import Int, Ints
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.nn import Module

Kind = TypeVar("Kind", bound=Callable[..., Module])
_MODELS: dict[str, Callable[..., Module]] = {}
# Detectors, which give boxes and not one output an input; loaded when first asked for.
_DETECTORS: dict[str, Callable[..., Module]] = {}
_DETECTORS_IN = {"faster-rcnn": "chainrule.models.detection.recipes"}
_OPTIONS: dict[str, list[str]] = {}  # what a builder takes beside input_shape and classes


def model(name: str) -> Callable[[Kind], Kind]:
    """Class decorator: `build(name)` makes this class."""

    def register(kind: Kind) -> Kind:
        _MODELS[name] = kind
        parameters = inspect.signature(kind).parameters
        _OPTIONS[name] = [p for p in parameters if p not in ("input_shape", "classes")]
        return kind

    return register


def classifier(
    name: str, *options: str, least: int = 1, usual: tuple[int, ...] = (3, 224, 224)
) -> Callable[[Kind], Kind]:
    """Decorator for a function with torchvision's arguments: `build(name)` calls it with
    num_classes, in_channels and any of `options`. `least`: smallest height and width; `usual`:
    shape of one input where none is given."""

    def register(make: Kind) -> Kind:
        def builder(input_shape: Sequence[int], classes: int, **given: Any) -> Module:
            if len(input_shape) != 3:
                raise ShapeError(
                    t(
                        "Model {name} takes images (channels, height, width), not inputs of shape "
                        "{shape}.",
                        name=name,
                        shape=tuple(input_shape),
                    )
                )
            if min(input_shape[1:]) < least:
                raise ShapeError(
                    t(
                        "Model {name} takes images of at least {least}×{least}, not {height}×"
                        "{width}.",
                        name=name,
                        least=least,
                        height=input_shape[1],
                        width=input_shape[2],
                    )
                )
            return make(num_classes=classes, in_channels=input_shape[0], **given)

        builder.usual_input = usual  # type: ignore[attr-defined]
        _MODELS[name] = builder
        _OPTIONS[name] = list(options)
        return make

    return register


def detector(name: str) -> Callable[[Kind], Kind]:
    """Decorator for a function of (input_shape, classes, **options) that makes a detector;
    `classes` is without the background."""

    def register(make: Kind) -> Kind:
        _DETECTORS[name] = make
        parameters = inspect.signature(make).parameters
        _OPTIONS[name] = [p for p in parameters if p not in ("input_shape", "classes")]
        return make

    return register


def detector_names() -> list[str]:
    """The names of detectors, which `build` takes as well."""
    return list(_DETECTORS_IN)


def names() -> list[str]:
    """The names that `build` takes, but for those of detectors.

    >>> "lenet" in cr.models.names()
    True
    """
    return list(_MODELS)


def build(
    name: str, input_shape: Sequence[int] | None = None, classes: int = 10, **options: Any
) -> Any:
    """The model `name`, with fresh weights.

    Args:
        input_shape: of one input, without the batch: (C, H, W), (D,), or (T,) for text; by
            default (1, 28, 28), or what a model has as `usual_input`.
        classes: how many outputs; they are logits unless an option says otherwise.
        options: what the class takes beyond these.

    The arguments stay on the model as `config`, so `build(**model.config)` makes another one.

    Raises:
        ArgumentError: an unknown name or option; lists the known ones.
        ShapeError: an input that the model cannot take.

    >>> model = cr.models.build("lenet")
    >>> model(cr.ones(1, 1, 28, 28)).shape
    (1, 10)
    """
    kind = model_class(name)
    usual = getattr(kind, "usual_input", (1, 28, 28))
    shape = Ints(low=1).check(usual if input_shape is None else input_shape, name, "input_shape")
    count = Int(low=1).check(classes, name, "classes")
    known = _OPTIONS[name]
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
    if name in _DETECTORS_IN:
        import_module(_DETECTORS_IN[name])
        return _DETECTORS[name]
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
