"""What is added to an error of shapes or dtypes: what the operands are, and what would fit.

Errors pass through `apply` (dispatch.py) on their way to the user. There a note is added that names
each operand with what its axes mean and the line that made it, and a change of one operand that was
tried: the operation has run on zeros of those shapes. What was not seen to work is not offered.
"""

from __future__ import annotations

import dis
import math
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from chainrule.base.errors import ChainruleError, DTypeError, IndexRangeError, ShapeError
from chainrule.base.text import t
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor, wrap
from chainrule.ops.arrays import NUMPY
from chainrule.ops.fitting import changes, other_params

if TYPE_CHECKING:
    from chainrule.ops.op import Op

_PACKAGE = str(Path(__file__).parents[1])
LARGE = 1 << 22  # elements in all operands; beyond, trying would take too long
_OFFERED = 2
_SEARCHED = 64  # elements of a list that are looked at for an operand

Apply = Callable[..., Any]


class _Trial(threading.local):
    """Whether a change is being tried in this thread: its errors teach nobody."""

    running = False


_trial = _Trial()


def trying() -> bool:
    """Whether what runs in this thread is a trial."""
    return _trial.running


def teach(
    error: ChainruleError, apply: Apply, cls: type[Op], inputs: tuple[Any, ...],
    params: dict[str, Any],
) -> None:  # fmt: skip
    """Adds the note to an error that passes through `apply(cls, *inputs, **params)`.

    Where one operation calls another, the outer one, which the user has called, has the last word.
    """
    if _trial.running or not isinstance(error, ShapeError | DTypeError | IndexRangeError):
        return
    names = cls.per_input(cls.inputs, len(inputs))
    if cls.variadic:
        names = tuple(f"{name}{k}" for k, name in enumerate(names))
    tensors = [(k, n, x) for k, (n, x) in enumerate(zip(names, inputs, strict=False))
               if isinstance(x, Tensor)]  # fmt: skip
    if not tensors:
        return
    old = getattr(error, "_lesson", None)
    if old is not None:
        error.__notes__.remove(old)
    frames = list(_users_frames())
    lines = [t("operands of {name}:", name=cls.name)]
    lines += ["  " + _described(cls, name, x, frames) for _, name, x in tensors]
    found = _what_fits(error, partial(apply, cls), cls, inputs, params, tensors)
    if found:
        lines.append(t("what would fit (tried on these shapes):"))
        lines += ["  " + text for text in found]
    note = "\n".join(lines)
    error.add_note(note)
    vars(error).update(_lesson=note, _fits=bool(found))


# ---- what an operand is -------------------------------------------------------------------------


def _described(cls: type[Op], name: str, x: Tensor, frames: list[FrameType]) -> str:
    """One operand: its shape with what the axes mean, its dtype, and where it comes from."""
    shape = str(tuple(x.shape))
    for axes in cls.axes.get(name, ()):
        meanings = axes.split(", ")
        if axes and len(meanings) == x.ndim:
            pairs = zip(meanings, x.shape, strict=True)
            shape += " = (" + ", ".join(f"{axis} {n}" for axis, n in pairs) + ")"
            break
    text = f"{name}: {shape} {x.dtype.name}"
    if x._node is not None:
        text += ", " + t("computed by {name}", name=x._node.op.name)
    place = line_of(x, frames)
    if place is None and frames and (x._node is not None or not x._rg):
        # Nobody holds it but the expression that is being worked out.
        file = Path(frames[0].f_code.co_filename).name
        place = t("made in {file} line {line}", file=file, line=frames[0].f_lineno)
    return text if place is None else text + ", " + place


def _users_frames() -> Iterator[FrameType]:
    """The frames of the user's code, the innermost first."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            yield frame
        frame = frame.f_back


def line_of(x: Tensor, frames: list[FrameType]) -> str | None:
    """Where the user's code gave the tensor its name: `h, train.py line 12`; None: nowhere.

    Of several assignments to the name, the last one above the line that runs.
    """
    for frame in frames:
        for name, value in list(frame.f_locals.items()):
            if name.startswith("_"):
                continue
            where = _inside(name, value, x)
            line = None if where is None else _assigned(frame.f_code, name, frame.f_lasti)
            if line is not None:
                file = Path(frame.f_code.co_filename).name
                return t("{name} of {file} line {line}", name=where, file=file, line=line)
            if where is not None and where != name:  # held by an argument: it has no such line
                return where
    return None


def _inside(name: str, value: Any, x: Tensor) -> str | None:
    """`x` as the user writes it, if the variable is it or holds it: `h`, `batch[0]`,
    `batch["mask"]`, `self.scale`."""
    if value is x:
        return name
    if isinstance(value, list | tuple):
        at = next((i for i, v in enumerate(value[:_SEARCHED]) if v is x), None)
        return None if at is None else f"{name}[{at}]"
    if isinstance(value, Mapping):
        return next((f"{name}[{k!r}]" for k, v in list(value.items()) if v is x), None)
    held = getattr(value, "__dict__", None)
    if isinstance(held, dict):
        tables = (held, *(held.get(k) for k in ("_parameters", "_buffers")))
        for table in tables:
            if isinstance(table, dict):
                for k, v in list(table.items()):
                    if v is x:
                        return f"{name}.{k}"
    return None


def _assigned(code: CodeType, name: str, now: int) -> int | None:
    """The line of the last assignment to the variable before the instruction at `now`, or of the
    last one at all (a loop comes back to the top)."""
    stores = {"STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF"}
    line, before, after = code.co_firstlineno, None, None
    for i in dis.get_instructions(code):
        line = i.starts_line if isinstance(i.starts_line, int) and i.starts_line > 1 else line
        if i.opname in stores and i.argval == name:
            at = i.positions.lineno if i.positions is not None else line
            if i.offset <= now:
                before = at
            else:
                after = at
    return before if before is not None else after


# ---- what would fit -----------------------------------------------------------------------------


def _what_fits(
    error: ChainruleError, run: Apply, cls: type[Op], inputs: tuple[Any, ...],
    params: dict[str, Any], tensors: list[tuple[int, str, Tensor]],
) -> list[str]:  # fmt: skip
    """Changes of one operand, or of a parameter, with which the operation has run, as text."""
    if sum(math.prod(x.shape) for _, _, x in tensors) > LARGE:
        return []
    stand_ins = list(inputs)
    for k, _, x in tensors:
        stand_ins[k] = zeros_like(x)
    found: list[str] = []
    for text, other in other_params(cls, inputs, params):
        shape = None
        with suppress(Exception):
            shape = outside(_result_shape, run, stand_ins, params | other)
        if shape is not None:
            found.append(t("{new}: the result has shape {shape}", new=text, shape=shape))
            if len(found) == _OFFERED:
                return found
    if isinstance(error, IndexRangeError):
        return found  # zeros are in range everywhere: they would prove nothing
    # Of two operands the smaller is the likelier to be wanted in another shape.
    for k, name, _ in sorted(tensors, key=lambda one: one[2].ndim):
        seen: set[tuple[Any, ...]] = set()
        for change in changes(cls, k, name, inputs):
            trial = list(stand_ins)
            shape = None
            with suppress(Exception):
                trial[k] = outside(change.make, stand_ins[k])
                if (trial[k].shape, trial[k].dtype) not in seen:
                    seen.add((trial[k].shape, trial[k].dtype))
                    shape = outside(_result_shape, run, trial, params)
            if shape is None or len(shape) > change.most_axes:
                continue
            found.append(
                t(
                    "{new} in place of {name}: the result has shape {shape}",
                    new=change.text.format(x=name),
                    name=name,
                    shape=shape,
                )
            )
            if len(found) == _OFFERED or change.sure:
                return found
    return found


def _result_shape(run: Apply, inputs: list[Any], params: dict[str, Any]) -> tuple[int, ...]:
    out = run(*inputs, **params)
    return tuple((out[0] if isinstance(out, tuple) else out).shape)


def outside(action: Callable[..., Any], *args: Any) -> Any:
    """The action with nothing recorded, traced or taught; random numbers stay where they are."""
    from chainrule.ops import random  # which needs `apply`, which needs this file

    before, numbers = (mode.F, mode.trace, mode.watch, mode.grad), random.get_rng_state()
    anomaly, mode.anomaly = mode.anomaly, None
    mode.F, mode.trace, mode.watch, mode.grad, _trial.running = NUMPY, None, None, False, True
    try:
        return action(*args)
    finally:
        mode.F, mode.trace, mode.watch, mode.grad = before
        mode.anomaly = anomaly
        _trial.running = False
        random.set_rng_state(numbers)


def zeros_like(x: Tensor) -> Tensor:
    out = wrap(NUMPY.full(tuple(x.shape), 0, x.dtype.numpy))
    if x.dtype.name == "bfloat16":
        out._more().dtype = x.dtype
    return out
