"""Writes the pages that follow from the code: `python docs/generate.py [--check]`.

primitives.md from the table of primitives, operations.md from the cards, zh/benchmarks.md from
benchmarks.md, reference/*.md from the public names and docstrings.
"""

from __future__ import annotations

import inspect
import re
import sys
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from builder import chinese

import chainrule
from chainrule.base.text import set_language
from chainrule.explain.worksheet import to_text, worksheet
from chainrule.ops.functional import PUBLIC
from chainrule.ops.op import REGISTRY, Op
from chainrule.ops.primitives import PRIMITIVES

HERE = Path(__file__).parent
ROOMS = [
    "autograd", "linalg", "special", "ops", "cuda", "backends", "nn", "nn.init", "nn.utils",
    "nn.utils.rnn", "optim", "optim.lr_scheduler",
    "optim.swa_utils", "data",
    "data.transforms", "files", "train", "models", "compile", "testing", "explain",
    "explain.Explanation", "explain.report", "learn", "learn.metrics", "utils.data",
    "utils.checkpoint",
]  # fmt: skip
NOTE = "<!-- Written by docs/generate.py: change the code, not this page. -->\n"


def first_paragraph(x: Any) -> str:
    text = inspect.getdoc(x) or ""
    text = text.split("\n\n", 1)[1] if re.match(r"^[\w.]+\(.*\)$", text.split("\n\n")[0]) else text
    return " ".join(text.split("\n\n")[0].split())


def signature(name: str, x: Any) -> str:
    op = getattr(x, "op", None)
    if op is not None:
        return op.signature().replace(op.name, name, 1)
    try:
        parameters = [
            p.replace(annotation=p.empty) for p in inspect.signature(x).parameters.values()
            if p.name not in ("self", "cls") and not p.name.startswith("_")
        ]  # fmt: skip
    except (TypeError, ValueError):
        return name
    text = str(inspect.Signature(parameters))
    return f"{name}{re.sub(r' at 0x[0-9a-f]+', '', text)}"


def public_names(module: Any) -> list[str]:
    if inspect.isclass(module):
        return [n for n in sorted(dir(module)) if not n.startswith("_")]
    names = getattr(module, "__all__", None)
    if names is None:
        names = [n for n in vars(module) if not n.startswith("_")]
    found = {n: getattr(module, n) for n in names}
    return sorted(n for n, x in found.items() if not (inspect.ismodule(x) or is_operation(x)))


def is_operation(x: Any) -> bool:
    """Whether it is the definition of an operation, which users call by its function."""
    return inspect.isclass(x) and issubclass(x, Op) and x is not Op


def rooms() -> dict[str, list[tuple[str, Any]]]:
    """For each page of the reference its names and what they are."""
    tensor = chainrule.Tensor
    out = {
        "functions": [(n, PUBLIC[n]) for n in sorted(PUBLIC)],
        "tensor": [(n, inspect.getattr_static(tensor, n)) for n in public_names(tensor)],
    }
    for room in ROOMS:
        package, _, name = room.rpartition(".")
        if name[0].isupper():
            kind = getattr(import_module(f"chainrule.{package}"), name)
            members = [(n, inspect.getattr_static(kind, n)) for n in public_names(kind)]
            out[room] = [(name, kind), *members]
            continue
        module = import_module(f"chainrule.{room}")
        out[room] = [(n, getattr(module, n)) for n in public_names(module)]
        if room == "explain":  # the module is the function
            out[room] = [("explain", module.__call__), ("recording", module.recording), *out[room]]
    return out


def title_of(room: str) -> str:
    return {"functions": "chainrule: functions", "tensor": "chainrule.Tensor"}.get(
        room, f"chainrule.{room}"
    )


def entry(name: str, x: Any) -> str:
    if isinstance(x, property):
        return f"### `{name}`\n\n{first_paragraph(x)}\n"
    if not (callable(x) or inspect.isclass(x)):
        return f"### `{name}`\n\n`{x!r}`\n"
    op = getattr(x, "op", None)
    formula = f" Formula: `{op.math}`." if op is not None and op.math else ""
    return f"### `{signature(name, x)}`\n\n{first_paragraph(x)}{formula}\n"


def page(title: str, entries: list[str]) -> str:
    return f"{NOTE}\n# {title}\n\n" + "\n".join(entries)


def primitives(language: str = "en") -> str:
    zh = language == "zh"
    count = len(PRIMITIVES)
    head = (
        chinese.PRIMITIVES_HEAD.format(n=count)
        if zh
        else f"# Primitives\n\nThe {count} functions that every namespace offers (NumPy, "
        "recording, tracing) and that the compiler\nlowers. Everything else is a composite, traced "
        "through.\n"
    )
    lines = [NOTE, head]
    for kind in dict.fromkeys(p.kind for p in PRIMITIVES.values()):
        lines += [f"## {chinese.KINDS[kind] if zh else kind}", ""]
        lines += ["| 基元 | 计算什么 |" if zh else "| primitive | computes |", "|---|---|"]
        for name, p in PRIMITIVES.items():
            if p.kind == kind:
                words = (chinese.meaning(p.meaning) if zh else p.meaning).replace("|", "∣")
                lines.append(f"| `{name}({p.signature})` | {words} |")
        lines.append("")
    return "\n".join(lines)


def operations(language: str = "en") -> str:
    """Every operation with its formula and the sentence of its card."""
    zh = language == "zh"
    cards = [
        f"| `{name}` | `{op.math}` | {op.card.zh if zh else op.card.en} |".replace("||", "∣∣")
        for name, op in sorted(REGISTRY.items())
    ]
    head = "| 运算 | 公式 | 说明 |" if zh else "| operation | formula | what it is |"
    title = "运算" if zh else "Operations"
    return f"{NOTE}\n# {title}\n\n" + "\n".join([head, "|---|---|---|", *cards, ""])


def picture(language: str) -> str:
    """The first worked example of the notes as `chainrule explain` prints it, drawn as SVG."""
    set_language(language)
    try:
        sheet = worksheet("(x+y)*z", {"x": -2.0, "y": 5.0, "z": -4.0})
        lines = to_text(sheet, 2, 80).rstrip().splitlines()
    finally:
        set_language(None)
    command = '$ chainrule explain "(x+y)*z" x=-2 y=5 z=-4'
    if language != "en":
        command = command.replace("chainrule", f"chainrule --lang {language}")
    rows = [f'<tspan fill="#8b949e">{escape(command)}</tspan>', ""]
    for line in lines:
        colour = "#e6edf3" if line.startswith(" ") else "#7ee787"
        kept = escape(line).replace(" ", "\u00a0")  # SVG would run spaces together
        rows.append(f'<tspan fill="{colour}">{kept}</tspan>' if line else "")
    height = 21 * len(rows) + 34
    text = "\n".join(
        f'<text x="24" y="{36 + 21 * i}">{row}</text>' for i, row in enumerate(rows) if row
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {height}" width="640">\n'
        f"<title>{escape(command[2:])}</title>\n"
        f'<rect width="640" height="{height}" rx="10" fill="#0d1117"/>\n'
        f'<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14">\n'
        f"{text}\n</g>\n</svg>"
    )


def pages() -> dict[Path, str]:
    out = {}
    for language, folder in (("en", HERE), ("zh", HERE / "zh")):
        out[folder / "primitives.md"] = primitives(language)
        out[folder / "operations.md"] = operations(language)
    measured = (HERE / "benchmarks.md").read_text(encoding="utf-8")
    out[HERE / "zh" / "benchmarks.md"] = chinese.benchmarks(measured)
    for language, name in (("en", "explain.svg"), ("zh", "explain.zh.svg")):
        out[HERE / "images" / name] = picture(language)
    for room, names in rooms().items():
        entries = [entry(name, x) for name, x in names]
        out[HERE / "reference" / f"{room}.md"] = page(title_of(room), entries)
    return out


def main() -> int:
    stale = []
    for path, text in pages().items():
        text = text.rstrip() + "\n"
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in sys.argv:
            stale.append(path.name)
            continue
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if stale:
        print(f"Stale: {', '.join(stale)}. Run python docs/generate.py.")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
