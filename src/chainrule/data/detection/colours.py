"""Other colours and other light in an image."""

from __future__ import annotations

import numpy as np

#: What `standardised` brings each channel to.
MEAN, DEVIATION = 127.5, 56.0


def standardised(image: np.ndarray) -> np.ndarray:
    """float32 (C, H, W), each channel with mean 127.5 and deviation 56, cut off at 0 and 255: so
    that light and colour of the place and the day count less. A channel of one value is 127.5."""
    pixels = image.astype(np.float32)
    mean, deviation = (f(pixels, (1, 2), keepdims=True) for f in (np.mean, np.std))
    return np.clip((pixels - mean) / (deviation + 1e-3) * DEVIATION + MEAN, 0, 255)


def colours_turned(angle: float, saturation: float) -> np.ndarray:
    """(3, 3) float32, by which red, green and blue are multiplied: a turn around the axis of greys,
    which stay as they are, and the distance from that axis times `saturation`."""
    grey = np.full((3, 3), 1 / 3)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = np.cos(angle) * (np.eye(3) - grey) + np.sin(angle) * across
    return np.asarray(grey + saturation * turn, np.float32)


def repainted(image: np.ndarray, chosen: np.ndarray, moves: np.ndarray, width: float) -> np.ndarray:
    """float32 (C, H, W): every colour moves as the nearest of the `chosen` colours (K, C) do, by a
    mean of `moves` (K, C) with weights exp(−distance² / (2·width²)). What had one colour still has
    one; what differs in colour goes different ways."""
    colours = image.astype(np.float32).reshape(len(image), -1)
    chosen, moves = chosen.astype(np.float32), moves.astype(np.float32)
    # |colour|² is the same for all of the chosen, and so is left out. einsum keeps to one thread.
    nearness = np.einsum("kc,cp->kp", chosen, colours)
    nearness -= (chosen * chosen).sum(1, keepdims=True) / 2
    nearness -= nearness.max(0)
    nearness /= np.float32(width * width)
    weights = np.exp(nearness, out=nearness)
    weights /= weights.sum(0)
    return (colours + np.einsum("kc,kp->cp", moves, weights)).reshape(image.shape)
