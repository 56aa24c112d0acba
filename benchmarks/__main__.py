"""The command: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.chart import chart
from benchmarks.learn.report import section_of, with_section
from benchmarks.machine import Limits, cores, describe
from benchmarks.measure import Plan, Row, run_row
from benchmarks.peers import PACKAGES
from benchmarks.report import mean_lines, means, page, show
from benchmarks.workloads import INFERENCE_BATCHES, INFERENCE_ROWS, ROWS, WORKLOADS

FORMAT = 1


def names(known: tuple[str, ...]) -> Any:
    """A reader of comma-separated names."""

    def read(text: str) -> list[str]:
        found = text.split(",")
        unknown = [name for name in found if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return found

    return read


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures chainrule beside PyTorch, JAX, tinygrad and onnxruntime.",
        epilog="Rows: " + "; ".join(f"{key}: {WORKLOADS[key].title}" for key in ROWS),
    )
    add = parser.add_argument
    add("--rows", type=names(tuple(WORKLOADS)), help="as a,b,e; otherwise all")
    add("--peers", type=names(tuple(PACKAGES)), default=list(PACKAGES), help="as chainrule,pytorch")
    add("--precision", type=names(("float32", "bf16")), default=["float32"], help="float32,bf16")
    add("--inference", action="store_true", help="inference rows instead of training steps")
    add("--first-call", action="store_true", help="three cold and three warm starts a setting")
    add("--all", action="store_true",
        help="training in both precisions, inference, and first calls")  # fmt: skip
    add("--rounds", type=int, default=15)
    add("--seconds", type=float, default=0.3, help="least length of a block")
    add("--pause", type=float, default=0.3, help="seconds between two blocks")
    add("--patience", type=float, default=300.0, help="seconds to wait for a peer's answer")
    add("--threads", type=int, default=cores())
    add("--json", type=Path, help="write the figures")
    add("--page", type=Path, help="write the results page (Markdown)")
    add("--chart", type=Path, help="write the chart (SVG)")
    add("--from", dest="sources", type=Path, nargs="+", metavar="FILE",
        help="measure nothing: page and chart from --json files of one machine")  # fmt: skip
    options = parser.parse_args(arguments)
    if not 1 <= options.threads <= cores():
        parser.error(f"--threads must be from 1 to {cores()}, the cores allowed to this process")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def rows_of(options: argparse.Namespace) -> list[Row]:
    """What to measure, training first."""
    found = []
    precisions = ["float32", "bf16"] if options.all else options.precision
    if options.all or not options.inference:
        for precision in precisions:
            for key in options.rows or ROWS:
                found.append(Row(key, "train", WORKLOADS[key].batch, precision))
    if options.all or options.inference:
        chosen = options.rows or INFERENCE_ROWS
        for precision in options.precision:
            for key in chosen if options.inference else set(chosen) & set(INFERENCE_ROWS):
                found += [Row(key, "infer", batch, precision) for batch in INFERENCE_BATCHES]
    return sorted(found, key=lambda row: (row.mode == "infer", row.precision == "bf16", row.key))


def command(options: argparse.Namespace) -> str:
    """The command that measures the same again; where its files went is left out."""
    parts = ["python -m benchmarks"]
    parts += [f"--{name}" for name in ("all", "inference", "first-call")
              if getattr(options, name.replace("-", "_"))]  # fmt: skip
    if options.rows:
        parts.append(f"--rows {','.join(options.rows)}")
    if options.peers != list(PACKAGES):
        parts.append(f"--peers {','.join(options.peers)}")
    if options.precision != ["float32"]:
        parts.append(f"--precision {','.join(options.precision)}")
    return " ".join([*parts, f"--rounds {options.rounds} --threads {options.threads}"])


def measure(options: argparse.Namespace) -> dict[str, Any]:
    plan = Plan(
        threads=options.threads,
        rounds=options.rounds,
        seconds=options.seconds,
        pause=options.pause,
        warm_up=min(1.0, 3 * options.seconds),
        starts=3 if options.first_call or options.all else 0,
        patience=options.patience,
    )
    report: dict[str, Any] = {
        "format": FORMAT,
        "date": datetime.date.today().isoformat(),
        "command": command(options),
        "machine": describe() | {"threads": plan.threads},
        "plan": asdict(plan),
        "rows": [],
    }
    limits = Limits(plan.threads)
    for row in rows_of(options):
        say(row.title)
        report["rows"].append(run_row(row, options.peers, plan, limits, say))
        show(report["rows"][-1], sys.stdout.isatty())
        # A long run keeps what it has, should a later row be interrupted.
        save(report, options)
    return report


def read(sources: list[Path]) -> dict[str, Any]:
    """Several runs as one: the rows of all, the rest from the first."""
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in sources]
    for path, report in zip(sources, reports, strict=True):
        if report.get("format") != FORMAT:
            sys.exit(f"{path} is not a file of this harness (format {FORMAT})")
        if report["machine"]["processor"] != reports[0]["machine"]["processor"]:
            sys.exit(f"{path} comes from another machine than {sources[0]}")
    rows = [row for report in reports for row in report["rows"]]
    for row in rows:
        show(row, sys.stdout.isatty())
    return reports[0] | {"rows": rows}


def save(report: dict[str, Any], options: argparse.Namespace) -> None:
    """Writes what was asked for: JSON, chart, page."""
    report["means"] = means(report["rows"])
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if options.chart:
        options.chart.write_text(chart(report["rows"]), encoding="utf-8")
    if options.page:
        link = options.chart and os.path.relpath(options.chart, options.page.parent)
        # The section of classical learning is measured apart.
        before = options.page.read_text(encoding="utf-8") if options.page.exists() else ""
        text = page(report, link)
        if kept := section_of(before):
            text = with_section(text, kept)
        options.page.write_text(text, encoding="utf-8")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    report = read(options.sources) if options.sources else measure(options)
    save(report, options)
    print()
    for line in mean_lines(report["rows"]):
        print(line)


if __name__ == "__main__":
    main()
