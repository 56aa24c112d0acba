"""Transforms of batches: images [N, C, H, W] or features [N, D], and single samples."""

from chainrule.data.transforms.base import Compose, Lambda, Transform
from chainrule.data.transforms.erase import Cutout, RandomErasing
from chainrule.data.transforms.geometric import (
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
)
from chainrule.data.transforms.values import GaussianNoise, Normalize, ToFloat, ToTensor

__all__ = [
    "Compose",
    "Cutout",
    "GaussianNoise",
    "Lambda",
    "Normalize",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomRotation",
    "RandomVerticalFlip",
    "ToFloat",
    "ToTensor",
    "Transform",
]
