"""Watching a network: reports of training runs, worked explanations, figures.

The package itself can be called: `chainrule.explain(loss)` is an `Explanation` of what
backpropagation does to the tensors behind `loss`.
"""

import sys as _sys
from importlib import import_module as _import_module
from types import ModuleType as _ModuleType
from typing import Any as _Any

from chainrule.explain.figures import Bars as Bars
from chainrule.explain.figures import Lines as Lines
from chainrule.explain.figures import Panel as Panel
from chainrule.explain.figures import Pictures as Pictures
from chainrule.explain.figures import figure as figure


class _Callable(_ModuleType):
    """This module, which is also the function `explain`."""

    def __call__(
        self, loss: _Any, wrt: _Any = None, *, gradient: _Any = None, level: str = "composite",
        step: str | None = None, optimizer: _Any = None, targets: _Any = None,
    ) -> _Any:  # fmt: skip
        """What backpropagation does to the tensors behind `loss`, worked out with their numbers.

        Args:
            loss: any computed tensor; one that is no single number needs `gradient`, ∂L/∂loss. An
                object that explains itself (`__explain__`, such as the estimators of
                `chainrule.learn`) gives what it says of itself.
            wrt: explain only the way to these: a tensor, several, names for them, or a module.
                By default everything that requires a gradient.
            level: "composite" shows an operation as one node, "elementary" as elementary steps.
            step: of an optimiser, "next" or "last"; by default the next step, or the last one if
                it was recorded and no other gradients have come since.
            optimizer: after `backward()`, before or after its step: the film of the page ends with
                what it does to each parameter, instead of a plain step against the gradient.
            targets: of a detector's image, "boxes" (L, 4) and "labels" (L,): tells what is missed.

        An optimiser in the place of `loss` gives an `UpdateExplanation` of one of its steps. A
        `FasterRCNN`, with an image (C, H, W) as `wrt`, gives a `DetectionExplanation`: where each
        box that it finds there comes from.

        Before `backward()` the tape has the numbers. After it, compute the loss inside
        `with chainrule.explain.recording():`, which also keeps source lines and modules. Errors:
        AutogradError for a tensor without history or whose numbers are gone.

        >>> x = cr.tensor(3.0, dtype=cr.float64, requires_grad=True)
        >>> why = cr.explain(x * x)
        >>> float(why.gradient("x"))
        6.0
        >>> why.verify().right
        True
        """
        if hasattr(loss, "__explain__"):
            return loss.__explain__()
        detector = _detector(loss)
        if detector is not None:
            return detector(loss, wrt, targets)
        frame = _sys._getframe(1)
        scope = {**frame.f_globals, **frame.f_locals}
        updates = _import_module("chainrule.explain.updates.explanation")
        if isinstance(loss, _import_module("chainrule.optim").Optimizer):
            return updates.build(loss, wrt, step, scope)
        build = _import_module("chainrule.explain.explanation.explanation").build
        found = build(loss, wrt, gradient, level, scope)
        if optimizer is not None:
            found.update = updates.build(optimizer, None, step, scope)
        return found


def _detector(model: _Any) -> _Any:
    """`explain_detection` if this is a detector. One that is, is of a module that is there."""
    known = _sys.modules.get("chainrule.models.detection")
    if known is None or not isinstance(model, known.FasterRCNN):
        return None
    return _import_module("chainrule.explain.detection").explain_detection


def __getattr__(name: str) -> _Any:
    if name in ("DetectionExplanation", "explain_detection"):
        return getattr(_import_module("chainrule.explain.detection"), name)
    if name not in ("Explanation", "recording"):
        raise AttributeError(f"module 'chainrule.explain' has no attribute {name!r}")
    return getattr(_import_module("chainrule.explain.explanation"), name)


_sys.modules[__name__].__class__ = _Callable
