"""Trained models in files: `save` writes one that `load` can rebuild without being told anything.

The file is plain safetensors, so that PyTorch reads the weights as well; what the model is and how
its inputs are prepared stands in the metadata as JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, ChainruleError, FileFormatError
from chainrule.base.text import t
from chainrule.data import transforms
from chainrule.data.text import Characters
from chainrule.files import (
    is_checkpoint,
    is_torch_file,
    load_checkpoint,
    load_torch,
    read_file,
    save_file,
)
from chainrule.models.registry import build
from chainrule.nn import Module
from chainrule.ops.random import get_rng_state, set_rng_state

FILE = "model.safetensors"
FORMAT = "chainrule-model"
VERSION = 1


def save(
    path: str | os.PathLike[str],
    model: Module,
    *,
    classes: Sequence[str] = (),
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    characters: Characters | None = None,
    info: Mapping[str, Any] | None = None,
) -> None:
    """Write a model that came from `build` to `path`, whole or not at all.

    Args:
        classes: the names of its outputs.
        mean, std: what its inputs were normalised with, after pixels became 0 .. 1.
        characters: the alphabet of a model of text.
        info: anything else worth keeping, JSON values.

    Raises ArgumentError for a model that `build` did not make.
    """
    config = getattr(model, "config", None)
    if not isinstance(config, dict):
        raise ArgumentError(
            t(
                "{kind} was not made by chainrule.models.build, so a file could not say how to "
                "rebuild it: write chainrule.save_file(model.state_dict(), path).",
                kind=type(model).__name__,
            )
        )
    content = {
        "format": FORMAT,
        "version": str(VERSION),
        "config": _json(config),
        "classes": _json(list(classes)),
        "normalization": _json({"mean": [float(m) for m in mean], "std": [float(s) for s in std]}),
        "info": _json(dict(info or {})),
    }
    if characters is not None:
        content["characters"] = _json("".join(characters.characters))
    state = model.state_dict()
    save_file(state, path, content | {"sha256": _digest(state, content)})


def load(
    path: str | os.PathLike[str], map_location: object = None, *, weights_only: bool = True
) -> Any:
    """The model of a run folder or of a file that `save` wrote, in evaluation mode; or what
    `chainrule.save` or PyTorch's `torch.save` put into a file (see `files.load_torch`).

    Nothing is ever run from a file, so `weights_only` changes nothing, and neither does
    `map_location`: everything comes to memory. A model has beside `config` also `classes` (names),
    `transform` (from stored pixels or numbers to its inputs) and `info`:
    `data.load("digits28", "test", transform=model.transform)` fits it.

    Raises:
        FileNotFoundError: no such folder or file, or a folder without a model.
        FileFormatError: a file that holds no such thing, or is damaged.
    """
    file = _file(Path(path))
    if is_torch_file(file):
        return load_torch(file)
    if is_checkpoint(file):
        return load_checkpoint(file)
    tensors, metadata = read_file(file)
    if metadata.get("format") != FORMAT:
        raise FileFormatError(
            t(
                "{path} holds tensors but does not say of which model: rebuild that yourself and "
                "give it chainrule.load_file(path).",
                path=file,
            )
        )
    said = metadata.pop("sha256", "")
    if said != _digest(tensors, metadata):
        raise FileFormatError(
            t(
                "{path} is damaged: its content does not match its checksum. Train again, or take "
                "the weights from the run's checkpoint.",
                path=file,
            )
        )
    before = get_rng_state()
    try:
        if int(metadata["version"]) > VERSION:
            raise FileFormatError(
                t("{path}: this model was written by a newer chainrule: update it.", path=file)
            )
        config = json.loads(metadata["config"])
        model = build(**config)
        classes = tuple(str(name) for name in json.loads(metadata["classes"]))
        scale = json.loads(metadata["normalization"])
        kinds = {x.dtype for x in tensors.values() if x.dtype.is_floating_point}
        if len(kinds) == 1:
            model.to(kinds.pop())
        model.load_state_dict(tensors)
        # A detector has a transform of its own, which also knows boxes.
        if not hasattr(model, "transform"):
            model.transform = transforms.Compose(
                [transforms.ToFloat(), transforms.Normalize(scale["mean"], scale["std"])]
            )
        model.classes, model.normalization = classes, scale
        if "characters" in metadata:
            model.characters = _alphabet(json.loads(metadata["characters"]), config)
        model.info = _checked(json.loads(metadata["info"]))
    except FileFormatError:
        raise
    except (
        ChainruleError, AttributeError, KeyError, TypeError, ValueError, MemoryError, RecursionError
    ) as error:  # fmt: skip
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise FileFormatError(
            t("{path} is damaged or no model: {reason}", path=file, reason=reason)
        ) from error
    finally:
        # The weights that build drew are overwritten; the caller's random numbers stay in place.
        set_rng_state(before)
    model.eval()
    return model


def _file(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(t("{path}: there is no such file or folder.", path=path))
    if not path.is_dir():
        return path
    if not (path / FILE).exists():
        raise FileNotFoundError(
            t("{path} is no run folder: it holds no {file}.", path=path, file=FILE)
        )
    return path / FILE


def _alphabet(characters: Any, config: dict[str, Any]) -> Characters:
    """The alphabet, if it has a character for each number that the model knows."""
    alphabet = Characters(characters)
    # A classifier of lines has number 0 for none of them.
    known = config["vocabulary"] - 1 if "vocabulary" in config else config["classes"]
    if len(alphabet) != known:
        raise ValueError(t("{n} characters for a model of {known}", n=len(alphabet), known=known))
    return alphabet


def _checked(info: Any) -> dict[str, Any]:
    """What the file says beside the model, if what the commands read of it is of its kind."""
    kinds: dict[str, Any] = {
        "data": str, "seed": int, "input": list | None, "pixels": bool, "batch_size": int,
        "resized": bool, "finding": dict, "tile": list,
    }  # fmt: skip
    if not isinstance(info, dict):
        raise ValueError(t("info is no JSON object"))
    fine = {name: isinstance(info[name], kind) for name, kind in kinds.items() if name in info}
    if fine.get("tile"):
        fine["tile"] = len(info["tile"]) == 2
    if fine.get("finding"):
        fine["finding"] = isinstance(info["finding"].get("views", []), list)
    for name in fine:
        if not fine[name]:
            raise ValueError(t("info has {name} = {value!r}", name=name, value=info[name]))
    return info


def _digest(tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> str:
    """SHA-256 over the metadata and every tensor's name, dtype, shape and bytes."""
    digest = hashlib.sha256()
    for key in sorted(metadata):
        digest.update(f"{key}={metadata[key]}\n".encode())
    for name in sorted(tensors):
        x = tensors[name]
        digest.update(f"{name}:{x.dtype.name}:{x.shape}\n".encode())
        digest.update(np.ascontiguousarray(x.detach()._data).tobytes())
    return digest.hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
