"""Machine code of extremely randomised trees: one cut a feature, drawn between its extremes."""

from __future__ import annotations

import numpy as np

from chainrule.learn.compiling import part
from chainrule.learn.trees.kernels import GINI, NO_GAIN, TIE, purity, uniform, xlogx


@part
def score_of_classes(criterion, sides, lw, rw):  # type: ignore[no-untyped-def]
    """The score of a cut; `sides` (2, classes): each class's weight on the left and in all."""
    gl = 0.0
    gr = 0.0
    for k in range(sides.shape[1]):
        a = sides[0, k]
        b = sides[1, k] - a
        if b < 0.0:
            b = 0.0
        if criterion == GINI:
            gl += a * a
            gr += b * b
        else:
            gl += xlogx(a)
            gr += xlogx(b)
    if criterion == GINI:
        return gl / lw + gr / rw
    return gl - xlogx(lw) + gr - xlogx(rw)


@part
def try_cut(  # type: ignore[no-untyped-def]
    criterion, line, count, cut, missing_left, weight, target, start, all_w, all_s, sides, least,
    least_weight,
):  # fmt: skip
    """(score of the cut of the values line[0…count−1], rows on the left)."""
    n = 0
    lw = 0.0
    ls = 0.0
    if sides is not None:
        for k in range(sides.shape[1]):
            sides[0, k] = 0.0
    for i in range(count):
        x = line[i]
        left = (x <= cut) | ((x != x) & missing_left)
        w = weight[start + i] * left
        n += left
        lw += w
        if sides is not None:
            sides[0, np.int64(target[start + i])] += w
        else:
            ls += w * target[start + i]
    rw = all_w - lw
    if n < least or count - n < least or lw <= 0.0 or rw <= 0.0:
        return NO_GAIN, n
    if lw < least_weight or rw < least_weight:
        return NO_GAIN, n
    if sides is not None:
        return score_of_classes(criterion, sides, lw, rw), n
    return purity(criterion, lw, ls) + purity(criterion, rw, all_s - ls), n


@part
def find_random_split(  # type: ignore[no-untyped-def]
    values, samples, weight, target, start, end, whole, real, state, keys, line, sides, constant,
    level, features,
):  # fmt: skip
    """(feature or −1, threshold, rows without a value go left); see `kernels.find_split`.

    `values`: float32 [features, rows], NaN where there is none.
    """
    criterion, least, wanted = whole[0], whole[4], whole[5]
    d = features.size
    count = end - start
    best = NO_GAIN
    feature = -1
    threshold = 0.0
    go_left = False
    all_w = 0.0
    all_s = 0.0
    if sides is not None:
        for k in range(sides.shape[1]):
            sides[1, k] = 0.0
    for i in range(start, end):
        all_w += weight[i]
        if sides is not None:
            sides[1, np.int64(target[i])] += weight[i]
        else:
            all_s += weight[i] * target[i]
    seen_variable = False
    for visit in range(d):
        if visit >= wanted and seen_variable:
            break
        j = visit + np.int64(uniform(state) * (d - visit))
        features[visit], features[j] = features[j], features[visit]
        f = features[visit]
        if constant[level, f]:
            continue
        low = np.inf
        high = -np.inf
        missing = 0
        for i in range(count):
            x = float(values[f, samples[start + i]])
            line[i] = x
            low = x if x < low else low
            high = x if x > high else high
            missing += x != x
        if missing == count or (low == high and missing == 0):
            constant[level, f] = 1
            continue
        seen_variable = True
        cut = np.inf
        if low < high:
            cut = low + uniform(state) * (high - low)
            if cut >= high:
                cut = low
        for side in range(2 if missing > 0 and cut < np.inf else 1):
            score, n = try_cut(
                criterion, line, count, cut, side == 1, weight, target, start, all_w, all_s,
                sides, least, real[0],
            )  # fmt: skip
            if score > best + TIE * abs(best):
                best = score
                feature = f
                threshold = cut
                go_left = side == 1 if missing > 0 else 2 * n > count
    if feature >= 0:
        for i in range(count):
            x = float(values[feature, samples[start + i]])
            keys[i] = (x <= threshold) | (go_left & (x != x))
    return feature, threshold, go_left
