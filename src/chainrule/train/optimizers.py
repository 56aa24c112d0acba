"""Optimisers and schedulers by name, and when a scheduler steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule import optim
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.nn import Module
from chainrule.optim import lr_scheduler
from chainrule.train.streaming import unknown

# A base, one that wants a closure, and one that is made of two others.
_NOT_BY_NAME = (optim.Optimizer, optim.LBFGS, optim.SwitchOptimizer)


def optimizer_names() -> list[str]:
    """The names that `make_optimizer` takes."""
    return sorted(_classes())


def _classes() -> dict[str, Any]:
    return {
        name.lower(): value
        for name, value in vars(optim).items()
        if isinstance(value, type) and issubclass(value, optim.Optimizer)
        and value not in _NOT_BY_NAME
    }  # fmt: skip


def decay_groups(model: Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups that decay weights and nothing else.

    Weights are parameters with two or more axes; biases and the scales of normalisation have one,
    and shrinking them would only shift what the layer can express (003 §5.1 of the notes).
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    weights = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def make_optimizer(wanted: Any, model: Module, options: dict[str, Any]) -> Any:
    """The optimiser of a model.

    Args:
        wanted: a name, an Optimizer, or a class or function of the parameters.
        options: for a name or a class: lr, momentum, weight_decay, ... as the class takes them.
            By name, weight_decay acts on weights only (`decay_groups`).

    Raises ArgumentError for an unknown name, or an optimiser of other parameters.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise ArgumentError(
            t(
                "{model} has no parameter that requires a gradient, so there is nothing to train.",
                model=type(model).__name__,
            )
        )
    if isinstance(wanted, optim.Optimizer):
        if options:
            raise ArgumentError(
                t(
                    "{options} belong to an optimiser given by name; this one is made already: "
                    "set them in it.",
                    options=", ".join(options),
                )
            )
        made = wanted
    elif isinstance(wanted, str):
        classes = _classes()
        if wanted.lower() not in classes:
            raise ArgumentError(unknown(t("optimizer"), wanted, sorted(classes)))
        made = _construct(classes[wanted.lower()], model, trained, options)
    elif callable(wanted):
        made = wanted(trained, **options)
    else:
        raise ArgumentError(
            t(
                "The optimizer is a name, an Optimizer or a function of the parameters, not "
                "{value!r}.",
                value=wanted,
            )
        )
    if isinstance(made, optim.LBFGS):
        raise ArgumentError(
            t(
                "LBFGS evaluates the loss as often as it likes, a Trainer once a batch: call "
                "optimizer.step(closure) in a loop of your own."
            )
        )
    held = {id(p) for group in made.param_groups for p in group["params"]}
    if not any(id(p) in held for p in trained):
        raise ArgumentError(
            t(
                "The optimizer holds none of the parameters of {model}: make it from "
                "model.parameters().",
                model=type(model).__name__,
            )
        )
    return made


def _construct(kind: Any, model: Module, trained: Sequence[Tensor], options: dict[str, Any]) -> Any:
    options = dict(options)
    decay = options.pop("weight_decay", None)
    try:
        if decay is None:
            return kind(trained, **options)
        return kind(decay_groups(model, decay), **options)
    except TypeError as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(f"{kind.__name__}: {error}") from error


class Schedule:
    """A scheduler and when it steps.

    Args:
        wanted: None; a scheduler; "one_cycle" or "cosine" (over the whole run, the optimiser's
            rate as the largest); or a function of (optimizer, total_steps) that makes one.
        every: "step" or "epoch". By default what is made for the run (names and functions), and
            OneCycleLR and CyclicLR, step after each training step, all others after each epoch.
            ReduceLROnPlateau gets `val_loss` (without validation `loss`).
    """

    NAMES = ("one_cycle", "cosine")

    def __init__(
        self, wanted: Any, every: str | None, optimizer: Any, total_steps: int | None
    ) -> None:
        if every not in (None, "step", "epoch"):
            raise ArgumentError(
                t("scheduler_every is 'step', 'epoch' or None, not {value!r}.", value=every)
            )
        if isinstance(wanted, str) and wanted not in self.NAMES:
            raise ArgumentError(unknown(t("scheduler"), wanted, list(self.NAMES)))
        self.scheduler = wanted
        #: Steps that the scheduler was made for; None if it does not depend on them.
        self.total_steps: int | None = None
        if isinstance(wanted, str) or _is_factory(wanted):
            if total_steps is None:
                raise ArgumentError(
                    t(
                        "This scheduler is made for the number of steps of the run, but the "
                        "training data are a stream without a length: give a scheduler object."
                    )
                )
            self.total_steps = total_steps
            factory = _named(wanted) if isinstance(wanted, str) else wanted
            self.scheduler = factory(optimizer, total_steps)
            every = every or "step"
        by_step = (lr_scheduler.OneCycleLR, getattr(lr_scheduler, "CyclicLR", ()))
        self.every = every or ("step" if isinstance(self.scheduler, by_step) else "epoch")
        self.watches = type(self.scheduler).__name__ == "ReduceLROnPlateau"
        if self.watches and self.every == "step":
            raise ArgumentError(
                t("ReduceLROnPlateau watches the loss of epochs: leave out scheduler_every.")
            )

    def after_step(self) -> None:
        """A training step is done."""
        if self.scheduler is not None and self.every == "step":
            self.scheduler.step()

    def after_epoch(self, row: dict[str, float]) -> None:
        """An epoch with this row is done."""
        if self.scheduler is None or self.every != "epoch":
            return
        if self.watches:
            self.scheduler.step(row.get("val_loss", row["loss"]))
        else:
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any] | None:
        """The scheduler's state, if there is one."""
        if self.scheduler is None:
            return None
        return {"total_steps": self.total_steps, "scheduler": self.scheduler.state_dict()}

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        """Go on where `state_dict` was taken."""
        if state is None and self.scheduler is not None:
            raise ArgumentError(
                t("The checkpoint's run had no scheduler, this Trainer has one: leave it out.")
            )
        if state is None:
            return
        if self.scheduler is None:
            raise ArgumentError(
                t("The checkpoint's run had a scheduler, this Trainer has none: give it the same.")
            )
        if state["total_steps"] != self.total_steps:
            raise ArgumentError(
                t(
                    "The checkpoint's scheduler was made for {saved} steps, this run has {own}: "
                    "resume with the same epochs and batch size.",
                    saved=state["total_steps"],
                    own=self.total_steps,
                )
            )
        self.scheduler.load_state_dict(state["scheduler"])


def _is_factory(wanted: Any) -> bool:
    return callable(wanted) and not hasattr(wanted, "step")


def _named(name: str) -> Callable[[Any, int], Any]:
    if name == "one_cycle":
        return lambda optimizer, steps: lr_scheduler.OneCycleLR(
            optimizer, max_lr=[group["lr"] for group in optimizer.param_groups], total_steps=steps
        )
    return lambda optimizer, steps: lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
