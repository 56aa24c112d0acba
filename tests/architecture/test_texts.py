"""Every text that a user can see exists in both languages, with the same fields."""

import ast
import re
import string
from pathlib import Path

from chainrule.base.text import catalogue, set_language, t

SOURCE = Path(__file__).parents[2] / "src" / "chainrule"


def fields(text: str) -> set[str]:
    names = (name for _, name, _, _ in string.Formatter().parse(text) if name is not None)
    return {re.split(r"[.\[!:]", name)[0] for name in names}


def literals():
    """(file, line, first argument) of every call of t(…)."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "t"
                and node.args
                and path != SOURCE / "base" / "text.py"
            ):
                yield path, node.lineno, node.args[0]


def test_the_first_argument_is_always_a_literal():
    for path, line, argument in literals():
        assert isinstance(argument, ast.Constant) and isinstance(argument.value, str), (
            f"{path}:{line}: t() needs a literal, or its text cannot be translated"
        )


def test_every_text_has_a_translation_with_the_same_fields():
    missing = []
    for path, line, argument in literals():
        chinese = catalogue().get(argument.value)
        if chinese is None:
            missing.append(f"{path.relative_to(SOURCE)}:{line}: {argument.value}")
        else:
            assert fields(chinese) == fields(argument.value), argument.value
    assert not missing, "\n".join(missing)


def test_the_language_can_be_chosen(monkeypatch):
    monkeypatch.setenv("CHAINRULE_LANG", "zh")
    english = "True or False"
    assert t(english) == catalogue()[english] != english
    set_language("en")
    try:
        assert t(english) == english
    finally:
        set_language(None)
