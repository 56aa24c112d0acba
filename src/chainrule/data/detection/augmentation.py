"""Images for training, changed at random anew each time they are seen."""

from __future__ import annotations

import numpy as np

from chainrule.base.constraints import Interval
from chainrule.data.detection.colours import colours_turned, repainted, standardised
from chainrule.data.detection.geometry import mirrored, turned, zoomed
from chainrule.data.detection.samples import Objects
from chainrule.data.random import Draws

#: Of so many pixels at most the colours go ways of their own.
_COLOURS = 6


class Augmentation:
    """Flips, other scales, other colours and other light, drawn anew for each image.

    Args:
        flips: "" for none, "x" left and right, "xy" also upside down and turned by 90°.
        scale: smallest and largest factor, drawn evenly on a logarithmic scale. A larger image is
            cut to a random part of the old size; a smaller one stands at a random place in it.
        light: brightness and contrast, and the strength of each colour, change by up to this share.
        colour: hues turn by up to this many half circles, to either side, and saturation changes by
            up to this share; for objects whose colour differs from place to place.
        hues, shades: the colours of three to six pixels, and those like them, move each in its own
            direction by about up to this, of 255: `hues` at the same brightness, `shades` in
            brightness. For objects that are lighter than the ground in one place and darker in
            another.
    """

    def __init__(
        self,
        flips: str = "x",
        scale: tuple[float, float] = (0.8, 1.25),
        light: float = 0.15,
        colour: float = 0.0,
        hues: float = 0.0,
        shades: float = 0.0,
    ) -> None:
        self.flips = flips
        self.scale = tuple(Interval(0.1, 10).check(s, "Augmentation", "scale") for s in scale)
        self.light = Interval(0, 1).check(light, "Augmentation", "light")
        self.colour = Interval(0, 1).check(colour, "Augmentation", "colour")
        self.hues = Interval(0, 255).check(hues, "Augmentation", "hues")
        self.shades = Interval(0, 255).check(shades, "Augmentation", "shades")

    def __call__(
        self, image: np.ndarray, objects: Objects, draws: Draws, standardise: bool = False
    ) -> tuple[np.ndarray, Objects]:
        """An image (C, H, W) and its objects, changed; the image keeps its size unless turned.

        standardise: see `standardised`; done between colours and light, so that other colours have
        the same mean and deviation, too.
        """
        u = draws.uniform(1, 12)[0]
        if len(image) == 3 and (self.colour or self.hues or self.shades):
            image = self._coloured(image, draws)
            # Standardising cuts off itself, at the new mean and deviation.
            image = image if standardise else np.clip(image, 0, 255)
        if standardise:
            image = standardised(image)
        if self.flips and u[0] < 0.5:
            image, objects = mirrored(image, objects)
        if "y" in self.flips:
            if u[1] < 0.5:
                image, objects = turned(image, objects)
            if u[2] < 0.5:
                image, objects = mirrored(image, objects)
        low, high = self.scale
        if low != high or low != 1:
            image, objects = zoomed(image, objects, low * (high / low) ** u[3], u[4], u[5])
        if self.light:
            image = self._lit(image, 2 * u[6:12] - 1)
        return image, objects

    def _coloured(self, image: np.ndarray, draws: Draws) -> np.ndarray:
        """In other colours: hues turned all the same way, then each its own way."""
        u, moves = draws.uniform(1, 12)[0], draws.normal(1, 4 * _COLOURS)[0].reshape(_COLOURS, 4)
        turn = colours_turned(
            np.pi * self.colour * (2 * u[0] - 1), 1 + self.colour * (2 * u[1] - 1)
        )
        pixels = np.einsum("ij,jp->ip", turn, image.reshape(3, -1).astype(np.float32))
        if self.hues or self.shades:
            count = 3 + int(u[2] * (_COLOURS - 2))
            chosen = pixels[:, (u[3 : 3 + count] * pixels.shape[1]).astype(np.int64)].T
            hues = moves[:count, :3] - moves[:count, :3].mean(1, keepdims=True)
            moved = self.hues * u[9] * hues + self.shades * u[10] * moves[:count, 3:]
            pixels = repainted(pixels, chosen, moved, 20 + 25 * u[11])
        return pixels.reshape(image.shape)

    def _lit(self, image: np.ndarray, u: np.ndarray) -> np.ndarray:
        """In other light; u: numbers in -1 .. 1."""
        channels = len(image)
        factor = 1 + self.light * u[0]
        colours = 1 + self.light * u[2 : 2 + channels] if channels == 3 else np.ones(channels)
        shift = 127.5 * self.light * u[1]
        scaled = (image.astype(np.float32) - 127.5) * np.float32(factor) + np.float32(127.5 + shift)
        return np.clip(scaled * colours.astype(np.float32)[:, None, None], 0, 255)
