"""Transforms of batches: images [N, C, H, W] or features [N, D], and single samples."""

from chainrule.data.transforms.base import Lambda, Transform
from chainrule.data.transforms.compose import Compose
from chainrule.data.transforms.erase import Cutout, RandomErasing
from chainrule.data.transforms.geometric import (
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
)
from chainrule.data.transforms.mix import CutMix, MixUp
from chainrule.data.transforms.values import GaussianNoise, Normalize, ToFloat, ToTensor
from chainrule.data.transforms.whiten import Whiten

__all__ = [
    "Compose",
    "CutMix",
    "Cutout",
    "GaussianNoise",
    "Lambda",
    "MixUp",
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
    "Whiten",
]
