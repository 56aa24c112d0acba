"""Runs the examples of a page as a reader would, and compares what they print.

In Markdown every ```python block is run, all blocks of a page in one namespace; an ```output block
right after it is what it must print, to the character. In ```console blocks the lines after
`$ chainrule …` are what the command must print. A comment `<!-- setup … -->` is run and not shown.
What a last expression gives is shown as in a notebook.

`python run.py PAGE…` runs pages, each result as one line of JSON.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import io
import json
import linecache
import os
import re
import shlex
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]


class ExampleError(AssertionError):
    """An example that fails, or prints something else than its page says."""


@dataclass(frozen=True)
class Example:
    """`kind`: "python", "console" or "setup"; `line` of the page, from 1; `expected` output."""

    kind: str
    code: str
    line: int
    expected: str | None = None


@dataclass(frozen=True)
class Shown:
    """What a page shows under an example: printed text, and a last value as Markdown."""

    output: str = ""
    markdown: str = ""


def examples(text: str) -> list[Example]:
    """The examples of a Markdown page in order."""
    found: list[Example] = []
    after = False  # whether the block before was Python
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type not in ("fence", "html_block"):
            after = after and token.type == "paragraph_close"
            continue
        line = (token.map or [0])[0] + 2
        setup = re.match(r"<!-- setup\n(.*?)-->", token.content, re.S)
        kind = "setup" if setup else token.info.split(" ")[0] if token.type == "fence" else ""
        if kind == "output":
            if not after:
                raise ExampleError(f"line {line}: output without an example")
            last = found.pop()
            found.append(Example(last.kind, last.code, last.line, token.content))
        elif kind in ("python", "console", "setup"):
            found.append(Example(kind, setup[1] if setup else token.content, line))
        after = kind == "python"
    return found


def run(found: list[Example], name: str) -> list[Shown]:
    """Runs the examples of the page `name` in this process. Raises ExampleError."""
    scope: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    for example in found:
        try:
            if example.kind == "console":
                result = _console(example)
            else:
                result = _python(example, scope, f"<{name}:{example.line}>")
        except ExampleError as error:
            raise ExampleError(f"{name}:{example.line}: {error}") from None
        except Exception:
            raise ExampleError(f"{name}:{example.line}:\n{traceback.format_exc()}") from None
        shown.append(result)
    return shown


def _python(example: Example, scope: dict[str, Any], filename: str) -> Shown:
    code = example.code
    linecache.cache[filename] = (len(code), None, code.splitlines(True), filename)
    tree = ast.parse(code, filename)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, filename, "exec"), scope)  # noqa: S102
        value = None
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), filename, "eval"), scope)  # noqa: S307
    output, markdown = printed.getvalue(), ""
    if hasattr(value, "to_markdown"):
        markdown = value.to_markdown()
    elif hasattr(value, "markdown"):
        markdown = value.markdown()
    elif value is not None:
        output += f"{value!r}\n"
    if example.expected is not None:
        _compare(example.expected, output)
    return Shown(output, markdown)


def _console(example: Example) -> Shown:
    """Each `$ chainrule …` in a process of its own."""
    for part in re.split(r"^\$ ", example.code, flags=re.M)[1:]:
        command, _, expected = part.partition("\n")
        program, *arguments = shlex.split(command)
        if program != "chainrule":
            raise ExampleError(f"only chainrule is run, not {program}")
        done = subprocess.run(
            [sys.executable, "-m", "chainrule", *arguments],
            capture_output=True, text=True, encoding="utf-8", env=environment(),
        )  # fmt: skip
        if done.returncode:
            raise ExampleError(f"{command}: {done.stderr}")
        _compare(expected, done.stdout)
    return Shown()


def _compare(expected: str, output: str) -> None:
    want = [line.rstrip() for line in expected.strip("\n").splitlines()]
    have = [line.rstrip() for line in output.strip("\n").splitlines()]
    if want != have:
        both = "\n".join(["expected:", *want, "printed:", *have])
        raise ExampleError(both)


def environment(language: str = "") -> dict[str, str]:
    """For a process that imports this checkout and prints UTF-8."""
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    out = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "NO_COLOR": "1",
           "PYTHONIOENCODING": "utf-8", "COLUMNS": "80"}  # fmt: skip
    return {**out, "CHAINRULE_LANG": language} if language else out


def run_apart(path: Path, language: str) -> list[Shown]:
    """Runs a page in a process of its own, in `language`. Raises ExampleError."""
    done = subprocess.run(
        [sys.executable, __file__, str(path)],
        capture_output=True, text=True, encoding="utf-8", env=environment(language), cwd=ROOT,
    )  # fmt: skip
    if done.returncode:
        raise ExampleError(done.stderr or f"{path} ended with {done.returncode}")
    return [Shown(**each) for each in json.loads(done.stdout.splitlines()[-1])]


def docstrings() -> Iterator[tuple[str, int]]:
    """Runs the `>>>` examples of every module; gives each name with the number run.

    In the examples `cr` is chainrule; they begin without an import.
    """
    given = {"cr": importlib.import_module("chainrule")}
    for path in sorted((ROOT / "src" / "chainrule").rglob("*.py")):
        if not re.search(r"^ *>>> ", path.read_text(encoding="utf-8"), re.M):
            continue
        dotted = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        module = importlib.import_module(dotted.removesuffix(".__init__"))
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            failed, tried = doctest.testmod(module, extraglobs=given)
        if failed:
            raise ExampleError(said.getvalue())
        yield module.__name__, tried


def main() -> int:
    warnings.simplefilter("error")
    for name in sys.argv[1:]:
        text = Path(name).read_text(encoding="utf-8")
        try:
            shown = run(examples(text), name)
        except ExampleError as error:
            print(error, file=sys.stderr)
            return 1
        print(json.dumps([asdict(each) for each in shown]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
