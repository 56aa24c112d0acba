"""What a run report is made from: plain numbers, texts and arrays, checked before drawing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, SupportsFloat, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.base.errors import ArgumentError, DataError, ShapeError
from chainrule.base.text import t
from chainrule.explain.report.markup import Html, Words

Array: TypeAlias = NDArray[np.generic]


class WrongPrediction(NamedTuple):
    """One example that the model got wrong; a plain tuple of the four does as well."""

    image: Array  # [h, w] or [c, h, w]; uint8, or numbers (0…1, else stretched to that)
    true: int  # index of the right class
    predicted: int  # index of the class that the model chose
    probability: float  # that the model gave to its choice, 0…1


class Section(NamedTuple):
    """A part that only some models have: its id, its name in the head, and what it shows."""

    ident: str
    name: Words
    content: Html


class Kernels(NamedTuple):
    """The weights of one layer; a plain tuple of the two does as well."""

    layer: str
    weight: Array  # [out, in, kh, kw], [out, in, k] or [out, in]


@dataclass(kw_only=True)
class ReportData:
    """Everything that a run report shows. All but the title may be missing or empty.

    Numbers may be NaN or infinite: the page says so where they stand. `None` means not measured.
    """

    title: str
    model: str = ""
    #: The command that made the run, as typed.
    command: str = ""
    #: When the run ended, in words that the caller chose.
    created: str = ""
    #: What was measured on, for instance "digits28, last 1,000".
    evaluated_on: str = ""
    #: Remarks shown at the top, for instance that the run was stopped.
    notes: Sequence[str] = ()
    config: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, object] = field(default_factory=dict)
    #: Final numbers for the head of the page: {"accuracy": 0.983, "loss": 0.06, …}.
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    #: One mapping an epoch: epoch, loss, accuracy, val_loss, val_accuracy, lr, seconds. Any other
    #: key is drawn as a curve of its own; `val_x` joins `x`. Without epoch they count from 1.
    history: Sequence[Mapping[str, float | None]] = ()
    #: The epoch whose weights were kept; None: the best by validation accuracy, else loss.
    best_epoch: int | None = None
    #: Loss and learning rate of every single step.
    step_loss: Sequence[float] = ()
    step_lr: Sequence[float] = ()
    #: Counts [k, k]: row the true class, column the predicted one.
    confusion: Array | Sequence[Sequence[int]] | None = None
    classes: Sequence[str] = ()
    #: {"class", "precision", "recall", "f1", "support"} a class; empty: from the confusion matrix.
    class_metrics: Sequence[Mapping[str, object]] = ()
    wrong: Sequence[WrongPrediction | tuple[Array, int, int, float]] = ()
    #: How many were wrong in all, if `wrong` holds only some; None: from the confusion matrix.
    wrong_total: int | None = None
    kernels: Sequence[Kernels | tuple[str, Array]] = ()
    #: Shape of one input, [c, h, w]; dense kernels of that many inputs are drawn as images.
    input_shape: Sequence[int] | None = None
    #: What a model of text writes after training.
    sample: str = ""
    #: layer → one mapping an epoch: grad_norm, grad_mean_abs, act_mean, act_std, saturated, dead
    #: (shares 0…1), update_ratio. Any other key gets a chart of its own.
    layers: Mapping[str, Sequence[Mapping[str, float | None]]] = field(default_factory=dict)
    #: One mapping a layer: layer, kind, output_shape, parameters, multiply_adds, receptive_field.
    summary: Sequence[Mapping[str, object]] = ()
    #: One mapping a kernel of the compiled training step, the longest first: kernel, what,
    #: milliseconds, share (of the time, 0…1), gflops and gigabytes (a second), limit (share of what
    #: the machine can do, 0…1).
    profile: Sequence[Mapping[str, object]] = ()
    #: What a model that does not classify shows in place of classes, mistakes and kernels.
    sections: Sequence[Section] = ()


def checked(report: ReportData) -> ReportData:
    """`report` with its numbers as floats and its arrays as arrays; wrong input raises."""
    confusion = _confusion(report.confusion)
    count = len(confusion) if confusion is not None else len(report.classes) or None
    if confusion is not None and report.classes and len(report.classes) != len(confusion):
        raise ShapeError(
            t(
                "The confusion matrix has {rows} classes but {names} class names were given: "
                "give one name a class.",
                rows=len(confusion),
                names=len(report.classes),
            )
        )
    return replace(
        report,
        metrics=_floats(report.metrics, "metrics"),
        history=[_epoch(row, index) for index, row in enumerate(report.history)],
        step_loss=[to_float(value, "step_loss") for value in report.step_loss],
        step_lr=[to_float(value, "step_lr") for value in report.step_lr],
        confusion=confusion,
        classes=[str(name) for name in report.classes],
        wrong=[_wrong(each, index, count) for index, each in enumerate(report.wrong)],
        kernels=[_kernels(layer, weight) for layer, weight in report.kernels],
        layers={
            str(layer): [_floats(row, f"layers[{layer!r}]") for row in rows]
            for layer, rows in report.layers.items()
        },
        class_metrics=[_plain_row(row) for row in report.class_metrics],
        summary=[_plain_row(row) for row in report.summary],
        profile=[_plain_row(row) for row in report.profile],
    )


def to_float(value: object, where: str) -> float:
    """`value` as a float; None becomes NaN."""
    if value is None:
        return math.nan
    if isinstance(value, SupportsFloat):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    raise ArgumentError(
        t(
            "{where} of the report is {value!r}, which is no number: give a number or None.",
            where=where,
            value=value,
        )
    )


def _epoch(row: Mapping[str, object], index: int) -> dict[str, float | None]:
    numbers = _floats(row, f"history[{index}]")
    epoch = numbers.get("epoch")
    if epoch is None or not math.isfinite(epoch):
        epoch = index + 1.0
    return numbers | {"epoch": epoch}


def _floats(row: Mapping[str, object], where: str) -> dict[str, float | None]:
    return {
        str(key): None if value is None else to_float(value, f"{where}[{key!r}]")
        for key, value in row.items()
    }


def _plain_row(row: Mapping[str, object]) -> dict[str, object]:
    """`row` with NumPy's numbers as Python's."""
    return {
        str(key): value.item() if isinstance(value, np.generic) else value
        for key, value in row.items()
    }


def _confusion(matrix: object) -> NDArray[np.int64] | None:
    if matrix is None:
        return None
    counts = np.asarray(matrix)
    if counts.size == 0:
        return None
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ShapeError(
            t(
                "The confusion matrix has shape {shape}: give [classes, classes], "
                "one row a true class.",
                shape=list(counts.shape),
            )
        )
    if counts.dtype.kind not in "biuf" or not np.all(np.isfinite(counts)):
        raise DataError(
            t("The confusion matrix holds values that are no counts: give whole numbers ≥ 0.")
        )
    whole = counts.astype(np.int64)
    if np.any(whole != counts) or np.any(whole < 0):
        raise DataError(
            t("The confusion matrix holds values that are no counts: give whole numbers ≥ 0.")
        )
    return whole


def _wrong(each: Sequence[object], index: int, classes: int | None) -> WrongPrediction:
    picture, true, predicted, probability = each
    image = np.asarray(picture)
    if image.ndim not in (2, 3) or image.size == 0 or image.dtype.kind not in "biuf":
        raise ShapeError(
            t(
                "The image of wrong prediction {index} has shape {shape} and dtype {dtype}: "
                "give numbers of shape [h, w] or [c, h, w].",
                index=index,
                shape=list(image.shape),
                dtype=image.dtype,
            )
        )
    pair = []
    for label in (true, predicted):
        value = to_float(label, f"wrong[{index}]")
        if value != value // 1 or value < 0 or (classes is not None and value >= classes):
            raise ArgumentError(
                t(
                    "Wrong prediction {index} names class {label}: give an index "
                    "from 0 to the number of classes less one.",
                    index=index,
                    label=label,
                )
            )
        pair.append(int(value))
    return WrongPrediction(image, pair[0], pair[1], to_float(probability, f"wrong[{index}]"))


def _kernels(layer: str, weight: object) -> Kernels:
    values = np.asarray(weight)
    if values.ndim not in (2, 3, 4) or values.dtype.kind not in "biuf":
        raise ShapeError(
            t(
                "The kernels of {layer!r} have shape {shape} and dtype {dtype}: give numbers of "
                "shape [out, in, kh, kw], [out, in, k] or [out, in].",
                layer=layer,
                shape=list(values.shape),
                dtype=values.dtype,
            )
        )
    return Kernels(str(layer), values.astype(np.float64))


# What follows from the data -----------------------------------------------------------------------


class Best(NamedTuple):
    """The best epoch and what it was chosen by: a key of the history, "" if given."""

    epoch: int
    by: str


def best_epoch(report: ReportData) -> Best | None:
    """The epoch given, else the best one by validation accuracy, validation loss, or loss."""
    if report.best_epoch is not None:
        return Best(report.best_epoch, "")
    for key, sign in (("val_accuracy", -1.0), ("val_loss", 1.0), ("loss", 1.0)):
        rows = []
        for row in report.history:
            value, loss = row.get(key), row.get("val_loss")
            if value is not None and math.isfinite(value):
                # A draw on accuracy goes to the lower loss; NaN compares as never smaller.
                loss = loss if loss is not None and math.isfinite(loss) else math.inf
                rows.append((sign * value, loss, row["epoch"]))
        if rows:
            return Best(round(min(rows)[2] or 0), key)
    return None


def class_name(report: ReportData, index: int) -> str:
    """The name of class `index`, or its number where the classes have no names."""
    return report.classes[index] if index < len(report.classes) else str(index)


def class_metrics(report: ReportData) -> Sequence[Mapping[str, object]]:
    """Precision, recall and F1 a class: as given, else worked out from the confusion matrix.

    A class that was never predicted has no precision (None); one that never occurred no recall.
    """
    if report.class_metrics or report.confusion is None:
        return report.class_metrics
    counts = np.asarray(report.confusion)
    rows = []
    for index in range(len(counts)):
        hits = int(counts[index, index])
        predicted, support = int(counts[:, index].sum()), int(counts[index].sum())
        rows.append(
            {
                "class": class_name(report, index),
                "precision": hits / predicted if predicted else None,
                "recall": hits / support if support else None,
                "f1": 2 * hits / (predicted + support) if predicted + support else None,
                "support": support,
            }
        )
    return rows


def wrong_total(report: ReportData) -> int:
    """How many examples the model got wrong."""
    if report.wrong_total is not None:
        return report.wrong_total
    if report.confusion is None:
        return len(report.wrong)
    counts = np.asarray(report.confusion)
    return int(counts.sum() - np.trace(counts))
