"""The pictures of cards, as SVG: made by running the thing itself."""

from __future__ import annotations

from chainrule.explain.cards.entries import Entry, entries
from chainrule.explain.cards.pictures import boxes, curves, estimators, grids, training, windows
from chainrule.explain.cards.sheet import Sheet
from chainrule.graph import enable_grad
from chainrule.ops.op import Elementwise
from chainrule.ops.random import get_rng_state, manual_seed, set_rng_state


def kind_of(entry: Entry, sheet: Sheet) -> str:
    """Which picture fits: the one that the sheet asks for, or what follows from the kind."""
    if sheet.picture:
        return sheet.picture
    if entry.kind in ("optimiser", "schedule", "initialiser"):
        return {"optimiser": "path", "schedule": "rate", "initialiser": "spread"}[entry.kind]
    if entry.op is not None and issubclass(entry.op, Elementwise) and not sheet.example:
        return "curve" if len(entry.op.inputs) == 1 else "gate"
    return "grids"


def draw(entry: Entry, sheet: Sheet) -> str:
    """The picture as the text of an SVG file, the same each time."""
    state = get_rng_state()
    manual_seed(0)
    try:
        with enable_grad():
            return _drawn(entry, sheet)
    finally:
        # What the user draws next does not depend on the pictures looked at.
        set_rng_state(state)


def _drawn(entry: Entry, sheet: Sheet) -> str:
    kind, _, detail = kind_of(entry, sheet).partition(":")
    match kind:
        case "curve":
            return curves.curve(entry, sheet)
        case "gate":
            return curves.gate(entry, sheet)
        case "window":
            return windows.window(entry.name, detail)
        case "boxes":
            return boxes.boxes(entry.name, detail)
        case "estimator":
            return estimators.estimator(entry.name, detail)
        case "flow":
            return grids.flow(entry.name, detail)
        case "path":
            return training.path(entry, sheet)
        case "average":
            return training.average(entry, sheet)
        case "rate":
            return training.rate(entry, sheet)
        case "spread":
            return training.spread(entry, sheet)
    # A layer is shown by the function that it runs.
    return grids.grids(entries().get(entry.sheet, entry), sheet, entry.name)
