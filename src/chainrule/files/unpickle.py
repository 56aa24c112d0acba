"""Reading what `torch.save` pickled, without running anything.

A pickle is a program for a small stack machine, and Python's own reader lets it call any function.
The machine here calls none: it knows the handful of names that describe tensors, keeps a
description of each in place of a call, and refuses every other name and instruction.
Sources: the comments of Python's pickletools; PyTorch's notes on serialization semantics.
"""

from __future__ import annotations

import pickletools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule.base.dtypes import BY_NAME, DType
from chainrule.base.errors import FileFormatError
from chainrule.base.text import t
from chainrule.ops.type_info import Size

DEEPEST = 100


@dataclass(frozen=True)
class Storage:
    """A flat run of elements: `count` of kind `code` (None: bytes), the part of `key` from
    `begin` on."""

    key: str
    code: str | None
    count: int
    begin: int = 0


@dataclass(eq=False)
class Layout:
    """A tensor: its shape and strides (in elements) over a storage. `code`: its element kind."""

    storage: Storage
    code: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    requires_grad: bool


@dataclass(frozen=True)
class Name:
    """Something that the pickle names, as "module.name"."""

    path: str


# Element kinds by the classes of storages that PyTorch names in its files.
_STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32",
    "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool", "UntypedStorage": None,
}  # fmt: skip
_STORAGE_ROOMS = ("torch", "torch.cuda", "torch.storage")
_WIDER = ("uint16", "uint32")


def unpickle(file: Any) -> Any:
    """The next pickle in `file` (an object with read and readline, which stands behind it then).

    It consists of None, truth values, numbers, texts, lists, tuples, dicts, OrderedDicts, sizes,
    dtypes, and a Layout for each tensor.

    Errors: FileFormatError, which says what the pickle asked for that is not one of these.
    """
    machine = _Machine()
    try:
        for code, argument, _ in pickletools.genops(file):
            machine.steps += 1
            step = _STEPS.get(code.name)
            if step is None:
                raise FileFormatError(
                    t("its pickle uses the instruction {name}, which no state dict needs",
                      name=code.name)
                )  # fmt: skip
            step(machine, argument)
        value = machine.pop()
    except FileFormatError:
        raise
    except (ValueError, IndexError, KeyError, OverflowError, MemoryError) as error:
        raise FileFormatError(
            t("its pickle is damaged: {error:.200}", error=str(error) or type(error).__name__)
        ) from None
    check_depth(value)
    return value


class _Machine:
    """Stack, marks and memo of a pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.steps = self.copied = 0

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ValueError(t("an instruction finds nothing to work on"))
        return self.stack.pop()

    def top(self) -> Any:
        value = self.pop()
        self.stack.append(value)
        return value

    def since_mark(self) -> list[Any]:
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    # ---- containers -------------------------------------------------------------------------

    def tuple_of(self, n: int) -> None:
        items = [self.pop() for _ in range(n)]
        self.push(tuple(reversed(items)))

    def append(self, items: list[Any]) -> None:
        target = self.top()
        if type(target) is not list:
            raise ValueError(t("it appends to {kind}", kind=_kind(target)))
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, dict) or len(items) % 2:
            raise ValueError(t("it sets items of {kind}", kind=_kind(target)))
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_checked_key(key)] = value

    def dict_of(self, items: list[Any]) -> None:
        self.push({})
        self.set_items(items)

    # ---- names and what is done with them ---------------------------------------------------

    def name(self, path: str) -> None:
        module, _, name = path.rpartition(".")
        if module in _STORAGE_ROOMS and name in _STORAGES or path in _CALLS:
            self.push(Name(path))
        elif module == "torch" and (name in BY_NAME or name in _WIDER):
            # As a value this is the dtype; a tensor's layout takes its name.
            self.push(BY_NAME.get(name, Name(path)))
        else:
            raise _foreign(path)

    def stack_name(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError(t("a name is no text"))
        self.name(f"{module}.{name}")

    def reduce(self, _: Any) -> None:
        arguments, name = self.pop(), self.pop()
        if not isinstance(name, Name) or name.path not in _CALLS or type(arguments) is not tuple:
            raise ValueError(t("it calls {kind}", kind=_kind(name)))
        # Whatever is copied was pushed once, or a short pickle could copy a long list for ever.
        self.copied += sum(len(x) for x in arguments if isinstance(x, list | tuple))
        if self.copied > self.steps:
            raise FileFormatError(t("its pickle copies more than it describes"))
        self.push(_CALLS[name.path](*_fitting(name.path, arguments)))

    def build(self, _: Any) -> None:
        """The attributes of an object: only a state dict's versions are of use."""
        state, target = self.pop(), self.top()
        if type(target) is not OrderedDict or type(state) is not dict:
            raise ValueError(t("it gives attributes to {kind}", kind=_kind(target)))
        versions = state.get("_metadata")
        if state.keys() - {"_metadata"} or not isinstance(versions, dict | None):
            raise FileFormatError(
                t("an OrderedDict in it has the attributes {names:.99}: only _metadata is known",
                  names=", ".join(map(str, state)))
            )  # fmt: skip
        if versions is not None:
            target._metadata = versions  # type: ignore[attr-defined]

    def storage(self, _: Any) -> None:
        """("storage", class, key, place, elements) and, in old files, a part of it."""
        given = self.pop()
        if type(given) is not tuple or not given or given[0] != "storage":
            what = given[0] if type(given) is tuple and given else _kind(given)
            raise FileFormatError(
                t("it refers to {what!r:.99} outside the pickle, not to a storage", what=what)
            )
        if len(given) not in (5, 6):
            raise ValueError(t("a storage is not described"))
        _, kind, key, _, count = given[:5]
        if not isinstance(kind, Name) or not isinstance(key, str) or not _natural(count):
            raise ValueError(t("a storage is not described"))
        code = _STORAGES.get(kind.path.rpartition(".")[2], kind.path)
        begin = 0
        if len(given) == 6 and given[5] is not None:
            part = given[5]
            if type(part) is not tuple or len(part) != 3 or not all(map(_natural, part[1:])):
                raise ValueError(t("a part of a storage is not described"))
            _, begin, count = part
        self.push(Storage(key, code, count, begin))


# ---- what may be called -----------------------------------------------------------------------


def _ordered(pairs: Any = ()) -> OrderedDict[Any, Any]:
    out: OrderedDict[Any, Any] = OrderedDict()
    if type(pairs) not in (list, tuple):
        raise ValueError(t("an OrderedDict is not described"))
    for pair in pairs:
        if type(pair) not in (list, tuple) or len(pair) != 2:
            raise ValueError(t("an OrderedDict is not described"))
        out[_checked_key(pair[0])] = pair[1]
    return out


def _size(sizes: Any) -> Size:
    return Size(_naturals(sizes))


def _tensor(
    storage: Any, offset: Any, shape: Any, strides: Any,
    requires_grad: Any = False, hooks: Any = None, metadata: Any = None,
) -> Layout:  # fmt: skip
    code = getattr(storage, "code", None)
    if code is None:
        raise ValueError(t("a tensor has no storage with a kind of element"))
    return _tensor_of(storage, offset, shape, strides, requires_grad, hooks, code, metadata)


def _tensor_of(
    storage: Any, offset: Any, shape: Any, strides: Any,
    requires_grad: Any, hooks: Any, kind: Any, metadata: Any = None,
) -> Layout:  # fmt: skip
    if isinstance(kind, DType):
        kind = kind.name
    elif isinstance(kind, Name):
        kind = kind.path.rpartition(".")[2]
    sizes, steps = _naturals(shape), _naturals(strides)
    if (
        not isinstance(storage, Storage) or not isinstance(kind, str) or not _natural(offset)
        or len(sizes) != len(steps) or type(requires_grad) is not bool
    ):  # fmt: skip
        raise ValueError(t("a tensor is not described by storage, offset, shape and strides"))
    if hooks or metadata:
        raise FileFormatError(t("a tensor in it has hooks or flags, which are not read"))
    return Layout(storage, kind, offset, sizes, steps, requires_grad)


def _parameter(data: Any, requires_grad: Any, hooks: Any) -> Layout:
    if not isinstance(data, Layout) or type(requires_grad) is not bool or hooks:
        raise ValueError(t("a parameter is not described by a tensor"))
    return Layout(
        data.storage, data.code, data.offset, data.shape, data.strides, requires_grad
    )  # fmt: skip


_CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered,
    "torch.Size": _size,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of,
    "torch._utils._rebuild_parameter": _parameter,
}
# How many arguments each takes.
_ARGUMENTS = {
    "collections.OrderedDict": (0, 1), "torch.Size": (1, 1),
    "torch._utils._rebuild_tensor": (4, 4), "torch._utils._rebuild_tensor_v2": (6, 7),
    "torch._utils._rebuild_tensor_v3": (7, 8), "torch._utils._rebuild_parameter": (3, 3),
}  # fmt: skip


def _fitting(path: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    low, high = _ARGUMENTS[path]
    if not low <= len(arguments) <= high:
        raise ValueError(t("{name} has {n} arguments", name=path, n=len(arguments)))
    return arguments


def _foreign(path: str) -> FileFormatError:
    return FileFormatError(
        t(
            "it asks for {name!r:.199}, which is not read, because it could run anything: tensors, "
            "numbers, texts, lists, tuples and dicts are (in PyTorch save model.state_dict(), not "
            "the model)",
            name=path,
        )
    )


# ---- checks -----------------------------------------------------------------------------------


def _natural(n: Any) -> bool:
    return type(n) is int and 0 <= n < 2**63


def _naturals(values: Any) -> tuple[int, ...]:
    if not isinstance(values, tuple) or len(values) > 64 or not all(map(_natural, values)):
        raise ValueError(t("sizes are no natural numbers, at most 64"))
    return tuple(values)


def _plain(x: Any) -> bool:
    return x is None or type(x) in (str, float, bool) or (type(x) is int and abs(x) < 2**63)


def _checked_key(key: Any) -> Any:
    parts = key if type(key) is tuple else (key,)
    # What is long to hash, and can be used again and again, is no key of a state dict.
    if len(parts) > 64 or not all(map(_plain, parts)):
        raise ValueError(t("the key of a dict is {kind}", kind=_kind(key)))
    return key


def _kind(value: Any) -> str:
    return value.path if isinstance(value, Name) else type(value).__name__


def children(value: Any) -> tuple[Any, ...]:
    """What a container holds."""
    if isinstance(value, dict):
        versions = getattr(value, "_metadata", None)
        return (*value.values(), *(() if versions is None else (versions,)))
    return tuple(value) if isinstance(value, list | tuple) else ()


def check_depth(value: Any) -> None:
    """Refuses what contains itself, or is nested more than DEEPEST deep, and names left over.

    Each container is visited once, however often it is referred to, and nothing recurses.
    """
    heights: dict[int, int] = {}
    open_ones: set[int] = set()
    todo: list[tuple[Any, bool]] = [(value, False)]
    while todo:
        x, seen = todo.pop()
        if isinstance(x, Name | Storage):
            raise FileFormatError(
                t("it holds {name!r:.99} by itself, which is no value",
                  name=x.path if isinstance(x, Name) else "storage")
            )  # fmt: skip
        if not seen and id(x) in heights:
            continue
        inside = children(x)
        if not inside:
            continue
        if seen:
            open_ones.discard(id(x))
            heights[id(x)] = 1 + max(heights.get(id(c), 0) for c in inside)
            if heights[id(x)] <= DEEPEST:
                continue
        if seen or id(x) in open_ones:
            raise FileFormatError(
                t("it contains itself, or is nested more than {n} deep", n=DEEPEST)
            )
        open_ones.add(id(x))
        todo.append((x, True))
        todo.extend((c, False) for c in inside)


# ---- the instructions -------------------------------------------------------------------------

Step = Callable[[_Machine, Any], object]


def _constant(value: Any) -> Step:
    return lambda machine, _: machine.push(value)


def _get(machine: _Machine, index: Any) -> None:
    machine.push(machine.memo[int(index)])


def _put(machine: _Machine, index: Any) -> None:
    machine.memo[int(index)] = machine.top()


_STEPS: dict[str, Step] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda m, x: None),
    **dict.fromkeys(
        ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
         "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
         "BINUNICODE8"),
        _Machine.push,
    ),
    "NONE": _constant(None), "NEWTRUE": _constant(True), "NEWFALSE": _constant(False),
    "MARK": lambda m, _: m.marks.append(len(m.stack)),
    "POP": lambda m, _: m.pop(), "POP_MARK": lambda m, _: m.since_mark(),
    "DUP": lambda m, _: m.push(m.top()),
    "EMPTY_LIST": lambda m, _: m.push([]), "LIST": lambda m, _: m.push(m.since_mark()),
    "APPEND": lambda m, _: m.append([m.pop()]), "APPENDS": lambda m, _: m.append(m.since_mark()),
    "EMPTY_TUPLE": lambda m, _: m.push(()), "TUPLE": lambda m, _: m.push(tuple(m.since_mark())),
    "TUPLE1": lambda m, _: m.tuple_of(1), "TUPLE2": lambda m, _: m.tuple_of(2),
    "TUPLE3": lambda m, _: m.tuple_of(3),
    "EMPTY_DICT": lambda m, _: m.push({}), "DICT": lambda m, _: m.dict_of(m.since_mark()),
    "SETITEM": lambda m, _: m.set_items([m.pop(), m.pop()][::-1]),
    "SETITEMS": lambda m, _: m.set_items(m.since_mark()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _put),
    "MEMOIZE": lambda m, _: _put(m, len(m.memo)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
    "GLOBAL": lambda m, names: m.name(".".join(names.split(" ", 1))),
    "STACK_GLOBAL": _Machine.stack_name,
    "REDUCE": _Machine.reduce, "BUILD": _Machine.build, "BINPERSID": _Machine.storage,
}  # fmt: skip
