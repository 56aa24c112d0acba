"""Published weights for a model that was just built."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeVar

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.files import is_torch_file, load_file, load_torch
from chainrule.nn import Module

Weights = str | os.PathLike[str] | None
Kind = TypeVar("Kind", bound=Module)


def with_weights(model: Kind, weights: Weights) -> Kind:
    """`model` with the state dict in the file `weights` (safetensors, or by `torch.save`).

    None leaves it as it was drawn. Nothing is downloaded. Errors: ArgumentError for what is no
    path; OSError, FileFormatError and StateDictError for a file that is not there, is damaged, or
    holds other weights.
    """
    if weights is None:
        return model
    if not isinstance(weights, str | os.PathLike):
        raise ArgumentError(
            t(
                "weights must be None or the path of a file with a state dict, not {kind}: nothing "
                "is downloaded here.",
                kind=type(weights).__name__,
            )
        )
    state: Any = load_torch(weights) if is_torch_file(weights) else load_file(weights)
    model.load_state_dict(state)
    return model


def older_names(
    renamed: Mapping[str, str], module: Module, state_dict: Any, prefix: str, *more: Any
) -> None:
    """A hook before loading: layers under the names that they had when older files were written.

    `module.register_load_state_dict_pre_hook(partial(older_names, {"conv": "conv.0.0"}))`
    """
    for before, now in renamed.items():
        for kind in ("weight", "bias"):
            value = state_dict.pop(f"{prefix}{before}.{kind}", None)
            if value is not None:
                state_dict[f"{prefix}{now}.{kind}"] = value
