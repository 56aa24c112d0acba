"""The loader: order, threads, failures, resuming."""

import itertools
import json
import threading
import time

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, DataError
from chainrule.data import (
    ArrayDataset,
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    transforms,
)
from chainrule.data.workers import ordered_map


def numbers(n=20):
    return ArrayDataset(np.arange(n, dtype=np.float32)[:, None], np.arange(n))


def labels(batches):
    return [batch[1].tolist() for batch in batches]


class Slow:
    """Samples that take longer the earlier they come, so that threads finish out of order."""

    def __init__(self, n=24, bad=()):
        self.n, self.bad, self.asked = n, bad, 0

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        self.asked += 1
        if index in self.bad:
            raise ZeroDivisionError("nothing to divide")
        time.sleep(0.0002 * (self.n - index) / self.n)
        return np.float32([index]), index


class Noisy(Slow):
    """A dataset of one's own whose __getitem__ applies a random transform."""

    transform = transforms.GaussianNoise(clip=False)

    def __getitem__(self, index):
        return self.transform(np.zeros((1, 3, 3), np.float32)), index


class Stream(IterableDataset):
    def __init__(self, n=7):
        self.n, self.epoch = n, None

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        for i in range(self.n):
            yield np.float32([i]), i


def loader_threads():
    return [t for t in threading.enumerate() if t.name.startswith("chainrule-data")]


# -- batches and order -----------------------------------------------------------------------


def test_batches_in_order():
    loader = DataLoader(numbers(5), batch_size=2)
    batches = list(loader)
    assert labels(batches) == [[0, 1], [2, 3], [4]] and len(loader) == 3
    assert isinstance(batches[0], list) and batches[0][0].shape == (2, 1)
    assert labels(DataLoader(numbers(5), 2, drop_last=True)) == [[0, 1], [2, 3]]
    assert len(DataLoader(numbers(5), 2, drop_last=True)) == 2
    assert (
        list(DataLoader(numbers(0), 2)) == [] and list(DataLoader(numbers(0), shuffle=True)) == []
    )


def test_shuffle_is_a_function_of_seed_and_epoch():
    loader = DataLoader(numbers(), 6, shuffle=True, seed=4)
    first, second = labels(loader), labels(loader)
    assert sorted(sum(first, [])) == list(range(20)) and first != second
    again = DataLoader(numbers(), 6, shuffle=True, seed=4)
    again.set_epoch(1)
    assert labels(again) == second
    again.set_epoch(0)
    assert labels(again) == first
    assert labels(DataLoader(numbers(), 6, shuffle=True, seed=5)) != first


def test_an_epoch_does_not_depend_on_what_came_before():
    loader = DataLoader(numbers(), 6, shuffle=True, seed=4)
    list(loader)
    second = labels(loader)
    broken = DataLoader(numbers(), 6, shuffle=True, seed=4)
    for _ in broken:
        break
    assert labels(broken) == second


def test_two_iterators_at_once_are_two_epochs():
    loader = DataLoader(numbers(4), 2, shuffle=True, seed=1)
    both = list(zip(loader, loader, strict=True))
    fresh = DataLoader(numbers(4), 2, shuffle=True, seed=1)
    assert labels(fresh) == labels(a for a, _ in both)
    assert labels(fresh) == labels(b for _, b in both)


def test_samplers():
    assert list(SequentialSampler("abc")) == [0, 1, 2]
    assert list(BatchSampler(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert len(BatchSampler(range(5), 2)) == 3 and len(BatchSampler(range(5), 2, True)) == 2
    sampler = RandomSampler(range(9), seed=2)
    first, second = list(sampler), list(sampler)
    assert first != second and sorted(second) == list(range(9))
    sampler.set_epoch(0)
    assert list(sampler) == first
    many = list(RandomSampler(range(3), num_samples=8, seed=0))
    assert sorted(many[:3]) == sorted(many[3:6]) == [0, 1, 2] and len(many) == 8
    drawn = list(RandomSampler(range(3), replacement=True, num_samples=200, seed=0))
    assert set(drawn) == {0, 1, 2} and len(drawn) == 200
    with pytest.raises(ArgumentError, match="num_samples"):
        RandomSampler(range(3), num_samples=0)
    with pytest.raises(ArgumentError, match="no samples"):
        RandomSampler([], num_samples=3)


def test_own_samplers():
    assert labels(DataLoader(numbers(), 2, sampler=[7, 3, 5])) == [[7, 3], [5]]
    loader = DataLoader(numbers(), batch_sampler=[[1, 2, 3], [9]])
    assert labels(loader) == [[1, 2, 3], [9]] and len(loader) == 2
    loader = DataLoader(numbers(), batch_sampler=BatchSampler(RandomSampler(range(6), seed=1), 3))
    assert labels(loader) != labels(loader)


def test_single_samples():
    samples = list(DataLoader(numbers(3), batch_size=None))
    assert [s[1].item() for s in samples] == [0, 1, 2] and samples[0][0].shape == (1,)
    assert [s[1] for s in DataLoader(Slow(3), batch_size=None)] == [0, 1, 2]


def test_collate_fn_gets_samples():
    def collate(samples):
        return [int(y) for _, y in samples]

    for data in (numbers(3), Slow(3), Subset(numbers(9), [0, 1, 2])):
        assert list(DataLoader(data, 2, collate_fn=collate)) == [[0, 1], [2]]


def test_getitems_as_in_pytorch():
    class Bulk(Noisy):
        def __getitems__(self, indices):
            return [self[i] for i in indices]

    first = list(DataLoader(Bulk(6), 3, seed=1))
    second = list(DataLoader(Bulk(6), 3, seed=1, num_workers=2))
    assert labels(first) == [[0, 1, 2], [3, 4, 5]]
    assert all(
        np.array_equal(a[0].numpy(), b[0].numpy()) for a, b in zip(first, second, strict=True)
    )


# -- threads ---------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_workers_deliver_in_order(workers):
    expected = labels(DataLoader(Slow(), 5, shuffle=True, seed=1))
    assert labels(DataLoader(Slow(), 5, shuffle=True, seed=1, num_workers=workers)) == expected
    assert not loader_threads()


@pytest.mark.parametrize("make", [
    lambda: Noisy(),
    lambda: ArrayDataset(np.ones((24, 1, 8, 8), np.float32), np.arange(24),
                         transforms.Compose([transforms.RandomAffine(30, (0.2, 0.2)),
                                             transforms.GaussianNoise()])),
], ids=["own", "arrays"])  # fmt: skip
def test_random_transforms_do_not_depend_on_workers_batches_or_order(make):
    def by_label(**options):
        loader = DataLoader(make(), seed=9, **options)
        return {
            int(y): x.numpy() for xs, ys in loader for x, y in zip(xs, ys.tolist(), strict=True)
        }

    first = by_label(batch_size=5)
    for options in (dict(batch_size=7, num_workers=3), dict(batch_size=4, shuffle=True)):
        other = by_label(**options)
        assert all(np.array_equal(first[i], other[i]) for i in range(24))
    assert not np.array_equal(first[0], first[1])
    loader = DataLoader(make(), 24, seed=9)
    zero, one = (next(iter(loader))[0].numpy() for _ in range(2))
    assert not np.array_equal(zero, one)


@pytest.mark.parametrize("workers", [0, 3])
def test_a_failure_names_its_sample_and_comes_in_turn(workers):
    seen = []
    with pytest.raises(
        DataError, match=r"sample 13 failed \(epoch 0, batch 3\).*ZeroDivision"
    ) as e:
        for _, y in DataLoader(Slow(bad=(13, 20)), 4, num_workers=workers):
            seen.append(y.tolist())
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert isinstance(e.value.__cause__, ZeroDivisionError)
    assert not loader_threads()


def test_a_failure_within_a_batch_fetch_names_its_sample():
    def transform(row):
        if row[0] == 6:
            raise ValueError("six is not allowed")
        return row

    with pytest.raises(DataError, match="sample 6 failed.*six is not allowed"):
        list(DataLoader(numbers().with_transform(transform), 4))


def test_samples_that_do_not_fit_together():
    class Uneven(Slow):
        def __getitem__(self, index):
            return np.zeros(1 + index % 2)

    with pytest.raises(DataError, match=r"sample 0, 1, 2.*\(1,\), number 1 has \(2,\)"):
        list(DataLoader(Uneven(), 3))


def test_breaking_off_leaves_no_thread():
    for _ in DataLoader(Slow(), 2, num_workers=4):
        break
    assert not loader_threads()
    iterator = iter(DataLoader(Slow(), 2, num_workers=4))
    next(iterator)
    assert loader_threads()
    del iterator
    assert not loader_threads()


def test_prefetch_is_bounded():
    data = Slow(100)
    iterator = iter(DataLoader(data, 1, num_workers=2, prefetch_factor=2))
    next(iterator)
    time.sleep(0.05)
    assert data.asked <= 4
    iterator.close()


def test_ordered_map_raises_in_turn():
    got = []
    with pytest.raises(ZeroDivisionError):
        for value in ordered_map(lambda n: 6 // n, [3, 2, 0, 1], 2, 3):
            got.append(value)
    assert got == [2, 3] and not loader_threads()


# -- resuming --------------------------------------------------------------------------------


def noisy_arrays():
    return ArrayDataset(
        np.zeros((23, 1, 4, 4), np.float32), np.arange(23), transforms.GaussianNoise(clip=False)
    )


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [0, 1, 5, 6, 9, 12])
def test_resume_continues_bit_for_bit(workers, stop):
    def make():
        return DataLoader(noisy_arrays(), 4, shuffle=True, seed=3, num_workers=workers)

    def collect(loader, epochs):
        return [(x.numpy().tobytes(), y.tolist()) for _ in range(epochs) for x, y in loader]

    whole = collect(make(), 3)
    loader, done = make(), []
    state = loader.state_dict()
    while len(done) < stop:
        for x, y in loader:
            done.append((x.numpy().tobytes(), y.tolist()))
            state = json.loads(json.dumps(loader.state_dict()))
            if len(done) == stop:
                break
    resumed = make()
    resumed.load_state_dict(state)
    assert done + collect(resumed, 3 - resumed.epoch) == whole


def test_state_at_the_last_batch_and_after_it():
    loader = DataLoader(numbers(4), 2, seed=0)
    for _ in loader:
        state = loader.state_dict()
    assert (state["epoch"], state["batch"]) == (0, 2)
    after = loader.state_dict()
    assert (after["epoch"], after["batch"]) == (1, 0)
    loader.load_state_dict(state)
    assert list(loader) == [] and loader.epoch == 1


def test_iter_from():
    loader = DataLoader(numbers(), 6, shuffle=True, seed=4)
    whole = labels(loader)
    loader.set_epoch(0)
    assert labels(loader.iter_from(2)) == whole[2:]
    loader.set_epoch(0)
    assert labels(loader.iter_from(4)) == []
    with pytest.raises(ArgumentError, match="Batch 5 does not exist.*4 batches"):
        loader.iter_from(5)


def test_skipped_batches_are_not_loaded():
    data = Slow(10)
    list(DataLoader(data, 2).iter_from(4))
    assert data.asked == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, "seed=1.*seed=0"),
        ({"batch_size": 3}, "batch_size=3"),
        ({"samples": 8}, "samples=8"),
        ({"batch": 11}, "Batch 11"),
        ({"batch": -1}, "batch must be"),
        ({"epoch": None}, "epoch"),
    ],
)
def test_a_foreign_state_is_refused(change, words):
    loader = DataLoader(numbers(), 2, seed=0)
    with pytest.raises(ArgumentError, match=words):
        loader.load_state_dict(loader.state_dict() | change)
    with pytest.raises(ArgumentError, match="no state"):
        loader.load_state_dict({"epoch": 1})


def test_changing_the_epoch_while_iterating():
    loader = DataLoader(numbers(4), 1, seed=0)
    for number, _ in enumerate(loader):
        if number == 1:
            loader.set_epoch(7)
    assert loader.epoch == 7 and loader.state_dict()["batch"] == 0


# -- streams ---------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 3])
def test_streams(workers):
    loader = DataLoader(Stream(), 3, num_workers=workers)
    assert labels(loader) == [[0, 1, 2], [3, 4, 5], [6]] and loader.dataset.epoch == 0
    assert labels(loader) == [[0, 1, 2], [3, 4, 5], [6]] and loader.dataset.epoch == 1
    assert labels(DataLoader(Stream(), 3, num_workers=workers, drop_last=True)) == [
        [0, 1, 2],
        [3, 4, 5],
    ]
    assert labels(loader.iter_from(2)) == [[6]]
    singles = DataLoader(Stream(2), None, num_workers=workers)
    assert [y for _, y in singles] == [0, 1] and not loader_threads()
    with pytest.raises(TypeError):
        len(loader)


def test_stream_failures_and_random_numbers():
    class Broken(Stream):
        noise = transforms.GaussianNoise()

        def __iter__(self):
            yield self.noise(np.zeros((1, 2, 2), np.float32)), 0
            yield self.noise(np.zeros((1, 2, 2), np.float32)), 1
            raise OSError("the line went dead")

    results = []
    for workers in (0, 2):
        with pytest.raises(DataError, match=r"sample 2 failed.*batch 2.*the line went dead"):
            for x, _ in DataLoader(Broken(), 1, seed=0, num_workers=workers):
                results.append(x.numpy())
    assert np.array_equal(results[0], results[2]) and not np.array_equal(results[0], results[1])


# -- arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"num_workers": -1}, "num_workers"),
        ({"prefetch_factor": 0}, "prefetch_factor"),
        ({"sampler": [1], "shuffle": True}, "leave out shuffle"),
        ({"batch_sampler": [[1]], "batch_size": 4}, "leave out batch_size"),
        ({"batch_size": None, "drop_last": True}, "drop_last"),
        ({"seed": -3}, "seed"),
    ],
)
def test_bad_arguments(options, words):
    with pytest.raises(ArgumentError, match=words):
        DataLoader(numbers(), **options)


def test_streams_cannot_be_shuffled():
    with pytest.raises(ArgumentError, match="own order"):
        DataLoader(Stream(), shuffle=True)


def test_an_index_outside_the_dataset():
    with pytest.raises(DataError, match="sample 99 failed"):
        list(DataLoader(numbers(), sampler=[99]))


def test_numbers_made_together_are_those_of_each_batch(monkeypatch):
    x = np.arange(300, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 4, 4), np.float32)
    few, many = transforms.RandomAffine(30, (0.3, 0.3)), transforms.GaussianNoise(0, 0.1, False)
    dataset = ArrayDataset(x, transform=transforms.Compose([few, many, few]))

    def epochs(**options):
        loader = DataLoader(dataset, 7, shuffle=True, seed=3, **options)
        return [batch[0].numpy() for _ in range(2) for batch in loader]

    monkeypatch.setattr("chainrule.data.loader._TOGETHER", 1)
    alone = epochs()
    monkeypatch.setattr("chainrule.data.loader._TOGETHER", 100)
    for found in (epochs(), epochs(num_workers=2)):
        assert len(found) == len(alone)
        assert all(np.array_equal(a, b) for a, b in zip(found, alone, strict=True))


def augmented(n=300):
    x = np.random.default_rng(0).integers(0, 256, (n, 1, 6, 5)).astype(np.uint8)
    chain = [transforms.ToFloat(), transforms.RandomAffine(30), transforms.Normalize(0.1, 0.3)]
    return ArrayDataset(x, np.arange(n), transforms.Compose(chain))


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_fetched_at_once_are_those_fetched_alone(shuffle, monkeypatch):
    fetched = []
    fetch = ArrayDataset.fetch

    def counting(self, indices):
        fetched.append(len(indices))
        return fetch(self, indices)

    monkeypatch.setattr(ArrayDataset, "fetch", counting)
    monkeypatch.setattr("chainrule.data.loader._TOGETHER", 100)

    def epochs(start=0, **options):
        loader = DataLoader(Subset(augmented(), range(290)), 32, shuffle, seed=3, **options)
        batches = [*loader, *loader.iter_from(start)]
        return [[part.numpy() for part in batch] for batch in batches]

    found = epochs()
    assert fetched == [96, 96, 98] * 2
    alone = epochs(num_workers=1)
    assert fetched[6:] == [*[32] * 9, 2] * 2
    np.testing.assert_equal(found, alone)
    np.testing.assert_equal(epochs(start=4)[10:], alone[14:])


def test_batches_fetched_at_once_are_written_one_by_one():
    (first, _), (second, _) = itertools.islice(DataLoader(augmented(), 16, seed=0), 2)
    weight = cr.ones(16, 1, 6, 5, requires_grad=True)
    product = (first * weight).sum()
    second.zero_()  # the memory of the first is another's
    assert first.numpy().any() and not second.numpy().any()
    product.backward()
    assert np.array_equal(weight.grad.numpy(), first.numpy())


def test_only_what_says_so_is_fetched_ahead():
    class Centred(transforms.Normalize):
        def batch(self, x, draws):
            return x - x.mean()

    class Own(ArrayDataset):
        def fetch(self, indices):
            return super().fetch(indices)

    plain = augmented()
    assert plain.at_once and Subset(plain, range(9)).at_once
    assert not plain.with_transform(Centred(0, 1)).at_once
    assert not plain.with_transform(transforms.Compose([Centred(0, 1)])).at_once
    assert not plain.with_transform(None, lambda y: y).at_once
    assert not Own(plain.x, plain.y).at_once
    large = ArrayDataset(np.zeros((2, 1 << 23), np.float32))
    assert not large.at_once


def test_a_failure_among_batches_fetched_at_once_comes_in_turn():
    dataset = augmented(40)
    subset = Subset(dataset, range(40))
    subset.indices[13] = 99
    loader, seen = iter(DataLoader(subset, 4)), []
    with pytest.raises(DataError, match=r"sample 13 failed \(epoch 0, batch 3\)"):
        for _, y in loader:
            seen.append(y.tolist())
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_a_sampler_of_ones_own_is_not_asked_ahead():
    asked = []

    class Asked(SequentialSampler):
        def __iter__(self):
            for index in super().__iter__():
                asked.append(index)
                yield index

    dataset = ArrayDataset(np.zeros((50, 1), np.float32))
    batches = iter(DataLoader(dataset, 5, sampler=Asked(dataset)))
    next(batches), next(batches)
    assert len(asked) <= 10
