"""Worker processes: the same batches as threads, and no way to hang or to be left behind."""

import importlib
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError, DataError, WorkerError
from chainrule.data import ArrayDataset, DataLoader, transforms

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
worker_data = importlib.import_module("worker_data")
sys.path.remove(str(HERE))
Numbers, Stream, first = worker_data.Numbers, worker_data.Stream, worker_data.first


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """A started process gets this one's path, and finds the data sets there."""
    monkeypatch.syspath_prepend(str(HERE))


def gone(pid):
    """Whether the process has ended, within five seconds."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def loader(dataset, **options):
    return DataLoader(dataset, 4, **({"num_workers": 2, "workers": "processes"} | options))


def same(a, b):
    assert len(a) == len(b) > 0
    for x, y in zip(a, b, strict=True):
        for p, q in zip(x, y, strict=True):
            np.testing.assert_array_equal(p.numpy(), q.numpy())


@pytest.mark.parametrize("context", [None, "fork"])
def test_the_same_batches_as_without_workers(context):
    x = np.arange(300, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 4, 4), np.float32)
    dataset = ArrayDataset(x, np.arange(300), transform=transforms.RandomAffine(30, (0.3, 0.3)))
    options = dict(shuffle=True, seed=3)
    plain = DataLoader(dataset, 32, **options)
    own = DataLoader(
        dataset, 32, num_workers=2, workers="processes", persistent_workers=True,
        multiprocessing_context=context, **options,
    )  # fmt: skip
    for _ in range(2):
        same(list(plain), list(own))
    pids = [worker.process.pid for worker in own._pool.workers]
    own.close()
    assert all(map(gone, pids))


def test_streams_are_read_by_one_process_and_resume():
    plain, own = DataLoader(Stream(), 3), loader(Stream())
    own.batch_size = 3
    expected = [x.numpy() for x in plain]
    for got in (list(own), list(own.iter_from(0))):
        assert [x.numpy().tolist() for x in got] == [x.tolist() for x in expected]
    rest = list(own.iter_from(2))
    assert [x.numpy().tolist() for x in rest] == [x.tolist() for x in expected[2:]]


def test_a_failure_names_its_sample_and_keeps_the_trace():
    with pytest.raises(DataError, match="sample 9 failed.*no such picture") as caught:
        list(loader(Numbers(at=9, what="raise")))
    assert "__getitem__" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("what, how", [("die", "exit code 3"), ("kill", "SIGKILL")])
def test_a_dying_worker_is_named_and_none_is_left(what, how):
    started = time.monotonic()
    own = loader(Numbers(at=21, what=what))
    pids = []
    with pytest.raises(WorkerError, match=rf"Data worker 1 .*{how}.*batch 5 \(samples 20, 21"):
        for _ in own:
            pids = pids or _children()
    assert time.monotonic() - started < 10
    assert pids and all(map(gone, pids))


def test_a_hanging_worker_is_named_and_none_is_left():
    own = loader(Numbers(at=9, what="hang"), timeout=1.5)
    pids = []
    with pytest.raises(WorkerError, match=r"Data worker 0 .*1.5 s.*batch 2 \(samples 8, 9"):
        for _ in own:
            pids = pids or _children()
    assert pids and all(map(gone, pids))


def test_a_slow_consumer_is_no_hanging_worker():
    got = []
    for x, _ in loader(Numbers(24), timeout=0.6):
        got.append(x)
        if len(got) == 1:
            time.sleep(1.5)
    assert len(got) == 6


def test_breaking_off_leaves_no_process():
    batches = iter(loader(Numbers()))
    next(batches)
    pids = _children()
    batches.close()
    assert len(pids) == 2 and all(map(gone, pids))


def test_a_killed_parent_leaves_no_orphan(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
        import multiprocessing, time
        import numpy as np
        from chainrule.data import ArrayDataset, DataLoader
        if __name__ == "__main__":
            data = ArrayDataset(np.zeros((100, 2), np.float32))
            batches = iter(DataLoader(data, 2, num_workers=2, workers="processes"))
            next(batches)
            print(*(p.pid for p in multiprocessing.active_children()), flush=True)
            time.sleep(60)
    """)
    )
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert len(pids) == 2 and all(map(gone, pids))


def test_what_cannot_be_sent_is_said():
    with pytest.raises(ArgumentError, match="cannot be sent to a worker process"):
        list(loader(Numbers(), collate_fn=lambda samples: samples))
    with pytest.raises(DataError, match="batch cannot be sent from a worker"):
        list(loader(Numbers(at=0, what="lambda"), collate_fn=first))


def test_bad_arguments():
    for options in (dict(workers="fibres"), dict(timeout=-1), dict(multiprocessing_context="x")):
        with pytest.raises(ArgumentError):
            loader(Numbers(), **options)


def _children():
    import multiprocessing

    return [process.pid for process in multiprocessing.active_children()]
