"""What `chainrule.explain` gives: an `Explanation`, worked out part by part as it is asked for."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.files import atomic_write
from chainrule.base.shown import Shown
from chainrule.base.text import speaking, t
from chainrule.explain.explanation import render_markup, render_text
from chainrule.explain.explanation.data import to_dict
from chainrule.explain.explanation.entries import Entry, entry
from chainrule.explain.explanation.graph import Array, Graph, Step
from chainrule.explain.explanation.lines import Line, Style, lines_of
from chainrule.explain.explanation.names import Names
from chainrule.explain.explanation.page import to_page
from chainrule.explain.explanation.paths import Paths, paths
from chainrule.explain.explanation.samples import Samples, samples
from chainrule.explain.explanation.unfold import Unfolded, elementary, unfold
from chainrule.explain.explanation.verify import Checked, verify
from chainrule.explain.explanation.walk import walk
from chainrule.graph.tensor import Tensor
from chainrule.nn.module import Module

if TYPE_CHECKING:
    from chainrule.explain.updates.explanation import UpdateExplanation

Wanted = Tensor | Module | Sequence[Tensor] | Mapping[str, Tensor] | None


def build(
    loss: Tensor, wrt: Wanted, gradient: Tensor | None, level: str, scope: Mapping[str, Any]
) -> Explanation:
    """What `chainrule.explain` gives; `scope`: the variables that names are taken from."""
    if not isinstance(loss, Tensor):
        raise ArgumentError(
            t("explain takes a computed tensor, not {kind}.", kind=type(loss).__name__)
        )
    if level not in ("composite", "elementary"):
        raise ArgumentError(t("level is 'composite' or 'elementary', not {level!r}.", level=level))
    given: Mapping[str, Tensor] = wrt if isinstance(wrt, Mapping) else {}
    model = wrt if isinstance(wrt, Module) else None
    names = Names(scope, given, model)
    tensors = _tensors(wrt)
    graph = Graph([loss], names, tensors)
    explanation = Explanation(graph, [_start(loss, gradient)], names)
    return explanation.elementary() if level == "elementary" else explanation


def _tensors(wrt: Wanted) -> list[Tensor] | None:
    if wrt is None:
        return None
    if isinstance(wrt, Tensor):
        return [wrt]
    if isinstance(wrt, Module):
        return [p for p in wrt.parameters() if p.requires_grad]
    return list(wrt.values() if isinstance(wrt, Mapping) else wrt)


def _start(loss: Tensor, gradient: Tensor | None) -> Array:
    if gradient is None:
        if loss._data.size != 1:
            raise ShapeError(
                t(
                    "explain needs a single number; this tensor has shape {shape}. Write "
                    "explain(loss.sum()), or pass gradient= of that shape.",
                    shape=tuple(loss.shape),
                )
            )
        return np.ones(loss._data.shape, loss._data.dtype)
    if gradient.shape != loss.shape:
        raise ShapeError(
            t(
                "gradient has shape {gradient}, the tensor has shape {shape}: they must be equal.",
                gradient=tuple(gradient.shape),
                shape=tuple(loss.shape),
            )
        )
    return np.asarray(gradient._data)


class Explanation(Shown):
    """A graph of worked steps. `print(explanation)` shows all of it, last operation first.

    `steps`: operations and leaves, inputs before what is computed from them; each has an id, the
    values and gradients of its inputs and outputs, module and source line where they are known.
    `update`: what an optimiser does with the gradients, which the page plays at the end.
    """

    update: UpdateExplanation | None = None

    def __init__(
        self, graph: Graph, starts: Sequence[Array], names: Names, level: str = "composite"
    ) -> None:
        self.graph = graph
        self.names = names
        self.starts = list(starts)
        self.level = level
        self.checked: Checked | None = None
        self.disagreement = 0.0
        walk(graph, starts)

    @property
    def steps(self) -> list[Step]:
        return self.graph.steps

    @property
    def output(self) -> Step:
        """The step that the gradients start from."""
        return self.graph.roots[0][0]

    def find(self, key: Any) -> Step:
        """The step that an id ("n3"), a name ("conv1.weight") or a tensor stands for."""
        return self.graph.find(key)[0]

    def gradient(self, key: Any) -> Array | None:
        """∂L/∂value of a parameter, of data or of a result, by id, name or tensor."""
        step, index = self.graph.find(key)
        return step.outputs[index].gradient

    def lines(self, key: Any, digits: int = 4) -> list[Line]:
        """The worked lines of one step, with the numbers that they show."""
        return lines_of(self.find(key), Style(digits))

    def entry(self, key: Any, place: Sequence[int] | int, follow: bool = True) -> Worked:
        """One entry of a value worked in full: `entry("conv1.weight", (0, 0, 2, 3))`.

        The terms upstream × local of every result entry that it reaches, through windows,
        channels, batch and broadcasting; with `follow` the largest term is followed up to the loss.

        >>> x = cr.tensor([1.0, 2.0], dtype=cr.float64, requires_grad=True)
        >>> y = (x * x).sum()
        >>> cr.explain(y).entry("x", 1).gradient
        4.0
        """
        return Worked(entry(self.graph, key, place, follow))

    def paths(self, key: Any, most: int = 8) -> Paths:
        """Why the gradient of a value is what it is: the paths from the loss that it comes along,
        the factor of each step, and how much its activations let through."""
        return paths(self.graph, key, most)

    def samples(self, key: Any, axis: int | None = None) -> Samples:
        """What each sample of the batch contributes to the gradient of a value. `axis`: the batch
        axis of the results where the value meets the data, if it is not the first axis as long as
        the first one of the data."""
        return samples(self.graph, key, axis)

    # ---- checking --------------------------------------------------------------------------------

    def verify(self, seed: int = 0, progress: bool | None = None) -> Checked:
        """Checks every step against central differences in float64; wrong ones are named.

        Inputs of many entries are checked along random directions and in a sample of entries, which
        the result states. The result is kept: texts printed afterwards mark each step with ✓ and
        its error. Ctrl-C ends the check, and what was checked until then is the result.

        `progress`: whether a line on standard error says how far it is; by default on terminals.
        """
        shown = sys.stderr.isatty() if progress is None else progress
        line = _ProgressLine() if shown else None
        try:
            self.checked = verify(self.graph, seed, line)
        finally:
            if line is not None:
                line.clear()
        return self.checked

    # ---- levels ----------------------------------------------------------------------------------

    def unfold(self, key: Any, deep: bool = True) -> Explanation:
        """The elementary graph of one composite step (batch norm, softmax with cross-entropy, an
        LSTM …), with the same gradient coming in; `deep=False`: one level only.

        `disagreement` of the result is the largest relative difference between its gradients and
        those of the composite's closed form.
        """
        found = unfold(self.find(key), deep)
        return Explanation._of(found)

    def elementary(self) -> Explanation:
        """The whole graph in elementary steps.

        >>> x = cr.tensor([1.0, 2.0], dtype=cr.float64, requires_grad=True)
        >>> why = cr.explain(cr.softmax(x, 0)[0])
        >>> len(why.elementary().steps) > len(why.steps)
        True
        """
        return Explanation._of(elementary(self.graph, self.starts))

    @classmethod
    def _of(cls, found: Unfolded) -> Explanation:
        out = cls.__new__(cls)
        out.graph, out.names, out.starts = found.graph, found.names, found.starts
        out.level, out.checked, out.disagreement = "elementary", None, found.distance
        return out

    # ---- data ------------------------------------------------------------------------------------

    def to_dict(self, language: str | None = None) -> dict[str, Any]:
        """Plain data for JSON; the form is described in explain/explanation/README.md.
        `language`: "en" or "zh", by default the one in use."""
        return to_dict(self, language)

    # ---- texts -----------------------------------------------------------------------------------

    def to_text(self, digits: int = 4, language: str | None = None) -> str:
        """The worksheet as plain text, the last operation first."""
        return self._shown(render_text.to_text, digits, language)

    def to_markdown(self, digits: int = 4, language: str | None = None) -> str:
        """The worksheet as Markdown with formulas in `$…$`."""
        return self._shown(render_markup.to_markdown, digits, language)

    def to_latex(self, digits: int = 4, language: str | None = None) -> str:
        """The worksheet as the body of a LaTeX document (amsmath)."""
        return self._shown(render_markup.to_latex, digits, language)

    def to_html(self, digits: int = 4, language: str | None = None) -> str:
        """The worksheet as one HTML element without scripts, complete in itself."""
        return self._shown(render_markup.to_html, digits, language)

    def page(self) -> str:
        """An HTML page to look around in, complete in itself: the graph, step by step."""
        return to_page(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `page()` to a file."""
        atomic_write(path, self.page())

    def _shown(self, render: Any, digits: int, wanted: str | None) -> str:
        with speaking(wanted):
            text: str = render(self, Style(digits))
        return text

    def __repr__(self) -> str:
        operations = sum(1 for _ in self.graph.operations)
        return f"<Explanation of {self.output.title}: {operations} operations>"


class Worked:
    """One worked entry: `terms`, `gradient` and `value`, and `above`, where its largest term comes
    from. Printing it shows all of that."""

    def __init__(self, found: Entry) -> None:
        self.found = found

    @property
    def gradient(self) -> float:
        return self.found.gradient

    @property
    def terms(self) -> Any:
        return self.found.terms

    def to_text(self, digits: int = 4) -> str:
        return render_text.entry_text(self.found, Style(digits))

    def __str__(self) -> str:
        return self.to_text()


class _ProgressLine:
    """One line on standard error, from the first second on, written over again and again."""

    def __init__(self) -> None:
        self._next = time.monotonic() + 1
        self._width = 0

    def __call__(self, done: int, count: int, step: Step) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 0.2
        where = f" · {step.path}" if step.path else ""
        text = t("checked {done} of {count} steps", done=done, count=count)
        text = f"{text}: {step.op_name}{where}"[:78]
        sys.stderr.write("\r" + text.ljust(self._width))
        sys.stderr.flush()
        self._width = len(text)

    def clear(self) -> None:
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
