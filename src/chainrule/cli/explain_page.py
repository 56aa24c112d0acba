"""`chainrule explain MODEL --html FILE`: one training step of a model as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chainrule import models
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.cli import run_folder
from chainrule.cli.train import beginning
from chainrule.explain.explanation import Explanation, recording
from chainrule.explain.explanation.explanation import build
from chainrule.models.registry import detector_names
from chainrule.train import feeding

# More samples make no step clearer, only the page larger.
SAMPLES = 4


def _wants_image(source: str) -> ArgumentError:
    return ArgumentError(
        t("{name} is a detector, which is explained on a picture: train it, then chainrule explain "
          "RUN --image IMAGE --html FILE.", name=source)
    )  # fmt: skip


def explained(source: str) -> Explanation:
    """The first training step of a model by its name, or the next one of the model in a run folder,
    on a few samples of the training data, with the numbers before the update."""
    settings, weights = None, None
    if source in detector_names():
        raise _wants_image(source)
    if source not in models.names() and Path(source).is_dir():
        settings = run_folder.read_settings(Path(source))
        if settings is None:
            raise ArgumentError(
                t("{path} is no run folder: it holds no {file}.", path=source,
                  file=run_folder.SETTINGS)
            )  # fmt: skip
        if settings["model"] in detector_names():
            raise _wants_image(source)
        weights = run_folder.model_of(source).state_dict()
    prepared, trainer = beginning(source, settings)
    if weights is not None:
        trainer.model.load_state_dict(weights)
    loader = feeding.make_loader(prepared.train, t("training"), SAMPLES, dtype=trainer.dtype)
    inputs, target = feeding.unpack(next(iter(loader)), trainer.dtype)
    state = feeding.initial_state(trainer.model, loader, len(target))
    trainer.model.train()
    with recording():
        _, loss, _ = trainer.train_step(inputs, target, state, between=[lambda run: None])
    known: dict[str, Any] = {"x": inputs[0], "y": target, "loss": loss}
    return build(loss, None, None, "composite", known)
