"""How modules look in print: the tree of `repr`, one line, and the place named in an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.base.errors import ChainruleError, ShapeError
from chainrule.base.text import t
from chainrule.nn.resizing import resized

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


def name_place(error: ChainruleError, module: Module, args: Any, kwargs: Any) -> None:
    """Note on `error`, which passes through the call of `module`, in which module it arose.

    The innermost module writes the note, and what size of it would have taken the input; each
    module around it that knows it by name puts the longer path in its place.
    """
    place = getattr(error, "_place", None)
    if place is None:
        inner, path = module, ""
        size = resized(module, args, kwargs) if isinstance(error, ShapeError) else None
        if size is not None:
            error.add_note(t("with {size} this layer takes such an input (tried)", size=size))
    else:
        inner, old = place
        path = next((name for name, m in module.named_modules() if m is inner), "")
        if not path:
            return
        error.__notes__.remove(old)
    where = f"{path} ({headline(inner)})" if path else headline(inner)
    note = t("in module: {where}", where=where)
    error.__notes__ = [note, *getattr(error, "__notes__", [])]
    error._place = (inner, note)  # type: ignore[attr-defined]
