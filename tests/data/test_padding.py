"""Batches of sequences of different lengths."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import DataError, DTypeError, ShapeError
from chainrule.data import DataLoader, Dataset, PadSequences, pad_collate

rng = np.random.default_rng(0)
LENGTHS = [3, 5, 1, 4]


class Sequences(Dataset):
    """Sequences (T, 2) and the class of each."""

    def __init__(self):
        self.parts = [rng.standard_normal((n, 2)).astype(np.float32) for n in LENGTHS]

    def __len__(self):
        return len(self.parts)

    def __getitem__(self, i):
        return self.parts[i], i % 2


def test_values_lengths_and_targets():
    data = Sequences()
    padded, lengths, targets = PadSequences(padding_value=-1)([data[i] for i in range(4)])
    assert padded.shape == (4, 5, 2)
    assert (padded.dtype, lengths.dtype, targets.dtype) == (cr.float32, cr.int64, cr.int64)
    assert lengths.tolist() == LENGTHS
    assert targets.tolist() == [0, 1, 0, 1]
    for i, n in enumerate(LENGTHS):
        assert padded[i, :n].tolist() == data.parts[i].tolist()
        assert (padded[i, n:] == -1).all()


def test_tensors_lists_and_sequences_alone():
    padded, lengths = pad_collate([cr.tensor([1, 2]), cr.tensor([3])])
    assert (padded.tolist(), lengths.tolist()) == ([[1, 2], [3, 0]], [2, 1])
    padded, _, tags = pad_collate([([1, 2, 3], "a"), ([4], "b")])
    assert padded.tolist() == [[1, 2, 3], [4, 0, 0]]
    assert tags == ["a", "b"]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_packed_lstm_sees_each_sequence_alone(num_workers):
    data = Sequences()
    layer = nn.LSTM(2, 3, batch_first=True)
    loader = DataLoader(data, 4, collate_fn=PadSequences(7.0), num_workers=num_workers)
    ((padded, lengths, _),) = loader
    packed = nn.utils.rnn.pack_padded_sequence(
        padded, lengths, batch_first=True, enforce_sorted=False
    )
    _, (last, _) = layer(packed)
    for i in range(4):
        _, (alone, _) = layer(cr.tensor(data.parts[i][None]))
        np.testing.assert_allclose(
            last[0, i].detach().numpy(), alone[0, 0].detach().numpy(), rtol=1e-5, atol=1e-6
        )


def test_errors():
    with pytest.raises(ShapeError, match=r"number 1 has \(2, 3\)"):
        pad_collate([(np.ones((2, 2)), 0), (np.ones((2, 3)), 1)])
    with pytest.raises(ShapeError, match="time"):
        pad_collate([(1.0, 0), (2.0, 1)])
    with pytest.raises(DTypeError, match="int64"):
        pad_collate([(np.ones(2), 0), (np.ones(2, np.int64), 1)])
    with pytest.raises(DataError):
        pad_collate([])
