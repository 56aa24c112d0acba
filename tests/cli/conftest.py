"""A trained run and data on disk, made once for the commands that need them."""

import json
from typing import NamedTuple

import numpy as np
import pytest

from chainrule import data
from chainrule.cli.main import main


class Result(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def cli(capsys, monkeypatch):
    """`cli("ops", "exp")`: status, stdout and stderr of a command line run in this process."""
    monkeypatch.delenv("CHAINRULE_LANG", raising=False)
    monkeypatch.delenv("CHAINRULE_DEBUG", raising=False)

    def run(*arguments):
        capsys.readouterr()
        status = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return Result(status, out, err)

    return run


@pytest.fixture
def refused(cli):
    """`refused("ops", "xyz")`: the one line on stderr of a command that must refuse."""

    def run(*arguments):
        result = cli(*arguments)
        assert result.status == 2, result
        lines = result.err.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("chainrule: "), result.err
        return lines[0].removeprefix("chainrule: ")

    return run


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """A linear model after two epochs on the digits; tests copy it before they change it."""
    folder = tmp_path_factory.mktemp("runs") / "deep" / "linear"
    assert main(["train", "linear", "--epochs", "2", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def digits():
    """The test digits: uint8 [1000, 1, 28, 28] and labels."""
    return data.load("digits28", "test", transform=None)


@pytest.fixture(scope="session")
def idx_folder(tmp_path_factory, digits):
    """MNIST's four files with 300 and 100 digits."""
    folder = tmp_path_factory.mktemp("idx")
    for split, rows in (("train", slice(0, 300)), ("t10k", slice(300, 400))):
        data.write_idx(folder / f"{split}-images-idx3-ubyte", digits.x[rows, 0])
        data.write_idx(folder / f"{split}-labels-idx1-ubyte", digits.y[rows].astype(np.uint8))
    return folder
