"""Real data as NumPy arrays: the digits and texts that come with chainrule, two photographs."""

import gzip
from importlib.resources import files

import numpy as np


def digits():
    """Images uint8 [5000, 28, 28] and classes int64 [5000]; the last 1,000 are for testing."""
    with np.load(files("chainrule.data").joinpath("digits28", "digits28.npz")) as file:
        images, labels = (file[name] for name in file.files[:2])
    return images.reshape(-1, 28, 28), labels.astype(np.int64)


def text(name="shakespeare"):
    """A text in the public domain."""
    packed = files("chainrule.data").joinpath("texts", f"{name}.txt.gz").read_bytes()
    return gzip.decompress(packed).decode("ascii")


def coloured_digits(seed=0):
    """Digits in colour: each one drawn as a negative of a piece of a photograph.

    Images float32 [5000, 3, 28, 28] from 0 to 1, and classes. The photographs are scikit-learn's.
    """
    from sklearn.datasets import load_sample_images

    random = np.random.default_rng(seed)
    photographs = load_sample_images().images
    images, labels = digits()
    out = np.empty((len(images), 3, 28, 28), np.float32)
    for i, digit in enumerate(images):
        photograph = photographs[i % len(photographs)]
        top, left = random.integers(0, np.array(photograph.shape[:2]) - 28)
        piece = photograph[top : top + 28, left : left + 28] / 255
        out[i] = np.abs(piece - digit[..., None] / 255).transpose(2, 0, 1)
    return out, labels
