"""Networks over characters: shapes, states, writing, counting, and their files."""

import json
import struct

import numpy as np
import pytest

from chainrule import models
from chainrule.base.errors import ArgumentError, DataError, FileFormatError, ShapeError
from chainrule.data.lines import encode_lines
from chainrule.data.text import Characters
from chainrule.files import read_file
from chainrule.graph import Tensor, no_grad
from chainrule.models import NGram, build, generate
from chainrule.models.char_rnn import line_loss
from chainrule.models.generation import choose
from chainrule.models.runs import _digest
from chainrule.ops.random import manual_seed

RECURRENT = ("char-rnn", "char-lstm", "char-gru")
ALPHABET = Characters("\n abcdef")


def ids_of(*shape, classes=8):
    return Tensor(np.random.default_rng(0).integers(0, classes, shape))


def values(x):
    return np.asarray(x._data)


@pytest.mark.parametrize(("name", "gates"), [("char-rnn", 1), ("char-lstm", 4), ("char-gru", 3)])
def test_parameters_and_shapes(name, gates):
    model = build(name, (64,), 65)
    # Embedding, input and hidden weights with both biases, output layer.
    expected = 65 * 64 + gates * 256 * (64 + 256 + 2) + 257 * 65
    assert models.summary(model).parameters == expected
    assert model(ids_of(3, 5)).shape == (3, 65, 5)
    with pytest.raises(ShapeError, match="sequences of characters"):
        build(name, (1, 28, 28))


def test_a_line_is_as_likely_as_its_characters():
    """Each class's logit is ln p of the characters and of the line's end, one after another."""
    model = build("line-classifier", (6,), 3, vocabulary=9).double().eval()
    line = [4, 2, 7]
    with no_grad():
        expected = np.zeros(3)
        for k, following in enumerate([*line, 0]):
            y, _ = model.recurrent(model.embedding(Tensor(np.array([[0, *line[:k]]]))))
            scores = values(model.fc(y[:, -1])).reshape(3, 9)
            expected += scores[:, following] - np.log(np.exp(scores).sum(1))
        ids = np.array([[*line, 0, 0, 0]])
        np.testing.assert_allclose(values(model(Tensor(ids), Tensor(np.array([3]))))[0], expected)
        # A character never seen counts for nothing itself.
        ids[0, 1] = 0
        y, _ = model.recurrent(model.embedding(Tensor(np.array([[0, 4, 0, 7]]))))
        scores = values(model.fc(y))[0].reshape(4, 3, 9)
        logs = scores - np.log(np.exp(scores).sum(2, keepdims=True))
        expected = logs[0, :, 4] + logs[2, :, 7] + logs[3, :, 0]
        np.testing.assert_allclose(values(model(Tensor(ids), Tensor(np.array([3]))))[0], expected)


def test_the_loss_of_lines_weighs_the_line_and_its_class():
    logits = Tensor(np.log([[0.2, 0.1], [0.3, 0.6]]))
    said = line_loss(logits, Tensor(np.array([0, 1]))).item()
    line = -(np.log(0.2) + np.log(0.6)) / 2
    kind = -(np.log(2 / 3) + np.log(2 / 3)) / 2
    assert said == pytest.approx(line / 43 + 0.3 * kind)


@pytest.mark.parametrize("name", RECURRENT)
def test_a_text_in_pieces_with_the_state_is_the_text_at_once(name):
    model = build(name, (6,), 8, embedding=5, hidden=7, layers=2).double().eval()
    ids = ids_of(2, 12)
    with no_grad():
        state = model.initial_state(2)
        parts = []
        for k in (0, 6):
            logits, state = model(ids[:, k : k + 6], state)
            parts.append(values(logits))
        np.testing.assert_allclose(np.concatenate(parts, 2), values(model(ids)), atol=1e-12)


def test_the_line_classifier_does_not_see_what_fills_up():
    model = build("line-classifier", (12,), 3, vocabulary=9).double().eval()
    lines = ["abc", "fade a bed", "d"]
    wide, sizes = encode_lines(lines, ALPHABET, 12)
    with no_grad():
        y = values(model(Tensor(wide), Tensor(sizes)))
        for row, line in zip(y, lines, strict=True):
            alone, _ = encode_lines([line], ALPHABET, len(line))
            np.testing.assert_allclose(values(model(Tensor(alone)))[0], row, atol=1e-12)


@pytest.mark.parametrize("name", [*RECURRENT, "gpt"])
def test_writing(name):
    manual_seed(0)
    options = {"width": 8, "heads": 2, "layers": 1} if name == "gpt" else {"hidden": 8}
    model = build(name, (6,), 8, **options)

    def text(prompt="ab", n=30, **given):
        return "".join(generate(model, prompt, n, characters=ALPHABET, **given))

    assert len(text()) == 30 and set(text()) <= set(ALPHABET.characters)
    assert text(seed=1) == text(seed=1) != text(seed=2)
    # The first characters do not depend on how many follow.
    assert text(n=10) == text()[:10]
    assert text(top_k=1) == text(temperature=0) == text(top_k=1, seed=5)
    assert model.training
    with pytest.raises(DataError, match="'x' .number 2 of line 1."):
        text("ax")
    for wrong in ({"prompt": ""}, {"temperature": -1.0}, {"top_k": 0}):
        with pytest.raises(ArgumentError):
            text(**wrong)
    with pytest.raises(ArgumentError, match="no alphabet"):
        generate(model, "a")


@pytest.mark.parametrize("name", [*RECURRENT, "gpt", "line-classifier"])
def test_recipes(name):
    recipe = models.recipe(name)
    model = build(name, (recipe.length,), 5, **recipe.options)
    groups = recipe.optimizer(model).param_groups
    assert [group["weight_decay"] for group in groups] == [recipe.weight_decay, 0.0]
    # Better than counting three characters, which the recipe file says.
    assert (recipe.accuracy or 0) > 0.919 or recipe.perplexity < 7.28


def test_each_character_is_drawn_as_likely_as_said():
    logits = np.log([0.5, 0.3, 0.2])
    u = (np.arange(1000) + 0.5) / 1000

    def shares(**options):
        return np.bincount([choose(logits, x, **options) for x in u], minlength=3) / 1000

    np.testing.assert_allclose(shares(), [0.5, 0.3, 0.2], atol=1e-3)
    np.testing.assert_allclose(shares(top_k=2), [5 / 8, 3 / 8, 0], atol=1e-3)
    squares = np.array([0.25, 0.09, 0.04])
    np.testing.assert_allclose(shares(temperature=0.5), squares / squares.sum(), atol=1e-3)
    assert choose(logits, 0.999, temperature=1e-320) == choose(logits, 0.5, temperature=0) == 0
    with pytest.raises(DataError, match="NaN"):
        choose(np.array([0.0, np.nan]), 0.5)


def test_counting_by_hand():
    ids = np.array([0, 1, 0, 1, 0, 0])
    one = NGram(ids, 2, 1)
    # Of 6 characters 4 and 2, both kinds seen: (n + 2 · 1/2) / (6 + 2).
    np.testing.assert_allclose(np.exp(one.log_probabilities(np.array([0, 1]))), [5 / 8, 3 / 8])
    two = NGram(ids, 2, 2)
    # After 0: 1 twice, 0 once, so (2 + 2 · 3/8) / (3 + 2); after 1 always 0.
    np.testing.assert_allclose(
        np.exp(two.log_probabilities(np.array([0, 1, 0])))[1:], [2.75 / 5, (2 + 5 / 8) / 3]
    )


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_counted_probabilities_add_up(order):
    ids = np.random.default_rng(1).integers(0, 5, 300)
    counts = NGram(ids, 6, order)
    for context in ([0, 1, 2], [5, 5, 5], [3, 5, 1]):
        p = [np.exp(counts.log_probabilities(np.array([*context, k]))[-1]) for k in range(6)]
        assert sum(p) == pytest.approx(1) and min(p) > 0
    assert counts.perplexity(ids) < NGram(ids[:1], 6, order).perplexity(ids)
    with pytest.raises(ArgumentError, match="smaller order"):
        NGram(ids, 10_000, 5)


@pytest.fixture
def file(tmp_path):
    model = build("char-gru", (6,), 8, hidden=8)
    path = tmp_path / "model.safetensors"
    models.save(path, model, classes=ALPHABET.characters, characters=ALPHABET)
    return path


def test_the_alphabet_stays_with_the_model(file, tmp_path):
    model = models.load(file)
    assert model.characters == ALPHABET
    assert len("".join(generate(model, "a", 5))) == 5
    lines = build("line-classifier", (6,), 2, vocabulary=9)
    models.save(tmp_path / "lines", lines, classes=("x", "y"), characters=ALPHABET)
    assert models.load(tmp_path / "lines").characters == ALPHABET


@pytest.mark.parametrize("alphabet", ['"abc"', '"aabcdefg"', "[1, 2]", "3", '["ab"]', "null", "["])
def test_a_forged_alphabet_is_refused(file, alphabet):
    tensors, metadata = read_file(file)
    metadata.pop("sha256")
    metadata["characters"] = alphabet
    rewrite(file, metadata | {"sha256": _digest(tensors, metadata)})
    with pytest.raises(FileFormatError) as caught:
        models.load(file)
    assert "\n" not in str(caught.value)


def rewrite(path, metadata):
    """The file with another description."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size]) | {"__metadata__": metadata}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])
