"""Profiles: nothing changes, the shares are all of the time, and the work is counted right."""

import json
from io import StringIO

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError
from chainrule.compile import backend
from chainrule.compile.limits import limits, ticks_per_second
from chainrule.compile.runtime.target import host
from chainrule.compile.schedule import work

pytestmark = pytest.mark.skipif(not backend.native_available(), reason="needs llvmlite")


@pytest.fixture
def step(monkeypatch):
    monkeypatch.setattr(work, "ALONE", 0)  # small as it is, several threads are to do it
    cr.manual_seed(3)
    model = nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(),
        nn.Linear(216, 10),
    )  # fmt: skip
    optimizer = optim.Adam(list(model.parameters()), 1e-3)
    loss_of = nn.CrossEntropyLoss()

    @cr.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step.model, step.optimizer = model, optimizer
    step(cr.randn(32, 64), cr.randint(0, 10, (32,)))
    return step


def test_a_profile_changes_nothing(step):
    before = [v.numpy().copy() for v in step.model.state_dict().values()]
    count = [s["step"] for s in step.optimizer.state_dict()["state"].values()]
    random, calls = cr.get_rng_state(), step.stats()["calls"]
    step.profile()
    for array, value in zip(before, step.model.state_dict().values(), strict=True):
        np.testing.assert_array_equal(array, value.numpy())
    assert [s["step"] for s in step.optimizer.state_dict()["state"].values()] == count
    assert cr.get_rng_state() == random and step.stats()["calls"] == calls


def test_the_rows_are_the_kernels_and_their_shares_all_of_the_time(step):
    profile = step.profile()
    kinds = {row.kind for row in profile.rows}
    several = profile.threads > 1
    assert {"conv", "conv_weight_part", "linear", "start"} <= kinds
    assert ("barrier" in kinds) is several
    assert len(profile.rows) == step.stats()["kernels"] + 1 + several
    assert sum(row.share for row in profile.rows) == pytest.approx(1, abs=0.2)
    assert all(len(row.seconds) == profile.threads for row in profile.rows)
    assert profile.rows == tuple(sorted(profile.rows, key=lambda row: -row.share))
    (conv,) = (row for row in profile.rows if row.kind == "conv")
    products = 2 * 32 * 6 * 36 * 9
    assert products <= conv.flops < 2 * products and "maximum" in conv.what
    assert conv.bytes == 4 * (32 * 64 + 6 * 9 + 6 + 32 * 6 * 36)
    assert conv.flops_per_second == conv.flops / max(conv.seconds)
    assert 0 < conv.limit < 2


def test_the_table_fits_a_page_and_the_dictionary_is_json(step):
    profile = step.profile()
    lines = str(profile).splitlines()
    assert max(map(len, lines)) <= 100 and len(lines) <= 33
    assert "GFLOP/s" in lines[1] and "convolution" in str(profile)
    content = json.loads(json.dumps(profile.to_dict()))
    assert content["rows"][0]["share"] >= content["rows"][-1]["share"]
    assert content["threads"] == step.stats()["threads"]


def test_in_chinese_it_fits_too(step):
    profile = step.profile()
    cr.set_language("zh")
    try:
        widths = [sum(2 if c > "\u2e80" else 1 for c in line) for line in str(profile).splitlines()]
    finally:
        cr.set_language(None)
    assert max(widths) <= 100


def test_on_a_terminal_it_is_a_table_of_rich(step):
    from rich.console import Console

    console = Console(width=100, file=StringIO())
    console.print(step.profile())
    text = console.file.getvalue()
    assert "convolution" in text and "GFLOP/s" in text


def test_the_kernels_of_a_loop_count_at_every_step():
    lstm = nn.LSTM(8, 16, batch_first=True)
    run = cr.compile(lambda x: lstm(x)[0].sum())
    work = []
    for steps in (5, 10):
        run(cr.randn(4, steps, 8))
        work.append(sum(row.flops for row in run.profile().rows))
    assert work[0] > 5 * 2 * 4 * 64 * 16
    assert work[1] == pytest.approx(2 * work[0], rel=0.1)


def test_it_needs_native_code_and_a_call(monkeypatch):
    with pytest.raises(ArgumentError, match="call it once"):
        cr.compile(lambda x: x + 1).profile()
    monkeypatch.setenv("CHAINRULE_BACKEND", "replay")
    run = cr.compile(lambda x: x + 1)
    run(cr.ones(2))
    with pytest.raises(ArgumentError, match="llvmlite"):
        run.profile()


def test_what_the_machine_can_do(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "code"))
    monkeypatch.setattr("chainrule.compile.limits._known", {})
    found = limits(1)
    rates = [rate for _, rate in found.bandwidth]
    assert found.flops > 1e9 and rates == sorted(rates, reverse=True) and rates[-1] > 1e8
    assert found.bytes_per_second(1) == rates[0] and found.bytes_per_second(1 << 40) == rates[-1]
    assert found.seconds(found.flops, 1) == pytest.approx(1)
    assert found.seconds(1, 1 << 40) == (1 << 40) / rates[-1]
    monkeypatch.setattr("chainrule.compile.limits._known", {})
    monkeypatch.setattr("chainrule.compile.limits._measured", None)  # the disk has them now
    assert limits(1) == found
    assert found.larger(found) == found and ticks_per_second() > 1e6


@pytest.mark.skipif(not host().bf16, reason="needs the native product of pairs")
def test_pairs_of_bfloat16_have_a_limit_of_their_own():
    x, w = cr.randn(256, 512), cr.randn(512, 512)

    @cr.compile
    def product(x):
        with cr.autocast("bfloat16"):
            return nn.functional.linear(x, w)

    product(x)
    profile = product.profile()
    most = limits(profile.threads)
    assert profile.peak_paired == most.paired > 0.9 * most.flops
    assert f"bfloat16 {most.paired / 1e9:.0f}" in str(profile).splitlines()[0]
    (row,) = (row for row in profile.rows if row.flops > 1e8)
    assert row.flops == pytest.approx(2 * 256 * 512 * 512, rel=0.05)
    assert row.limit >= 0.99 * row.flops_per_second / most.paired
