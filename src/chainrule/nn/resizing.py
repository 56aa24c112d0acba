"""The layer that would have taken an input which this one refused: built anew, and tried; and the
line of the program where a layer was made."""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.ops.teaching import LARGE, outside, trying, zeros_like

if TYPE_CHECKING:
    from chainrule.nn.module import Module

# The argument that gives the size of the input, and the axis of the input that must have it.
_SIZES = {"in_features": -1, "in_channels": 1, "num_features": 1, "num_channels": 1,
          "input_size": -1, "embed_dim": -1}  # fmt: skip
_PACKAGE = str(Path(__file__).parents[1])


def resized(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """`Linear with in_features=2704`: with this argument in place of its own, or as this other
    layer, it has taken the input.

    None where no such argument is known, or the layer made so does not take the input either.
    """
    if trying():
        return None
    tensors = list(_tensors((args, kwargs)))
    if module._modules or not args or not isinstance(args[0], Tensor) or any(
        math.prod(x.shape) > LARGE for x in tensors
    ):  # fmt: skip
        return None
    given, named = _stand_ins(args), _stand_ins(kwargs)
    kind = type(module)
    for text, cls, changed in _others(module, args[0]):
        with suppress(Exception):
            arguments = _arguments(module, cls) | changed
            outside(lambda c=cls, a=arguments: c(**a)(*given, **named))
            return f"{cls.__name__}(…, {text})" if cls is kind else cls.__name__
    return None


def takes_first(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a layer that was given a tuple has taken the first element of it."""
    pair = args[0] if args else None
    if trying() or not isinstance(pair, tuple) or not pair or not isinstance(pair[0], Tensor):
        return False
    if any(math.prod(x.shape) > LARGE for x in _tensors((args, kwargs))):
        return False
    with suppress(Exception):
        outside(lambda: module(_stand_ins(pair[0]), *_stand_ins(args[1:]), **_stand_ins(kwargs)))
        return True
    return False


def _others(module: Module, x: Tensor) -> Iterator[tuple[str, type[Module], dict[str, Any]]]:
    """Layers like this one with another argument, the likeliest first."""
    kind, own = type(module), vars(module)
    for name, axis in _SIZES.items():
        if own.get(name) is not None and -x.ndim <= axis < x.ndim and x.shape[axis] != own[name]:
            yield f"{name}={x.shape[axis]}", kind, {name: x.shape[axis]}
    if isinstance(own.get("normalized_shape"), tuple):
        shape = tuple(x.shape[-len(own["normalized_shape"]) :])
        yield f"normalized_shape={shape}", kind, {"normalized_shape": shape}
    if isinstance(own.get("batch_first"), bool):
        yield f"batch_first={not own['batch_first']}", kind, {"batch_first": not own["batch_first"]}
    window = own.get("kernel_size")
    if window is not None:
        largest = max(window) if isinstance(window, tuple) else window
        # Padding of more than half a window is refused by pooling, and makes no sense.
        for padding in range(1, largest // 2 + 1):
            yield f"padding={padding}", kind, {"padding": padding}
        for size in range(largest - 1, 0, -1):
            yield f"kernel_size={size}", kind, {"kernel_size": size}
    name = kind.__name__
    if name[-2:] in ("1d", "2d", "3d") and kind.__module__.startswith("chainrule."):
        space = vars(inspect.getmodule(kind))
        for dims in "123":
            other: Any = space.get(f"{name[:-2]}{dims}d")
            if isinstance(other, type) and other is not kind:
                yield "", other, {}


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple | dict):
        for v in value.values() if isinstance(value, dict) else value:
            yield from _tensors(v)


def _stand_ins(value: Any) -> Any:
    """The same with zeros in place of tensors."""
    if isinstance(value, Tensor):
        return zeros_like(value)
    if isinstance(value, dict):
        return {k: _stand_ins(v) for k, v in value.items()}
    return type(value)(map(_stand_ins, value)) if type(value) in (list, tuple) else value


def _arguments(module: Module, kind: type[Module]) -> dict[str, Any]:
    """What the module was made with, as far as its attributes say."""
    out: dict[str, Any] = {}
    for name, parameter in inspect.signature(kind.__init__).parameters.items():
        if name in ("self", "device", "dtype") or parameter.kind in (
            parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD,
        ):  # fmt: skip
            continue
        value = getattr(module, name, parameter.default)
        value = value is not None if name == "bias" and not isinstance(value, bool) else value
        if kind is not type(module) and isinstance(value, tuple) and len(set(value)) == 1:
            value = value[0]  # as many as the other layer has axes
        out[name] = value
    return out


# ---- where it was made ---------------------------------------------------------------------------


def line_that_made(root: Module, path: str) -> str | None:
    """`net.py line 12`: where the user's `__init__` assigned the layer at a path below `root`, or
    the container that holds it; None if that is not to be found."""
    found = None
    module: Any = root
    for name in path.split(".") if path else ():
        place = _assignment(type(module), name)
        found = place if place is not None else found
        module = module._modules.get(name)
        if module is None:
            return None
    return found


def _assignment(owner: type, name: str) -> str | None:
    """Where `self.name = …` stands in the `__init__` of a class outside this package."""
    with suppress(OSError, TypeError, SyntaxError):
        init: Any = owner.__init__  # type: ignore[misc]
        file = inspect.getsourcefile(init)
        if file is None or file.startswith(_PACKAGE):
            return None
        lines, first = inspect.getsourcelines(init)
        for node in ast.walk(ast.parse(textwrap.dedent("".join(lines)))):
            if not isinstance(node, ast.Assign):
                continue
            for target in node.targets:
                if isinstance(target, ast.Attribute) and target.attr == name:
                    line = first + node.lineno - 1
                    return t("{file} line {line}", file=Path(file).name, line=line)
    return None
