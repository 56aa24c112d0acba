"""Batches of fixed shapes from images of mixed sizes, so that few programs serve them all."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from chainrule.base.constraints import Bool, Int
from chainrule.base.errors import ChainruleError, DataError
from chainrule.base.text import t
from chainrule.data.dataset import Dataset
from chainrule.data.detection.augmentation import Augmentation
from chainrule.data.detection.colours import standardised
from chainrule.data.detection.geometry import fitted, letterboxed
from chainrule.data.detection.pasting import Pasting
from chainrule.data.detection.samples import DetectionDataset, Sample
from chainrule.data.loader import DataLoader
from chainrule.data.random import check_epoch, check_seed, current_draws, permutation

#: Sides are multiples of this, so that every map of a pyramid divides the one before.
STRIDE = 32
#: Places for objects come in multiples of this.
PLACES = 16
#: The first stream of random numbers beyond those of the bucket's own order.
_BATCH_STREAM = 0xFFFD


class DetectionWarning(UserWarning):
    """An image that had to be left out."""


def buckets(side: int) -> tuple[tuple[int, int], ...]:
    """The sizes (height, width) that images are brought to: a square of `side`, and upright and
    lying ones of the same longer side."""
    side = -(-Int(low=STRIDE).check(side, "buckets", "side") // STRIDE) * STRIDE
    other = -(-round(side * 0.72) // STRIDE) * STRIDE
    return tuple(dict.fromkeys(((side, side), (other, side), (side, other))))


def bucket_of(size: tuple[int, int], among: Sequence[tuple[int, int]]) -> int:
    """Which bucket an image of size (height, width) fills best."""
    filled = []
    for bucket in among:
        inner = fitted(*size, bucket)
        # As large as possible first, with as little beside it as possible then.
        filled.append((inner[0] * inner[1], -bucket[0] * bucket[1]))
    return max(range(len(among)), key=lambda k: filled[k])


class DetectionBatches(Dataset):
    """Images in a bucket's size, with their objects in a fixed number of places.

    A sample is (image (C, H, W) float32, standardised; size (2,) of it within; objects (M, 4);
    labels (M,), 0 for none; labels again, which `Trainer` calls the target). An image that cannot
    be read is replaced by the next one, after one warning that names it.

    Args:
        sizes: the buckets.
        augmentation: None shows the images as they are.
        mean, std: of pixels 0 .. 1.
        standardise: bring each channel of each image to one mean and deviation first; see
            `colours.standardised`.
        pasted: so many pieces of other images at most are set down in each, before anything else is
            changed; see `pasting.Pasting`. 0: none.
        made: in this share of images, on made-up ground.
        recoloured: this share of the pieces in other colours.
    """

    def __init__(
        self,
        dataset: DetectionDataset,
        sizes: Sequence[tuple[int, int]],
        augmentation: Augmentation | None = None,
        mean: float = 0.5,
        std: float = 0.25,
        standardise: bool = False,
        pasted: int = 0,
        made: float = 0.0,
        recoloured: float = 0.0,
    ) -> None:
        if not len(dataset):
            raise DataError(t("There is no image to learn from."))
        self.dataset, self.sizes = dataset, tuple(sizes)
        self.augmentation, self.mean, self.std = augmentation, mean, std
        self.standardise = Bool().check(standardise, "DetectionBatches", "standardise")
        self.pasting = None
        if pasted:
            self.pasting = Pasting(self._readable, len(dataset), pasted, made, recoloured)
        self.places = max(-(-(dataset.most_objects() + pasted) // PLACES), 1) * PLACES
        self.bucket = np.array(
            [bucket_of(dataset.size(k), self.sizes) for k in range(len(dataset))]
        )
        self._unreadable: set[int] = set()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        size = self.sizes[self.bucket[index]]
        image, objects = self._readable(int(index))
        objects = objects.of(~objects.ignored)
        if self.pasting is not None:
            image, objects = self.pasting(image, objects, current_draws(1))
        if self.augmentation is not None:
            image, objects = self.augmentation(image, objects, current_draws(1), self.standardise)
        elif self.standardise:
            image = standardised(image)
        image, objects, inner = letterboxed(image, objects, size, 255 * self.mean)
        image = (image / np.float32(255) - np.float32(self.mean)) / np.float32(self.std)
        boxes = np.zeros((self.places, 4), np.float32)
        labels = np.zeros(self.places, np.int64)
        count = min(len(objects.labels), self.places)
        boxes[:count], labels[:count] = objects.boxes[:count], objects.labels[:count]
        return image, np.array(inner, np.float32), boxes, labels, labels

    def _readable(self, index: int) -> Sample:
        """The sample, or the first after it that can be read."""
        n = len(self.dataset)
        for k in range(n):
            at = (index + k) % n
            if at in self._unreadable:
                continue
            try:
                return self.dataset[at]
            except (ChainruleError, OSError) as error:
                self._unreadable.add(at)
                warnings.warn(
                    t("{reason} The image is left out.", reason=error),
                    DetectionWarning, stacklevel=2,
                )  # fmt: skip
        raise DataError(t("None of the {n} images can be read.", n=n))


class BucketSampler:
    """Batches of numbers of images of one bucket each, in a new order every epoch.

    All have `batch_size` images: the last of a bucket is filled up from its beginning, so that
    every bucket makes one program.
    """

    def __init__(self, bucket: np.ndarray, batch_size: int, seed: int = 0) -> None:
        self.bucket = np.asarray(bucket)
        self.batch_size = Int(low=1).check(batch_size, "BucketSampler", "batch_size")
        self.seed, self.epoch = check_seed(seed), 0

    def set_epoch(self, epoch: int) -> None:
        """The epoch whose batches the next iteration gives."""
        self.epoch = check_epoch(epoch)

    def __len__(self) -> int:
        counts = np.bincount(self.bucket)
        return int((-(-counts // self.batch_size)).sum())

    def __iter__(self) -> Iterator[list[int]]:
        order = permutation(len(self.bucket), self.seed, self.epoch)
        batches = []
        for kind in np.unique(self.bucket):
            ours = order[self.bucket[order] == kind]
            count = -(-len(ours) // self.batch_size) * self.batch_size
            batches += list(np.resize(ours, count).reshape(-1, self.batch_size))
        turn = permutation(len(batches), self.seed, self.epoch, _BATCH_STREAM)
        return iter([batches[k].tolist() for k in turn])


def detection_loader(
    batches: DetectionBatches, batch_size: int, seed: int, num_workers: int = 0
) -> DataLoader:
    """Batches for training; the order and all that is random follow from (seed, epoch)."""
    return DataLoader(
        batches, batch_sampler=BucketSampler(batches.bucket, batch_size, seed),
        seed=seed, num_workers=num_workers,
    )  # fmt: skip
