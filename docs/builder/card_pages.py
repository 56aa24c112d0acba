"""A page for every card, with its picture, and one that lists them all."""

from __future__ import annotations

import contextlib
import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from builder.render import Body, code, plain, worksheet
from builder.run import Example, ExampleError, run
from builder.site import LANGUAGES, Page, Site, relative
from chainrule.base.errors import ChainruleError
from chainrule.base.text import set_language
from chainrule.explain.cards import Card, Entry, card, entries
from chainrule.explain.report.markup import Words
from chainrule.ops.dispatch import apply
from chainrule.ops.op import REGISTRY, Op
from chainrule.testing.sampling import Sample, samples_of

KINDS = {
    "operation": ("operations", Words("Operations", "运算")),
    "function": ("functions", Words("Functions", "函数")),
    "layer": ("layers", Words("Layers", "层")),
    "loss": ("losses", Words("Losses", "损失函数")),
    "optimiser": ("optimisers", Words("Optimisers", "优化器")),
    "schedule": ("schedules", Words("Learning-rate schedules", "学习率调度")),
    "initialiser": ("initialisers", Words("Initialisers", "初始化")),
    "regulariser": ("regularisers", Words("Regularisers", "正则化")),
    "estimator": ("estimators", Words("Classical estimators", "经典估计器")),
}
PLACES = {"cr": cr, "cr.nn.functional": cr.nn.functional, "cr.linalg": cr.linalg,
          "cr.special": cr.special, "cr.ops": cr.ops}  # fmt: skip
NUMBERS = Words("Worked with numbers", "代入数字")
TRIES = 3  # samples of an operation


def address_of(name: str) -> str:
    return f"cards/{KINDS[entries()[name].kind][0]}/{name}.html"


def linked(name: str, address: str) -> str:
    """The link to a card from a page."""
    return relative(address_of(name), address)


def add_cards(site: Site, names: list[str] | None = None) -> int:
    """The pages of the cards (all, or `names`); gives the number of examples run."""
    known = entries() if names is None else {name: entries()[name] for name in names}
    count = 0
    for language in LANGUAGES:
        set_language(language)
        try:
            for name, entry in known.items():
                example = with_numbers(entry)
                count += bool(example)
                site.add(_page(site, card(name), example, language))
            site.add(_index(known, language))
        finally:
            set_language(None)
    return count


def _page(site: Site, shown: Card, example: str, language: str) -> Page:
    address = address_of(shown.name)
    text = shown.markdown().replace("## ", "# ", 1)
    picture = Path("pictures") / "cards" / language / f"{shown.kind}-{shown.name}.svg"
    (site.out / picture).parent.mkdir(parents=True, exist_ok=True)
    (site.out / picture).write_text(shown.svg(), encoding="utf-8")
    figure = (
        f'<figure><img src="{relative(picture.as_posix(), f"en/{address}")}" '
        f'alt="{html.escape(shown.name)}" loading="lazy"></figure>'
    )
    # The picture stands after the definition, which is the first formula.
    head, mark, rest = plain(text).partition("</math>")
    close, end, rest = rest.partition("</div>") if "</div>" in rest[:12] else ("", "", rest)
    inner = head + mark + close + end + figure + _with_links(rest, shown, address) + example
    kind = KINDS[shown.kind][1].here()
    body = Body(shown.name, f'<p class="kind">{kind} · {shown.family}</p>{inner}')
    return Page(language, address, "cards", body, text=shown.summary.here())


def _with_links(text: str, shown: Card, address: str) -> str:
    """The names under "See also" lead to their cards."""
    for name in shown.related:
        if name in entries():
            word = f"<code>{html.escape(name)}</code>"
            text = text.replace(word, f'<a href="{linked(name, address)}">{word}</a>')
    return text


def _index(known: dict[str, Entry], language: str) -> Page:
    address, title = "cards/index.html", Words("Cards", "卡片").here()
    parts = [f"<h1>{title}</h1>"]
    headings = []
    for kind, (folder, words) in KINDS.items():
        names = sorted(name for name, entry in known.items() if entry.kind == kind)
        headings.append((folder, words.here()))
        parts.append(f'<h2 id="{folder}">{words.here()} ({len(names)})</h2><dl class="cards">')
        for name in names:
            summary = html.escape(card(name).summary.here())
            link = linked(name, address)
            parts.append(f'<dt><a href="{link}">{name}</a></dt><dd>{summary}</dd>')
        parts.append("</dl>")
    return Page(language, address, "cards", Body(title, "".join(parts), headings))


# ---- an example with numbers -------------------------------------------------------------------


UPDATE = """import chainrule as cr
from chainrule.explain.cards import explain_update

theta = cr.tensor([1.0, -2.0], dtype=cr.float64, requires_grad=True)
optimizer = cr.optim.{name}([theta])
for _ in range(2):
    optimizer.zero_grad()
    (theta**2).sum().backward()
    optimizer.step()

optimizer.zero_grad()
(theta**2).sum().backward()
third = explain_update(optimizer, 0, 1)
optimizer.step()
assert abs(third.after - theta[1].item()) < 1e-12
print(third)
"""


def with_numbers(entry: Entry) -> str:
    """A small call of an operation, run and worked out and checked, or an optimiser's third step;
    "" where there is none."""
    if entry.kind == "optimiser":
        source = UPDATE.format(name=entry.name)
        with contextlib.suppress(ExampleError):
            shown = run([Example("python", source, 1)], entry.name)[0]
            return (
                f"<h2>{NUMBERS.here()}</h2>{code(source, 'python')}"
                f'<pre class="output">{html.escape(shown.output.rstrip())}</pre>'
            )
        return ""
    op = entry.op
    if op is None or entry.kind != "operation" or not op.differentiable:
        return ""
    for sample in sorted(samples_of(op), key=_size)[:TRIES]:
        for source in _sources(entry.name, op, sample):
            with contextlib.suppress(ExampleError):
                shown = run([Example("python", source, 1)], entry.name)[0]
                return (
                    f"<h2>{NUMBERS.here()}</h2>{code(source, 'python')}"
                    f'<div class="worksheet">{worksheet(shown.markdown)}</div>'
                )
    return ""


def _size(sample: Sample) -> int:
    """Numbers in the inputs; one number shows least, so that it comes late."""
    total = sum(x.size for x in sample.inputs if x is not None)
    return total if total > len(sample.inputs) else 16


def _sources(name: str, op: type[Op], sample: Sample) -> Iterator[str]:
    """The call as programs: by its public name if that gives the same, else by the registry."""
    names = op.per_input(op.inputs, len(sample.inputs))
    names = [f"{n}{i}" if names.count(n) > 1 else n for i, n in enumerate(names)]
    places = sample.differentiable(op)
    lines, given = ["import chainrule as cr"], []
    for i, (each, x) in enumerate(zip(names, sample.inputs)):
        given.append("None" if x is None else each)
        if x is None:
            continue
        more = ", requires_grad=True" if i in places else ""
        kind = f", dtype=cr.{x.dtype}" if x.dtype.kind == "f" else ""
        rounded = np.round(x, 2) if x.dtype.kind == "f" else x
        lines.append(f"{each} = cr.tensor({rounded.tolist()}{kind}{more})")
    params = [f"{k}={v!r}" for k, v in sample.params.items()]
    tail = "explanation = cr.explain({y}, gradient=cr.ones_like({y}))\n" \
           "assert explanation.verify().right\nexplanation\n"  # fmt: skip
    direct = f"apply(REGISTRY[{name!r}], {', '.join([*given, *params])})"
    scope: dict[str, Any] = {"apply": apply, "REGISTRY": REGISTRY}
    try:
        exec("\n".join([*lines, f"expected = {direct}"]), scope)  # noqa: S102
    except (ChainruleError, SyntaxError, NameError):
        return  # a parameter that cannot be written as a literal
    expected = scope["expected"]
    result = "y[0]" if isinstance(expected, tuple) else "y"
    for where, module in PLACES.items():
        function = getattr(module, name, None)
        for inputs in (given, [f"[{', '.join(given)}]"]) if callable(function) else ():
            call = f"y = {where}.{name}({', '.join([*inputs, *params])})"
            if _gives([*lines, call], expected):
                yield "\n".join([*lines, call, tail.format(y=result)])
    start = "from chainrule.ops.dispatch import apply\nfrom chainrule.ops.op import REGISTRY"
    yield "\n".join([lines[0], start, *lines[1:], f"y = {direct}", tail.format(y=result)])


def _gives(lines: list[str], expected: Any) -> bool:
    """Whether the program's `y` is what is expected."""
    scope: dict[str, Any] = {}
    try:
        exec("\n".join(lines), scope)  # noqa: S102
    except (ChainruleError, TypeError):
        return False
    have, want = (
        v if isinstance(v, tuple) else (v,) for v in (scope["y"], expected)
    )  # fmt: skip
    return len(have) == len(want) and all(
        isinstance(a, cr.Tensor) and a.shape == b.shape and np.array_equal(
            a.detach().numpy(), b.detach().numpy(), equal_nan=a.is_floating_point())
        for a, b in zip(have, want)
    )  # fmt: skip
