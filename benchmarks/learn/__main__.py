"""The command: `python -m benchmarks.learn --help`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.learn import quality
from benchmarks.learn.cases import CASES, FAMILIES, SIZES, Case
from benchmarks.learn.measure import Failed, Pair, first_call
from benchmarks.learn.report import HEAD, line, section, summary, with_section
from benchmarks.machine import describe


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.learn",
        description="Measures every estimator of chainrule.learn beside scikit-learn's, both with "
        "their best threads and algorithms: seconds of fit and of predict or transform (medians "
        "of turns), MiB that a fit adds, seconds of the first call after an installation, scores.",
    )
    add = parser.add_argument
    add("--rows", help="sizes, as 1000,10000")
    add("--family", help=f"as cluster,trees; of {', '.join(FAMILIES)}")
    add("--only", default="", help="only estimators whose name contains this")
    add("--turns", type=int, default=3, help="turns of each library at least")
    add("--quick", action="store_true", help="1,000 rows, without memory and first calls")
    add("--no-first", action="store_true", help="without first calls")
    add("--json", type=Path, help="keep the rows here; rows that it holds are not measured again")
    add("--again", action="store_true", help="measure all the same")
    add("--quality", action="store_true", help="scores by five folds instead (--only holds)")
    add("--show", action="store_true", help="measure nothing: print the table of --json")
    add("--page", type=Path, help="put the section of --json into this page (Markdown)")
    options = parser.parse_args(arguments)
    unknown = set((options.family or "linear").split(",")) - set(FAMILIES)
    if unknown:
        parser.error(f"{unknown.pop()!r} is none of {', '.join(FAMILIES)}")
    return options


def wanted(options: argparse.Namespace) -> list[tuple[Case, int]]:
    """Cases and numbers of rows, in the table's order."""
    families = (options.family or ",".join(FAMILIES)).split(",")
    sizes = [int(text) for text in options.rows.split(",")] if options.rows else None
    if options.quick:
        sizes = [SIZES[0]]
    return [
        (case, rows)
        for case in CASES
        if case.family in families and options.only in case.name
        for rows in case.sizes
        if sizes is None or rows in sizes
    ]


class Results:
    """The rows measured so far, kept in a file if one is named."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.rows: dict[tuple[str, int], dict[str, Any]] = {}
        if path and path.exists():
            for row in json.loads(path.read_text()):
                self.rows[row["name"], row["rows"]] = row

    def add(self, row: dict[str, Any]) -> None:
        self.rows[row["name"], row["rows"]] = row
        if self.path:
            self.path.write_text(json.dumps(self.ordered(), indent=1))

    def ordered(self) -> list[dict[str, Any]]:
        keys = [(case.name, size) for case in CASES for size in case.sizes]
        return [self.rows[key] for key in keys if key in self.rows]


def main() -> None:
    options = parse()
    if options.quality:
        sys.exit(1 if quality.main(options.only) else 0)
    results = Results(options.json)
    print(HEAD)
    if options.show:
        for row in results.ordered():
            print(line(row))
        print(summary(results.ordered()))
        save(results, options)
        return
    todo = wanted(options)
    pair = None
    for case, rows in todo:
        if (case.name, rows) not in results.rows or options.again:
            pair = pair or Pair()
            try:
                row = pair.measure(case, rows, options.turns, not options.quick)
                if rows == case.sizes[0] and not (options.quick or options.no_first):
                    row["first"] = first_call(case)
            except Failed as failure:
                print(f"{case.name:44}{rows:7}  {failure}", flush=True)
                continue
            results.add(row)
        print(line(results.rows[case.name, rows]), flush=True)
    if pair is not None:
        pair.close()
    print(summary(results.ordered()))
    save(results, options)


def save(results: Results, options: argparse.Namespace) -> None:
    """Writes the section into the page, if one is named."""
    if not options.page:
        return
    machine = describe()
    versions = ", ".join(f"{name} {version(name)}" for name in ("scikit-learn", "numba", "numpy"))
    path = results.path or Path("learn.json")
    day = time.strftime("%Y-%m-%d", time.gmtime(path.stat().st_mtime if path.exists() else None))
    measured = f"Measured on {day} with `python -m benchmarks.learn --json {path.name}`: "
    measured += f"{machine['processor']}, {machine['cores']} cores; {versions}."
    page = options.page.read_text(encoding="utf-8") if options.page.exists() else ""
    rows = results.ordered()
    missing = sum(len(case.sizes) for case in CASES) - len(rows)
    text = with_section(page, section(rows, measured, missing))
    options.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
