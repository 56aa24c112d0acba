"""Nested Python data as JSON that gives exactly the same data back.

JSON has no tuples, no keys but strings, no infinities and no tensors. What it lacks is written as
an object with one key that begins with "$": {"$tuple": […]}, {"$dict": [[key, value], …]},
{"$float": "inf"}, {"$int": "0x…"}, {"$tensor": name}, {"$array": name}.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, FileFormatError
from chainrule.base.text import t
from chainrule.graph import Tensor

DEEPEST = 100


def pack(state: Any) -> tuple[str, dict[str, Tensor | np.ndarray]]:
    """`state` as JSON, and the tensors in it by their dotted path."""
    tensors: dict[str, Tensor | np.ndarray] = {}
    node = _pack(state, (), tensors)
    return json.dumps(node, ensure_ascii=False, allow_nan=False, separators=(",", ":")), tensors


def unpack(text: str, tensors: Mapping[str, Tensor]) -> Any:
    """What `pack` was given. Errors: FileFormatError for a text that `pack` cannot have made."""
    left = dict(tensors)
    try:
        out = _unpack(json.loads(text), left)
    except FileFormatError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise FileFormatError(
            t("its description does not make sense: {error!r:.200}", error=error)
        ) from None
    if left:
        raise FileFormatError(t("its tensors {names:.200} belong nowhere", names=", ".join(left)))
    return out


def _pack(x: Any, path: tuple[str, ...], tensors: dict[str, Any]) -> Any:
    if len(path) > DEEPEST:
        raise ArgumentError(
            t("A state is nested more than {n} deep at {path}: does it contain itself?",
              n=DEEPEST, path=".".join(path[:5]) + "…")
        )  # fmt: skip
    if isinstance(x, np.generic):
        x = x.item()
    if x is None or isinstance(x, bool | str):
        return x
    if isinstance(x, int):
        # Python limits the length of decimal integers that it reads and writes.
        return int(x) if abs(x) < 2**63 else {"$int": hex(x)}
    if isinstance(x, float):
        return float(x) if math.isfinite(x) else {"$float": repr(float(x))}
    if isinstance(x, Tensor | np.ndarray):
        name = ".".join(path)
        while name in tensors or name == "__metadata__":
            name += "'"  # {"a.b": …} beside {"a": {"b": …}}
        tensors[name] = x
        return {"$tensor" if isinstance(x, Tensor) else "$array": name}
    if isinstance(x, list):
        return [_pack(v, (*path, str(i)), tensors) for i, v in enumerate(x)]
    if isinstance(x, tuple):
        return {"$tuple": [_pack(v, (*path, str(i)), tensors) for i, v in enumerate(x)]}
    if isinstance(x, Mapping):
        if all(isinstance(k, str) and not k.startswith("$") for k in x):
            return {k: _pack(v, (*path, k), tensors) for k, v in x.items()}
        return {
            "$dict": [
                [_pack(_key(k, path), path, tensors), _pack(v, (*path, str(k)), tensors)]
                for k, v in x.items()
            ]
        }
    raise ArgumentError(
        t(
            "{path} is {kind}, which a checkpoint cannot hold: it holds tensors, arrays, numbers, "
            "texts, None, True, False, and lists, tuples and dicts of them.",
            path=".".join(path) or "state",
            kind=type(x).__name__,
        )
    )


def _key(key: Any, path: tuple[str, ...]) -> Any:
    if isinstance(key, np.generic):
        key = key.item()
    if not isinstance(key, str | int | float | bool | None):
        raise ArgumentError(
            t("{path} has the key {key!r}: the keys of a checkpoint are texts or numbers.",
              path=".".join(path) or "state", key=key)
        )  # fmt: skip
    return key


def _unpack(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, list):
        return [_unpack(v, tensors) for v in node]
    if not isinstance(node, dict):
        return node
    tag = next(iter(node), "")
    if not tag.startswith("$"):
        return {k: _unpack(v, tensors) for k, v in node.items()}
    (content,) = node.values()
    if tag == "$tensor":
        return tensors.pop(content)
    if tag == "$array":
        return tensors.pop(content).numpy()
    if tag == "$tuple":
        return tuple(_unpack(v, tensors) for v in content)
    if tag == "$dict":
        return {_unpack(k, tensors): _unpack(v, tensors) for k, v in content}
    if tag == "$float":
        return float(content)
    if tag == "$int":
        return int(content, 16)
    raise FileFormatError(t("it uses {tag!r}, which this version does not know", tag=tag))
