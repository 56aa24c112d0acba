"""Where a NaN or an infinity comes from: inside `detect_anomaly` the operation that makes one stops
the program, and says which numbers went in and which line of the program it was.

Forward, the operations tell `Checks.computed` of what they have worked out, recorded or not;
backward, the walk asks `Checks.backward` for the gradients. `ops` adds what it knows of single
operations (`knowledge`): which act entry by entry, and what can be written in their place.
"""

from __future__ import annotations

import linecache
import math
import sys
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

import numpy as np

from chainrule.base.errors import AnomalyError, TraceError
from chainrule.base.text import t
from chainrule.graph.modes import mode
from chainrule.graph.node import Node

# Filled by `ops`: `entrywise(op)`, `names(op, n)`, `lineage` (operations whose inputs remedies
# need), `forward(op, datas, params, earlier)` and `backward(op, datas, params, earlier, upstream)`.
knowledge: dict[str, Any] = {}

_PACKAGE = str(Path(__file__).parents[1])


class Place(NamedTuple):
    """Where in the user's program an operation ran.

    file, line, function: None, 0, "" where no code of the user was running. modules: those that
    were running, the outermost first.
    """

    file: str | None
    line: int
    function: str
    modules: tuple[Any, ...]

    @property
    def module(self) -> str | None:
        """The path of the innermost module from the outermost, and its class; None: none ran."""
        if not self.modules:
            return None
        inner, kind = self.modules[-1], type(self.modules[-1]).__name__
        path = next((p for p, m in self.modules[0].named_modules() if m is inner), "")
        return f"{path} ({kind})" if path else kind

    def text(self) -> str | None:
        """The line as text, with what stands there if it can be read."""
        if self.file is None:
            return None
        code = linecache.getline(self.file, self.line).strip()
        where = t("{file} line {line}", file=Path(self.file).name, line=self.line)
        return f"{where}: {code}" if code else where


def place_of(frame: FrameType | None) -> Place:
    """The place that a frame and those around it stand for."""
    found: tuple[str | None, int, str] = (None, 0, "")
    modules = []
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(_PACKAGE):
            if code.co_name == "__call__" and code.co_varnames[:1] == ("self",):
                module = frame.f_locals["self"]
                if hasattr(module, "named_modules"):
                    modules.append(module)
        elif found[0] is None and not code.co_filename.startswith("<frozen"):
            found = code.co_filename, frame.f_lineno, code.co_name
        frame = frame.f_back
    return Place(*found, tuple(reversed(modules)))


class _Origin(NamedTuple):
    """The operation that made an array, with what went in."""

    op: Any
    datas: Any
    params: dict[str, Any]
    output: Any
    place: Place


class _Made(NamedTuple):
    """What is known of a node beside what it saves: where it was made, and its inputs."""

    place: Place
    datas: Any


_nodes: WeakKeyDictionary[Node, _Made] = WeakKeyDictionary()


class Checks:
    """What holds inside one `detect_anomaly`: which checks, and where infinities came from."""

    def __init__(self, nan: bool, inf: bool) -> None:
        self.nan, self.inf = bool(nan), bool(inf)
        # By the id of an array, which the reference tells from a later one at the same address.
        self._infinite: dict[int, tuple[ref[np.ndarray], _Origin | None]] = {}
        self._lineage: dict[int, tuple[ref[np.ndarray], _Origin]] = {}

    # ---- forward -----------------------------------------------------------------------------

    def computed(self, op: Any, datas: Any, params: dict[str, Any], outputs: Any) -> None:
        """Called with the arrays of each operation that has run. Raises AnomalyError."""
        if mode.trace is not None or not any(x.__class__ is np.ndarray for x in datas):
            return
        for y in outputs:
            if y.__class__ is not np.ndarray or y.dtype.kind != "f":
                continue
            if op.name in knowledge["lineage"]:
                _remember(
                    self._lineage, y, _Origin(op, datas, params, y, place_of(sys._getframe(1)))
                )
            if not np.isfinite(y).all():
                self._look(op, datas, params, y)

    def _look(self, op: Any, datas: Any, params: dict[str, Any], y: np.ndarray) -> None:
        values = [x for x in (*datas, *params.values()) if _is_float(x)]
        had_nan = any(bool(np.isnan(x).any()) for x in values)
        infinite = [x for x in values if np.isinf(x).any()]
        origin = next(filter(None, (_found(self._infinite, x) for x in infinite)), None)
        here = _Origin(op, datas, params, y, place_of(sys._getframe(2)))
        made_nan = not had_nan and np.isnan(y).any()
        if (self.nan and made_nan) or (
            self.inf and not had_nan and not infinite and np.isinf(y).any()
        ):
            raise self._forward_error(here, np.isnan if made_nan else np.isinf, infinite, origin)
        if np.isinf(y).any():
            _remember(self._infinite, y, origin if infinite else here)

    def _forward_error(
        self, here: _Origin, bad: Any, infinite: list[Any], origin: _Origin | None
    ) -> AnomalyError:
        entry = _first(bad(here.output))
        lines = [_what_happened(here, entry)]
        count = int(bad(here.output).sum())
        if count > 1:
            lines.append(t("the first of {count} such entries", count=count))
        line = here.place.text()
        if line is not None:
            lines.append(t("computed in {line}", line=line))
        if origin is not None:
            at = _first(np.isinf(origin.output))
            lines.append(t("the infinity comes from: {what}", what=_what_happened(origin, at)))
            if origin.place[:2] == here.place[:2]:
                lines[-1] += ", " + t("on the same line")
            elif (line := origin.place.text()) is not None:
                lines[-1] += ", " + line
            if origin.place.module is not None:
                lines[-1] += ", " + t("in module: {where}", where=origin.place.module)
        elif infinite:
            lines.append(t("the infinity was there before: in the data, a parameter or a constant"))
        cause = here if origin is None else origin
        earlier = [_found(self._lineage, x) for x in cause.datas]
        lines += _tried(knowledge["forward"](cause.op, cause.datas, cause.params, earlier))
        return _error(lines, "forward", here.op.name, entry, here.place)

    # ---- backward ----------------------------------------------------------------------------

    def made(self, node: Node, datas: Any) -> None:
        """Called for each node that is recorded."""
        if mode.trace is None:
            _nodes[node] = _Made(place_of(sys._getframe(2)), tuple(datas))

    def backward(self, F: Any, node: Node, g: Any, saved: Any, steep: list[Node]) -> Any:
        """The gradients of the node's inputs. Raises AnomalyError.

        steep: of this walk, the node whose gradient first was infinite, if there is one.
        """
        if F is mode.recording:  # its operations are part of this gradient, and not asked alone
            mode.anomaly = None
        try:
            results = node.op.backward(F, node, g, saved)
        finally:
            mode.anomaly = self
        given = [x for x in (_array(v) for v in (g if node.outputs else [g])) if x is not None]
        if any(bool(np.isnan(x).any()) for x in given):
            if steep and self.nan:
                raise self._sum_error(node, steep[0])
            return results
        finite = all(bool(np.isfinite(x).all()) for x in given)
        for i, result in enumerate(results):
            r = _array(result)
            if node.edges[i] is None or r is None or np.isfinite(r).all():
                continue
            if self.nan and np.isnan(r).any():
                raise self._backward_error(F, node, g, saved, i, r, np.isnan, steep)
            if self.inf and finite:
                raise self._backward_error(F, node, g, saved, i, r, np.isinf, steep)
            if not steep:
                steep.append(node)
        return results

    def _backward_error(
        self, F: Any, node: Node, g: Any, saved: Any, i: int, r: np.ndarray, bad: Any,
        steep: list[Node],
    ) -> AnomalyError:  # fmt: skip
        op, made = node.op, _nodes.get(node)
        datas = tuple(saved)[: len(node.edges)] if made is None else made.datas
        entry = _first(bad(r))
        name = _names(op, len(node.edges))[i]
        value, upstream = _text(r[entry]), _array(None if node.outputs else g)
        whole = upstream is not None and upstream.shape == r.shape and _entrywise(op)
        x = datas[i] if i < len(datas) else None
        at = f"{name}{_index(entry)}"
        if x.__class__ is np.ndarray and x.shape == r.shape:
            at += f" = {_text(x[entry])}"
        slope = None
        if whole and upstream is not None and F is not mode.recording:
            with np.errstate(all="ignore"):
                slope = _array(op.backward(F, node, np.ones_like(upstream), saved)[i])
        if slope is not None and upstream is not None:
            lines = [
                t(
                    "the backward of {op} gave {value} at {at}: the slope there is {slope}, times "
                    "an upstream gradient of {upstream}",
                    op=op.name, value=value, at=at, slope=_text(slope[entry]),
                    upstream=_text(upstream[entry]),
                )
            ]  # fmt: skip
        else:
            lines = [t("the backward of {op} gave {value} at {at}", op=op.name, value=value, at=at)]
            if upstream is not None:
                lines[0] += "; " + _range(t("upstream gradient"), upstream)
        place = Place(None, 0, "", ()) if made is None else made.place
        if made is None:
            lines.append(t("its forward ran outside detect_anomaly, so its line is not known"))
        lines += _where(place)
        before = [x for x in datas if _is_float(x) and np.isnan(x).any()]
        if before:
            lines.append(t("its inputs held a NaN before: it is in the data or a parameter"))
        elif steep:
            lines.append(_steep(steep[0]))
        elif made is not None:
            earlier = [_found(self._lineage, x) for x in datas]
            lines += _tried(knowledge["backward"](op, datas, node.params, earlier, upstream))
        return _error(lines, "backward", op.name, entry, place)

    def summed(self, leaves: list[list[Any]], steep: list[Node]) -> None:
        """Called at the end of a walk with [leaf, gradient, ...]. Raises AnomalyError."""
        for leaf, g, *_ in leaves if steep and self.nan else ():
            array = _array(g)
            if array is not None and np.isnan(array).any():
                what = t("a leaf of shape {shape}", shape=leaf.shape)
                lines = [_cancelled(what), _steep(steep[0])]
                at = _first(np.isnan(array))
                raise _error(lines, "backward", what, at, Place(None, 0, "", ()))

    def _sum_error(self, node: Node, steep: Node) -> AnomalyError:
        made = _nodes.get(node)
        place = Place(None, 0, "", ()) if made is None else made.place
        lines = [
            _cancelled(node.op.name),
            *_where(place),
            _steep(steep),
        ]
        return _error(lines, "backward", node.op.name, (), place)


# ---- words ---------------------------------------------------------------------------------------


def _error(
    lines: list[str], phase: str, operation: str, entry: tuple[int, ...], place: Place
) -> AnomalyError:
    error = AnomalyError("\n  ".join(lines))
    error.phase, error.operation, error.entry, error.place = phase, operation, entry, place
    return error


def _what_happened(made: _Origin, entry: tuple[int, ...]) -> str:
    """`log at x[3, 0] = -1.0 gave nan`."""
    op, value = made.op, _text(made.output[entry])
    names = _names(op, len(made.datas))
    pairs = [(n, x) for n, x in zip(names, made.datas, strict=False) if x is not None]
    if _entrywise(op):
        parts = [f"{n}{_index(at)} = {_text(np.asarray(x)[at])}" for n, x in pairs
                 for at in [_own_entry(np.shape(x), entry)]]  # fmt: skip
        return t("{op} at {inputs} gave {value}", op=op.name, inputs=", ".join(parts), value=value)
    return t(
        "{op} gave {value} at {entry} of its result, from {inputs}",
        op=op.name,
        value=value,
        entry=_index(entry) or "()",
        inputs="; ".join(_range(n, x) for n, x in pairs),
    )


def _where(place: Place) -> list[str]:
    lines = []
    if place.text() is not None:
        lines.append(t("computed in {line}", line=place.text()))
    if place.module is not None:
        lines.append(t("in module: {where}", where=place.module))
    return lines


def _cancelled(what: str) -> str:
    return t("the gradients of {what} from its uses cancel as inf - inf: the sum is nan", what=what)


def _steep(node: Node) -> str:
    text = t("the gradient was first infinite in the backward of {op}", op=node.op.name)
    made = _nodes.get(node)
    line = None if made is None else made.place.text()
    return text if line is None else f"{text}, {line}"


def _tried(found: list[str]) -> list[str]:
    if not found:
        return []
    return [t("what gives finite numbers (tried on these inputs):"), *("  " + f for f in found)]


def _range(name: str, x: Any) -> str:
    """An input that has too many numbers to name them all."""
    if x.__class__ is not np.ndarray or x.ndim == 0:
        return f"{name} = {x if x.__class__ is not np.ndarray else _text(x[()])}"
    text = f"{name} {tuple(x.shape)}"
    if x.dtype.kind != "f" or not x.size:
        return text
    text += " " + t("from {low:.4g} to {high:.4g}", low=float(x.min()), high=float(x.max()))
    if np.isinf(x).any():
        at = _first(np.isinf(x))
        text += ", " + t("{value} at {entry}", value=_text(x[at]), entry=_index(at))
    return text


def _text(value: Any) -> str:
    return str(value)


def _index(entry: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, entry))}]" if entry else ""


def _first(bad: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), np.shape(bad)))


def _own_entry(shape: tuple[int, ...], entry: tuple[int, ...]) -> tuple[int, ...]:
    """Which entry of an input of this shape was broadcast to `entry`."""
    last = entry[len(entry) - len(shape) :]
    return tuple(0 if n == 1 else i for n, i in zip(shape, last, strict=True))


def _entrywise(op: Any) -> bool:
    return bool(knowledge["entrywise"](op))


def _names(op: Any, n: int) -> tuple[str, ...]:
    return tuple(knowledge["names"](op, n))


def _is_float(x: Any) -> bool:
    if x.__class__ is np.ndarray:
        return bool(x.dtype.kind == "f")
    return isinstance(x, float | np.floating) and not math.isfinite(x)


def _array(value: Any) -> np.ndarray | None:
    """The dense array of a gradient: an array, a tensor, or rows; None where there is none."""
    value = getattr(value, "dense", value)
    value = getattr(value, "_data", value)
    if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind != "f":
        return None
    return np.asarray(value)


def _remember(table: dict[int, Any], array: np.ndarray, origin: _Origin | None) -> None:
    key = id(array)
    table[key] = (ref(array, lambda _: table.pop(key, None)), origin)


def _found(table: dict[int, Any], array: Any) -> _Origin | None:
    reference, origin = table.get(id(array), (None, None))
    return origin if reference is not None and reference() is array else None


# ---- contexts ------------------------------------------------------------------------------------


def _begin(checks: Checks | None) -> Checks | None:
    """From now on these checks hold in this thread; those that held."""
    if mode.trace is not None:
        raise TraceError(
            t(
                "detect_anomaly cannot begin inside a compiled function: put it around the call, "
                "which then runs in glass mode."
            )
        )
    before, arrays = mode.anomaly, type(mode).F
    mode.anomaly = checks
    # Under another name of the namespace no operation takes a way around the checks.
    if checks is not None and mode.F is arrays:
        mode.F = mode.watching
    elif checks is None and mode.F is mode.watching:
        mode.F = arrays
    return before


class detect_anomaly:
    """Stop at the first operation that makes a NaN (context manager).

        with cr.autograd.detect_anomaly():
            loss = criterion(model(x), y)
            loss.backward()

    The AnomalyError names the operation, the numbers that went in, the line of the program, the
    module, the operation that made the infinity where the NaN comes out of one (inf - inf), and
    what could be written instead, if it was seen to give finite numbers. A NaN that comes in with
    the data is no anomaly, as long as it does not reach a gradient. Works with and without
    `no_grad`, and in each thread for itself; compiled functions run in glass mode inside. Slow:
    every result is looked at, and the inputs of recorded operations are kept.

    Args:
        check_nan: look for NaN that no input had.
        check_inf: look for infinities out of finite inputs, too.
    """

    def __init__(self, check_nan: bool = True, check_inf: bool = False) -> None:
        self._check = check_nan, check_inf
        self._before: list[Checks | None] = []

    def __enter__(self) -> None:
        self._before.append(_begin(Checks(*self._check)))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _begin(self._before.pop())


class set_detect_anomaly:
    """Turns `detect_anomaly` on or off at once; as a context manager, back at the end."""

    def __init__(self, mode: bool, check_nan: bool = True, check_inf: bool = False) -> None:
        self._before = _begin(Checks(check_nan, check_inf) if mode else None)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _begin(self._before)


def is_anomaly_enabled() -> bool:
    """Whether `detect_anomaly` holds now, in this thread."""
    return mode.anomaly is not None
