"""`chainrule predict`: what an image shows, or whose a line of text is, and how sure that is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import data
from chainrule.base.errors import DataError, ShapeError
from chainrule.base.text import t
from chainrule.cli import detection, detection_use, restore, run_folder, text
from chainrule.cli.measure import logits_of, softmax
from chainrule.cli.options import filled, whole
from chainrule.cli.parser import Parser
from chainrule.cli.prepare import resized
from chainrule.data.readers.checks import white_of
from chainrule.data.readers.images import SUFFIXES
from chainrule.data.readers.npy import read_npy


def add_arguments(parser: Parser) -> None:
    parser.epilog = t(
        "examples: chainrule predict runs/lenet seven.png --top 3\n"
        '          chainrule predict runs/line-classifier "a line of text"'
    )
    add = parser.add_argument
    add("run", type=filled, metavar=t("RUN"), help=t("a run folder, or a model.safetensors"))
    add("images", nargs="+", metavar=t("IMAGE"),
        help=t(
            "pictures, .npy arrays or IDX files, of the size the model takes; or lines of text"
        ))  # fmt: skip
    add("--top", type=whole(1), default=1, metavar="K", help=t("show the K likeliest classes (1)"))
    add("--invert", action="store_true", help=t("turn dark on light into light on dark"))
    detection_use.add_arguments(parser)
    add("--json", action="store_true", help=t("print JSON with all digits"))


def run(options: Any) -> int:
    model = run_folder.model_of(options.run)
    if detection_use.is_detector(model):
        return detection_use.predict(model, options)
    detection.refuse(options, detection_use.PREDICTING, model.config["name"])
    if text.of_text(model):
        _print(options.images, text.probabilities(model, options), model.classes, options, "line")
        return 0
    shape = tuple(model.config["input_shape"])
    scales = bool(model.info.get("resized"))
    pixels = bool(model.info.get("pixels", len(shape) == 3))
    names: list[str] = []
    parts = []
    for path in options.images:
        x = _as_batch(path, _read(path, shape, scales), shape, scales)
        if pixels or len(shape) == 3:
            x = _as_pixels(path, x, strict=pixels)
        if pixels:
            _warn_if_blank(path, x)
            if options.invert:
                x = 1 - x
            elif _looks_inverted(x, model):
                print(
                    t(
                        "{path} looks dark on light, and the model learned light on dark: "
                        "--invert turns it around.",
                        path=path,
                    ),
                    file=sys.stderr,
                )
        names += [path] if len(x) == 1 else [f"{path}[{i}]" for i in range(len(x))]
        parts.append(x.astype(np.float32))
    dataset = data.ArrayDataset(np.concatenate(parts), transform=model.transform)
    if restore.of_inputs(model):
        _print_errors(names, restore.errors(model, dataset), options)
        return 0
    probabilities = softmax(logits_of(model, dataset)[0])
    classes = model.classes or tuple(map(str, range(probabilities.shape[1])))
    _print(names, probabilities, classes, options)
    return 0


def _print(
    names: list[str], probabilities: NDArray[np.float64], classes: tuple[str, ...], options: Any,
    what: str = "image",
) -> None:  # fmt: skip
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, : options.top]
    if options.json:
        rows = []
        for name, row, best in zip(names, probabilities, order, strict=True):
            top = [{"class": classes[k], "probability": float(row[k])} for k in best]
            rows.append({what: name, **top[0], "top": top})
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    width = max(map(len, names))
    wide = max(map(len, classes))
    for name, row, best in zip(names, probabilities, order, strict=True):
        shown = "   ".join(f"{classes[k]:{wide}} {row[k]:.4f}" for k in best)
        print(f"{name:{width}}  {shown}")


def _print_errors(names: list[str], errors: NDArray[np.float64], options: Any) -> None:
    """How well each input was restored: one unlike those learned from is not."""
    if options.json:
        rows = [{"image": n, "squared_error": float(e)} for n, e in zip(names, errors, strict=True)]
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    width = max(map(len, names))
    for name, error in zip(names, errors, strict=True):
        print(t("{name}  restored with a squared error of {error:.5f}", name=name.ljust(width),
                error=error))  # fmt: skip


# ---- reading ---------------------------------------------------------------------------------


def _read(path: str, shape: tuple[int, ...], scales: bool) -> NDArray[Any]:
    name = Path(path).name.lower()
    suffix = Path(name).suffix
    if suffix == ".npy":
        return read_npy(path)
    if suffix in SUFFIXES:
        channels = shape[0] if len(shape) == 3 and shape[0] in (1, 3, 4) else None
        return data.read_image(path, channels=channels, size=shape[1:] if scales else None)
    if "idx" in name or name.removesuffix(".gz").endswith("ubyte"):
        return data.read_idx(path)
    if not Path(path).exists():
        raise FileNotFoundError(t("{path}: there is no such file or folder.", path=path))
    raise DataError(
        t(
            "{path}: give a picture ({kinds}), an .npy array or an IDX file.",
            path=path,
            kinds=" ".join(sorted(s[1:] for s in SUFFIXES)),
        )
    )


def _as_batch(
    path: str, x: NDArray[Any], shape: tuple[int, ...], scales: bool = False
) -> NDArray[Any]:
    """[N, *shape], where one input and a missing channel axis are allowed as well; where `scales`,
    of images of any size."""
    if scales and x.ndim in (2, 3, 4) and 0 not in x.shape:
        last = x.ndim == 3 and shape[0] not in (1, x.shape[0]) and x.shape[2] == shape[0]
        size = x.shape[:2] if last else x.shape[-2:]
        if size != shape[1:]:
            return resized(_as_batch(path, x, (shape[0], *size)), shape[1:])
    flat = shape[1:] if len(shape) == 3 and shape[0] == 1 else shape
    for one in (shape, flat):
        if x.shape == one:
            return x.reshape(1, *shape)
        if x.shape[1:] == one and len(x):
            return x.reshape(len(x), *shape)
    if len(shape) == 3 and x.shape == (*shape[1:], shape[0]):
        return np.ascontiguousarray(x.transpose(2, 0, 1))[None]
    raise ShapeError(
        t(
            "{path} has the size {found}, but the model takes {wanted}: scale it to that first.",
            path=path,
            found="×".join(map(str, x.shape)),
            wanted="×".join(map(str, shape)),
        )
    )


def _as_pixels(path: str, x: NDArray[Any], strict: bool) -> NDArray[Any]:
    """Pixels as 0 .. 1 by the rule of `data.load`; other values stay, unless `strict`.

    Raises DataError for NaN and infinite values, and where strict for values that are no pixels.
    """
    if not np.isfinite(x).all():
        raise DataError(t("{path} holds values that are NaN or infinite.", path=path))
    white = white_of(x)
    if white is not None:
        return x / np.float64(white)
    if not strict:
        return x
    raise DataError(
        t(
            "{path} holds values from {low:g} to {high:g}: pixels go from 0 to 255, or from 0 "
            "to 1.",
            path=path,
            low=float(x.min()),
            high=float(x.max()),
        )
    )


def _warn_if_blank(path: str, x: NDArray[Any]) -> None:
    """Say so where a picture shows nothing: dark by mistake, or of values on another scale."""
    flat = x.reshape(len(x), -1)
    blank = np.flatnonzero(flat.max(axis=1) - flat.min(axis=1) < 0.02)
    if len(blank):
        print(
            t(
                "{image} is one colour all over (or nearly): what the model says about it means "
                "nothing. Check how it was stored.",
                image=path if len(x) == 1 else f"{path}[{blank[0]}]",
            ),
            file=sys.stderr,
        )


def _looks_inverted(x: NDArray[np.float64], model: Any) -> bool:
    # Digits on black have a mean near 0.13; on white paper near 0.87.
    usual = float(np.mean(model.normalization["mean"]))
    return usual < 0.35 and float(x.mean()) > 0.65
