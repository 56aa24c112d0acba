"""Checkpoints: exact, checksummed, and whole after a kill at any instant."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import FileFormatError
from chainrule.files import load_checkpoint, read_file, save_checkpoint, save_file

KILLS = 200 if os.environ.get("CHAINRULE_SLOW") == "1" else 20


def example():
    return {
        "model": {"0.weight": cr.randn(3, 4), "0.bias": cr.ones(3).to(cr.bfloat16)},
        "optimizer": {"state": {0: {"step": cr.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]},
        "history": {"loss": [0.5, float("inf")], "best": None},
        "rng": {"seed": 2**64 - 1, "offset": 7},
        "betas": (0.9, 0.999),
    }


def test_round_trip(tmp_path):
    state = example()
    save_checkpoint(tmp_path / "c", state)
    loaded = load_checkpoint(tmp_path / "c")
    assert repr(loaded) == repr(state)
    assert loaded["model"]["0.bias"].dtype is cr.bfloat16
    assert loaded["rng"]["seed"] == 2**64 - 1
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
    # It is an ordinary safetensors file.
    tensors, _ = read_file(tmp_path / "c")
    assert tensors["model.0.weight"].tolist() == state["model"]["0.weight"].tolist()


def test_equal_states_give_equal_files(tmp_path):
    state = example()
    save_checkpoint(tmp_path / "a", state)
    save_checkpoint(tmp_path / "b", load_checkpoint(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_whole_optimizer_comes_back(tmp_path):
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    optimizer = cr.optim.Adam([x], lr=0.1)
    scheduler = cr.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    x.grad = cr.ones(2)
    optimizer.step()
    state = {"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(), "x": x}
    save_checkpoint(tmp_path / "c", state)
    loaded = load_checkpoint(tmp_path / "c")
    y = cr.tensor(loaded["x"].numpy(), requires_grad=True)
    other = cr.optim.Adam([y])
    other.load_state_dict(loaded["optimizer"])
    cr.optim.lr_scheduler.ReduceLROnPlateau(other).load_state_dict(loaded["scheduler"])
    for p, o in ((x, optimizer), (y, other)):
        p.grad = cr.tensor([0.3, -7.0])
        o.step()
    assert x.tolist() == y.tolist()


def test_every_bit_and_every_length_is_checked(tmp_path):
    path = tmp_path / "best.ckpt"
    save_checkpoint(path, {"w": cr.ones(3), "epoch": 12, "text": "sha256"})
    whole = path.read_bytes()
    assert load_checkpoint(path)["epoch"] == 12
    draw = random.Random(0)
    damaged = [whole[:n] for n in range(len(whole))] + [whole + b"\0"]
    for i in range(len(whole)):
        flipped = bytearray(whole)
        flipped[i] ^= 1 << draw.randrange(8)
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"best\.ckpt"):
            load_checkpoint(path)


def test_foreign_files_are_named(tmp_path):
    save_file({"w": cr.ones(3)}, tmp_path / "f", {"format": "pt", "sha256": "\\u"})
    with pytest.raises(FileFormatError, match="read its tensors with load_file"):
        load_checkpoint(tmp_path / "f")
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none")


def test_leftovers_go_and_other_files_stay(tmp_path):
    stale = [tmp_path / ".c.abcd_123.tmp", tmp_path / ".c.00000000.tmp"]
    others = [".c.best.abcd1234.tmp", ".cc.abcd1234.tmp", ".c.abcd1234.tmp.x", "c.abcd1234.tmp"]
    for name in [*stale, *others]:
        (tmp_path / name).write_text("")
    now = tmp_path / ".c.abcdefgh.tmp"  # of a process that is writing now
    now.write_text("")
    later = time.time() + 100
    os.utime(now, (later, later))
    save_checkpoint(tmp_path / "c", {})
    assert {p.name for p in tmp_path.iterdir()} == {"c", now.name, *others}


def test_a_full_disk_keeps_the_old_file(tmp_path):
    resource = pytest.importorskip("resource")
    save_checkpoint(tmp_path / "c", {"epoch": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="/c'$"):
            save_checkpoint(tmp_path / "c", {"epoch": 2, "w": np.ones(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load_checkpoint(tmp_path / "c") == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_what_cannot_be_saved_leaves_the_old_file(tmp_path):
    save_checkpoint(tmp_path / "c", {"epoch": 1})
    with pytest.raises(ValueError, match="w is set"):
        save_checkpoint(tmp_path / "c", {"w": {1}})
    assert load_checkpoint(tmp_path / "c") == {"epoch": 1}


# Forks a child for each line on its standard input; the child saves until it is killed.
NURSERY = """
import itertools, os, sys
import numpy as np
from chainrule.files import save_checkpoint
path = sys.argv[1]
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        for n in itertools.count(int(line)):
            state = {"n": n, "a": np.full(150_000, n), "deep": [{"b": np.full((7, 9), n)}]}
            save_checkpoint(path, state)
    print(child, flush=True)
    sys.stdin.flush()
    os.waitpid(child, 0)
    print("gone", flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_while_saving_at_random_instants(tmp_path):
    path = tmp_path / "c"
    save_checkpoint(path, {"n": 0, "a": np.full(150_000, 0), "deep": [{"b": np.full((7, 9), 0)}]})
    environment = os.environ | {
        "PYTHONPATH": str(Path(cr.__file__).parents[1]),
        "OPENBLAS_NUM_THREADS": "1",  # fork wants a process without threads
    }
    draw = random.Random(0)
    last, grown, torn = 0, 0, 0
    with subprocess.Popen(
        [sys.executable, "-c", NURSERY, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    ) as nursery:  # fmt: skip
        for _ in range(KILLS):
            nursery.stdin.write(f"{last + 1}\n")
            nursery.stdin.flush()
            child = int(nursery.stdout.readline())
            time.sleep(draw.uniform(0.001, 0.04))
            os.kill(child, signal.SIGKILL)
            assert nursery.stdout.readline() == "gone\n"
            state = load_checkpoint(path)
            n = state["n"]
            assert n >= last
            assert (state["a"] == n).all() and (state["deep"][0]["b"] == n).all()
            grown += n > last
            torn += any(p.name.endswith(".tmp") for p in tmp_path.iterdir())
            last = n
        nursery.stdin.close()
    # The test is worth something only if saves succeeded, and if kills hit some of them.
    assert grown and torn
    save_checkpoint(path, {})
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
