"""Pieces of everyday PyTorch programs (`snippets/*.txt`), run with chainrule in torch's place.

Each sets `result`; both libraries must give the same. Weights are filled by a formula, for random
numbers differ.
"""

import importlib
import importlib.util
import os
import re
import sys
from collections import OrderedDict, namedtuple
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr

torch = pytest.importorskip("torch")

PRELUDE = """
import math
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split

def wave(*shape):
    n = math.prod(shape)
    return torch.sin(torch.arange(n, dtype=torch.float32) * 0.7 + 0.3).reshape(*shape)

def fill(model):
    with torch.no_grad():
        for k, p in enumerate(model.parameters()):
            p.copy_(wave(*p.shape) * 0.3 + 0.01 * k)
    return model
"""

FILES = sorted((Path(__file__).parent / "snippets").glob("*.txt"))


def sections(text):
    """Pieces under lines `# ---- name`."""
    parts = re.split(r"^# ---- (.*)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


SNIPPETS = {k: v for file in FILES for k, v in sections(file.read_text("utf-8")).items()}


def shown(value):
    """Values of either library in one form: arrays, numbers, texts, in lists and dicts."""
    if isinstance(value, cr.Tensor | torch.Tensor):
        value = value.detach()
        if value.is_sparse:
            value = value.to_dense()
        return value.numpy()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {k: shown(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [shown(v) for v in value]
    return value.replace("chainrule.", "torch.") if isinstance(value, str) else value


def same(mine, its, where="result"):
    assert type(mine) is type(its), (where, mine, its)
    if isinstance(mine, list):
        assert len(mine) == len(its), where
        for i, (a, b) in enumerate(zip(mine, its, strict=True)):
            same(a, b, f"{where}[{i}]")
    elif isinstance(mine, dict):
        assert mine.keys() == its.keys(), where
        for k in mine:
            same(mine[k], its[k], f"{where}[{k!r}]")
    elif isinstance(mine, np.ndarray):
        assert mine.dtype == its.dtype, (where, mine.dtype, its.dtype)
        assert mine.shape == its.shape, (where, mine.shape, its.shape)
        np.testing.assert_allclose(mine, its, rtol=1e-4, atol=1e-5, err_msg=where)
    elif isinstance(mine, float):
        assert mine == pytest.approx(its, rel=1e-4, abs=1e-5, nan_ok=True), where
    else:
        assert mine == its, where


class AsTorch:
    """`import torch` and `from torch.x import y` find chainrule."""

    def __enter__(self):
        self.hidden = {k: v for k, v in sys.modules.items() if k.split(".")[0] == "torch"}
        for k in self.hidden:
            del sys.modules[k]
        sys.modules["torch"] = cr
        sys.meta_path.insert(0, self)

    def __exit__(self, *_):
        sys.meta_path.remove(self)
        for k in [k for k in sys.modules if k.split(".")[0] == "torch"]:
            del sys.modules[k]
        sys.modules.update(self.hidden)

    def find_spec(self, name, path=None, target=None):
        if not name.startswith("torch."):
            return None
        return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec):
        return importlib.import_module(spec.name.replace("torch", "chainrule", 1))

    def exec_module(self, module):
        pass


def run(code, name):
    known = {"OrderedDict": OrderedDict, "namedtuple": namedtuple, "__name__": "snippet"}
    exec(compile(PRELUDE + code, name, "exec"), known)
    return shown(known["result"])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", SNIPPETS)
def test_snippets_give_the_same(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    its = run(SNIPPETS[name], name)
    for file in os.listdir():
        os.remove(file)
    with AsTorch():
        mine = run(SNIPPETS[name], name)
    same(mine, its)


def test_there_are_enough():
    assert len(SNIPPETS) >= 60
