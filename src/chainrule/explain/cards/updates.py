"""The next step of an optimiser for one element: a short way to `explain(optimizer).entry(…)`."""

from __future__ import annotations

from typing import Any

from chainrule.explain.updates.explanation import Update as Update
from chainrule.explain.updates.explanation import build
from chainrule.optim import Optimizer


def explain_update(optimizer: Optimizer, parameter: Any, index: Any = ()) -> Update:
    """The step that `optimizer.step()` would take for one element, with all its numbers.

    Call it after `backward`, before `step`; nothing is changed. `parameter`: its name (where the
    optimiser was given names), its number through all groups, or the tensor; `index`: which
    element. Errors: ArgumentError for an optimiser of another kind, an unknown parameter or one
    without a gradient; ShapeError for a bad index.
    """
    return build(optimizer, None, "next", {}).entry(parameter, index)
