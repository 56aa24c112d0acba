"""HTML that cannot be injected into, and texts that carry both languages.

`el` escapes every child and attribute that is not `Html` already, so a hostile class name stays a
text wherever it lands. `t` here gives `Words`: the page holds English and Chinese side by side and
shows one of them.
"""

import math
from collections.abc import Iterable
from html import escape
from typing import NamedTuple, TypeAlias

from chainrule.base.text import catalogue, language

_VOID = frozenset({"br", "img", "input", "meta"})


class Html(str):
    """Markup that is safe to put into the page as it stands."""

    __slots__ = ()


class Words(NamedTuple):
    """One text in both languages."""

    en: str
    zh: str

    def here(self) -> str:
        """The text in the language in use now."""
        return self.zh if language() == "zh" else self.en


Child: TypeAlias = "Html | Words | str | int | float | None | Iterable[Child]"


def t(text: str, /, **fields: object) -> Words:
    """`text` in both languages; a field may itself be `Words`."""
    chinese = catalogue().get(text, text)
    if not fields:
        return Words(text, chinese)
    en = {key: value.en if isinstance(value, Words) else value for key, value in fields.items()}
    zh = {key: value.zh if isinstance(value, Words) else value for key, value in fields.items()}
    return Words(text.format(**en), chinese.format(**zh))


def el(name: str, /, *children: Child, **attributes: object) -> Html:
    """An element. `class_` is class, `data_x` is data-x; None and False leave an attribute out."""
    opening = [name]
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            opening.append(key)
        else:
            text = value.here() if isinstance(value, Words) else str(value)
            opening.append(f'{key}="{_escape(text)}"')
    if name in _VOID:
        return Html(f"<{' '.join(opening)}>")
    inner = "text" if name == "text" else ""
    return Html(f"<{' '.join(opening)}>{''.join(_render(c, inner) for c in children)}</{name}>")


def join(*children: Child) -> Html:
    """The children one after the other, without an element around them."""
    return Html("".join(_render(child) for child in children))


def described(words: Words, tip: bool = False) -> dict[str, object]:
    """Attributes that name an element in both languages; with `tip` the script shows them too."""
    names: dict[str, object] = {
        "aria_label": words.here(),
        "data_en": words.en,
        "data_zh": words.zh,
    }
    # The title is for readers without the script, which takes it away.
    return names | {"title": words.here(), "data_tip": True} if tip else names


def section(ident: str, heading: Words, *content: Child, lead: Words | None = None) -> Html:
    """One part of the page: its heading, a sentence on what is seen, and its content."""
    return el(
        "section",
        el("h2", heading, id=f"{ident}-title"),
        el("p", lead, class_="lead") if lead else None,
        *content,
        id=ident,
        aria_labelledby=f"{ident}-title",
    )


def missing(what: Words) -> Html:
    """The sentence that stands where a part of the data is missing."""
    return el("p", what, class_="missing")


def _render(child: Child, inside: str = "") -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return str(child)
    if isinstance(child, Words):
        if child.en == child.zh:
            return _escape(child.en)
        # Inside an SVG text only tspan can be switched off.
        tag = "tspan" if inside == "text" else "span"
        return (
            f'<{tag} lang="en">{_escape(child.en)}</{tag}>'
            f'<{tag} lang="zh">{_escape(child.zh)}</{tag}>'
        )
    if isinstance(child, str):
        return _escape(child)
    if isinstance(child, int | float):
        return _escape(number(child))
    return "".join(_render(each, inside) for each in child)


def _escape(text: str) -> str:
    # A lone surrogate (an undecodable file name) cannot be written as UTF-8; NUL is not HTML.
    text = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    return escape(text)


# Numbers as people read them ----------------------------------------------------------------------


def number(value: float | int | None, digits: int = 4) -> str:
    """`value` for reading: four significant digits, thousands separated; a dash if missing."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def percent(value: float | None, digits: int = 2) -> str:
    """A share between 0 and 1 as per cent."""
    if value is None or not math.isfinite(value):
        return number(value)
    return f"{100 * value:.{digits}f} %"


def duration(seconds: float) -> str:
    """Seconds as 12.3 s, 4 min 05 s or 2 h 07 min (the units are the same in both languages)."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
