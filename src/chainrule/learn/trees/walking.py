"""From the root to a leaf: which leaf a row reaches, and the sum of many trees' values."""

from __future__ import annotations

from chainrule.learn.trees.kernels import jit


@jit
def apply_tree(X, feature, threshold, left, right, missing_left, start, stop, out):  # type: ignore[no-untyped-def]
    """out[i] = number of the leaf that row i reaches, for start ≤ i < stop."""
    for i in range(start, stop):
        node = 0
        while left[node] >= 0:
            x = X[i, feature[node]]
            if x <= threshold[node] or (x != x and missing_left[node]):
                node = left[node]
            else:
                node = right[node]
        out[i] = node


@jit
def add_tree(X, feature, threshold, left, right, missing_left, value, scale, start, stop, out):  # type: ignore[no-untyped-def]
    """out[i] += scale · value of the leaf that row i reaches, for start ≤ i < stop."""
    width = value.shape[1]
    for i in range(start, stop):
        node = 0
        while left[node] >= 0:
            x = X[i, feature[node]]
            if x <= threshold[node] or (x != x and missing_left[node]):
                node = left[node]
            else:
                node = right[node]
        for k in range(width):
            out[i, k] += scale * value[node, k]
