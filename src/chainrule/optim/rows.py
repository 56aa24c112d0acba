"""Sparse gradients in optimisers: the step on the rows that are there, and who refuses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from chainrule.base.dtypes import DType
from chainrule.base.errors import AutogradError
from chainrule.base.text import t
from chainrule.graph import memory
from chainrule.graph.convert import cast_array
from chainrule.graph.modes import mode
from chainrule.graph.sparse import SparseTensor
from chainrule.optim.states import HALVES


def write_rows(
    update: Callable[..., Any], p: np.ndarray, dtype: DType, g: SparseTensor,
    states: dict[str, np.ndarray], arguments: dict[str, Any],
) -> None:  # fmt: skip
    """Runs a rule on the rows of `p` and of its state that the gradient holds; no other is read."""
    check_writable(p)
    once = g.coalesce()
    rows, d = once._rows, once._parts
    x = p[rows]
    if dtype in HALVES:
        x, d = x.astype(np.float32), d.astype(np.float32)
    views = {name: a[rows] for name, a in states.items()}
    y, new = update(mode.F, x, d, views, **arguments)
    p[rows] = cast_array(y, dtype) if dtype in HALVES else y
    memory.written(p)
    for name, a in states.items():
        a[rows] = new[name]
        memory.written(a)


def refuse_sparse(owner: str) -> NoReturn:
    """The rule moves every row at every step, whether it has a gradient or not."""
    raise AutogradError(
        t(
            "{owner} does not support sparse gradients, please consider SparseAdam instead (or "
            "SGD, Adagrad), or build the embedding with sparse=False.",
            owner=owner,
        )
    )


def refuse_decay(owner: str) -> NoReturn:
    """Weight decay would change every row of the table at every step."""
    raise AutogradError(
        t(
            "{owner}: weight_decay option is not compatible with sparse gradients: write "
            "weight_decay=0 for this parameter (a group of its own), or build the embedding with "
            "sparse=False.",
            owner=owner,
        )
    )


def refuse_dense() -> NoReturn:
    """SparseAdam's name promises what a dense gradient cannot keep."""
    raise AutogradError(
        t(
            "SparseAdam does not support dense gradients, please consider Adam instead, or build "
            "the embedding with sparse=True. In a compiled step, backward() and step() go "
            "together, without gradients from before."
        )
    )


def check_writable(p: np.ndarray) -> None:
    shared = any(n > 1 and s == 0 for n, s in zip(p.shape, p.strides, strict=True))
    if p.size and (shared or not p.flags.writeable):
        raise AutogradError(
            t(
                "A parameter of shape {shape} cannot be updated: its memory is read-only, or "
                "several of its elements share one place (expand). Make it from tensor.clone().",
                shape=p.shape,
            )
        )
