"""Compiled loops of t-SNE. Points [N, 3] are padded with zeros below three dimensions.

w = 1/(1 + d²/ν) for ν degrees of freedom; the kernel of a pair is q = w^((ν + 1)/2), of which Z is
the sum over all pairs.
"""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Compiled loops take their types from their arguments.
import numpy as np
from numba import njit

from chainrule.learn.cluster.threads import FAST

# Points of a leaf: few enough that adding them one by one is cheaper than a deeper tree.
LEAF = 6
# Bits of a coordinate in a cell's number.
BITS = 20


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def search(distances, entropy, first, last):
    """Conditional probabilities p_j ∝ exp(−β·d²) of which −Σ p·log p of a row is `entropy`.

    They take the place of the squared distances [N, M]; β by bisection until the entropy is
    within 1e-5. Returns Σ β.
    """
    total = 0.0
    shares = np.empty(distances.shape[1])
    for i in range(first, last):
        low, high, beta = 0.0, np.inf, 1.0
        least = distances[i, 0]
        for j in range(1, distances.shape[1]):
            least = min(least, distances[i, j])
        for _ in range(100):
            mass, energy = 0.0, 0.0
            for j in range(distances.shape[1]):
                d = distances[i, j] - least
                p = np.exp(-beta * d)
                shares[j] = p
                mass += p
                energy += p * d
            excess = np.log(mass) + beta * energy / mass - entropy
            if abs(excess) <= 1e-5:
                break
            if excess > 0:
                low = beta
                beta = 2 * beta if high == np.inf else (beta + high) / 2
            else:
                high = beta
                beta = (beta + low) / 2
        for j in range(distances.shape[1]):
            distances[i, j] = shares[j] / mass
        total += beta
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def cell_numbers(points, low, scale, dims, out):
    """The cell of each point on the finest grid, its bits interleaved (Morton's order)."""
    for i in range(points.shape[0]):
        number = 0
        for d in range(dims):
            place = np.int64((points[i, d] - low[d]) * scale)
            for bit in range(BITS):
                number |= ((place >> bit) & 1) << (bit * dims + d)
        out[i] = number


@njit(nogil=True, cache=True, error_model="numpy")
def build(points, numbers, dims, side, cells, spans):
    """The tree of points sorted by their cells' numbers, each cell before those inside it.

    cells [M, 5]: centre of mass, count, squared width; spans [M, 3]: first and last point, and
    the next cell that is not inside (negative for leaves). Returns how many cells there are, −1
    if there is no room for them.
    """
    n = points.shape[0]
    first = np.zeros(BITS * 8 + 8, np.int64)
    last = np.zeros_like(first)
    level = np.zeros_like(first)
    last[0], top, count = n, 1, 0
    while top > 0:
        top -= 1
        a, b, depth = first[top], last[top], level[top]
        node = count
        if node == cells.shape[0]:
            return -1
        count += 1
        width = side / 2.0**depth
        cells[node, 4] = width * width
        spans[node, 0], spans[node, 1] = a, b
        spans[node, 2] = -1
        if b - a <= LEAF or depth == BITS:
            continue
        spans[node, 2] = 1
        # Children from the last to the first, so that the first lies on top of the stack.
        shift = (BITS - 1 - depth) * dims
        end = b
        while end > a:
            digit = numbers[end - 1] >> shift
            begin = end - 1
            while begin > a and numbers[begin - 1] >> shift == digit:
                begin -= 1
            first[top], last[top], level[top] = begin, end, depth + 1
            top += 1
            end = begin
    return count


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def summarize(points, cells, spans, count):
    """Centres of mass from running sums, and where each cell's inside ends."""
    n = points.shape[0]
    sums = np.zeros((n + 1, 3))
    for i in range(n):
        for d in range(3):
            sums[i + 1, d] = sums[i, d] + points[i, d]
    begins = np.full(n + 1, count, np.int64)
    for node in range(count - 1, -1, -1):
        a, b = spans[node, 0], spans[node, 1]
        for d in range(3):
            cells[node, d] = (sums[b, d] - sums[a, d]) / (b - a)
        cells[node, 3] = b - a
        # The outermost cell that begins where this one ends.
        after = begins[b]
        spans[node, 2] = -after if spans[node, 2] < 0 else after
        begins[a] = node


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def repel(points, cells, spans, count, angle, freedom, first, last, out):
    """out[i] = Σ_j q·w·(y_i − y_j), far cells as one point (Barnes and Hut). Returns Σ q."""
    power = (freedom + 1) / 2
    inverse = 1 / freedom
    limit = angle * angle
    total = 0.0
    for i in range(first, last):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        fx, fy, fz, mass = 0.0, 0.0, 0.0, 0.0
        node = 0
        while node < count:
            after = spans[node, 2]
            dx, dy, dz = x - cells[node, 0], y - cells[node, 1], z - cells[node, 2]
            square = dx * dx + dy * dy + dz * dz
            if cells[node, 4] < limit * square:
                w = 1 / (1 + square * inverse)
                q = w if power == 1 else w**power
                size = cells[node, 3]
                mass += size * q
                force = size * q * w
                fx += force * dx
                fy += force * dy
                fz += force * dz
                node = abs(after)
            elif after < 0:
                for j in range(spans[node, 0], spans[node, 1]):
                    dx, dy, dz = x - points[j, 0], y - points[j, 1], z - points[j, 2]
                    w = 1 / (1 + (dx * dx + dy * dy + dz * dz) * inverse)
                    q = w if power == 1 else w**power
                    mass += q
                    force = q * w
                    fx += force * dx
                    fy += force * dy
                    fz += force * dz
                node = -after
            else:
                node += 1
        # The point itself was counted with q = 1.
        total += mass - 1
        out[i, 0], out[i, 1], out[i, 2] = fx, fy, fz
    return total


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def attract(points, starts, neighbours, shares, freedom, measure, first, last, out):
    """out[i] = Σ_j p·w·(y_i − y_j) over the stored pairs.

    Returns Σ p·log(p/q) with q not divided by Z, if `measure`, else 0.
    """
    power = (freedom + 1) / 2
    inverse = 1 / freedom
    total = 0.0
    for i in range(first, last):
        fx, fy, fz = 0.0, 0.0, 0.0
        for s in range(starts[i], starts[i + 1]):
            j = neighbours[s]
            dx = points[i, 0] - points[j, 0]
            dy = points[i, 1] - points[j, 1]
            dz = points[i, 2] - points[j, 2]
            w = 1 / (1 + (dx * dx + dy * dy + dz * dz) * inverse)
            force = shares[s] * w
            fx += force * dx
            fy += force * dy
            fz += force * dz
            if measure and shares[s] > 0:
                total += shares[s] * (np.log(shares[s]) - power * np.log(w))
        out[i, 0], out[i, 1], out[i, 2] = fx, fy, fz
    return total


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def pair_rows(columns, shares, freedom, first, last, pull, push):
    """All pairs: pull = Σ_j p·w·(y_i − y_j), push = Σ_j q·w·(y_i − y_j). Returns Σ q.

    columns [D, N]: the points; shares [N, N]; pull and push [N, D].
    """
    dims, n = columns.shape
    power = (freedom + 1) / 2
    near = np.empty(n)
    total = 0.0
    for i in range(first, last):
        near[:] = 0
        for d in range(dims):
            here = columns[d, i]
            for j in range(n):
                difference = here - columns[d, j]
                near[j] += difference * difference
        for j in range(n):
            near[j] = 1 / (1 + near[j] / freedom)
        mass = 0.0
        for j in range(n):
            mass += near[j] if power == 1 else near[j] ** power
        total += mass - 1
        for d in range(dims):
            here = columns[d, i]
            a, b = 0.0, 0.0
            for j in range(n):
                w = near[j]
                q = w if power == 1 else w**power
                step = w * (here - columns[d, j])
                a += shares[i, j] * step
                b += q * step
            pull[i, d], push[i, d] = a, b
    return total


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def move(points, pull, push, scale, mass, rate, momentum, update, gains):
    """One step of descent with gains; returns the squared size of the gradient times gains."""
    total = 0.0
    for i in range(points.shape[0]):
        for d in range(points.shape[1]):
            g = scale * (pull[i, d] - push[i, d] / mass)
            gain = gains[i, d] + 0.2 if update[i, d] * g < 0 else gains[i, d] * 0.8
            gain = max(gain, 0.01)
            gains[i, d] = gain
            g *= gain
            total += g * g
            update[i, d] = momentum * update[i, d] - rate * g
            points[i, d] += update[i, d]
    return total
