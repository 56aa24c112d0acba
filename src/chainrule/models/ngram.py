"""Counting as a language model: what a network has to beat."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chainrule.base.constraints import Int
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t


class NGram:
    """How often each character followed the `order` − 1 before it, smoothed.

    Interpolated Witten-Bell smoothing: P(c|h) = (n(hc) + d(h)·P(c|h')) / (n(h) + d(h)), where d(h)
    counts the different characters that followed h, and h' is h without its first character; below
    all lies 1/classes. Source: I. Witten, T. Bell, "The zero-frequency problem", IEEE Transactions
    on Information Theory 37 (1991).

    Args:
        ids: the text to count, numbers below `classes` [n].

    Raises ArgumentError where contexts of that order have too many values to be numbered.
    """

    def __init__(self, ids: NDArray[np.int64], classes: int, order: int = 3) -> None:
        self.order = Int(low=1).check(order, "NGram", "order")
        self.classes = Int(low=1).check(classes, "NGram", "classes")
        if order * math.log2(classes) >= 63:
            raise ArgumentError(
                t(
                    "NGram: {classes} characters have too many sequences of {order}: choose a "
                    "smaller order.",
                    classes=classes,
                    order=order,
                )
            )
        self._tables = [self._table(_grams(ids, n, classes)) for n in range(1, order + 1)]

    def _table(self, grams: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """The n-grams with their counts, and their contexts with total and different followers."""
        seen, counts = np.unique(grams, return_counts=True)
        contexts, first = np.unique(seen // self.classes, return_index=True)
        totals = np.add.reduceat(counts, first) if len(first) else counts
        return seen, counts, contexts, totals, np.diff(np.append(first, len(seen)))

    def log_probabilities(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """ln P of each character given those before it [n]; the first ones have less context."""
        p = np.full(len(ids), 1.0 / self.classes)
        for n, (seen, counts, contexts, totals, different) in enumerate(self._tables, 1):
            if not len(seen):  # a text shorter than that
                break
            grams = _grams(ids, n, self.classes)
            part = p[n - 1 :]
            hits, context = _found(seen, grams), _found(contexts, grams // self.classes)
            count = np.where(hits >= 0, counts[hits], 0)
            d = np.where(context >= 0, different[context], 0)
            total = np.where(context >= 0, totals[context], 0)
            p[n - 1 :] = np.where(d > 0, (count + d * part) / np.maximum(total + d, 1), part)
        return np.log(p)

    def perplexity(self, ids: NDArray[np.int64]) -> float:
        """exp of the mean −ln P over a text [n]."""
        return math.exp(-float(self.log_probabilities(ids).mean()))


def _grams(ids: NDArray[np.int64], n: int, classes: int) -> NDArray[np.int64]:
    """Each n characters in a row as one number [len − n + 1]."""
    grams = np.zeros(max(0, len(ids) - n + 1), np.int64)
    for k in range(n):
        grams = grams * classes + ids[k : len(ids) - n + 1 + k]
    return grams


def _found(sorted_values: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each wanted value stands among the sorted ones; −1 where it does not."""
    places = np.searchsorted(sorted_values, wanted).clip(max=len(sorted_values) - 1)
    return np.where(sorted_values[places] == wanted, places, -1)
