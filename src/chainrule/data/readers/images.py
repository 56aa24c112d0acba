"""Picture files and folders of them, one subfolder a class. Needs Pillow (an extra)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, ChainruleError, DataError, FileFormatError
from chainrule.base.text import t
from chainrule.data.readers.checks import white_of

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm",
                      ".ppm"))  # fmt: skip
# A picture of more pixels is refused before it is unpacked: 64 million is 8,000 x 8,000.
MAX_PIXELS = 64_000_000
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class MissingExtraError(ChainruleError, ImportError):
    """A part of chainrule that needs a package which is not installed."""


def read_image(
    path: str | os.PathLike[str],
    channels: int | None = None,
    size: Sequence[int] | None = None,
) -> np.ndarray:
    """A picture as uint8 [C, H, W].

    Wide grey values (16 and 32 bits, floats) are scaled by their range: 0 .. 1, 0 .. 255 or, for
    integers, 0 .. 65535 becomes 0 .. 255. Transparent parts become white where the visible colours
    are dark on average and black where they are light, so that the drawing stays visible.

    Args:
        channels: 1 (grey), 3 (RGB) or 4 (with alpha) to convert to; None keeps grey pictures
            grey and makes all others RGB. With 4 transparency stays.
        size: (height, width) to resize to, bilinear; None keeps the size.

    Raises:
        FileFormatError: no picture, corrupt, of more than 64 million pixels, or values of no
            range that pixels have.
        MissingExtraError: Pillow is not installed.
    """
    image_module = _pillow()
    path = Path(path)
    if channels is not None and channels not in _MODES:
        raise ArgumentError(t("channels must be 1, 3 or 4, not {value!r}.", value=channels))
    try:
        with warnings.catch_warnings():
            # Pillow's own warning about huge pictures; the limit below is the rule here.
            warnings.simplefilter("ignore")
            with image_module.open(path) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise FileFormatError(
                        t(
                            "{path}: a picture of {width} x {height} pixels; at most {most} "
                            "pixels are read.",
                            path=path,
                            width=width,
                            height=height,
                            most=MAX_PIXELS,
                        )
                    )
                grey = image.mode in ("1", "L", "LA", "I", "I;16", "F")
                image = _eight_bits(path, image)
                if channels != 4 and _is_transparent(image):
                    image = _on_background(image)
                image = image.convert(_MODES[channels or (1 if grey else 3)])
                if size is not None:
                    image = image.resize((size[1], size[0]), image_module.Resampling.BILINEAR)
                pixels = np.array(image, dtype=np.uint8)
    except (FileNotFoundError, ChainruleError):
        raise
    except Exception as error:
        # Pillow raises many kinds for broken files: OSError, SyntaxError, ValueError, struct.error.
        raise _unreadable(path, error) from error
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of a picture, from its first bytes.

    Raises FileFormatError for what is no picture, FileNotFoundError where there is none.
    """
    image_module = _pillow()
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with image_module.open(path) as image:
                width, height = image.size
    except FileNotFoundError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error
    return int(height), int(width)


def _unreadable(path: Path, error: Exception) -> FileFormatError:
    return FileFormatError(
        t("{path}: not a readable picture ({reason}).", path=path, reason=_reason(path, error))
    )


def _reason(path: Path, error: Exception) -> str:
    # The path stands in the message already, and error numbers say nothing to a reader.
    if path.is_dir():
        return t("it is a folder")
    if type(error).__name__ == "UnidentifiedImageError":
        return t("its content is of no known picture format")
    return getattr(error, "strerror", None) or str(error)


def _eight_bits(path: Path, image: Any) -> Any:
    # Pillow clips wide grey values at 255 when it converts; scale them instead.
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image)
    white = white_of(values)
    if white is None:
        raise FileFormatError(
            t(
                "{path}: the picture holds values from {low:g} to {high:g}; pixels go from 0 to "
                "1, to 255 or, as integers, to 65535.",
                path=path,
                low=float(values.min()),
                high=float(values.max()),
            )
        )
    scaled = np.rint(values * (255.0 / white))
    return _pillow().fromarray(scaled.astype(np.uint8))


def _is_transparent(image: Any) -> bool:
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def _on_background(image: Any) -> Any:
    """The picture without transparency, on the background that its colours stand out from."""
    pillow = _pillow()
    image = image.convert("RGBA")
    alpha = np.asarray(image.getchannel("A"), dtype=np.float64)
    grey = np.asarray(image.convert("RGB").convert("L"), dtype=np.float64)
    dark = float((grey * alpha).sum()) < 127.5 * float(alpha.sum())
    ground = pillow.new("RGBA", image.size, "white" if dark else "black")
    return pillow.alpha_composite(ground, image).convert("RGB")


def read_image_folder(
    folder: Path,
    classes: Sequence[str] | None = None,
    channels: int | None = None,
    size: Sequence[int] | None = None,
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Pictures of `folder/<class>/*`: uint8 [N, C, H, W], int64 labels [N], class names.

    Classes are the subfolders with pictures, sorted by name, unless `classes` lists them. Files are
    taken in the order of their names; links that lead out of the folder are refused.

    Raises:
        DataError: no pictures, pictures of different size, a link out, an unlisted class.
    """
    root = folder.resolve()
    files = {sub.name: _pictures(sub, root) for sub in class_folders(folder)}
    names = tuple(classes) if classes is not None else tuple(sorted(files))
    strange = sorted(set(files) - set(names))
    if strange:
        raise DataError(
            t(
                "{folder}: the class {name!r} is none of those given: {classes}.",
                folder=folder,
                name=strange[0],
                classes=", ".join(names),
            )
        )
    paths = [(path, label) for label, name in enumerate(names) for path in files.get(name, ())]
    if not paths:
        raise DataError(
            t(
                "{folder}: no pictures found; expected {folder}/CLASS/*.png (or {kinds}).",
                folder=folder,
                kinds=" ".join(sorted(suffix[1:] for suffix in SUFFIXES)),
            )
        )
    first = read_image(paths[0][0], channels, size)
    x = np.empty((len(paths), *first.shape), dtype=np.uint8)
    for row, (path, _) in enumerate(paths):
        image = read_image(path, len(first), size)
        if image.shape != first.shape:
            raise DataError(
                t(
                    "{path} is {width} x {height} pixels, but {first} is {first_width} x "
                    "{first_height}: give size=(height, width) to resize all.",
                    path=path,
                    width=image.shape[2],
                    height=image.shape[1],
                    first=paths[0][0],
                    first_width=first.shape[2],
                    first_height=first.shape[1],
                )
            )
        x[row] = image
    return x, np.array([label for _, label in paths], dtype=np.int64), names


def image_sizes(folder: Path) -> set[tuple[int, int]]:
    """The sizes (height, width) of the pictures in `folder/<class>/*`, by their headers.

    Raises FileFormatError for a file that is no picture.
    """
    image_module = _pillow()
    root = folder.resolve()
    sizes = set()
    for path in (path for sub in class_folders(folder) for path in _pictures(sub, root)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with image_module.open(path) as image:
                    sizes.add((image.height, image.width))
        except Exception as error:
            raise _unreadable(path, error) from error
    return sizes


def class_folders(folder: Path) -> list[Path]:
    """The subfolders that hold a picture, by name."""
    return sorted(
        sub
        for sub in folder.iterdir()
        if sub.is_dir() and not sub.name.startswith(".") and any(map(_is_picture, sub.iterdir()))
    )


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _pictures(folder: Path, root: Path) -> list[Path]:
    paths = sorted(path for path in folder.iterdir() if _is_picture(path))
    for path in paths:
        if not path.resolve().is_relative_to(root):
            raise DataError(
                t(
                    "{path} is a link out of {root}: only files inside the folder are read.",
                    path=path,
                    root=root,
                )
            )
    return paths


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError(
            t('Reading pictures needs Pillow: pip install "chainrule[images]"')
        ) from error
    return Image
