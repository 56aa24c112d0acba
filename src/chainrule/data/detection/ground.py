"""Ground that no photograph shows: blotches of a few colours, sharp or soft, under some grain."""

from __future__ import annotations

import numpy as np

from chainrule.data.detection.geometry import enlarged

#: Of blotches in pixels: fine, middling and coarse ones, from .. to.
_CELLS = ((2.0, 6.0), (8.0, 20.0), (24.0, 60.0))


def made_ground(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """(C, H, W) float32, 0 .. 255: two to four random colours, of which one is often dark as shade
    is, each where its own random relief is higher than the others'."""
    channels, height, width = shape
    count = int(generator.integers(2, 5))
    colours = generator.uniform(20, 235, (count, 1)) + generator.normal(0, 25, (count, channels))
    if generator.random() < 0.7:
        colours[0] = generator.uniform(10, 60) + generator.normal(0, 8, channels)
    reliefs = np.stack([_relief(generator, (height, width)) for _ in range(count)])
    reliefs *= generator.uniform(1, 8, (count, 1, 1)).astype(np.float32)
    shares = np.exp(reliefs - reliefs.max(0))
    shares /= shares.sum(0)
    ground = np.einsum("kc,khw->chw", colours.astype(np.float32), shares)
    grain = generator.standard_normal((1, height, width), np.float32)
    coarse = enlarged(grain[:, ::2, ::2], (height, width))
    ground += np.float32(generator.uniform(2, 12)) * grain
    ground += np.float32(generator.uniform(2, 20)) * coarse
    return np.clip(ground, 0, 255, out=ground)


def _relief(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """(H, W): smooth noise of several grains, each as strong as chance has it."""
    relief = np.zeros(size, np.float32)
    for low, high in _CELLS:
        cell = generator.uniform(low, high)
        cells = max(int(size[0] / cell), 2), max(int(size[1] / cell), 2)
        noise = generator.standard_normal((1, *cells), np.float32)
        relief += np.float32(generator.uniform(0.2, 1.0)) * enlarged(noise, size)[0]
    return relief
