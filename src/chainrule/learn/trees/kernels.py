"""Machine code of exact decision trees: every split is looked for on whole numbers, not on values.

A feature's distinct values are numbered once, in ascending order (`ranking.py`). A node then sorts
its rows by these numbers with a counting sort or a radix sort of few passes, in linear time, and
walks over them once. Arguments are never plain constants, for each of which numba would compile
another version.

Numbers of criteria: 0 Gini, 1 entropy, 2 squared error, 3 Poisson deviance. Two classes need only
the weight of the second one (its `target` is 0 or 1), so that they share the way of regression.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.learn.compiling import part

GINI, ENTROPY, SQUARED, POISSON = 0, 1, 2, 3
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)
S30, S27, S31, S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
NO_GAIN = -1e300
# Scores that differ by less are equal but for rounding: the first feature, the lowest cut wins.
TIE = 1e-11


# -- Small parts -----------------------------------------------------------------------------


@part
def uniform(state):  # type: ignore[no-untyped-def]
    """Next number in [0, 1) of a splitmix64 sequence (Steele, Lea, Flood 2014)."""
    state[0] += GOLDEN
    z = state[0]
    z = (z ^ (z >> S30)) * FIRST
    z = (z ^ (z >> S27)) * SECOND
    z = z ^ (z >> S31)
    return np.float64(z >> S11) * (1.0 / 9007199254740992.0)


@part
def sort_positions(keys, count, top, order, counters):  # type: ignore[no-untyped-def]
    """Write the positions 0…count−1 into order[0], by ascending keys (each 0 ≤ key ≤ top)."""
    if count <= 20:
        for i in range(count):
            key = keys[i]
            j = i
            while j > 0 and keys[order[0, j - 1]] > key:
                order[0, j] = order[0, j - 1]
                j -= 1
            order[0, j] = i
        return
    bits = 1
    while (top >> bits) > 0:
        bits += 1
    passes = 1
    if top >= 256 and top >= 2 * count:
        step = 8 if count < 1500 else 11
        passes = (bits + step - 1) // step
    width = (bits + passes - 1) // passes
    mask = (1 << width) - 1
    buckets = (mask if mask < top else top) + 1
    for turn in range(passes):
        shift = turn * width
        # Each pass reads one half of `order` and writes the other one, the last pass the first.
        into = (passes - 1 - turn) & 1
        for b in range(buckets):
            counters[b] = 0
        for i in range(count):
            counters[(keys[i] >> shift) & mask] += 1
        total = 0
        for b in range(buckets):
            here = counters[b]
            counters[b] = total
            total += here
        for i in range(count):
            p = i if turn == 0 else order[1 - into, i]
            b = (keys[p] >> shift) & mask
            order[into, counters[b]] = p
            counters[b] += 1


@part
def xlogx(x):  # type: ignore[no-untyped-def]
    return x * np.log(x) if x > 0.0 else 0.0


@part
def purity(criterion, w, s):  # type: ignore[no-untyped-def]
    """What a side with weight w and target sum s adds to the score that a split maximises."""
    if criterion == ENTROPY:
        return xlogx(s) + xlogx(w - s) - xlogx(w)
    if criterion == POISSON:
        return s * np.log(s / w) if s > 0.0 else NO_GAIN
    return s * s / w


@part
def describe(criterion, weight, target, start, end, value, node, sides):  # type: ignore[no-untyped-def]
    """Weight and impurity of rows start…end; their mean or class shares go into value[node]."""
    total = 0.0
    first = 0.0
    second = 0.0
    classes = value.shape[1]
    if sides is not None:
        for k in range(classes):
            value[node, k] = 0.0
        for i in range(start, end):
            value[node, np.int64(target[i])] += weight[i]
            total += weight[i]
        impurity = 0.0
        for k in range(classes):
            p = value[node, k] / total
            value[node, k] = p
            if criterion == GINI:
                impurity += p * p
            elif p > 0.0:
                impurity -= p * np.log2(p)
        return total, (1.0 - impurity if criterion == GINI else impurity)
    for i in range(start, end):
        w = weight[i]
        y = target[i]
        total += w
        first += w * y
        second += w * y * y
    mean = first / total
    if classes == 2:
        value[node, 0] = 1.0 - mean
        value[node, 1] = mean
        if criterion == GINI:
            return total, 2.0 * mean * (1.0 - mean)
        return total, -(xlogx(mean) + xlogx(1.0 - mean)) / np.log(2.0)
    value[node, 0] = mean
    if criterion == POISSON:
        deviance = 0.0
        for i in range(start, end):
            if target[i] > 0.0:
                deviance += weight[i] * target[i] * np.log(target[i] / mean)
        return total, deviance / total
    variance = second / total - mean * mean
    return total, variance if variance > 0.0 else 0.0


# -- The best cut of one feature -------------------------------------------------------------


@part
def scan_scalar(  # type: ignore[no-untyped-def]
    criterion, keys, order, known, weight, target, start, missing, lw, ls, all_w, all_s, least,
    least_weight,
):  # fmt: skip
    """(best score, number of known rows on the left) where `lw`, `ls` stand left already.

    `missing` rows without a value stand left if lw > 0, otherwise right, where the cut behind
    the last known row counts too.
    """
    best = NO_GAIN
    where = 0
    left_missing = missing if lw > 0.0 else 0
    count = known + missing
    last = known if missing > left_missing else known - 1
    for i in range(last):
        p = order[0, i]
        w = weight[start + p]
        lw += w
        ls += w * target[start + p]
        if i + 1 < known and keys[order[0, i + 1]] == keys[p]:
            continue
        n = i + 1 + left_missing
        if n < least or count - n < least:
            continue
        rw = all_w - lw
        if lw < least_weight or rw < least_weight or lw <= 0.0 or rw <= 0.0:
            continue
        score = purity(criterion, lw, ls) + purity(criterion, rw, all_s - ls)
        if score > best + TIE * abs(best):
            best = score
            where = i + 1
    return best, where


@part
def scan_classes(  # type: ignore[no-untyped-def]
    criterion, keys, order, known, weight, target, start, missing, lw, sides, least,
    least_weight, all_w,
):  # fmt: skip
    """As `scan_scalar` for several classes; `sides` (2, classes) holds each class's weight."""
    best = NO_GAIN
    where = 0
    left_missing = missing if lw > 0.0 else 0
    count = known + missing
    last = known if missing > left_missing else known - 1
    gl = 0.0
    gr = 0.0
    for k in range(sides.shape[1]):
        if criterion == GINI:
            gl += sides[0, k] * sides[0, k]
            gr += sides[1, k] * sides[1, k]
        else:
            gl += xlogx(sides[0, k])
            gr += xlogx(sides[1, k])
    for i in range(last):
        p = order[0, i]
        w = weight[start + p]
        c: Any = np.int64(target[start + p])
        # The sums of squares (or of x log x) change in one class only.
        if criterion == GINI:
            gl += w * (2.0 * sides[0, c] + w)
            gr += w * (w - 2.0 * sides[1, c])
        else:
            gl += xlogx(sides[0, c] + w) - xlogx(sides[0, c])
            gr += xlogx(sides[1, c] - w) - xlogx(sides[1, c])
        sides[0, c] += w
        sides[1, c] -= w
        lw += w
        if i + 1 < known and keys[order[0, i + 1]] == keys[p]:
            continue
        n = i + 1 + left_missing
        if n < least or count - n < least:
            continue
        rw = all_w - lw
        if lw < least_weight or rw < least_weight or lw <= 0.0 or rw <= 0.0:
            continue
        if criterion == GINI:
            score = gl / lw + gr / rw
        else:
            score = gl - xlogx(lw) + gr - xlogx(rw)
        if score > best + TIE * abs(best):
            best = score
            where = i + 1
    return best, where


@part
def scan(  # type: ignore[no-untyped-def]
    criterion, keys, order, known, weight, target, start, places, missing_left, least,
    least_weight, sides,
):  # fmt: skip
    """Best cut of the sorted rows where those without a value go to the given side."""
    missing = places[0]
    lw = 0.0
    ls = 0.0
    all_w = 0.0
    all_s = 0.0
    if sides is not None:
        for k in range(sides.shape[1]):
            sides[0, k] = 0.0
            sides[1, k] = 0.0
    for i in range(known + missing):
        p = start + (order[0, i] if i < known else places[1 + i - known])
        w = weight[p]
        all_w += w
        goes_left = i >= known and missing_left
        if goes_left:
            lw += w
        if sides is not None:
            sides[0 if goes_left else 1, np.int64(target[p])] += w
        else:
            all_s += w * target[p]
            if goes_left:
                ls += w * target[p]
    if sides is not None:
        return scan_classes(
            criterion, keys, order, known, weight, target, start, missing, lw, sides, least,
            least_weight, all_w,
        )  # fmt: skip
    return scan_scalar(
        criterion, keys, order, known, weight, target, start, missing, lw, ls, all_w, all_s,
        least, least_weight,
    )  # fmt: skip


# -- The best split of a node ----------------------------------------------------------------


@part
def code_of(low, high, f, row):  # type: ignore[no-untyped-def]
    """The number of a value; see `ranking.Ranking`."""
    code: Any = np.int32(low[f, row])
    if high.shape[0] > 0:
        code |= np.int32(high[f, row]) << 16
    return code


@part
def find_split(  # type: ignore[no-untyped-def]
    low, high, samples, weight, target, start, end, whole, real, state, keys, order,
    counters, places, sides, constant, level, features,
):  # fmt: skip
    """(feature or −1, a row below the cut, one above it, rows without a value go left).

    Between these two lies the cut; the row above is −1 where it sets all that is known against all
    that is missing. In `keys` stands then whether each row goes left.

    `whole`: criterion, classes, deepest level, fewest rows to split, fewest rows in a leaf,
    features to look at, the number of a value that is missing; `real`: least weight of a leaf,
    least decrease, total weight.
    """
    criterion, least, wanted, absent = whole[0], whole[4], whole[5], whole[6]
    d = low.shape[0]
    count = end - start
    best = NO_GAIN
    # Not a plain constant, for which `code_of` would have a version of its own.
    feature: Any = np.int64(-1)
    best_code = 0
    below = -1
    above = -1
    missing_left = False
    seen_variable = False
    for visit in range(d):
        if visit >= wanted and seen_variable:
            break
        if wanted < d:
            j = visit + np.int64(uniform(state) * (d - visit))
            features[visit], features[j] = features[j], features[visit]
        f = features[visit]
        if constant[level, f]:
            continue
        first = 2147483647
        top = -1
        for i in range(count):
            code = code_of(low, high, f, samples[start + i])
            keys[i] = code
            if code > top:
                top = code
            if code < first:
                first = code
        if first == top:
            constant[level, f] = 1
            continue
        seen_variable = True
        missing = 0
        if top == absent:
            top = 0
            for i in range(count):
                if keys[i] == absent:
                    missing += 1
                    places[missing] = i
                elif keys[i] > top:
                    top = keys[i]
        places[0] = missing
        known = count - missing
        top -= first
        for i in range(count):
            keys[i] -= first
        if missing > 0:
            # Rows without a value get the highest key and are cut off behind the sort.
            top += 1
            for i in range(missing):
                keys[places[1 + i]] = top
        sort_positions(keys, count, top, order, counters)
        for side in range(2 if missing > 0 else 1):
            score, where = scan(
                criterion, keys, order, known, weight, target, start, places, side == 1,
                least, real[0], sides,
            )  # fmt: skip
            if score > best + TIE * abs(best):
                best = score
                feature = f
                below = samples[start + order[0, where - 1]]
                best_code = first + keys[order[0, where - 1]]
                above = -1 if where == known else samples[start + order[0, where]]
                if missing > 0:
                    missing_left = side == 1
                else:
                    missing_left = 2 * where > known
    if feature >= 0:
        for i in range(count):
            code = code_of(low, high, feature, samples[start + i])
            keys[i] = (code <= best_code) | (missing_left & (code == absent))
    return feature, below, above, missing_left


@part
def partition(  # type: ignore[no-untyped-def]
    goes_left, samples, weight, target, start, end, order, hold
):  # fmt: skip
    """Move the rows of the left side to the front, in their order; returns where the right begins.

    The rows' order stays ascending, so that later nodes read memory forwards. Without branches:
    which way a row goes cannot be predicted.
    """
    at = start
    other = 0
    for i in range(start, end):
        row, w, y = samples[i], weight[i], target[i]
        left = goes_left[i - start]
        samples[at], weight[at], target[at] = row, w, y
        order[1, other], hold[0, other], hold[1, other] = row, w, y
        at += left
        other += 1 - left
    for i in range(other):
        samples[at + i] = order[1, i]
        weight[at + i] = hold[0, i]
        target[at + i] = hold[1, i]
    return at
