"""Models of text on the command line: what they learn from, and what they are worth.

`PreparedText` is for models that write (the next character), `PreparedLines` for classifiers of
lines. Both have what `prepare.Prepared` has for pictures: the two parts, and how to tell of them.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule import models, train
from chainrule.base.errors import ArgumentError, DataError
from chainrule.base.text import t
from chainrule.cli import run_folder
from chainrule.cli.measure import Measured, of_logits, softmax
from chainrule.data.lines import AUTHORS, Lines, line_dataset, load_lines
from chainrule.data.text import (
    TEXTS,
    Characters,
    TextStreams,
    TextWindows,
    load_text,
    split_text,
)
from chainrule.models.registry import model_class

# What a model shows of its writing after training.
_SAMPLE, _TEMPERATURE = 400, 0.8


@dataclass(frozen=True)
class PreparedText:
    """A text in two parts, for a model that writes."""

    train: Any
    test: Any
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    options: dict[str, Any]
    tested_on: str
    characters: Characters
    counts: tuple[int, int]  # characters of both parts
    counted: float  # perplexity of 3-grams counted in the training part

    metrics: ClassVar = ("perplexity",)

    def headline(self, model: str, parameters: str, source: str) -> str:
        """What is trained on what."""
        return t(
            "{model}, {parameters} parameters, on {n} characters of {data}; tested on {m}.",
            model=model,
            parameters=parameters,
            n=f"{self.counts[0]:,}",
            data=source,
            m=f"{self.counts[1]:,}",
        )

    def saved(self) -> dict[str, Any]:
        """What goes into the model's file."""
        return {"characters": self.characters}

    def measure(self, model: Any, seed: int) -> Measured:
        """Perplexity of the part held out, and what the model writes."""
        metrics = language_metrics(model, self.test) | {"trigram_perplexity": self.counted}
        return Measured(metrics, sample=write(model, self.characters, seed))

    def verdict(self, measured: Measured) -> str:
        """The sentences after training."""
        numbers = measured.metrics
        said = t(
            "Test perplexity {perplexity:.3f}, {bits:.3f} bits a character ({where}); counting "
            "three characters gives {counted:.3f}.",
            perplexity=numbers["perplexity"],
            bits=numbers["bits_per_character"],
            where=self.tested_on,
            counted=self.counted,
        )
        return f"{said}\n\n{measured.sample}\n"


@dataclass(frozen=True)
class PreparedLines:
    """Lines in two parts, for a classifier."""

    train: Any
    test: Any
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    options: dict[str, Any]
    tested_on: str
    characters: Characters
    counted: float  # accuracy of 3-grams counted for each class

    metrics: ClassVar = ("accuracy",)

    def headline(self, model: str, parameters: str, source: str) -> str:
        """What is trained on what."""
        return t(
            "{model}, {parameters} parameters, on {n} lines of {data}; tested on {m}.",
            model=model,
            parameters=parameters,
            n=f"{len(self.train):,}",
            data=source,
            m=f"{len(self.test):,}",
        )

    def saved(self) -> dict[str, Any]:
        """What goes into the model's file."""
        return {"characters": self.characters}

    def measure(self, model: Any, seed: int) -> Measured:
        """Accuracy on the lines held out."""
        measured = measure_lines(model, self.test)
        return measured._replace(metrics=measured.metrics | {"trigram_accuracy": self.counted})

    def verdict(self, measured: Measured) -> str:
        """The sentence after training."""
        return t(
            "Test accuracy {accuracy:.4f}, loss {loss:.4f} ({where}); counting three characters "
            "for each class gives {counted:.4f}.",
            accuracy=measured.metrics["accuracy"],
            loss=measured.metrics["loss"],
            where=self.tested_on,
            counted=self.counted,
        )


# ---- before training -------------------------------------------------------------------------


def prepare(settings: dict[str, Any], recipe: models.TextRecipe) -> PreparedText | PreparedLines:
    """What a model of text learns from, by the settings of its run.

    Raises DataError and its kind for data that cannot be used.
    """
    if is_writer(recipe.model):
        return _prepare_text(settings, recipe)
    return _prepare_lines(settings, recipe)


def is_writer(name: str) -> bool:
    """Whether the model of this name says what comes next; else it classifies lines."""
    return name != "line-classifier"


def sources(name: str) -> tuple[str, ...]:
    """The data that are built in, for the model of this name."""
    return TEXTS if is_writer(name) else (AUTHORS,)


def _prepare_text(settings: dict[str, Any], recipe: models.TextRecipe) -> PreparedText:
    source, length = settings["data"], settings["length"]
    text = load_text(source)
    characters = Characters.of(text)
    ids, held = (characters.encode(part) for part in split_text(text))
    if len(held) <= length:
        raise DataError(
            t(
                "{source} is too short: {found} characters, of which a tenth is held out, and that "
                "must be more than the {length} of a piece. Give {least} or more, or a smaller "
                "--length.",
                source=source,
                found=len(text),
                length=length,
                least=10 * (length + 1),
            )
        )
    kind, rows = recipe.model, settings["batch_size"]
    return PreparedText(
        pieces(kind, ids, length, rows, overlapping=True, characters=characters),
        pieces(kind, held, length, rows, characters=characters),
        (length,),
        characters.characters,
        dict(recipe.options),
        t("{source}, the last {n} characters", source=source, n=f"{len(held):,}"),
        characters,
        (len(ids), len(held)),
        models.NGram(ids, len(characters)).perplexity(held),
    )


def pieces(
    kind: str, ids: NDArray[np.int64], length: int, rows: int, overlapping: bool = False,
    characters: Characters | None = None,
) -> Any:  # fmt: skip
    """A text as the model of this name reads it: in streams if it has a state, else in windows."""
    if hasattr(model_class(kind), "initial_state"):
        return TextStreams(ids, rows, length, characters)
    return TextWindows(ids, length, max(1, length // 2) if overlapping else None, characters)


def _prepare_lines(settings: dict[str, Any], recipe: models.TextRecipe) -> PreparedLines:
    source, length = settings["data"], settings["length"]
    lines = load_lines(source)
    characters = Characters.of("".join(lines.train))
    return PreparedLines(
        line_dataset(lines.train, lines.train_targets, characters, length),
        line_dataset(lines.held_out, lines.held_out_targets, characters, length),
        (length,),
        lines.classes,
        {"vocabulary": len(characters) + 1, **recipe.options},
        t("{source}, the last {n} lines", source=source, n=f"{len(lines.held_out):,}"),
        characters,
        _counted(lines),
    )


def _counted(lines: Lines) -> float:
    """How many of the held out lines the class explains best whose 3-grams were counted."""
    characters = Characters.of("\n" + "".join(lines.train + lines.held_out))
    scores = []
    for k in range(len(lines.classes)):
        own = (lines.train[i] for i in np.flatnonzero(lines.train_targets == k))
        counts = models.NGram(characters.encode("\n" + "\n".join(own)), len(characters))
        scores.append(
            [
                counts.log_probabilities(characters.encode(f"\n{line}\n"))[1:].sum()
                for line in lines.held_out
            ]
        )
    return float(np.mean(np.argmax(scores, axis=0) == lines.held_out_targets))


# ---- after training --------------------------------------------------------------------------


def language_metrics(model: Any, dataset: Any) -> dict[str, float]:
    """Perplexity, bits a character, loss and accuracy of a model that writes."""
    trainer = train.Trainer(model, metrics=["perplexity", "accuracy"])
    numbers = trainer.evaluate(dataset)
    perplexity = numbers.pop("perplexity")
    return {
        "perplexity": perplexity,
        "bits_per_character": math.log2(perplexity),
        **numbers,
    }


def measure_lines(model: Any, dataset: Any) -> Measured:
    """Accuracy and the like of a classifier of lines."""
    logits = train.Trainer(model).predict(dataset).astype(np.float64)
    targets = dataset.tensors[-1].numpy()
    return of_logits(logits, targets, model.config["classes"])


def write(model: Any, characters: Characters, seed: int) -> str:
    """Some text by the model, after a line's end or whatever its alphabet begins with."""
    prompt = "\n" if "\n" in characters else characters.characters[0]
    parts = models.generate(
        model, prompt, _SAMPLE, characters=characters, temperature=_TEMPERATURE, seed=seed
    )
    return "".join(parts).strip("\n")


# ---- trained models --------------------------------------------------------------------------


def of_text(model: Any) -> bool:
    """Whether a loaded model is one of text."""
    return getattr(model, "characters", None) is not None


def writer(path: str) -> Any:
    """The model of a run that writes. Raises ArgumentError for another kind."""
    model = run_folder.model_of(path)
    if not of_text(model) or not is_writer(model.config["name"]):
        raise ArgumentError(
            t("The model in {path} does not write text: char-lstm and the like do.", path=path)
        )
    return model


def probabilities(model: Any, options: Any) -> NDArray[np.float64]:
    """Of each class for each line on the command line [N, classes]."""
    if is_writer(model.config["name"]):
        raise ArgumentError(
            t(
                "The model in {path} writes text and has no classes: chainrule generate {path}",
                path=options.run,
            )
        )
    length = model.config["input_shape"][0]
    lines = [line.strip() for line in options.images]
    for line in lines:
        if not line:
            raise DataError(t("One of the lines is empty."))
        if len(line) > length:
            said = t("Only the first {n} characters are read of: {line}", n=length, line=line)
            print(said, file=sys.stderr)
    dataset = line_dataset(lines, np.zeros(len(lines), np.int64), model.characters, length)
    return softmax(train.Trainer(model).predict(dataset).astype(np.float64))


def evaluate(model: Any, source: str, split: str | None) -> tuple[dict[str, float], int, str]:
    """Numbers of a model of text on a source, how many characters or lines, and which of both.

    split: "train", "test" or "all"; by default "test" where the run learned from this source,
        else "all".
    """
    own = model.info.get("data") in (source, str(Path(source).resolve()))
    split = split or ("test" if own else "all")
    length = model.config["input_shape"][0]
    if is_writer(model.config["name"]):
        text = load_text(source)
        parts = dict(zip(("train", "test"), split_text(text), strict=True)) | {"all": text}
        ids = model.characters.encode(parts[split])
        rows = model.info.get("batch_size", 32)
        numbers = language_metrics(model, pieces(model.config["name"], ids, length, rows))
        return numbers, len(ids), "characters"
    lines = load_lines(source)
    if lines.classes != model.classes:
        raise DataError(
            t(
                "{source} has the classes {found}, but the model knows {known}.",
                source=source,
                found=", ".join(lines.classes),
                known=", ".join(model.classes),
            )
        )
    some = {
        "train": (lines.train, lines.train_targets),
        "test": (lines.held_out, lines.held_out_targets),
        "all": (
            lines.train + lines.held_out,
            np.concatenate([lines.train_targets, lines.held_out_targets]),
        ),
    }[split]
    dataset = line_dataset(*some, model.characters, length)
    return measure_lines(model, dataset).metrics, len(dataset), "lines"
