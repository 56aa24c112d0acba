"""Numbers by counter: known answers, independence of batch, order and thread."""

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError
from chainrule.data.random import (
    Draws,
    _stable_order,
    check_epoch,
    integers_below,
    permutation,
    philox,
    resolve_seed,
)
from chainrule.ops import random


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, 0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([2**32 - 1] * 4, 2**64 - 1, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            0x299F31D0A4093822,
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_known_answers(counter, key, expected):
    assert philox(np.array(counter, np.uint64)[:, None], key).ravel().tolist() == expected


def test_philox_slabs_join():
    counter = np.arange(4 * 10_000, dtype=np.uint64).reshape(4, -1)
    whole = philox(counter, 7)
    assert np.array_equal(whole[:, 9_000:9_001], philox(counter[:, 9_000:9_001].copy(), 7))
    assert np.array_equal(whole[:, 3], philox(counter[:, 3:4], 7)[:, 0])


@pytest.mark.parametrize("method", ["uniform", "normal"])
def test_row_depends_on_its_sample_alone(method):
    whole = getattr(Draws(3, 2, np.arange(50)), method)(50, 7)
    some = getattr(Draws(3, 2, np.array([41, 7])), method)(2, 7)
    assert np.array_equal(some, whole[[41, 7]])


def test_seed_epoch_stream_and_index_all_count():
    base = Draws(1, 1, [5]).uniform(1, 8)
    draws = Draws(1, 1, [5])
    draws.uniform(1, 3)
    others = [Draws(2, 1, [5]), Draws(1, 2, [5]), Draws(1, 1, [6]), Draws(1, 1, [5 + 2**32]), draws]
    for other in others:
        assert not np.array_equal(base, other.uniform(1, 8))


def test_rows_continue_with_the_same_stream():
    draws = Draws(1, 0, np.arange(4))
    draws.uniform(4, 2)
    part = draws.rows([2])
    assert np.array_equal(part.uniform(1, 3), draws.uniform(4, 3)[2:3])


def test_distributions():
    u = Draws(0, 0, np.arange(20_000)).uniform(20_000, 6)
    assert u.min() >= 0 and u.max() < 1
    assert abs(u.mean() - 0.5) < 3e-3 and abs(u.var() - 1 / 12) < 1e-3
    assert np.abs(np.corrcoef(u.T) - np.eye(6)).max() < 0.03
    z = Draws(0, 0, np.arange(20_000)).normal(20_000, 5)
    assert z.dtype == np.float32 and np.isfinite(z).all()
    assert abs(z.mean()) < 0.01 and abs(z.std() - 1) < 0.01 and abs((z**4).mean() - 3) < 0.1


def test_one_sample_cut_into_pieces_gets_different_rows():
    pieces = Draws(0, 0, [9]).uniform(3, 2)
    assert pieces.shape == (3, 2) and len(np.unique(pieces)) == 6


def test_wrong_number_of_samples_is_refused():
    with pytest.raises(ArgumentError, match="3 samples.*batch has 2"):
        Draws(0, 0, [1, 2]).uniform(3, 1)


def test_permutation():
    order = permutation(1000, 5, 3)
    assert order.dtype == np.int64 and np.array_equal(np.sort(order), np.arange(1000))
    assert np.array_equal(order, permutation(1000, 5, 3))
    for other in (permutation(1000, 5, 4), permutation(1000, 6, 3), permutation(1000, 5, 3, 1)):
        assert not np.array_equal(order, other)
    assert permutation(0, 0, 0).tolist() == [] and permutation(1, 0, 0).tolist() == [0]
    # Written down: an order that moves between versions would break resumed runs.
    assert permutation(8, 0, 0).tolist() == [3, 6, 5, 4, 7, 2, 1, 0]


@pytest.mark.parametrize("keys", [[3, 1, 3, 2, 1, 3] * 9, [5, 4, 4], [7], []])
def test_samples_of_one_key_keep_their_order(keys):
    keys = np.array(keys, np.uint64)
    np.testing.assert_array_equal(_stable_order(keys), np.argsort(keys, kind="stable"))


def test_permutations_are_uniform():
    seen = np.zeros((4, 4))
    for epoch in range(2000):
        seen[np.arange(4), permutation(4, 1, epoch)] += 1
    assert np.abs(seen / 2000 - 0.25).max() < 0.04


def test_integers_below():
    values = integers_below(7, 10_000, 0, 0, 0)
    assert values.min() == 0 and values.max() == 6
    assert np.abs(np.bincount(values) / 10_000 - 1 / 7).max() < 0.015


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "a", True])
def test_bad_seeds(seed):
    with pytest.raises(ArgumentError, match="seed"):
        resolve_seed(seed, None)


def test_seed_and_generator_exclude_each_other():
    with pytest.raises(ArgumentError, match="not both"):
        resolve_seed(1, object())
    with pytest.raises(ArgumentError, match="Generator, not object"):
        resolve_seed(None, object())


def test_seed_follows_manual_seed():
    before = resolve_seed(None, None)
    try:
        random.manual_seed(77)
        assert resolve_seed(None, None) == 77
    finally:
        random.manual_seed(before)


@pytest.mark.parametrize("epoch", [-1, 2**32, 0.5, None])
def test_bad_epochs(epoch):
    with pytest.raises(ArgumentError, match="epoch"):
        check_epoch(epoch)
