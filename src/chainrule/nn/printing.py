"""How modules look in print: the tree of `repr`, one line, and the place named in an error."""

from __future__ import annotations

import inspect
import reprlib
from typing import TYPE_CHECKING, Any

from chainrule.base.errors import ArgumentError, ChainruleError, ShapeError
from chainrule.base.text import t
from chainrule.nn.resizing import line_that_made, resized, takes_first

if TYPE_CHECKING:
    from chainrule.nn.module import Module


def indented(text: str) -> str:
    """`text` with every line but the first moved in by two."""
    return text.replace("\n", "\n  ")


def tree(module: Module) -> str:
    """The module and its children, one a line."""
    extra = module.extra_repr()
    lines = extra.split("\n") if extra else []
    children = [f"({name}): {indented(repr(m))}" for name, m in module._modules.items()]
    name = module._get_name()
    if not children and len(lines) <= 1:
        return f"{name}({extra})"
    return f"{name}(\n  " + "\n  ".join(lines + children) + "\n)"


def headline(module: Module) -> str:
    """The module in one line, without its children."""
    return f"{module._get_name()}({' '.join(module.extra_repr().split())})"


def wrong_call(module: Module, args: Any, kwargs: Any) -> ArgumentError | None:
    """What is to be said of arguments that `forward` does not take; None if it takes them."""
    try:
        signature = inspect.signature(module.forward)
        signature.bind(*args, **kwargs)
    except TypeError as error:
        return ArgumentError(
            t(
                "{module}.forward{signature} was called with {given}: {why}.",
                module=type(module).__name__,
                signature=_plain(signature),
                given=_given(args, kwargs),
                why=error,
            )
        )
    except ValueError:
        return None
    return None


def _plain(signature: inspect.Signature) -> inspect.Signature:
    """Without types."""
    none = inspect.Signature.empty
    names = [p.replace(annotation=none) for p in signature.parameters.values()]
    return signature.replace(parameters=names, return_annotation=none)


def _given(args: Any, kwargs: Any) -> str:
    """Arguments as they were given, tensors by their shape."""

    def one(value: Any) -> str:
        shape = getattr(value, "shape", None)
        if shape is not None and not isinstance(value, type):
            return f"{type(value).__name__} {tuple(shape)}"
        return reprlib.repr(value)

    texts = [*map(one, args), *(f"{name}={one(value)}" for name, value in kwargs.items())]
    return f"({', '.join(texts)})"


def name_place(error: ChainruleError, module: Module, args: Any, kwargs: Any) -> None:
    """Note on `error`, which passes through the call of `module`, in which module it arose.

    The innermost module writes the note, and what size of it would have taken the input; each
    module around it that knows it by name puts the longer path in its place.
    """
    place = getattr(error, "_place", None)
    if place is None:
        inner, path = module, ""
        size = None
        # What was found to be wrong with the input is not to be put right in the layer.
        if isinstance(error, ShapeError) and not getattr(error, "_fits", False):
            size = resized(module, args, kwargs)
        if takes_first(module, args, kwargs):
            error.add_note(
                t(
                    "the input is a tuple; its first element fits (tried): recurrent layers and "
                    "attention give a pair, so write output, state = layer(x)"
                )
            )
        if size is not None:
            error.add_note(t("{layer} takes such an input (tried)", layer=size))
    else:
        inner, old = place
        path = next((name for name, m in module.named_modules() if m is inner), "")
        if not path:
            return
        error.__notes__.remove(old)
    where = f"{path} ({headline(inner)})" if path else headline(inner)
    note = t("in module: {where}", where=where)
    line = line_that_made(module, path)
    if line is not None:
        note += ", " + t("made in {where}", where=line)
    error.__notes__ = [note, *getattr(error, "__notes__", [])]
    error._place = (inner, note)  # type: ignore[attr-defined]
