"""Values of options: read, checked, and refused in words."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path

from chainrule.base.text import t


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """An integer from `least` up, to `most` where that is given."""

    def read(text: str) -> int:
        text = text.strip()
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(
                t("{text!r} is not a whole number from {least} up", text=text, least=least)
            )
        if most is not None and value > most:
            raise argparse.ArgumentTypeError(t("{most} is the most it can be", most=most))
        return value

    return read


def filled(text: str) -> str:
    """A text that is not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError(t("it is empty"))
    return text


def new_file(text: str) -> str:
    """The name of a file to be written: refused before any work if that cannot be done."""
    path = Path(filled(text))
    if path.is_dir():
        raise argparse.ArgumentTypeError(t("{path} is a folder, not a file", path=path))
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(
            t("{path} cannot be written: there is no folder {folder}", path=path,
              folder=path.parent)
        )  # fmt: skip
    if not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(
            t("{path} cannot be written: no permission in {folder}", path=path,
              folder=path.parent)
        )  # fmt: skip
    return text


def positive(text: str) -> float:
    """A finite number above zero."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(t("{text!r} is not a number above 0", text=text))
    return value


def shape(text: str) -> tuple[int, ...]:
    """A shape such as 1,28,28 or 1x28x28."""
    try:
        sizes = tuple(int(part) for part in text.lower().replace("x", ",").split(","))
    except ValueError:
        sizes = ()
    if not 1 <= len(sizes) <= 4 or min(sizes) < 1 or math.prod(sizes) > 1 << 28:
        raise argparse.ArgumentTypeError(t("{text!r} is not a shape such as 1,28,28", text=text))
    return sizes
