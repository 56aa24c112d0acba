"""Makes the site: `python docs/build.py [--quick] [--out FOLDER]` → docs/_build/html/index.html.

Runs every example on the way; one that fails, a link that leads nowhere or a page that needs the
network fails the build. --quick leaves out the demonstrations and shows the figures in docs/images.
Needs the extra `docs`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "src")]

from builder import card_pages, check, frame, reference_pages  # noqa: E402
from builder.run import ROOT, docstrings, environment, examples, run_apart  # noqa: E402
from builder.site import LANGUAGES, Site, chinese  # noqa: E402

START = ["README.md", "docs/getting_started.md", "docs/README.md"]
GUIDES = ["explain", "learn", "detection", "compiled", "demonstrations", "differences", "stability",
          "operations", "primitives", "benchmarks", "dependencies"]  # fmt: skip
WORKED = ["chain_rule", "perceptron", "mlp", "pooling", "softmax", "batch_norm", "lstm"]
DEMONSTRATIONS = ROOT / "examples" / "demonstrations"


def sources() -> dict[str, list[Path]]:
    """The Markdown pages of the menu, by group."""
    return {
        "start": [ROOT / name for name in START],
        "guides": [HERE / f"{name}.md" for name in GUIDES],
        "worked": [HERE / "worked" / f"{name}.md" for name in WORKED],
    }


def forms(path: Path) -> list[tuple[Path, str]]:
    """The files of a page and their languages."""
    other = chinese(path)
    return [(path, "en"), *([(other, "zh")] if other.exists() else [])]


def run_pages(site: Site, workers: int) -> int:
    """Runs the examples of all pages, each page in a process; gives how many there are."""
    pages = [form for paths in sources().values() for path in paths for form in forms(path)]
    found = {path: examples(path.read_text(encoding="utf-8")) for path, _ in pages}
    jobs = [(path, language) for path, language in pages if found[path]]
    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(lambda job: run_apart(*job), jobs))
    site.results = {path: shown for (path, _), shown in zip(jobs, results)}
    return sum(example.kind != "setup" for each in found.values() for example in each)


def draw(figures: Path) -> int:
    """Runs the demonstrations, which write their figures; gives how many there are."""
    shutil.rmtree(figures, ignore_errors=True)
    figures.mkdir(parents=True)
    programs = sorted(p for p in DEMONSTRATIONS.glob("*.py") if p.stem != "common")
    for program in programs:
        subprocess.run([sys.executable, str(program), str(figures)], check=True, env=environment(),
                       cwd=ROOT, stdout=subprocess.DEVNULL)  # fmt: skip
    return len(programs)


def build(out: Path, quick: bool, workers: int) -> dict[str, float]:
    """Makes the site in `out`; gives counts and seconds."""
    begun = time.perf_counter()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    figures = None if quick else out.parent / "figures"
    site = Site(out, figures)
    count = {"examples on pages": run_pages(site, workers)}
    count["examples in docstrings"] = sum(tried for _, tried in docstrings())
    count["demonstrations"] = draw(figures) if figures else 0
    reference_pages.add_reference(site)
    count["worked calls on cards"] = card_pages.add_cards(site)
    for group, paths in sources().items():
        for path in paths:
            site.add_file(path, group)
    site.add_linked()
    frame.write(site)
    found = check.problems(out)
    if found:
        raise SystemExit("\n".join(found))
    count["pages"] = len(site.pages) // len(LANGUAGES)
    return {**count, "seconds": round(time.perf_counter() - begun)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="no demonstrations")
    parser.add_argument("--out", type=Path, default=HERE / "_build" / "html")
    parser.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1))
    given = parser.parse_args()
    for name, value in build(given.out, given.quick, given.workers).items():
        print(f"{name}: {value}")
    print(given.out / "index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
