"""The parts of the live page: records, events, histograms, and what outputs and texts say."""

import numpy as np
import pytest

from chainrule import models, nn
from chainrule.data.text import Characters, TextStreams, TextWindows
from chainrule.explain.watch import Watch
from chainrule.explain.watch.predictions import describe
from chainrule.explain.watch.probe import histogram
from chainrule.explain.watch.record import Record, buckets, encode
from chainrule.ops.random import manual_seed
from chainrule.train import Callback, Trainer


def test_long_runs_keep_short_records():
    record = Record({})
    for step in range(1, 30_001, 10):
        points = [[step + i, float(step + i)] for i in range(10)]
        layers = {"a": {"grad_norm": 1.0, "weights": {"low": 0.0}}}
        epochs = [{"step": step, "loss": 1.0}]
        record.publish("tick", {"step": step + 9, "points": points, "epochs": epochs})
        record.publish("layers", {"step": step + 9, "layers": layers})
    content = record.snapshot().content
    for name in ("points", "ticks", "epochs"):
        assert 1000 < len(content[name]) < 4000
    assert len(content["rows"]) < 800
    assert content["points"][-1][0] == content["rows"][-1]["step"] == 30_000
    assert "weights" not in content["rows"][-1]["layers"]["a"]
    assert record.after(1, 0.0) is None  # missed too much
    assert [event.number for event in record.after(5999, 0.0)] == [6000]


def test_numbers_that_json_has_not_are_words():
    text = encode(7, "tick", {"a": np.float32("nan"), "b": [float("-inf")], "c": np.int64(3)})
    assert text == b'id: 7\nevent: tick\ndata: {"a":"NaN","b":["-Infinity"],"c":3}\n\n'


def test_hostile_texts_stay_in_their_event():
    text = encode(1, "state", {"reason": "a\n\nevent: snapshot\ndata: x\r\u2028"})
    assert text.count(b"\n") == 4 and b"\r" not in text


def test_buckets():
    assert buckets(5, [1.0, 3.0, 5.0], 8) == [[5, 1.0], [6, 3.0], [7, 5.0]]
    assert buckets(1, [1.0, 3.0, 5.0], 2) == [[2, 2.0], [3, 5.0]]
    assert buckets(1, [], 2) == []


def test_histograms():
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    found = histogram(values)
    counts, _ = np.histogram(values, 32)
    assert np.abs(np.array(found["counts"]) - counts).sum() <= 4  # rounding at the edges
    assert sum(histogram(np.zeros(5, np.float32))["counts"]) == 5
    assert histogram(np.array([np.nan, np.inf], np.float32)) is None
    assert sum(histogram(np.array([np.nan, 1, 2], np.float32))["counts"]) == 2


def test_what_outputs_say():
    scores = np.array([[0.0, 2.0], [3.0, 0.0]], np.float32)
    (a, b) = describe(scores, np.array([1, 1]), 0.5)
    assert (a["true"], a["predicted"], b["predicted"]) == (1, 1, 0)
    assert a["probability"] == pytest.approx(1 / (1 + np.exp(-2)))
    (one,) = describe(np.array([[-2.0]]), np.array([[0.0]]), 0.0)
    assert one == {"true": 0, "predicted": 0, "probability": pytest.approx(1 / (1 + np.exp(-2)))}
    (value,) = describe(np.array([[2.5]]), np.array([[3.5]]), 0.5)
    assert value == {"true": 3.5, "predicted": 2.5}
    (share,) = describe(np.zeros((1, 3, 4)), np.array([[0, 0, 1, 2]]), 0.5)
    assert share == {"right": 0.5}
    assert describe(np.zeros((2, 3)), np.zeros((5, 5)), 0.5) == []


# ---- texts -------------------------------------------------------------------------------------

TEXT = "to be or not to be, that is the question:\n" * 40


def last_look(model, data):
    """What the page shows of the last step of a short run, each step of which is paused."""
    watch = Watch()

    class Each(Callback):
        def on_step_end(self, run):
            assert all(module.training for module in run.model.modules())
            if run.step == 3:
                run.interrupt()

    watch._interval = lambda: 0.0
    Trainer(model, lr=1e-3, compile=False).fit(data, callbacks=[watch, Each()], batch_size=4,
                                               verbose=0)  # fmt: skip
    assert watch._broken is None
    return watch._record.snapshot().content["last"]


@pytest.mark.parametrize(("name", "pieces"), [("char-lstm", TextStreams), ("gpt", TextWindows)])
def test_models_of_text_show_what_they_expect_and_write(capsys, name, pieces):
    manual_seed(0)
    letters = Characters.of(TEXT)
    ids = letters.encode(TEXT)
    small = {"gpt": {"layers": 1, "heads": 2, "width": 16}, "char-lstm": {"hidden": 16}}
    model = models.build(name, (16,), len(letters), **small[name])
    if pieces is TextStreams:
        data = TextStreams(ids, 4, 16, characters=letters)
    else:
        data = TextWindows(ids, 16, characters=letters)
    look = last_look(model, data)
    assert len(look["predictions"]) == 4
    for row in look["predictions"]:
        assert len(row["true"]) == len(row["predicted"]) == 16
        assert row["true"] in TEXT and set(row["predicted"]) <= set(letters.characters)
        right = np.mean([a == b for a, b in zip(row["true"], row["predicted"], strict=True)])
        assert row["right"] == pytest.approx(right)
    written = look["written"]
    assert written["prompt"] in TEXT and written["text"]
    assert all("act_norm" in row for row in look["layers"].values())


def test_other_networks_write_nothing(capsys):
    x = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    look = last_look(nn.Sequential(nn.Linear(3, 2)), (x, np.arange(12) % 2))
    assert look["written"] is None and "probability" in look["predictions"][0]
