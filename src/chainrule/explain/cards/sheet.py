"""What a person wrote about one thing: the part of a card that cannot be computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from chainrule.explain.report.markup import Words


class Step(NamedTuple):
    """One line of a derivation: a formula in LaTeX and, where it needs them, words."""

    tex: str
    words: Words | None = None


@dataclass(frozen=True)
class Sheet:
    """When a thing is used and what trouble it makes, and how its gradient is found.

    A formula with a backslash is LaTeX; without one it is written as the `math` of operations is,
    and tests put numbers into it.

    use, trouble: what it is good for; what goes wrong with it.
    formula: definition, where the thing has no `math` or one in words.
    steps: the derivation; where it is empty, it is worked out from the formula.
    chain: forms of dy/dx of an elementwise operation, each equal to the one before.
    gradients: for each input its gradient in g = ∂L/∂y, y and the inputs.
    rule: name of the gradient's behaviour in `rules.RULES`.
    summary: what it is; an operation has its `card`.
    picture: kind of picture, or "" for the one that fits.
    example: arguments of a small call; lists become tensors.
    related: names of other cards. note: where the notes speak of it.
    """

    use: Words
    trouble: Words
    formula: str = ""
    steps: tuple[Step, ...] = ()
    chain: tuple[str, ...] = ()
    gradients: Mapping[str, str] = field(default_factory=dict)
    rule: str = ""
    summary: Words | None = None
    picture: str = ""
    example: tuple[object, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    related: tuple[str, ...] = ()
    note: str = ""


def step(tex: str, en: str = "", zh: str = "") -> Step:
    """A line of a derivation."""
    return Step(tex, Words(en, zh) if en else None)


def row(
    formula: str, rule: str, summary: tuple[str, str], use: tuple[str, str],
    trouble: tuple[str, str], *example: object, related: str = "", note: str = "",
    picture: str = "", **options: object,
) -> Sheet:  # fmt: skip
    """A short sheet: definition, behaviour of the gradient, and three sentences."""
    return Sheet(
        Words(*use), Words(*trouble), formula, rule=rule, summary=Words(*summary),
        example=example, options=options, related=tuple(related.split()), note=note,
        picture=picture,
    )  # fmt: skip


def told(
    use: tuple[str, str], trouble: tuple[str, str], *, related: str = "", summary: tuple[str, str]
    | None = None, **fields: object,
) -> Sheet:  # fmt: skip
    """A sheet of something that has its formula elsewhere; `fields` as in `Sheet`."""
    return Sheet(
        Words(*use), Words(*trouble), related=tuple(related.split()),
        summary=Words(*summary) if summary else None, **fields,  # type: ignore[arg-type]
    )  # fmt: skip
