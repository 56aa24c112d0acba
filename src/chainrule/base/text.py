"""Texts shown to users, in English and Chinese.

The English sentence stands where it is used and is the key; `base/zh/*.py` is the one catalogue of
translations. A test extracts every literal given to `t` and fails on one without a translation.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pkgutil import iter_modules

LANGUAGES = ("en", "zh")

_current: str | None = None
_chinese: dict[str, str] | None = None


def language() -> str:
    """The language in use: the last `set_language`, else `CHAINRULE_LANG`, else English."""
    if _current is not None:
        return _current
    return "zh" if os.environ.get("CHAINRULE_LANG", "").lower().startswith("zh") else "en"


def set_language(name: str | None) -> None:
    """Use `name` ("en" or "zh"); None goes back to the environment's choice."""
    global _current
    if name is not None and name not in LANGUAGES:
        raise ValueError(t("Unknown language {name!r}: write 'en' or 'zh'.", name=name))
    _current = name


@contextmanager
def speaking(name: str | None) -> Iterator[None]:
    """Use `name` inside (None: no change); afterwards what was chosen before, or not, holds."""
    before = _current
    set_language(before if name is None else name)
    try:
        yield
    finally:
        set_language(before)


def catalogue() -> dict[str, str]:
    """All translations, merged from the modules of `base/zh` on first use."""
    global _chinese
    if _chinese is None:
        package = import_module("chainrule.base.zh")
        merged: dict[str, str] = {}
        for info in iter_modules(package.__path__):
            merged |= import_module(f"{package.__name__}.{info.name}").TEXT
        _chinese = merged
    return _chinese


def t(text: str, /, **fields: object) -> str:
    """`text` in the current language, with its `{fields}` filled in."""
    if language() == "zh":
        text = catalogue().get(text, text)
    return text.format(**fields) if fields else text
