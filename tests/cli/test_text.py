"""Models of text on the command line: train, resume, evaluate, generate, predict, and refusals."""

import hashlib
import json
import math
import os
import re
import shutil
import signal

import pytest

from chainrule import models, train
from chainrule.cli.main import main

TEXT = "the quick brown fox jumps over the lazy dog and runs away from\nsome"


def prose(n):
    """A text of n words that repeats itself with another rhythm each time."""
    words = TEXT.split(" ")
    return " ".join(words[(i * i + i // 7) % len(words)] for i in range(n)) + "\n"


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "book.txt"
    path.write_text(prose(700), encoding="utf-8")
    return path


SMALL = ("--length", "16", "--batch-size", "8", "--epochs", "2")


@pytest.fixture(scope="session")
def written(tmp_path_factory, book):
    """A run of char-gru on a small text."""
    folder = tmp_path_factory.mktemp("runs") / "gru"
    assert main(["train", "char-gru", "--data", str(book), *SMALL, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def sorted_lines(tmp_path_factory):
    """A run of line-classifier on a folder with two classes."""
    data = tmp_path_factory.mktemp("lines")
    for name, words in (("digits", "one two three four five six"), ("colours", "red green blue")):
        (data / name).mkdir()
        lines = [" ".join(words.split()[(i + k) % 3] for k in range(5)) for i in range(60)]
        (data / name / "all.txt").write_text("\n".join(lines), encoding="utf-8")
    folder = data.parent / "lines-run"
    assert main(["train", "line-classifier", "--data", str(data), "--length", "24",
                 "--epochs", "4", "--out", str(folder)]) == 0  # fmt: skip
    return data, folder


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_run_reports_perplexity_and_a_sample(cli, book, tmp_path):
    result = cli("train", "char-gru", "--data", book, *SMALL, "--out", tmp_path / "run")
    assert result.status == 0 and result.err == ""
    found = re.search(r"Test perplexity (\S+), (\S+) bits a character .* gives (\S+)\.", result.out)
    perplexity = float(found[1])
    assert 1 < perplexity < 20 and float(found[2]) == pytest.approx(math.log2(perplexity), abs=2e-3)
    model = models.load(tmp_path / "run")
    assert set(book.read_text()) == set(model.characters.characters)
    history = train.History.load(tmp_path / "run" / "history.json")
    assert history["val_perplexity"][-1] == pytest.approx(perplexity, abs=2e-3)
    assert history["val_perplexity"][1] < history["val_perplexity"][0]
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    for part in ("What it writes", "Validation perplexity", "Bits a character", "chart-perplexity"):
        assert part in page, part
    assert "No kernels" not in page and 'href="#wrong"' not in page
    # The sample of the terminal is the one on the page.
    sample = result.out.split("\n\n")[1].splitlines()[0]
    assert len(sample) > 5 and sample.split(" ")[0] in page


def test_the_same_command_and_a_resumed_run_give_the_same_bits(
    cli, book, written, tmp_path, monkeypatch
):
    original = train.Trainer.train_step

    def train_step(self, *arguments):
        step.append(None)
        if len(step) == 9:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *arguments)

    step = []
    arguments = ("train", "char-gru", "--data", book, *SMALL, "--out", tmp_path / "run")
    monkeypatch.setattr(train.Trainer, "train_step", train_step)
    cut = cli(*arguments)
    assert cut.status == 130 and "--resume" in cut.out
    monkeypatch.undo()
    assert cli("train", "char-gru", "--resume", "--out", tmp_path / "run").status == 0
    assert digest(tmp_path / "run" / "model.safetensors") == digest(written / "model.safetensors")


def test_evaluate(cli, book, written):
    model = models.load(written)
    numbers = cli("evaluate", written, "--json").json
    assert numbers["perplexity"] == model.info["metrics"]["perplexity"]
    assert numbers["characters"] == round(len(book.read_text()) / 10)
    all_of_it = cli("evaluate", written, "--data", book, "--split", "all", "--json").json
    assert all_of_it["characters"] == len(book.read_text())
    out = cli("evaluate", written).out
    assert re.search(r"^bits_per_character +\d\.\d{4}$", out, re.M)


def test_evaluate_names_a_strange_character(refused, written, tmp_path):
    (tmp_path / "other.txt").write_text("the quick brown Fox")
    assert "'F'" in refused("evaluate", written, "--data", tmp_path / "other.txt")


def test_generate(cli, written):
    def text(*options):
        result = cli("generate", written, "--length", "60", *options)
        assert result.status == 0 and result.err == ""
        return result.out

    assert text("--prompt", "the fox").startswith("the fox")
    assert len(text("--prompt", "the")) == 3 + 60 + 1
    assert text("--seed", "4") == text("--seed", "4") != text("--seed", "5")
    assert text("--temperature", "0") == text("--top-k", "1", "--seed", "9")
    # Without a prompt a new line begins.
    assert not text().startswith("\n\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--prompt", "the Fox"), r"'F' \(number 5 of line 1\) is not among the \d+ known"),
        (("--prompt", ""), "empty"),
        (("--temperature", "-1"), "from 0 up"),
        (("--temperature", "nan"), "from 0 up"),
        (("--top-k", "0"), "from 1 up"),
        (("--length", "x"), "from 1 up"),
    ],
)
def test_what_generate_refuses(refused, written, options, message):
    assert re.search(message, refused("generate", written, *options))


def test_only_models_that_write_generate(cli, refused, run_folder, written, sorted_lines):
    for folder in (run_folder, sorted_lines[1]):
        assert "does not write text" in refused("generate", folder)
    assert "chainrule generate" in refused("predict", written, "some line")


def test_a_damaged_model_is_refused(refused, written, tmp_path):
    shutil.copytree(written, tmp_path / "run")
    path = tmp_path / "run" / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"characters":', b'"charakters":'))
    assert "damaged" in refused("generate", tmp_path / "run")
    path.write_bytes(content[:-100])
    refused("generate", tmp_path / "run")


def test_lines(cli, refused, sorted_lines):
    data, folder = sorted_lines
    assert models.load(folder).classes == ("colours", "digits")
    numbers = cli("evaluate", folder, "--json").json
    assert numbers["lines"] == 12 and numbers["accuracy"] == 1.0
    result = cli("predict", folder, "blue green red red", "two one three two", "--json")
    assert [row["class"] for row in result.json] == ["colours", "digits"]
    assert result.json[0]["line"] == "blue green red red"
    long = cli("predict", folder, "two one three one two three one two three")
    assert long.status == 0 and "first 24 characters" in long.err
    # Characters never seen are no reason to refuse a line.
    assert cli("predict", folder, "¿blue, GREEN?").status == 0
    assert "empty" in refused("predict", folder, " ")
    assert "digits" in refused("evaluate", folder, "--data", "shakespeare-milton")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Accuracy of counting 3 characters" in page and "What it writes" not in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("char-lstm", "--data", "missing.txt"), "no such file.*shakespeare, milton"),
        (("char-lstm", "--data", "bytes"), "not UTF-8"),
        (("gpt", "--data", "zeros"), "binary"),
        (("char-gru", "--data", "nothing"), "empty"),
        (("char-rnn", "--data", "short"), r"too short: 300 characters.*Give 650 or more"),
        (("char-rnn", "--data", "."), "no file"),
        (("line-classifier", "--data", "short"), "is a file"),
        (("line-classifier", "--data", "."), "0 folders"),
        (("char-lstm", "--input", "1,28,28"), "--input means nothing to char-lstm"),
        (("lenet", "--length", "16"), "--length means nothing to lenet"),
    ],
)
def test_what_training_refuses(refused, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    for name, content in (
        ("bytes", b"abc\xff"), ("zeros", b"a\0b"), ("nothing", b""), ("short", b"abc " * 75),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(content)
    assert re.search(message, refused("train", *arguments))
    assert not (tmp_path / "runs").exists()


def test_a_run_goes_on_only_with_its_own_length(refused, book, written):
    said = refused("train", "char-gru", "--data", book, *SMALL[2:], "--length", "32",
                   "--out", written)  # fmt: skip
    assert "length = 16" in said


def test_settings_from_before_there_was_text_are_read(cli, run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    path = tmp_path / "run" / "settings.json"
    settings = json.loads(path.read_text())
    del settings["length"]
    path.write_text(json.dumps(settings))
    assert cli("train", "linear", "--resume", "--out", tmp_path / "run").status == 0


def test_in_chinese(cli, written):
    result = cli("generate", written, "--prompt", "字", "--lang", "zh")
    assert result.status == 2 and "不在已知的" in result.err
