"""Pictures without a picture library: arrays to PNG, and the colour maps."""

import struct
import zlib
from base64 import b64encode
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]

# Blue, paper, vermilion: told apart by people with any of the usual colour deficiencies, and the
# lightness falls equally on both sides, so that it also reads in grey.
_NEGATIVE = np.array([(250, 248, 244), (138, 188, 224), (28, 106, 176), (6, 38, 84)], np.float64)
_POSITIVE = np.array([(250, 248, 244), (246, 177, 128), (206, 82, 22), (92, 26, 4)], np.float64)
_NOT_FINITE = (214, 0, 214)


def png(pixels: Pixels) -> bytes:
    """A PNG file of `pixels`: [h, w] grey, [h, w, 3] RGB or [h, w, 4] RGBA."""
    height, width = pixels.shape[:2]
    colour_type = {1: 0, 3: 2, 4: 6}[pixels.shape[2] if pixels.ndim == 3 else 1]
    rows = pixels.reshape(height, -1)
    # Every row begins with its filter; 0 stores the bytes as they are.
    stored = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", zlib.compress(stored, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def data_uri(pixels: Pixels) -> str:
    """`pixels` as the address of an image inside the page."""
    return "data:image/png;base64," + b64encode(png(pixels)).decode()


def diverging(values: NDArray[np.floating], limit: float) -> Pixels:
    """Colours [..., 3] of `values`: blue at −limit, paper at 0, vermilion at +limit.

    A value that is not finite is magenta, which the map holds nowhere.
    """
    finite = np.isfinite(values)
    share = np.where(finite, values, 0.0) / (limit if limit > 0 else 1.0)
    share = np.clip(share, -1.0, 1.0)
    steps = np.linspace(0.0, 1.0, len(_POSITIVE))
    colours = np.empty((*values.shape, 3))
    for channel in range(3):
        positive = np.interp(share, steps, _POSITIVE[:, channel])
        negative = np.interp(-share, steps, _NEGATIVE[:, channel])
        colours[..., channel] = np.where(share >= 0, positive, negative)
    colours[~finite] = _NOT_FINITE
    return np.rint(colours).astype(np.uint8)


def strip(slices: NDArray[np.floating], limit: float, gap: int = 1) -> Pixels:
    """The slices [n, h, w] side by side in diverging colours, transparent between them."""
    count, height, width = slices.shape
    pixels = np.zeros((height, count * (width + gap) - gap, 4), np.uint8)
    for index in range(count):
        left = index * (width + gap)
        pixels[:, left : left + width, :3] = diverging(slices[index], limit)
        pixels[:, left : left + width, 3] = 255
    return pixels


def photograph(image: NDArray[np.generic]) -> Pixels:
    """An input image [h, w] or [c, h, w] as it is: grey, or colour with three channels.

    uint8 is taken as 0…255. Other numbers are taken as 0…1 if they lie there; else the smallest
    becomes black and the largest white. Pixels that are not finite become magenta.
    With two channels, or more than three, the first is shown.
    """
    if image.ndim == 3:
        image = np.moveaxis(image, 0, -1) if image.shape[0] == 3 else image[0]
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    values = image.astype(np.float64)
    finite = np.isfinite(values)
    inside = values[finite]
    low, high = (float(inside.min()), float(inside.max())) if inside.size else (0.0, 1.0)
    if low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    values = (np.where(finite, values, low) - low) / ((high - low) or 1.0)
    pixels = np.rint(255 * values).astype(np.uint8)
    if finite.all():
        return pixels
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
        finite = np.repeat(finite[..., None], 3, axis=2)
    pixels[~finite.all(axis=2)] = _NOT_FINITE
    return pixels
