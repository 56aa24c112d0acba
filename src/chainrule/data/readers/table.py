"""CSV files: numbers, one sample a row, one column the label."""

from __future__ import annotations

import csv
import io
import math
import os
from pathlib import Path

import numpy as np

from chainrule.base.errors import DataError, FileFormatError
from chainrule.base.text import t

LABEL_NAMES = ("label", "target")


def read_csv(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of a CSV file: float64 [N, D] and float64 [N].

    The label is the column named `label` or `target`, else the first. The first line is a header
    if it names such a column or holds no number at all. Commas; UTF-8; empty lines are skipped.

    Raises:
        DataError: a cell that is empty, no number, NaN, infinite or too large for float32 (with row
            and column), rows of different lengths, no rows, or no features.
        FileFormatError: not a text file.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFormatError(
            t("{path}: not a text file in UTF-8 ({reason}).", path=path, reason=error.reason)
        ) from error
    if "\0" in text:
        raise FileFormatError(t("{path}: not a text file: it holds zero bytes.", path=path))
    start = len(text) - len(text.lstrip("\n"))
    end = text.find("\n", start)
    first = next(csv.reader([text[start:] if end < 0 else text[start:end]]), [])
    if not any(cell.strip() for cell in first):
        raise DataError(t("{path}: there are no rows.", path=path))
    names = [cell.strip().lower() for cell in first]
    header = any(name in LABEL_NAMES for name in names) or not any(map(_is_number, names))
    label = _label_column(path, names) if header else 0
    body = text[end + 1 :] if header and end >= 0 else ("" if header else text)
    if not body.strip():
        raise DataError(t("{path}: there are no rows.", path=path))
    try:
        table = np.loadtxt(io.StringIO(body), delimiter=",", quotechar='"', comments=None, ndmin=2)
    except ValueError:
        table = None
    if table is None or table.shape[1] != len(names) or not _fits(table).all():
        raise _first_fault(path, text, names, header)
    if table.shape[1] < 2:
        raise DataError(
            t("{path}: there is one column only; a label and features are needed.", path=path)
        )
    return np.delete(table, label, axis=1), table[:, label]


def _fits(values: np.ndarray) -> np.ndarray:
    """Where a float32 holds a finite value."""
    with np.errstate(over="ignore"):
        return np.isfinite(values.astype(np.float32))


def _label_column(path: Path, names: list[str]) -> int:
    found = [i for i, name in enumerate(names) if name in LABEL_NAMES]
    if len(found) > 1:
        raise DataError(
            t(
                "{path}: columns {columns} are all named label or target; name one of them so.",
                path=path,
                columns=", ".join(str(i + 1) for i in found),
            )
        )
    return found[0] if found else 0


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _first_fault(path: Path, text: str, names: list[str], header: bool) -> DataError:
    """The error for the first bad cell or row, found by reading slowly."""
    reader = csv.reader(io.StringIO(text))
    skip = header
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells) and len(cells) < 2:
                continue
            if skip:
                skip = False
                continue
            row = reader.line_num
            if len(cells) != len(names):
                return DataError(
                    t(
                        "{path}, row {row}: {found} cells, but the first row has {expected}.",
                        path=path,
                        row=row,
                        found=len(cells),
                        expected=len(names),
                    )
                )
            for column, cell in enumerate(cells, 1):
                fault = _fault(cell)
                if fault:
                    return DataError(
                        t(
                            "{path}, row {row}, column {column}: {fault}.",
                            path=path,
                            row=row,
                            column=column,
                            fault=fault,
                        )
                    )
    except csv.Error as error:
        return FileFormatError(
            t("{path}, row {row}: {fault}.", path=path, row=reader.line_num, fault=error)
        )
    return FileFormatError(t("{path}: cannot be read as a table of numbers.", path=path))


def _fault(cell: str) -> str:
    if not cell.strip():
        return t("an empty cell where a number is needed")
    if not _is_number(cell):
        shown = cell if len(cell) <= 40 else cell[:40] + "…"
        return t("{cell!r} is not a number", cell=shown)
    if not math.isfinite(float(cell)):
        return t("{cell} where a finite number is needed", cell=cell.strip())
    if not _fits(np.array(float(cell))):
        return t("{cell} is too large for float32", cell=cell.strip())
    return ""
