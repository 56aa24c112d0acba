"""An explanation as one HTML file that needs nothing else: the page built from `web/graph`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.base.text import language, speaking
from chainrule.explain.explanation.cells import cells
from chainrule.explain.explanation.data import to_dict
from chainrule.explain.explanation.inner import agreement, inner_cells, inside, to_data
from chainrule.explain.explanation.lines import Style
from chainrule.explain.explanation.origin import origins

if TYPE_CHECKING:
    from chainrule.explain.explanation.explanation import Explanation

PAGE = Path(__file__).parent.parent / "pages" / "graph.html"


def to_page(explanation: Explanation) -> str:
    """The page with its data, in both languages; it opens in the one in use. The insides of
    composites stand apart: they are read when the first is unfolded."""
    found = inside(explanation.steps)
    data = {
        "open": language(),
        "explanation": both(to_dict(explanation, "en"), to_dict(explanation, "zh")),
        "cells": cells(explanation),
        "agreement": agreement(found),
        "updates": both(_updates(explanation, "en"), _updates(explanation, "zh")),
        "origins": both(_origins(explanation, "en"), _origins(explanation, "zh")),
    }
    inner = {
        "composites": both(to_data(found, "en"), to_data(found, "zh")),
        "cells": inner_cells(found),
    }
    head, _, rest = PAGE.read_text(encoding="utf-8").partition("%DATA%")
    middle, _, tail = rest.partition("%INNER%")
    return "".join([head, as_script_data(data), middle, as_script_data(inner), tail])


def _updates(explanation: Explanation, wanted: str) -> dict[str, Any]:
    """By id of a parameter the lines of its optimiser; empty without one."""
    update = explanation.update
    if update is None:
        return {}
    with speaking(wanted):
        leaves = [step for step in explanation.steps if step.kind == "parameter"]
        return {s.id: told for s in leaves if (told := update.told(s.tensor)) is not None}


def _origins(explanation: Explanation, wanted: str) -> list[str]:
    with speaking(wanted):
        return origins(explanation, Style())


def both(english: Any, chinese: Any) -> Any:
    """The same data in two languages as one: where texts differ stands `{"en": …, "zh": …}`."""
    if isinstance(english, dict) and isinstance(chinese, dict) and english.keys() == chinese.keys():
        return {key: both(value, chinese[key]) for key, value in english.items()}
    if isinstance(english, list) and isinstance(chinese, list) and len(english) == len(chinese):
        return [both(a, b) for a, b in zip(english, chinese, strict=True)]
    return english if english == chinese else {"en": english, "zh": chinese}


def as_script_data(data: Any) -> str:
    """JSON that no text in it can lead out of its `<script>` element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&\u2028\u2029\ud800-\udfff]", lambda m: f"\\u{ord(m[0]):04x}", text)
