"""The report page of a run, filled from its parts."""

from __future__ import annotations

import os
import platform
import shlex
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import models
from chainrule.base.text import t
from chainrule.cli.measure import Measured
from chainrule.cli.prepare import Prepared
from chainrule.cli.restore import PreparedInputs
from chainrule.cli.text import PreparedLines, PreparedText
from chainrule.compile import Profile
from chainrule.explain.report import Kernels, ReportData, WrongPrediction, write_report

# Pictures of mistakes on the page: the surest first.
_WRONG = 60
# A dense layer is drawn as pictures of its input only if that is an image of this many pixels.
_DENSE = 4096


def write(
    path: Path,
    settings: Mapping[str, Any],
    prepared: Prepared | PreparedInputs | PreparedText | PreparedLines,
    model: Any,
    history: Any,
    measured: Measured,
    command_line: Sequence[str],
    notes: Sequence[str],
    version: str,
    profile: Profile | None = None,
) -> None:
    """Write `report.html` of a run."""
    shape = prepared.input_shape
    report = ReportData(
        title=t("{model} on {data}", model=settings["model"], data=_source(settings["data"])),
        model=str(settings["model"]),
        command=shlex.join(["chainrule", *command_line]),
        created=time.strftime("%Y-%m-%d %H:%M"),
        evaluated_on=prepared.tested_on,
        notes=notes,
        config=_config(settings, history.config),
        environment=environment(version),
        metrics=measured.metrics,
        history=history.epochs,
        step_loss=history.step_loss,
        step_lr=history.step_lr,
        confusion=measured.confusion,
        classes=() if measured.confusion is None else prepared.classes,
        wrong=_wrong(prepared, measured.probabilities),
        sample=measured.sample,
        kernels=_kernels(model, shape),
        input_shape=shape if len(shape) == 3 else None,
        layers=history.layers,
        summary=list(models.summary(model, shape)),
        profile=profile_rows(profile),
    )
    write_report(path, report)


def environment(version: str) -> dict[str, object]:
    """What the numbers depend on beside the settings."""
    out: dict[str, object] = {"chainrule": version, "python": platform.python_version()}
    for package in ("numpy", "llvmlite", "numba"):
        try:
            out[package] = version_of(package)
        except PackageNotFoundError:
            continue
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return out | {"system": platform.platform(terse=True), "machine": platform.machine(),
                  "cores": cores}  # fmt: skip


def profile_rows(profile: Profile | None) -> list[dict[str, object]]:
    """The kernels that take a thousandth of the time or more."""
    if profile is None:
        return []
    return [
        {
            "kernel": row.name,
            "what": row.what,
            "milliseconds": round(1e3 * row.slowest, 4),
            "share": row.share,
            "gflops": round(row.flops_per_second / 1e9, 1) or None,
            "gigabytes": round(row.bytes_per_second / 1e9, 1) or None,
            "limit": row.limit,
        }
        for row in profile.rows
        if row.share >= 1e-3
    ]


def _config(settings: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the command line, then what else the training recorded."""
    merged = dict(settings) | {k: v for k, v in recorded.items() if k not in settings}
    merged["weights"] = t("of the last epoch")
    return {k: _shown(v) for k, v in merged.items() if v is not None}


def _source(data: str) -> str:
    return data if len(data) < 40 else Path(data).name


def _shown(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def _wrong(prepared: Any, probabilities: NDArray[np.float64] | None) -> list[WrongPrediction]:
    """The mistakes with pictures, the surest first."""
    if not isinstance(prepared, Prepared) or probabilities is None:
        return []
    images, targets = prepared.images, prepared.targets
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        return []
    predicted = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1)
    rows = np.flatnonzero(predicted != targets)
    rows = rows[np.argsort(-sure[rows], kind="stable")][:_WRONG]
    return [
        WrongPrediction(images[i], int(targets[i]), int(predicted[i]), float(sure[i])) for i in rows
    ]


def _kernels(model: Any, shape: tuple[int, ...]) -> list[Kernels]:
    """Convolution kernels, and those of a dense layer that looks at the image itself."""
    found = []
    pixels = int(np.prod(shape)) if len(shape) == 3 else 0
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if weight is None or not hasattr(weight, "ndim"):
            continue
        looks = weight.ndim == 2 and weight.shape[1] == pixels <= _DENSE
        if weight.ndim == 4 or looks:
            found.append(Kernels(name, np.asarray(weight._data)))
    return found
