import math

import pytest

from chainrule.base.errors import ArgumentError, FileFormatError
from chainrule.train import History


def filled() -> History:
    history = History({"model": "x", "lr": 0.1})
    for k, loss in enumerate([3.0, 1.0, math.nan, 1.0], 1):
        history.epochs.append({"epoch": k, "loss": loss, "accuracy": k / 10})
    history.epochs[3]["val_loss"] = math.inf
    history.step_loss.extend([1.0, math.nan])
    history.step_lr.extend([0.1, 0.2])
    history.layers["fc"] = [{"grad_norm": -math.inf}]
    return history


def test_columns_rows_and_the_best():
    history = filled()
    assert history["accuracy"] == [0.1, 0.2, 0.3, 0.4]
    assert math.isnan(history["val_loss"][0]) and history["val_loss"][3] == math.inf
    assert len(history) == 4 and "loss" in history and "lr" not in history
    assert history.best("loss")["epoch"] == 2  # the earliest of equals, NaN never
    assert history.best("accuracy")["epoch"] == 4
    assert history.best("accuracy", "min")["epoch"] == 1
    with pytest.raises(ArgumentError, match="epoch, loss, accuracy, val_loss"):
        history["los"]
    with pytest.raises(ArgumentError):
        History().best()


def test_json_is_strict_and_keeps_every_number(tmp_path):
    history = filled()
    text = history.to_json()
    assert "Infinity," not in text.replace('"', "") or '"Infinity"' in text
    again = History.from_json(text)
    assert repr(again.state_dict()) == repr(history.state_dict())
    history.save(tmp_path / "history.json")
    assert History.load(tmp_path / "history.json").to_json() == text


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "x", "version": 1}', "null"])
def test_other_files_are_refused(tmp_path, text):
    with pytest.raises(FileFormatError):
        History.from_json(text)
    (tmp_path / "h").write_bytes(b"\xff\xfe")
    with pytest.raises(FileFormatError):
        History.load(tmp_path / "h")
