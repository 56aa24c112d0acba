"""Expressions and texts in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable

from chainrule.explain.worksheet.syntax import Call, Expression, Name, Number

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "%": r"\%", "&": r"\&",
    "#": r"\#", "$": r"\$", "^": r"\^{}", "~": r"\~{}", "<": "{<}", ">": "{>}",
}  # fmt: skip
_FUNCTIONS = {
    "exp": r"\exp", "log": r"\ln", "sin": r"\sin", "cos": r"\cos", "tan": r"\tan",
    "tanh": r"\tanh", "sinh": r"\sinh", "cosh": r"\cosh", "max": r"\max", "min": r"\min",
    "sigmoid": r"\sigma", "sum": r"\sum", "det": r"\det",
}  # fmt: skip
_SIGNS = {
    "∂": r"\partial ", "Σ": r"\sum ", "×": r"\times ", "·": r"\cdot ", "σ": r"\sigma ",
    "μ": r"\mu ", "δ": r"\delta ", "ε": r"\varepsilon ", "⊙": r"\odot ", "√": r"\surd ",
    "<": " < ", ">": " > ",
    "≤": r"\le ", "≥": r"\ge ", "−": "-", "…": r"\dots ", "ᵀ": r"^{\top}", "²": "^2", "∗": r"\ast ",
    "⋆": r"\star ", "→": r"\to ", "γ": r"\gamma ", "β": r"\beta ", "≈": r"\approx ",
    "^": r"\mathbin{\text{\^{}}}", "~": r"\sim ", "*": r"\cdot ", "@": r"\,",
}  # fmt: skip

#: Parameters of operations that are written as Greek letters.
GREEK = {
    "eps": r"\varepsilon", "pi": r"\pi", "alpha": r"\alpha", "beta": r"\beta",
    "gamma": r"\gamma", "delta": r"\delta", "lambd": r"\lambda", "rho": r"\rho",
}  # fmt: skip

_POWER = re.compile(r"\d[\d.]*e[-+]?\d+")
_SYMBOL = re.compile(r"[A-Za-z](\d+(\.\d+)*)?")  # n5, and n5.3, the third step within it
_WORDS = re.compile(r"[A-Za-z_][A-Za-z_0-9.]*(?: [A-Za-z_][A-Za-z_0-9.]*)*")
_CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]+")
_PARTS = re.compile(f"({_POWER.pattern}|{_WORDS.pattern}|{_CHINESE.pattern})")
_TEXT = {c: f"${s.strip()}$" for c, s in _SIGNS.items() if not c.isascii()} | _SPECIAL
_OTHERS = set(_SPECIAL) - set(_SIGNS)
_EXPONENT = re.compile(r"\s*\^\s*(-?\d+(?:\.\d+)?)")


def escaped(text: str) -> str:
    """Any text as LaTeX text; signs that only mathematics has are written there."""
    return "".join(_TEXT.get(c, c) for c in text)


def symbol(name: str) -> str:
    """A name as a symbol: q1 as q with an index, conv1.weight upright."""
    if _SYMBOL.fullmatch(name) is None:
        # Signs beyond these are letters of text only.
        upright = "mathrm" if re.fullmatch(r"[A-Za-z0-9_.]*", name) else "text"
        return rf"\{upright}{{{escaped(name)}}}"
    return f"{name[0]}_{{{name[1:]}}}" if len(name) > 1 else name


def line(text: str) -> str:
    """A line of numbers and signs, such as "0.5 × 0.25 = 0.125", as a formula; words upright."""
    out = []
    for part in _PARTS.split(text):
        if _POWER.fullmatch(part):
            mantissa, exponent = part.split("e")
            out.append(rf"{mantissa}\times 10^{{{int(exponent)}}}")
        elif _SYMBOL.fullmatch(part):
            out.append(symbol(part))
        elif _CHINESE.fullmatch(part):
            out.append(rf"\text{{{part}}}")
        elif part.endswith(".T") and " " not in part:
            out.append(symbol(part[:-2]) + r"^{\top}")
        elif _WORDS.fullmatch(part):
            upright = "text" if " " in part else "mathrm"  # mathrm drops spaces
            out.append(rf"\{upright}{{{escaped(part)}}}")
        else:
            for k, piece in enumerate(_EXPONENT.split(part)):
                signs = (_SPECIAL[c] if c in _OTHERS else _SIGNS.get(c, c) for c in piece)
                out.append(f"^{{{piece}}}" if k % 2 else "".join(signs))
    return "".join(out)


def expression(tree: Expression, leaf: Callable[[Number | Name], str]) -> str:
    """A tree as LaTeX; `leaf` writes names and numbers."""
    return _write(tree, leaf)[0]


def _write(tree: Expression, leaf: Callable[[Number | Name], str]) -> tuple[str, int]:
    """The LaTeX and how tightly its loosest operator binds: 1 sum, 2 product, 3 sign, 4 power."""
    if not isinstance(tree, Call):
        text = leaf(tree)
        return text, 3 if text.startswith("-") else 5
    f, args = tree.function, tree.arguments
    if f == "/":
        return rf"\frac{{{expression(args[0], leaf)}}}{{{expression(args[1], leaf)}}}", 5
    if f == "neg":
        return f"-{_inside(args[0], leaf, 3, True)}", 2
    if f in "+-*" and len(args) == 2:
        rank = 2 if f == "*" else 1
        sign = {"+": " + ", "-": " - ", "*": r" \cdot "}[f]
        return _inside(args[0], leaf, rank) + sign + _inside(args[1], leaf, rank + 1, True), rank
    if f == "^":
        return f"{_inside(args[0], leaf, 5)}^{{{expression(args[1], leaf)}}}", 4
    if f == ">":
        return f"{expression(args[0], leaf)} > {expression(args[1], leaf)}", 0
    inner = ", ".join(expression(a, leaf) for a in args)
    if f == "sqrt":
        return rf"\sqrt{{{inner}}}", 5
    if f == "abs":
        return rf"\left|{inner}\right|", 5
    if f == "where":
        condition, yes, no = (expression(a, leaf) for a in args)
        other = r"\text{otherwise}"
        return (
            rf"\begin{{cases}}{yes} & {condition}\\ {no} & {other}\end{{cases}}", 5
        )  # fmt: skip
    name = _FUNCTIONS.get(f, rf"\operatorname{{{escaped(f)}}}")
    return rf"{name}\left({inner}\right)", 5


def _inside(
    tree: Expression, leaf: Callable[[Number | Name], str], least: int, right: bool = False
) -> str:
    text, rank = _write(tree, leaf)
    return rf"\left({text}\right)" if rank < least or (right and text[0] == "-") else text
