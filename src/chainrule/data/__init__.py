"""Data: datasets, samplers, the loader, transforms, and reading datasets from files."""

from chainrule.data import transforms
from chainrule.data.collate import (
    PadSequences,
    default_collate,
    default_convert,
    pad_collate,
)
from chainrule.data.dataset import (
    ArrayDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    random_split,
)
from chainrule.data.loader import DataLoader
from chainrule.data.random import Draws
from chainrule.data.readers import available_splits, load, read_idx, read_image, write_idx
from chainrule.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = [
    "ArrayDataset",
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "Draws",
    "IterableDataset",
    "PadSequences",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "TensorDataset",
    "available_splits",
    "default_collate",
    "default_convert",
    "load",
    "pad_collate",
    "random_split",
    "read_idx",
    "read_image",
    "transforms",
    "write_idx",
]
