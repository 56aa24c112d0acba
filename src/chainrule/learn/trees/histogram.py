"""Machine code of histogram trees: second-order gain over at most 256 bins, best leaf first.

A node's histogram is summed from its rows only for the smaller child; the sibling's is the
parent's minus it. `grow` stops where a histogram is worth several threads and goes on when it has
been filled (Ke et al. 2017, LightGBM; Chen and Guestrin 2016, XGBoost, for the gain).
"""

from __future__ import annotations

from chainrule.learn.trees.kernels import jit, part

MISSING = 255


@jit
def fill(bins, rows, start, end, gradient, hessian, histograms, slot, first, last):  # type: ignore[no-untyped-def]
    """histograms[slot, f, bin] = sums of gradient, Hessian and rows, for first ≤ f < last."""
    for f in range(first, last):
        for b in range(256):
            histograms[slot, f, b, 0] = 0.0
            histograms[slot, f, b, 1] = 0.0
            histograms[slot, f, b, 2] = 0.0
        for i in range(start, end):
            row = rows[i]
            b = bins[f, row]
            histograms[slot, f, b, 0] += gradient[row]
            histograms[slot, f, b, 1] += hessian[row]
            histograms[slot, f, b, 2] += 1.0


@part
def cut(  # type: ignore[no-untyped-def]
    histograms, slot, f, order, count, low, high, missing_left, has_missing, total, real, best,
    found, turn,
):  # fmt: skip
    """Scan bins order[0…count−1] of a feature; `found` keeps the best: feature, place, side."""
    g = h = n = 0.0
    if has_missing and missing_left:
        g = histograms[slot, f, MISSING, 0]
        h = histograms[slot, f, MISSING, 1]
        n = histograms[slot, f, MISSING, 2]
    for i in range(low, high):
        b = order[i] if turn >= 0 else order[count - 1 - i]
        g += histograms[slot, f, b, 0]
        h += histograms[slot, f, b, 1]
        n += histograms[slot, f, b, 2]
        if n < real[0]:
            continue
        if total[2] - n < real[0]:
            break
        rest = total[1] - h
        if h < real[1] or rest < real[1]:
            continue
        gain = g * g / (h + real[2]) + (total[0] - g) ** 2 / (rest + real[2])
        if gain > best:
            best = gain
            found[0], found[1], found[2], found[3] = f, i, missing_left, turn
    return best


@part
def find(histograms, slot, kinds, allowed, real, total, order, ratio, found, left_bins):  # type: ignore[no-untyped-def]
    """Best split of a node; left_bins[bin] = 1 goes left. Returns the gain, 0 if there is none.

    `kinds` (features, 2): bins in use; 1 where they are categories. `real`: fewest rows, least
    Hessian, l2.
    """
    parent = total[0] * total[0] / (total[1] + real[2])
    best = parent + 1e-12 * (1.0 + parent)
    floor = best
    for f in range(kinds.shape[0]):
        if not allowed[f]:
            continue
        used = kinds[f, 0]
        has_missing = histograms[slot, f, MISSING, 2] > 0
        if kinds[f, 1] == 0:
            for b in range(used):
                order[b] = b
            last = used if has_missing else used - 1
            best = cut(
                histograms, slot, f, order, used, 0, last, 0, has_missing, total, real, best,
                found, 0,
            )  # fmt: skip
            if has_missing:
                best = cut(
                    histograms, slot, f, order, used, 0, used - 1, 1, True, total, real, best,
                    found, 0,
                )  # fmt: skip
            continue
        # Categories in the order of gradient over Hessian (Fisher 1958); rare ones stay right.
        count = 0
        for b in range(256):
            if histograms[slot, f, b, 2] > 0 and histograms[slot, f, b, 1] >= 1e-3:
                value = histograms[slot, f, b, 0] / (histograms[slot, f, b, 1] + 10.0)
                j = count
                while j > 0 and ratio[j - 1] > value:
                    ratio[j] = ratio[j - 1]
                    order[j] = order[j - 1]
                    j -= 1
                ratio[j] = value
                order[j] = b
                count += 1
        for turn in range(1, -3, -2):
            before = best
            best = cut(
                histograms, slot, f, order, count, 0, count - 1, 0, False, total, real, best,
                found, turn,
            )  # fmt: skip
            if best > before:
                for b in range(256):
                    left_bins[b] = 0
                for i in range(found[1] + 1):
                    left_bins[order[i] if turn > 0 else order[count - 1 - i]] = 1
    if best <= floor:
        return 0.0
    f = found[0]
    if kinds[f, 1] == 0:
        for b in range(256):
            left_bins[b] = b <= found[1]
        left_bins[MISSING] = found[2]
        if histograms[slot, f, MISSING, 2] == 0:
            # Without experience a missing value goes where most rows go.
            n = 0.0
            for b in range(found[1] + 1):
                n += histograms[slot, f, b, 2]
            left_bins[MISSING] = 2 * n > total[2]
    return best - parent


@jit
def grow(  # type: ignore[no-untyped-def]
    bins, rows, spare, gradient, hessian, histograms, kinds, allowed, real, whole, nodes, sums,
    masks, order, ratio, found, status,
):  # fmt: skip
    """Grow on; returns 1 where a histogram is due (rows status[1]…status[2]).

    `nodes` (n, 8): left, right, feature, bin, start, end, level, slot; `sums` (n, 4): gradient,
    Hessian, rows, gain; `masks` (n, 256): bins that go left. `whole`: most leaves, deepest level,
    work that is worth threads. `status`: pending (0 nothing, 1 root, 2 children), start, end, slot,
    nodes, leaves, parent.
    """
    d = bins.shape[0]
    while True:
        if status[0] > 0:
            first = 0 if status[0] == 1 else status[4] - 2
            if status[0] == 2:
                # The larger child takes the parent's place, less the smaller one.
                big = nodes[status[6], 7]
                small = status[3]
                for f in range(d):
                    for b in range(256):
                        for k in range(3):
                            histograms[big, f, b, k] -= histograms[small, f, b, k]
            for node in range(first, status[4]):
                slot = nodes[node, 7]
                for k in range(3):
                    sums[node, k] = 0.0
                    for b in range(256):
                        sums[node, k] += histograms[slot, 0, b, k]
                sums[node, 3] = 0.0
                if nodes[node, 6] < whole[1] and sums[node, 2] >= 2 * real[0]:
                    sums[node, 3] = find(
                        histograms, slot, kinds, allowed, real, sums[node], order, ratio, found,
                        masks[node],
                    )  # fmt: skip
                    nodes[node, 2], nodes[node, 3] = found[0], found[1]
            status[0] = 0
        if status[5] >= whole[0]:
            return 0
        node = -1
        for i in range(status[4]):
            if nodes[i, 0] < 0 and sums[i, 3] > 0.0 and (node < 0 or sums[i, 3] > sums[node, 3]):
                node = i
        if node < 0:
            return 0
        start, end, f = nodes[node, 4], nodes[node, 5], nodes[node, 2]
        at = start
        other = 0
        for i in range(start, end):
            row = rows[i]
            if masks[node, bins[f, row]]:
                rows[at] = row
                at += 1
            else:
                spare[other] = row
                other += 1
        for i in range(other):
            rows[at + i] = spare[i]
        left = status[4]
        nodes[node, 0], nodes[node, 1] = left, left + 1
        for child in range(left, left + 2):
            nodes[child, 0], nodes[child, 1], nodes[child, 2] = -1, -1, -1
            nodes[child, 4] = start if child == left else at
            nodes[child, 5] = at if child == left else end
            nodes[child, 6] = nodes[node, 6] + 1
        small = left if at - start <= end - at else left + 1
        fresh = status[5]
        nodes[left, 7] = nodes[left + 1, 7] = nodes[node, 7]
        nodes[small, 7] = fresh
        status[0], status[1], status[2], status[3] = 2, nodes[small, 4], nodes[small, 5], fresh
        status[4], status[5], status[6] = left + 2, status[5] + 1, node
        if (status[2] - status[1]) * d > whole[2]:
            return 1
        fill(bins, rows, status[1], status[2], gradient, hessian, histograms, fresh, 0, d)


@jit
def put(column, cuts, count, out):  # type: ignore[no-untyped-def]
    """out[i] = the number of cuts below column[i], MISSING for NaN."""
    for i in range(column.size):
        x = column[i]
        low = 0
        high = count
        if x != x:
            low = high = MISSING
        while low < high:
            middle = (low + high) // 2
            if x <= cuts[middle]:
                high = middle
            else:
                low = middle + 1
        out[i] = low


@jit
def add_leaves(rows, nodes, value, made, out):  # type: ignore[no-untyped-def]
    """out[row] += value of the leaf in which the row lies."""
    for node in range(made):
        if nodes[node, 0] < 0:
            for i in range(nodes[node, 4], nodes[node, 5]):
                out[rows[i]] += value[node]


@jit
def add_rows(X, nodes, threshold, category, masks, value, start, stop, out):  # type: ignore[no-untyped-def]
    """out[i] += value of the leaf that row i of a float64 table reaches."""
    for i in range(start, stop):
        node = 0
        while nodes[node, 0] >= 0:
            x = X[i, nodes[node, 2]]
            if x != x:
                left = masks[node, MISSING] > 0
            elif category[node]:
                left = masks[node, int(x)] > 0
            else:
                left = x <= threshold[node]
            node = nodes[node, 0] if left else nodes[node, 1]
        out[i] += value[node]
