"""argparse in both languages, with errors that are raised and not printed."""

from __future__ import annotations

import argparse
import difflib
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from chainrule.base.errors import ChainruleError
from chainrule.base.text import catalogue, language, t


class UsageError(ChainruleError):
    """A command line that cannot be understood."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises UsageError instead of printing and exiting."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", _Formatter)
        super().__init__(allow_abbrev=False, **options)
        # What begins like a negative number is a value, which its option then judges.
        self._negative_number_matcher = re.compile(r"-[\d.]")

    def error(self, message: str) -> NoReturn:
        raise UsageError(t("{message} (see {command} --help)", message=message, command=self.prog))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            close = difflib.get_close_matches(str(value), known, 1)
            hint = t("; did you mean {close!r}?", close=close[0]) if close else ""
            raise argparse.ArgumentError(
                action,
                t("{value!r} is none of {known}{hint}", value=value, known=", ".join(known),
                  hint=hint),
            )  # fmt: skip


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help in columns, where a Chinese character takes two."""

    def _format_action(self, action: argparse.Action) -> str:
        text = super()._format_action(action)
        found = re.match(r"( *\S.*?)( {2,})(?=\S)", text)
        if found is None:
            return text
        wide = sum(unicodedata.east_asian_width(c) in "WF" for c in found[1])
        return found[1] + " " * max(2, len(found[2]) - wide) + text[found.end() :]


@contextmanager
def own_words() -> Iterator[None]:
    """argparse's own words (usage, options, errors) in the current language while inside."""
    if language() == "en":
        yield
        return
    module: Any = argparse
    before = module._, module.ngettext
    words = catalogue()
    # argparse looks these two names up in its own module each time it has something to say.
    module._ = lambda text: words.get(text, text)
    module.ngettext = lambda one, many, n: words.get(
        one if n == 1 else many, before[1](one, many, n)
    )
    try:
        yield
    finally:
        module._, module.ngettext = before
