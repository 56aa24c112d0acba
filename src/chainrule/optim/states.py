"""State dicts of optimisers: written, and read in the place of an older state."""

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
from chainrule.optim import groups

if TYPE_CHECKING:
    from chainrule.optim.optimizer import Optimizer

HALVES = (dtypes.float16, dtypes.bfloat16)


def written(optimizer: Optimizer) -> dict[str, Any]:
    """What `Optimizer.state_dict` gives."""
    order = [p for group in optimizer.param_groups for p in group["params"]]
    index = {id(p): i for i, p in enumerate(order)}
    states = {}
    for i, p in enumerate(order):
        state = dict(optimizer.state.get(p, ()))
        if optimizer.ruled:
            step = state.pop("step", 0)
            if not step:
                continue
            if optimizer.exports_step:
                # Above 2**24 float32 would skip integers.
                exact = np.float32 if step <= 2**24 else np.float64
                state = {"step": wrap(np.array(step, exact))} | state
            for name in optimizer.scalars:
                state[name] = wrap(np.array(state[name], np.float64))
        if state:
            states[i] = state
    described = [
        {k: copy.copy(v) for k, v in group.items() if k != "params"}
        | {"params": [index[id(p)] for p in group["params"]]}
        for group in optimizer.param_groups
    ]
    return {"state": states, "param_groups": described}


def load(optimizer: Optimizer, state_dict: dict[str, Any]) -> None:
    """What `Optimizer.load_state_dict` does."""
    owner = type(optimizer).__name__
    try:
        saved, states = list(state_dict["param_groups"]), dict(state_dict["state"])
        sizes = [len(group["params"]) for group in saved]
    except (KeyError, TypeError, ValueError):
        raise ArgumentError(
            t(
                "{owner}: this is no state dict of an optimiser: it needs 'state' and "
                "'param_groups' as optimizer.state_dict() gives them.",
                owner=owner,
            )
        ) from None
    wanted = [len(group["params"]) for group in optimizer.param_groups]
    if sizes != wanted:
        raise ArgumentError(
            t(
                "{owner}: the state dict has groups of {found} parameters, this optimiser has "
                "groups of {wanted}: build it with the same groups first.",
                owner=owner,
                found=sizes,
                wanted=wanted,
            )
        )
    fresh = []
    for group, other in zip(optimizer.param_groups, saved, strict=True):
        options = {k: copy.deepcopy(v) for k, v in other.items() if k != "params"}
        options = groups.checked(optimizer.options, options, owner)
        optimizer.check_group(group | options)
        fresh.append(options)
    params = dict(
        zip(
            (i for group in saved for i in group["params"]),
            ((p, options) for group, options in zip(optimizer.param_groups, fresh, strict=True)
             for p in group["params"]),
            strict=True,
        )
    )  # fmt: skip
    loaded = []
    for i, state in states.items():
        if i not in params:
            raise ArgumentError(
                t("{owner}: the state dict has a state for {index!r}, which is none of its "
                  "parameters.", owner=owner, index=i)
            )  # fmt: skip
        p, options = params[i]
        loaded.append((p, checked_state(optimizer, i, p, state, optimizer.defaults | options)))

    for group, options in zip(optimizer.param_groups, fresh, strict=True):
        group.update(options)
    starts = {p: optimizer.start(g) for g in optimizer.param_groups for p in g["params"]}
    for p in optimizer.state.keys() - {p for p, _ in loaded}:
        take_state(optimizer.state[p], {}, starts.get(p, {}))
    for p, state in loaded:
        take_state(optimizer.state[p], state, starts[p])


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
