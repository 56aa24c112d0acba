"""Formulas as LaTeX and as plain text: each is made from the other, so that it is written once."""

from __future__ import annotations

import ast
import re

_GREEK = {
    name: f"\\{name}"
    for name in ("alpha", "beta", "gamma", "delta", "rho", "tau", "mu", "sigma", "theta", "eta",
                 "pi", "epsilon", "lambda", "phi")
} | {"lambd": r"\lambda", "eps": r"\varepsilon", "inf": r"\infty"}  # fmt: skip
_KNOWN = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min", "arg", "det", "ln")
_SIGNS: dict[type, str] = {
    ast.Lt: "<", ast.LtE: r"\le", ast.Gt: ">", ast.GtE: r"\ge", ast.Eq: "=", ast.NotEq: r"\ne",
}  # fmt: skip
_LOOSE, _SUM, _PRODUCT, _SIGNED, _POWER, _ATOM = range(6)


def to_tex(formula: str) -> str:
    """A formula as operations write them (`1 / (1 + exp(-x))`) as LaTeX; words as a text."""
    python = formula.replace("^", "**").replace(" xor ", " ^ ")
    try:
        tree = ast.parse(python, mode="eval").body
        return _tex(tree)[0]
    except (SyntaxError, _Unknown):
        escaped = re.sub(r"([_%&#{}])", r"\\\1", formula).replace("^", r"\^{}")
        return rf"\text{{{escaped}}}"


def is_tex(formula: str) -> bool:
    """Whether a formula is LaTeX already, and not in the language of `math`."""
    return "\\" in formula or "{" in formula or bool(re.search(r"(?<![=<>!])=(?!=)", formula))


class _Unknown(Exception):
    """A piece of Python that is no arithmetic."""


def _tex(node: ast.expr) -> tuple[str, int]:
    """The LaTeX and how tightly its loosest operator binds."""
    match node:
        case ast.Constant(value=int() | float() as number):
            text = f"{number:.4g}" if isinstance(number, float) else str(number)
            return text, _ATOM
        case ast.Name(id=name):
            return _name(name), _ATOM
        case ast.UnaryOp(op=ast.USub(), operand=a):
            return f"-{_in(a, _PRODUCT)}", _SIGNED
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=a):
            return rf"\lnot {_in(a, _ATOM)}", _SIGNED
        case ast.BinOp(left=a, op=op, right=b):
            return _binary(a, op, b)
        case ast.BoolOp(op=op, values=values):
            sign = r" \land " if isinstance(op, ast.And) else r" \lor "
            return sign.join(_in(v, _SUM) for v in values), _LOOSE
        case ast.Compare(left=a, ops=[op], comparators=[b]) if type(op) in _SIGNS:
            return f"{_in(a, _SUM)} {_SIGNS[type(op)]} {_in(b, _SUM)}", _LOOSE
        case ast.Attribute(value=a, attr="T"):
            return f"{_in(a, _ATOM)}^{{\\top}}", _POWER
        case ast.Subscript(value=a, slice=index):
            return f"{_in(a, _ATOM)}_{{{_tex(index)[0]}}}", _ATOM
        case ast.Tuple(elts=parts):
            return r",\ ".join(_tex(part)[0] for part in parts), _LOOSE
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return _call(name, args)
    raise _Unknown


def _in(node: ast.expr, least: int) -> str:
    text, rank = _tex(node)
    return text if rank >= least else rf"\left({text}\right)"


def _binary(a: ast.expr, op: ast.operator, b: ast.expr) -> tuple[str, int]:
    match op:
        case ast.Add():
            return f"{_in(a, _SUM)} + {_in(b, _PRODUCT)}", _SUM
        case ast.Sub():
            return f"{_in(a, _SUM)} - {_in(b, _PRODUCT)}", _SUM
        case ast.Mult():
            return rf"{_in(a, _PRODUCT)} \cdot {_in(b, _SIGNED)}", _PRODUCT
        case ast.MatMult():
            return rf"{_in(a, _PRODUCT)}\, {_in(b, _POWER)}", _PRODUCT
        case ast.Div():
            return rf"\frac{{{_tex(a)[0]}}}{{{_tex(b)[0]}}}", _SIGNED
        case ast.Pow():
            return f"{_in(a, _ATOM)}^{{{_tex(b)[0]}}}", _POWER
        case ast.BitAnd():
            return rf"{_in(a, _PRODUCT)} \land {_in(b, _PRODUCT)}", _LOOSE
        case ast.BitOr():
            return rf"{_in(a, _PRODUCT)} \lor {_in(b, _PRODUCT)}", _LOOSE
        case ast.BitXor():
            return rf"{_in(a, _PRODUCT)} \oplus {_in(b, _PRODUCT)}", _LOOSE
    raise _Unknown


def _call(name: str, args: list[ast.expr]) -> tuple[str, int]:
    texts = [_tex(a)[0] for a in args]
    inner = r",\ ".join(texts)
    match name, texts:
        case "exp", [a]:
            return f"e^{{{a}}}", _POWER
        case "sqrt", [a]:
            return rf"\sqrt{{{a}}}", _ATOM
        case "abs", [a]:
            return rf"\left|{a}\right|", _ATOM
        case "floor", [a]:
            return rf"\lfloor {a} \rfloor", _ATOM
        case "ceil", [a]:
            return rf"\lceil {a} \rceil", _ATOM
        case "sum", [_]:
            return rf"\sum {_in(args[0], _PRODUCT)}", _PRODUCT
        case "prod", [_]:
            return rf"\prod {_in(args[0], _PRODUCT)}", _PRODUCT
        case "where", [condition, yes, no]:
            return (
                rf"\begin{{cases}} {yes} & \text{{if }} {condition} \\ {no} & "
                r"\text{otherwise} \end{cases}",
                _ATOM,
            )
        case "sigmoid", [_]:
            return rf"\sigma\left({inner}\right)", _ATOM
        case "log", [_]:
            name = "ln"
    shown = (
        f"\\{name}" if name in _KNOWN else rf"\operatorname{{{name.replace('_', chr(92) + '_')}}}"
    )
    return rf"{shown}\left({inner}\right)", _ATOM


def _name(name: str) -> str:
    if name in _GREEK:
        return _GREEK[name]
    head, _, tail = name.partition("_")
    if tail == "hat":
        return rf"\hat{{{_name(head)}}}"
    if tail and (len(head) == 1 or head in _GREEK):
        return f"{_name(head)}_{{{_name(tail)}}}"
    match = re.fullmatch(r"([a-z]+)(\d+)", name)
    if match and (len(match[1]) == 1 or match[1] in _GREEK):
        return f"{_name(match[1])}_{{{match[2]}}}"
    if len(name) == 1:
        return name
    return rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"


# ---- back to plain text ----------------------------------------------------------------------

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_&]|\s+|.", re.DOTALL)
_PLAIN = {
    "sum": "Σ", "prod": "Π", "int": "∫", "partial": "∂", "cdot": "·", "odot": "⊙", "le": "≤",
    "ge": "≥", "ni": "∋", "Pi": "Π", "leftrightarrow": "↔",
    "ne": "≠", "to": "→", "leftarrow": "←", "Rightarrow": "⇒", "infty": "∞", "in": "∈",
    "approx": "≈", "top": "T", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉",
    "land": " and ", "lor": " or ", "lnot": "not ", "oplus": " xor ", "ast": "∗", "times": "×",
    "pm": "±", "sim": "~", "mid": "|", "nabla": "∇", "propto": "∝", "ldots": "…", "cdots": "⋯",
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "rho": "ρ", "tau": "τ", "mu": "μ",
    "sigma": "σ", "theta": "θ", "eta": "η", "pi": "π", "epsilon": "ε", "varepsilon": "ε",
    "lambda": "λ", "phi": "φ", "Phi": "Φ", "Sigma": "Σ", "Gamma": "Γ", "Delta": "Δ", "psi": "ψ",
    "kappa": "κ", "xi": "ξ", "nu": "ν", "ell": "ℓ", "quad": "  ",
    "left": "", "right": "", "circ": "∘",
    "cap": "∩", "Lambda": "Λ",
    "cup": "∪", "setminus": "∖", "Vert": "‖", "equiv": "≡", "mapsto": "↦", "langle": "⟨",
    "rangle": "⟩", "subset": "⊂", "bmod": " mod ", "otimes": "⊗", "max": "max", "min": "min",
    "ln": "ln", "log": "log", "exp": "exp", "sin": "sin", "cos": "cos", "tan": "tan",
    "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "det": "det", "arg": "arg", "lim": "lim",
}  # fmt: skip
_OPEN = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307"}
_SUPERSCRIPTS = dict(zip("0123456789+-−nTti", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻ⁿᵀᵗⁱ", strict=True))
COMMANDS = frozenset(_PLAIN) | frozenset(_OPEN) | {
    "frac", "tfrac", "sqrt", "text", "texttt", "mathrm", "operatorname", "mathbf", "begin", "end",
    "boldsymbol",
}  # fmt: skip


def to_plain(tex: str) -> str:
    """LaTeX of the kind written here as one line of plain text."""
    reader = _Reader(_TOKEN.findall(tex))
    text = re.sub(r" +", " ", reader.group(None))
    text = re.sub(r"\b(tanh|sinh|cosh|sin|cos|tan|max|min|ln|det|arg) \(", r"\1(", text)
    return re.sub(r" (?=[),;\]}⁰¹²³⁴⁵⁶⁷⁸⁹ᵀ^′])|(?<=\() ", "", text).strip()


class _Reader:
    """Recursive descent over LaTeX tokens."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at = tokens, 0

    def next(self) -> str:
        token = self.tokens[self.at] if self.at < len(self.tokens) else ""
        self.at += 1
        return token

    def group(self, end: str | None) -> str:
        """Everything up to the closing brace (or the end)."""
        out = ""
        while self.at < len(self.tokens):
            token = self.next()
            if token == end:
                return out
            out += self.one(token, out)
        return out

    def argument(self) -> str:
        token = self.next()
        while token.isspace():
            token = self.next()
        return self.group("}") if token == "{" else self.one(token, "")

    def raw(self) -> str:
        """The text in braces as it stands."""
        out, depth = "", 0
        while self.at < len(self.tokens):
            token = self.next()
            depth += (token == "{") - (token == "}")
            if token == "}" and not depth:
                break
            if token not in "{}":
                out += token.removeprefix("\\") if len(token) == 2 else token
        return out

    def one(self, token: str, before: str) -> str:
        if token == "{":
            return self.group("}")
        if token == "^":
            return _raised(self.argument())
        if token == "_":
            inner = self.argument()
            return f"_{inner}" if re.fullmatch(r"\w+|[^\w\s]", inner) else f"_({inner})"
        if token == "&":
            return "  "
        if token.isspace():
            return " "
        if token == "-":
            return "−"
        if token == "'":
            return "′"
        if not token.startswith("\\"):
            return token
        return self.command(token[1:])

    def command(self, name: str) -> str:
        if name in ("frac", "tfrac"):
            above, below = self.argument(), self.argument()
            return f"{_wrapped(above, '+−·/ ')}/{_wrapped(below, '+−·/ ')} "
        if name == "sqrt":
            inner = self.argument().strip()
            return (
                f"√{inner}" if re.fullmatch(r"\w[\u0300-\u036f]?(_\w)?", inner) else f"√({inner})"
            )
        if name in _OPEN:
            return self.argument() + _OPEN[name]
        if name in ("text", "texttt", "mathrm"):
            return self.raw()
        if name == "operatorname":
            name = self.raw()
            follows = "".join(self.tokens[self.at :][:2]).removeprefix("\\left")
            return name if follows[:1] in ("(", "") else f"{name} "
        if name in ("mathbf", "boldsymbol"):
            return self.argument()
        if name == "begin":
            kind = self.raw()
            return "{" if kind == "cases" else "["
        if name == "end":
            return "}" if self.raw() == "cases" else "]"
        if name == "\\":
            return "; "
        if name in ",;: !":
            return "" if name == "!" else " "
        if name in "|":
            return "‖"
        if name in _PLAIN:
            if name in ("partial", "nabla", "Delta") and self.tokens[self.at :][:1] == [" "]:
                self.at += 1
            word = _PLAIN[name]
            return f"{word} " if word.isalpha() and len(word) > 1 and word.isascii() else word
        return name


def _wrapped(text: str, signs: str) -> str:
    text = text.strip()
    loose = re.sub(r"\([^()]*\)", "", text)
    return f"({text})" if any(s in loose for s in signs) and len(text) > 1 else text


def _raised(text: str) -> str:
    if text and all(c in _SUPERSCRIPTS for c in text):
        return "".join(_SUPERSCRIPTS[c] for c in text)
    return f"^{text}" if re.fullmatch(r"\w+|\(.*\)", text) else f"^({text})"
