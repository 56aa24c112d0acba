"""How long an epoch takes, before it begins."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule import models
from chainrule.base.text import t
from chainrule.compile import get_num_threads

# Seconds below which nothing is said of an epoch.
_LONG = 60.0
# Of a compiled step, measured on four networks with batches of 64: two floating-point operations a
# multiply-add, forward and twice back, at twice the speed of a small matrix product (four bytes,
# twice, for each output of a layer; six times four for each parameter and step).
_OPERATIONS, _OUTPUT_BYTES, _PARAMETER_BYTES = 6 / 2, 8, 24


def say_if_long(
    model: Any, input_shape: Sequence[int], examples: int, batch_size: int, epochs: int
) -> None:
    """Print about how long an epoch takes where that is over a minute."""
    seconds = epoch_seconds(model, input_shape, examples, batch_size)
    if seconds > _LONG:
        print(
            t(
                "An epoch takes about {one} on this machine, all {n} of them {all}. Ctrl-C ends "
                "the run early; it can go on later.",
                one=_shown(seconds),
                n=epochs,
                all=_shown(seconds * epochs),
            ),
            flush=True,
        )


def epoch_seconds(model: Any, input_shape: Sequence[int], examples: int, batch_size: int) -> float:
    """A guess, right within a factor of two, from what the model does and how fast this machine
    multiplies and copies."""
    rows = models.summary(model, input_shape)
    outputs = sum(math.prod(row["output_shape"]) for row in rows)
    if rows.multiply_adds + 50 * outputs < 1e10 / examples:
        return 0.0  # whatever the machine: not worth a measurement
    # A product so small that one core does it: several would wait for each other on a busy machine.
    a, b = np.ones((64, 64), np.float32), np.ones(1 << 22, np.float32)
    multiplying = get_num_threads() * 2 * 64**3 / _fastest(lambda: a @ a)
    copying = 2 * b.nbytes / _fastest(b.copy)
    an_example = _OPERATIONS * rows.multiply_adds / multiplying + _OUTPUT_BYTES * outputs / copying
    a_step = _PARAMETER_BYTES * rows.parameters / copying
    return examples * an_example + math.ceil(examples / batch_size) * a_step


def _fastest(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(30):  # the fastest one met no other program
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _shown(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    if minutes < 90:
        return t("{n} min", n=minutes)
    return t("{n} h", n=round(minutes / 60))
