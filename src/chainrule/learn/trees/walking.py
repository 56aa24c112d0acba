"""From the root to a leaf: which leaf a row reaches, and the sum of many trees' values.

The nodes of an ensemble stand packed one after another. A block of rows walks down a tree together,
one level after another: no row waits for another's memory, and nothing has to be predicted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from chainrule.learn.compiling import jit, part

# Rows that walk together; rows that one tree after another sees, so that both stay in the cache.
STEP, BLOCK = 64, 4096
# Unsigned numbers as indices spare the question whether they count from the end.
ONE = np.uint32(1)


class Nodes(NamedTuple):
    """Nodes as walks want them.

    threshold: float64; code: uint32, 2·feature + whether a row without a value goes right; child:
    uint32 [2·nodes], the left and the right child of each, a leaf is its own; mask: int32, the row
    of the masks of a split by categories, −1 elsewhere; values: float64 [nodes, width].
    """

    threshold: Any
    code: Any
    child: Any
    mask: Any
    values: Any


def pack(  # type: ignore[no-untyped-def]
    threshold, left, right, feature, missing_left, values, mask=None
) -> Nodes:
    """The nodes of one tree; `mask` only where masks are walked with.

    Children are −1 at leaves.
    """
    leaf = left < 0
    itself = np.arange(len(left))
    child = np.empty(2 * len(left), np.uint32)
    child[0::2] = np.where(leaf, itself, left)
    child[1::2] = np.where(leaf, itself, right)
    code = np.where(leaf, 0, 2 * feature + 1 - missing_left).astype(np.uint32)
    return Nodes(threshold, code, child, np.empty(0, np.int32) if mask is None else mask, values)


def join(trees: Iterable[Nodes]) -> tuple[Nodes, Any]:
    """The nodes of several trees one after another, and uint32 [trees], where each begins."""
    parts = list(trees)
    if len(parts) == 1:
        return parts[0], np.zeros(1, np.uint32)
    sizes = [len(one.code) for one in parts]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.uint32)
    joined = Nodes(*(np.concatenate(same) for same in zip(*parts)))
    child = joined.child + np.repeat(roots, 2 * np.array(sizes))
    return joined._replace(child=child), roots


def memory() -> Any:
    """What a walk needs beside its result: a step's nodes and its rows that still walk."""
    return np.empty((2, STEP), np.uint32)


@part
def walk(  # type: ignore[no-untyped-def]
    X, low, threshold, codes, child, mask, masks, root, at, todo
):
    """At most STEP rows of X, from `low` on, go from `root` down to their leaves; their number.

    Row low + i ends at at[i].
    """
    count = X.shape[0] - low
    if count > STEP:
        count = STEP
    for i in range(count):
        at[i] = root
        todo[i] = i
    active = count
    while active > 0:
        kept = np.uint32(0)
        for j in range(active):
            i = todo[j]
            here = at[i]
            code = codes[here]
            x = X[low + i, code >> ONE]
            right = np.uint32(x > threshold[here]) | (np.uint32(x != x) & code & ONE)
            if masks is not None:  # noqa: SIM102 (decided when this is compiled)
                if mask[here] >= 0 and x == x:
                    right = np.uint32(masks[mask[here], np.int64(x)] == 0)
            there = child[2 * here + right]
            at[i] = there
            todo[kept] = i
            kept += np.uint32(there != here)
        active = kept
    return count


@jit
def apply_trees(  # type: ignore[no-untyped-def]
    X, threshold, code, child, roots, places, out
):
    """out[i, t] = number of the leaf of tree t that row i reaches; `places`: see `memory`."""
    at, todo = places[0], places[1]
    for t in range(roots.size):
        for low in range(0, X.shape[0], STEP):
            count = walk(X, low, threshold, code, child, None, None, roots[t], at, todo)
            for i in range(count):
                out[low + i, t] = at[i] - roots[t]


@jit
def add_trees(  # type: ignore[no-untyped-def]
    X, threshold, code, child, mask, values, roots, masks, first, columns, scale, places, out
):
    """out[i, column…] += scale · values of the leaf that row i reaches, tree after tree.

    Tree t adds to the columns from (first + t) mod `columns` on, as many as the values have.
    """
    at, todo = places[0], places[1]
    for block in range(0, X.shape[0], BLOCK):
        end = block + BLOCK if block + BLOCK < X.shape[0] else X.shape[0]
        for t in range(roots.size):
            column = (first + t) % columns
            for low in range(block, end, STEP):
                count = walk(X, low, threshold, code, child, mask, masks, roots[t], at, todo)
                for i in range(count):
                    for k in range(values.shape[1]):
                        out[low + i, column + k] += scale * values[at[i], k]
