"""The figures as tables on a terminal and as the results page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from benchmarks.measure import is_ours

HEAD = (
    "setting", "median", "range", "× best peer", "of FLOP peak", "of bandwidth",
    "first call", "from start", "memory",
)  # fmt: skip
DETAILS, WIDE = ("range", "of bandwidth", "from start", "memory"), 150
PAGE = """# Benchmarks

<!-- Written by `python -m benchmarks --page docs/benchmarks.md`: run it again, do not edit. -->

{machine}

Measured on {date} with `{command}`.

Every setting runs in a process of its own with the same initial weights and data, and a row is
refused unless all losses agree, before the first update, after one and after five, to 0.1 % of the
largest (0.3 % in bfloat16); in inference all outputs, to 0.1 % (3 %). The processes take turns:
{rounds} rounds of blocks of at least {seconds} s. A figure is the median of its blocks, a ratio the
median of rounds' ratios. "× best peer" above 1 is faster than the fastest setting that is not ours,
below 1 slower. Peak and bandwidth are measured in the same rounds; FLOPs and bytes are counted by
the formulas in
[benchmarks/workloads.py](../benchmarks/workloads.py): multiply-adds of convolutions, linear and
recurrent layers, and the least traffic were there no cache. "First call" is the first step with
its compilation: with an empty cache / with a cache filled by an earlier process. "From start"
includes the process's own start and imports. "Memory" is the process's peak.

{chart}{summary}
{tables}
"""


# ---- figures as text


def seconds(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "–"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{1e3 * value:.3g} ms" if value >= 1e-4 else f"{1e6 * value:.3g} µs"


def pair(figures: dict[str, float], suffix: str = "") -> str:
    """ "cold / warm", or the cold one alone."""
    both = [figures.get(f"{kind}{suffix}") for kind in ("cold", "warm")]
    return " / ".join(seconds(value) for value in both if value is not None) or "–"


def cells(figures: dict[str, Any]) -> list[str]:
    name = f"{figures['peer']}, {figures['setting']}"
    memory = f"{figures['memory'] / 2**20:.0f} MiB" if figures["memory"] else "–"
    first = [pair(figures["first_call"]), pair(figures["first_call"], "_from_start"), memory]
    if "median" not in figures:
        return [name, *5 * ["–"], *first]
    low, high = min(figures["seconds"]), max(figures["seconds"])
    return [
        name,
        seconds(figures["median"]),
        f"{seconds(low)} to {seconds(high)}",
        f"{figures['ratio']:.2f}" if figures["ratio"] is not None else "–",
        f"{figures['flops_share']:.1%}",
        f"{figures['bandwidth_share']:.1%}",
        *first,
    ]


def notes(row: dict[str, Any]) -> list[str]:
    """What a row's table does not say: its limits, what failed, ours against each family."""
    found = [
        f"{row['flops'] / 1e9:.3g} GFLOP, {row['bytes'] / 1e6:.3g} MB; "
        f"peak {row['peak'] / 1e9:.0f} GFLOP/s, "
        f"bandwidth {row['limits']['bandwidth'] / 1e9:.1f} GB/s: "
        f"at least {seconds(row['limit_seconds'])}"
    ]
    if row["refused"]:
        found.append(f"REFUSED: {row['refused']}")
    found += [
        f"not measured: {s['peer']}, {s['setting']}: {s['failed']}"
        for s in row["settings"]
        if s["failed"]
    ]
    for ours, ratios in row["versus"].items():
        against = ", ".join(f"{ratio:.2f} × {name}" for name, ratio in ratios.items())
        if against:
            found.append(f"{ours} runs at {against}")
    return found


def ordered(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Ours first, then the others by speed; what could not run is in the notes."""
    shown = [s for s in row["settings"] if not s["failed"]]
    return sorted(shown, key=lambda s: (not is_ours(s["family"]), s.get("median", 0.0)))


# ---- geometric means


def ours_of(row: dict[str, Any]) -> tuple[str, float] | None:
    """The mode that speaks for us (compiled where it ran) and its ratio to the best peer."""
    for name in ("chainrule compiled", "chainrule glass"):
        for figures in row["settings"]:
            if figures["family"] == name and figures.get("ratio") is not None:
                return name, figures["ratio"]
    return None


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def means(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The geometric mean of our ratios to the best peer, for each kind of row."""
    groups: dict[str, list[tuple[str, float]]] = {}
    for row in rows:
        found = ours_of(row)
        if found:
            kind = "training" if row["mode"] == "train" else f"inference, batch {row['batch']}"
            groups.setdefault(f"{kind}, {row['precision']}", []).append((row["row"], found[1]))
    return {
        name: {
            "mean": geometric_mean([ratio for _, ratio in found]),
            "rows": [key for key, _ in found],
        }
        for name, found in groups.items()
    }


def mean_lines(rows: list[dict[str, Any]]) -> list[str]:
    return [
        f"{name}: geometric mean {found['mean']:.2f} × the best peer "
        f"(rows {', '.join(found['rows'])})"
        for name, found in means(rows).items()
    ]


# ---- the terminal


def show(row: dict[str, Any], terminal: bool) -> None:
    """Prints one row: a table with colours on a terminal, plain columns elsewhere."""
    table = [cells(figures) for figures in ordered(row)]
    if terminal:
        show_rich(row, table)
        return
    print(f"\n{row['title']}")
    widths = [max(map(len, column)) for column in zip(HEAD, *table, strict=True)]
    for line in (HEAD, *table):
        first, *rest = (cell for cell in line)
        padded = [first.ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        print("  " + "  ".join(padded).rstrip())
    for note in notes(row):
        print(f"  {note}")


def show_rich(row: dict[str, Any], table: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    # Whole words in the columns that fit: a narrow terminal does without the last details.
    shown = [i for i, name in enumerate(HEAD) if console.width >= WIDE or name not in DETAILS]
    drawn = Table(title=row["title"], title_justify="left")
    for i in shown:
        drawn.add_column(HEAD[i], justify="right" if i else "left", no_wrap=not i)
    for figures, line in zip(ordered(row), table, strict=True):
        best = f"{figures['peer']}, {figures['setting']}" == row["best_peer"]
        line = [line[i] for i in shown]
        drawn.add_row(*line, style="bold" if is_ours(figures["family"]) else "cyan" if best else "")
    console.print(drawn)
    for note in notes(row):
        console.print(f"  {note}", markup=False, highlight=False)


# ---- the page


def machine_text(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    return (
        f"**Machine**: {machine['processor']} ({machine['target']}), {machine['cores']} cores, "
        f"{machine['vector_floats']} float32 numbers a vector, "
        f"{machine['last_cache'] // 2**20} MiB last cache, {machine['system']}. "
        f"**Threads**: {machine['threads']}. "
        f"**Versions**: {versions}."
    )


def page(report: dict[str, Any], chart: str | None) -> str:
    """The results page in Markdown; losing rows stand there like the others."""
    rows = report["rows"]
    tables = []
    for row in rows:
        lines = [f"## {row['title']}", ""]
        lines += ["| " + " | ".join(HEAD) + " |", "|---" + "|--:" * (len(HEAD) - 1) + "|"]
        for figures in ordered(row):
            line = cells(figures)
            if is_ours(figures["family"]):
                line[0] = f"**{line[0]}**"
            lines.append("| " + " | ".join(line) + " |")
        lines += ["", *(f"- {note}" for note in notes(row)), ""]
        tables.append("\n".join(lines))
    plan = report["plan"]
    return PAGE.format(
        machine=machine_text(report["machine"]),
        date=report["date"],
        command=report["command"],
        rounds=plan["rounds"],
        seconds=plan["seconds"],
        chart=f"![Speed relative to the best peer, by row]({chart})\n\n" if chart else "",
        summary="".join(f"- {line}\n" for line in mean_lines(rows)),
        tables="\n".join(tables).rstrip(),
    )
