"""Random numbers as a function of a counter: Philox 4×64-10.

J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. The same (seed, offset)
gives the same bits in every mode, on every machine, at any number of threads.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def blocks(n: int, dtype: Any) -> int:
    """How many counter steps (256 bits each) `n` numbers of `dtype` use up."""
    return -(-n // (8 if np.dtype(dtype).itemsize <= 4 else 4))


def uniform(seed: int, offset: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Uniforms in [0, 1) of `shape`: 24 random bits each for float32, 53 for float64."""
    dtype = np.dtype(getattr(dtype, "numpy", dtype))
    n = math.prod(shape)
    bits = np.random.Philox(key=seed, counter=offset).random_raw(4 * blocks(n, dtype))
    if dtype.itemsize <= 4:
        # Little end first, whatever the machine, so that the bits are the same everywhere.
        halves = bits.astype("<u8", copy=False).view("<u4")[:n]
        values = (halves >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    else:
        values = (bits[:n] >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return values.astype(dtype, copy=False).reshape(shape)
