"""Datasets, splitting, collating."""

from collections import namedtuple

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError, DataError, DTypeError, ShapeError
from chainrule.data import (
    ArrayDataset,
    ConcatDataset,
    DataLoader,
    IterableDataset,
    Subset,
    TensorDataset,
    default_collate,
    default_convert,
    random_split,
    transforms,
)
from chainrule.graph import Tensor


class Squares:
    """A plain map-style dataset without the batch protocol."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return np.float32(index), index * index


def pairs(n=6):
    return ArrayDataset(np.arange(n * 2, dtype=np.float32).reshape(n, 2), np.arange(n))


def test_array_dataset_samples_and_slices():
    data = pairs()
    x, y = data[2]
    assert x.tolist() == [4, 5] and y == 2 and data.input_shape == (2,) and len(data) == 6
    assert data[-1][1] == 5
    x, y = data[1:3]
    assert x.shape == (2, 2) and y.tolist() == [1, 2]
    assert data[np.array([True, False, True, False, False, False])][1].tolist() == [0, 2]
    with pytest.raises(IndexError, match="Sample 6 of a dataset of 6"):
        data[6]


def test_array_dataset_without_targets():
    assert len(ArrayDataset(np.zeros((3, 2)))[0]) == 1


def test_transforms_of_rows_and_batches():
    data = pairs().with_transform(lambda row: row - row.mean(), lambda label: label * 10)
    x, y = data[:]
    assert np.array_equal(x, np.tile([-0.5, 0.5], (6, 1))) and y.tolist() == [0, 10, 20, 30, 40, 50]
    data = pairs().with_transform(transforms.Lambda(lambda batch: batch * 2, batched=True))
    assert data[3][0].tolist() == [12, 14]
    assert pairs()[3][0].tolist() == [6, 7]


def test_transform_with_uneven_results():
    data = pairs().with_transform(lambda row: row[: 1 + int(row[0] > 3)])
    with pytest.raises(ShapeError, match=r"\(1,\) and \(2,\)"):
        data[:]


def test_a_changed_batch_does_not_reach_the_dataset():
    data = pairs()
    data.fetch(np.arange(6))[0][:] = -1
    assert data.x.min() == 0


@pytest.mark.parametrize("shapes", [((3, 2), (2,)), ((), (1,))])
def test_lengths_must_agree(shapes):
    with pytest.raises(ShapeError, match="ArrayDataset"):
        ArrayDataset(*map(np.zeros, shapes))


def test_tensor_dataset():
    data = TensorDataset(Tensor(np.eye(3)), Tensor(np.arange(3)))
    x, y = data[1]
    assert x.tolist() == [0, 1, 0] and y.item() == 1 and len(data) == 3
    assert data.fetch(np.array([2, 2]))[1].tolist() == [2, 2]
    with pytest.raises(ShapeError, match=r"TensorDataset.*\(3, 3\), \(2,\)"):
        TensorDataset(Tensor(np.eye(3)), Tensor(np.arange(2)))
    with pytest.raises(ArgumentError, match="ArrayDataset for arrays"):
        TensorDataset(np.eye(3))
    with pytest.raises(ArgumentError, match="at least one"):
        TensorDataset()


def test_subset():
    sub = Subset(pairs(), [5, -6, 2])
    assert [int(sub[i][1]) for i in range(3)] == [5, 0, 2]
    assert sub.fetch(np.array([2, 0]))[1].tolist() == [2, 5]
    assert Subset(sub, [1])[0][1] == 0
    assert not Subset(Squares(), [3]).batched and Subset(Squares(), [3])[0][1] == 9
    with pytest.raises(ArgumentError, match="index 6.*6 samples"):
        Subset(pairs(), [6])


def test_concat():
    both = pairs(3) + pairs(4)
    assert len(both) == 7 and both.cumulative_sizes == [3, 7]
    assert [int(both[i][1]) for i in range(-7, 7)] == [0, 1, 2, 0, 1, 2, 3] * 2
    x, y = both.fetch(np.array([6, 0, 4, 2, 3]))
    assert y.tolist() == [3, 0, 1, 2, 0] and x[:, 0].tolist() == [6, 0, 2, 4, 0]
    with pytest.raises(IndexError, match="Sample 7"):
        both[7]
    mixed = ConcatDataset([pairs(3), Squares()])
    assert not mixed.batched and mixed[5][1] == 4
    with pytest.raises(ArgumentError, match="at least one"):
        ConcatDataset([])


def test_concat_of_tensors_and_of_different_shapes():
    both = ConcatDataset([TensorDataset(Tensor(np.arange(3))), TensorDataset(Tensor(np.arange(4)))])
    (y,) = both.fetch(np.array([6, 0, 4]))
    assert y.tolist() == [3, 0, 1]
    uneven = ArrayDataset(np.zeros((2, 3), np.float32), np.zeros(2, np.int64)) + pairs(2)
    with pytest.raises(ShapeError, match=r"\(3,\), \(2,\)"):
        uneven.fetch(np.arange(4))


def test_concat_keeps_each_samples_random_numbers():
    image = ArrayDataset(np.ones((4, 1, 6, 6), np.float32)).with_transform(transforms.Cutout(3))
    both = image + image
    whole = [x for (x,) in DataLoader(both, 8, seed=1)][0].numpy()
    parts = np.concatenate([x.numpy() for (x,) in DataLoader(both, 3, seed=1)])
    assert np.array_equal(whole, parts) and not np.array_equal(whole[:4], whole[4:])


def test_streams_have_no_samples_by_number():
    with pytest.raises(ArgumentError, match="stream"):
        IterableDataset()[0]
    with pytest.raises(ArgumentError, match="streams"):
        ConcatDataset([IterableDataset()])


def test_random_split():
    parts = random_split(pairs(), [4, 2], seed=3)
    assert [len(p) for p in parts] == [4, 2]
    together = np.concatenate([p.indices for p in parts])
    assert sorted(together) == list(range(6))
    again = random_split(pairs(), [4, 2], seed=3)
    assert all(np.array_equal(a.indices, b.indices) for a, b in zip(parts, again, strict=True))
    assert [len(p) for p in random_split(range(10), [0.5, 0.25, 0.25], seed=0)] == [6, 2, 2]
    assert [len(p) for p in random_split(range(1), [1.0], seed=0)] == [1]
    for lengths in ([3, 2], [0.5, 0.4], [], [-1, 7]):
        with pytest.raises(ArgumentError, match="random_split: lengths"):
            random_split(pairs(), lengths, seed=0)


def test_collate_follows_pytorch():
    torch = pytest.importorskip("torch")
    point = namedtuple("point", "a b")
    samples = [
        {"x": np.float32([i, 2]), "n": i, "f": i / 2, "b": i > 0, "s": str(i), "t": (i, [i])}
        for i in range(3)
    ]
    ours = default_collate(samples)
    theirs = torch.utils.data.default_collate(samples)
    for key in "xnfb":
        assert str(ours[key].dtype).split(".")[-1] == str(theirs[key].dtype).split(".")[-1]
        assert ours[key].tolist() == theirs[key].tolist()
    assert ours["s"] == theirs["s"]
    assert isinstance(ours["t"], list) and ours["t"][1][0].tolist() == [0, 1, 2]
    assert default_collate([point(1, 2), point(3, 4)]).b.tolist() == [2, 4]


def test_collate_tensors_and_numpy_numbers():
    assert default_collate([Tensor(np.ones(2)), Tensor(np.zeros(2))]).shape == (2, 2)
    assert default_collate([np.int64(3), np.int64(4)]).tolist() == [3, 4]
    assert default_collate([np.array(1.5), np.array(2.5)]).tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("samples", "error", "words"),
    [
        ([], DataError, "without samples"),
        ([np.ones(2), np.ones(3)], ShapeError, r"\(2,\), number 1 has \(3,\)"),
        ([(1, 2), (1,)], DataError, "different lengths"),
        ([{"a": 1}, {"b": 1}], DataError, "different keys"),
        ([object()], DataError, "object.*collate_fn"),
        ([np.ones(2, np.complex64)], DTypeError, "complex64"),
        ([np.uint32(1)], DTypeError, "uint32"),
    ],
)
def test_collate_refuses(samples, error, words):
    with pytest.raises(error, match=words):
        default_collate(samples)


def test_convert():
    out = default_convert({"a": (np.ones(2), "text"), "b": np.float32(2)})
    assert out["a"][0].tolist() == [1, 1] and out["a"][1] == "text" and out["b"].item() == 2
