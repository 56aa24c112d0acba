"""Texts in two languages, formulas, and numbers as they are printed."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.text import language


class Words(NamedTuple):
    """One text in both languages."""

    en: str
    zh: str

    def here(self) -> str:
        """The text in the language in use now."""
        return self.zh if language() == "zh" else self.en


class Formula(NamedTuple):
    """A formula as plain text and in LaTeX (without dollar signs)."""

    text: str
    latex: str


def say(text: Words | str) -> str:
    """A text in the language in use; a plain string means the same in all."""
    return text.here() if isinstance(text, Words) else text


def number(value: Any, digits: int = 4) -> str:
    """A number with `digits` significant digits; integers and texts as they are.

    Negative numbers have the true minus sign, so that a formula can put parentheses around them.
    """
    if isinstance(value, Words):
        return value.here()
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "✓" if value else "✗"
    if isinstance(value, int | np.integer):
        return str(int(value)).replace("-", "−")
    x = float(value)
    if not math.isfinite(x):
        return "NaN" if math.isnan(x) else ("∞" if x > 0 else "−∞")
    if x != 0 and not 1e-4 <= abs(x) < 10.0 ** max(digits, 6):
        mantissa, exponent = f"{x:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    return (
        f"{x:.{digits}g}".replace("-", "−")
        if abs(x) < 10.0**digits
        else f"{x:.0f}".replace("-", "−")
    )


def numbers(values: Any, digits: int = 4, most: int = 8) -> str:
    """A number, or an array in brackets; what is beyond `most` entries a row is left out."""
    array = np.asarray(values)
    if array.ndim == 0:
        return number(array.item(), digits)
    shown = [numbers(row, digits, most) for row in array[:most]]
    if len(array) > most:
        shown.append("…")
    return f"[{', '.join(shown)}]"
