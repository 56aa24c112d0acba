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
        self, loss: _Any, wrt: _Any = None, *, gradient: _Any = None, level: str = "composite"
    ) -> _Any:
        """What backpropagation does to the tensors behind `loss`, worked out with their numbers.

        Args:
            loss: any computed tensor; one that is no single number needs `gradient`, ∂L/∂loss. An
                object that explains itself (`__explain__`, such as the estimators of
                `chainrule.learn`) gives what it says of itself.
            wrt: explain only the way to these: a tensor, several, names for them, or a module.
                By default everything that requires a gradient.
            level: "composite" shows an operation as one node, "elementary" as elementary steps.

        Before `backward()` the tape has the numbers. After it, compute the loss inside
        `with chainrule.explain.recording():`, which also keeps source lines and modules. Errors:
        AutogradError for a tensor without history or whose numbers are gone.
        """
        if hasattr(loss, "__explain__"):
            return loss.__explain__()
        frame = _sys._getframe(1)
        build = _import_module("chainrule.explain.explanation.explanation").build
        return build(loss, wrt, gradient, level, {**frame.f_globals, **frame.f_locals})


def __getattr__(name: str) -> _Any:
    if name not in ("Explanation", "recording"):
        raise AttributeError(f"module 'chainrule.explain' has no attribute {name!r}")
    return getattr(_import_module("chainrule.explain.explanation"), name)


_sys.modules[__name__].__class__ = _Callable
