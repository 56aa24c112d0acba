"""The state of one parameter, read from a state dict and put in the place of an older one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor, memory
from chainrule.graph.tensor import wrap

if TYPE_CHECKING:
    from chainrule.optim.optimizer import Optimizer

HALVES = (dtypes.float16, dtypes.bfloat16)


def checked_state(
    owner: Optimizer, index: Any, p: Tensor, state: Mapping[str, Any], group: dict[str, Any]
) -> dict[str, Any]:
    """The state of one parameter: own copies, in the dtype in which its rule computes."""
    dtype = dtypes.float32 if p.dtype in HALVES else p.dtype
    ruled, name_of_owner = owner.ruled, type(owner).__name__
    shapes = owner.shapes(group, p.shape)
    out: dict[str, Any] = {}
    for name, value in state.items():
        if ruled and name == "step":
            step = value.item() if isinstance(value, Tensor | np.ndarray) else value
            if step != int(step) or step < 0:
                raise ArgumentError(
                    t("{owner}: parameter {index} has taken {step} steps: a number ≥ 0 is "
                      "wanted.", owner=name_of_owner, index=index, step=step)
                )  # fmt: skip
            out["step"] = int(step)
        elif ruled and name in owner.scalars:
            out[name] = float(value)
        elif ruled and value is None:
            continue  # PyTorch's momentum_buffer before the first step
        elif name in shapes or isinstance(value, Tensor):
            array = value._data if isinstance(value, Tensor) else np.asarray(value)
            if name in shapes and array.shape != shapes[name]:
                raise ShapeError(
                    t(
                        "{owner}: {name} of parameter {index} has shape {found} in the state "
                        "dict, the parameter has {wanted}.",
                        owner=name_of_owner,
                        name=name,
                        index=index,
                        found=array.shape,
                        wanted=shapes[name],
                    )
                )
            out[name] = wrap(array.astype(dtype.numpy) if name in shapes else array.copy())
        else:
            out[name] = copy.deepcopy(value)
    missing = [name for name in shapes if name not in out]
    if ruled and missing and len(missing) < len(shapes):
        raise ArgumentError(
            t("{owner}: the state of parameter {index} lacks {names}.",
              owner=name_of_owner, index=index, names=", ".join(missing))
        )  # fmt: skip
    if ruled and shapes and not missing:
        out.setdefault("step", 1)
    return out


def take_state(state: dict[str, Any], fresh: dict[str, Any], start: Mapping[str, float]) -> None:
    """Makes `fresh` the state, in the tensors that a compiled step may already hold. What `fresh`
    lacks is as before the first step."""
    for name in list(state):
        old, new = state[name], fresh.pop(name, None)
        if isinstance(old, Tensor) and (new is None or isinstance(new, Tensor)):
            if new is None:
                new = wrap(np.full_like(old._data, start.get(name, 0)))
            if new.shape == old.shape and new.dtype is old.dtype:
                old._data[...] = new._data
                memory.written(old._data)
            else:
                state[name] = new
        elif new is None and name == "step":
            state[name] = 0
        elif new is None and name in start:
            state[name] = float(start[name])
        elif new is None:
            del state[name]
        else:
            state[name] = new
    state.update(fresh)
