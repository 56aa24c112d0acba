"""The printed table."""

from __future__ import annotations

import math
from typing import Any

MEMORY_LIMIT = 1.2
FIRST_LIMIT = 2.0
# MiB below which a peak is pages of allocators and not of the algorithm.
LEAST_PEAK = 4.0
# A score that is lower by this share of it is called worse.
WORSE = 0.02

HEAD = (
    f"{'estimator':44}{'rows':>7} {'fit ms':>10}{'sklearn':>10}{'ratio':>7}"
    f" {'use ms':>10}{'sklearn':>10}{'ratio':>7} {'MiB':>7}{'sklearn':>8}{'ratio':>6}"
    f" {'first s':>7} {'score':>10}{'sklearn':>10}"
)


def ratio(row: dict[str, Any], act: str) -> float:
    """scikit-learn's time over ours; above 1 we are faster."""
    return row[act]["sklearn"] / row[act]["chainrule"]


def memory(row: dict[str, Any]) -> float:
    """Our peak over scikit-learn's; below 1 we need less."""
    ours, theirs = (max(row["peak"][side], LEAST_PEAK) for side in ("chainrule", "sklearn"))
    return ours / theirs


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    text = f"{row['name']:44}{row['rows']:7}"
    for act in ("fit", "use"):
        if act in row:
            ours, theirs = (1e3 * row[act][side] for side in ("chainrule", "sklearn"))
            text += f" {ours:10.3f}{theirs:10.3f}{theirs / ours:7.2f}"
        else:
            text += " " * 28
    if "peak" in row:
        text += f" {row['peak']['chainrule']:7.1f}{row['peak']['sklearn']:8.1f}{memory(row):6.2f}"
    else:
        text += " " * 22
    text += f" {row['first']:7.2f}" if "first" in row else " " * 8
    text += f" {row['score']['chainrule']:10.4f}{row['score']['sklearn']:10.4f}"
    return text


def faults(row: dict[str, Any]) -> list[str]:
    """Where a row loses."""
    found = []
    for act, name in (("fit", "fit"), ("use", "predict/transform")):
        if act in row and ratio(row, act) < 1:
            found.append(f"{name} {ratio(row, act):.2f}×")
    if "peak" in row and memory(row) > MEMORY_LIMIT:
        found.append(f"memory {memory(row):.2f}×")
    if row.get("first", 0.0) > FIRST_LIMIT:
        found.append(f"first call {row['first']:.1f} s")
    ours, theirs = row["score"]["chainrule"], row["score"]["sklearn"]
    if ours < theirs - WORSE * abs(theirs):
        found.append(f"score {ours:.4f} below {theirs:.4f}")
    return found


def means(rows: list[dict[str, Any]]) -> list[tuple[str, str, str, str, int]]:
    """(family, fit, use, both, rows) with geometric means of speed, and the same of all."""
    found = []
    for family in [*dict.fromkeys(row["family"] for row in rows), "all"]:
        mine = [row for row in rows if family in ("all", row["family"])]
        fit, used = ([ratio(r, act) for r in mine if act in r] for act in ("fit", "use"))
        found.append((family, mean(fit), mean(used), mean(fit + used), len(mine)))
    return found


def mean(values: list[float]) -> str:
    """Their geometric mean."""
    if not values:
        return "-"
    return f"{math.exp(sum(map(math.log, values)) / len(values)):.2f}"


def summary(rows: list[dict[str, Any]]) -> str:
    """Losing rows and geometric means."""
    lines = ["", "Losing rows:"]
    losing = [(row, faults(row)) for row in rows if faults(row)]
    lines += [f"  {r['name']:44}{r['rows']:7}  {', '.join(found)}" for r, found in losing]
    lines += [] if losing else ["  none"]
    lines += ["", f"Geometric means of speed:{'fit':>12}{'use':>8}{'all':>8}  rows"]
    for family, fit, used, both, count in means(rows):
        lines.append(f"  {family:27}{fit:>8}{used:>8}{both:>8}  {count}")
    return "\n".join(lines)


# ---- the page ------------------------------------------------------------------------------------

SECTION = "## Classical learning"
_HOW = """\
Every estimator of `chainrule.learn` beside scikit-learn's with the same settings, each library in a
process of its own with the threads, jobs and algorithm that are fastest for it; they take turns,
and a figure is the median. Above 1 chainrule is faster. "Memory" is what a fit adds at its peak,
over scikit-learn's (named above 1.2), "first call" the first fit or use with an empty cache (named
above 2 s), a score is of rows that no fit saw (named 2 % below). Where trees and networks draw at
random, the scores of both differ by chance."""


def section(rows: list[dict[str, Any]], measured: str, missing: int = 0) -> str:
    """The section of the results page: means, and every row that loses anywhere.

    missing: how many cases have not been measured.
    """
    lines = [SECTION, "", measured, "", _HOW, ""]
    lines += ["| family | fit | predict or transform | both | rows |", "|---|--:|--:|--:|--:|"]
    lines += [f"| {' | '.join(map(str, found))} |" for found in means(rows)]
    losing = [(row, faults(row)) for row in rows if faults(row)]
    if missing:
        lines += ["", f"{missing} of {len(rows) + missing} cases are not measured yet."]
    lines += ["", f"{len(losing)} of {len(rows)} rows lose somewhere{':' if losing else '.'}"]
    if losing:
        lines += ["", "| estimator | rows | where |", "|---|--:|---|"]
    lines += [f"| {r['name']} | {r['rows']:,} | {', '.join(found)} |" for r, found in losing]
    return "\n".join(lines) + "\n"


def with_section(page: str, text: str) -> str:
    """The page with this section of classical learning at its end, in the place of an older one."""
    return page.partition(SECTION)[0].rstrip() + "\n\n" + text


def section_of(page: str) -> str:
    """The section that a page holds; "" if none."""
    _, mark, rest = page.partition(SECTION)
    return mark + rest
