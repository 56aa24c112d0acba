"""The chart: speed relative to the best peer, by row, as SVG."""

from __future__ import annotations

import statistics
from html import escape
from typing import Any

from benchmarks.measure import is_ours

WIDTH, LABEL, RIGHT = 880, 170, 60
BAR, GAP, TITLE = 16, 4, 30
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2430 }
.title { font-weight: 600 }
.ours { fill: #c2410c } .peer { fill: #7c8aa5 } .one { stroke: #1f2430; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e9f0 } .ours { fill: #fb8c4a } .peer { fill: #66738d } .one { stroke: #e6e9f0 }
}
"""


def bars(row: dict[str, Any]) -> list[tuple[str, float]]:
    """The fastest setting of each family with its speed relative to the best peer."""
    best: dict[str, tuple[float, float]] = {}
    for figures in row["settings"]:
        if figures.get("ratio") is not None:
            median = statistics.median(figures["seconds"])
            name = figures["family"]
            best[name] = min(best.get(name, (median, figures["ratio"])), (median, figures["ratio"]))
    found = [(name, ratio) for name, (_, ratio) in best.items()]
    return sorted(found, key=lambda bar: (not is_ours(bar[0]), -bar[1]))


def chart(rows: list[dict[str, Any]]) -> str:
    """An SVG picture of all rows that were measured beside at least one peer."""
    groups = [(row["title"], bars(row)) for row in rows]
    groups = [(title, found) for title, found in groups if found]
    longest = max((ratio for _, found in groups for _, ratio in found), default=1.0)
    scale = (WIDTH - LABEL - RIGHT) / max(longest, 1.0)
    parts, y = [], 0.0
    for title, found in groups:
        y += TITLE
        parts.append(f'<text class="title" x="8" y="{y - 10:.0f}">{escape(title)}</text>')
        top, bottom = y, y + len(found) * (BAR + GAP)
        for name, ratio in found:
            middle = y + BAR - 4
            kind = "ours" if is_ours(name) else "peer"
            parts += [
                f'<text x="{LABEL - 8}" y="{middle:.0f}" text-anchor="end">{escape(name)}</text>',
                f'<rect class="{kind}" x="{LABEL}" y="{y:.0f}" width="{max(ratio * scale, 1):.1f}" '
                f'height="{BAR}" rx="2"/>',
                f'<text x="{LABEL + ratio * scale + 6:.1f}" y="{middle:.0f}">{ratio:.2f} ×</text>',
            ]
            y += BAR + GAP
        one = f"{LABEL + scale:.1f}"
        parts.append(f'<line class="one" x1="{one}" x2="{one}" y1="{top:.0f}" y2="{bottom:.0f}"/>')
        y += 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0f}" role="img" '
        f'aria-label="Speed relative to the best peer">\n<style>{STYLE}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
