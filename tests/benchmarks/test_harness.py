"""The benchmark harness: a tiny run from end to end, and the arithmetic behind its figures."""

import dataclasses
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import chainrule as cr

ROOT = Path(__file__).parents[2]


@pytest.fixture
def harness(monkeypatch):
    """The package `benchmarks`, which is not installed."""
    monkeypatch.syspath_prepend(ROOT)
    import benchmarks.measure as measure

    return measure


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmarks")
    files = [f"--{kind}={folder / kind}" for kind in ("json", "page", "chart")]
    quick = ["--rounds=2", "--seconds=0.001", "--pause=0", "--threads=1"]
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--rows=tiny", "--peers=chainrule", *quick, *files],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return folder, result.stdout


def test_a_run_prints_a_table_and_writes_the_figures(run):
    folder, printed = run
    assert "chainrule, glass" in printed and "median" in printed
    report = json.loads((folder / "json").read_text(encoding="utf-8"))
    assert {"format", "date", "command", "machine", "plan", "rows", "means"} <= report.keys()
    (row,) = report["rows"]
    assert row["refused"] is None and row["best_peer"] is None
    glass = next(s for s in row["settings"] if s["setting"] == "glass")
    assert len(glass["seconds"]) == 2 and glass["median"] > 0
    assert glass["memory"] > 1e6 and glass["first_call"]["cold_from_start"] > 0
    # Six losses of a net that learns.
    assert len(glass["values"]) == 6 and glass["values"][-1] < glass["values"][0]
    assert row["limits"]["flops"] > 1e8 and row["limits"]["bandwidth"] > 1e8
    assert 0 < glass["flops_share"] < 1


def test_page_and_chart_are_written_and_name_the_machine(run):
    folder, _ = run
    machine = json.loads((folder / "json").read_text(encoding="utf-8"))["machine"]
    page = (folder / "page").read_text(encoding="utf-8")
    assert machine["processor"] in page and "**chainrule, glass**" in page
    assert str(folder) not in page
    ElementTree.fromstring((folder / "chart").read_text(encoding="utf-8"))


def test_earlier_figures_make_the_same_page(run, tmp_path):
    folder, _ = run
    files = [f"--{kind}={tmp_path / kind}" for kind in ("page", "chart")]
    command = [sys.executable, "-m", "benchmarks", "--from", str(folder / "json"), *files]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for kind in ("page", "chart"):
        assert (tmp_path / kind).read_bytes() == (folder / kind).read_bytes()


def test_work_is_counted_by_the_formulas(harness):
    from benchmarks.workloads import WORKLOADS

    # Linear layers alone: 784·256 twice (no input-adjoint), the others three times.
    assert WORKLOADS["c"].flops("train", 64) == 2 * 64 * (784 * 256 * 2 + (256 + 10) * 128 * 3)
    assert WORKLOADS["a"].flops("infer", 1) == 2 * (576 * 25 * 6 + 64 * 150 * 12 + 192 * 10)
    # ResNet-20: He et al. give 0.27 million parameters, and about 41 million multiply-adds.
    weights = WORKLOADS["d"].weights("train").items()
    assert 265_000 < sum(w.size for name, w in weights if "running" not in name) < 275_000
    assert 80e6 < WORKLOADS["d"].flops("infer", 1) < 84e6
    # The embedding's rows need a gradient, so the LSTM's input-adjoint counts.
    assert WORKLOADS["e"].flops("train", 32) == 3 * WORKLOADS["e"].flops("infer", 32)


def entry(harness, peer, setting, values, seconds=(1.0,)):
    options = {"compile": setting == "compiled"}
    job = harness.Job("tiny", "train", 4, "float32", peer, setting, 1, "", options)
    kind = harness.family(peer, options)
    return harness.Entry(job, kind, seconds=list(seconds), values=values)


def test_a_row_is_refused_where_losses_differ(harness):
    same = [entry(harness, peer, "eager", [1.0, 0.9, 0.5]) for peer in ("pytorch", "jax")]
    close = entry(harness, "chainrule", "glass", [1.0, 0.9, 0.5004])
    far = entry(harness, "chainrule", "glass", [1.0, 0.9, 0.51])
    broken = entry(harness, "chainrule", "glass", [1.0, 0.9, float("nan")])
    assert harness.disagreement([*same, close], 1e-3) is None
    assert "chainrule, glass" in harness.disagreement([*same, far], 1e-3)
    assert harness.disagreement([*same, broken], 1e-3)


@pytest.mark.parametrize("key", ["b", "e"])
def test_mixed_precision_agrees_and_another_rate_does_not(harness, monkeypatch, tmp_path, key):
    from benchmarks.peers.chainrule_ import prepare
    from benchmarks.workloads import WORKLOADS

    def losses(precision, rate=1.0):
        changed = dataclasses.replace(workload, rate=rate * workload.rate)
        monkeypatch.setitem(WORKLOADS, key, changed)
        job = harness.Job(key, "train", workload.batch, precision, "", "",
                          cr.get_num_threads(), "", {"compile": True})  # fmt: skip
        program = prepare(job, workload.weights("train"), *workload.data(workload.batch))
        return [program.read(program.step())[0] for _ in range(6)]

    workload, tolerance = WORKLOADS[key], harness.TOLERANCE["train", "bf16"]
    exact = entry(harness, "pytorch", "eager", losses("float32"))
    mixed = entry(harness, "chainrule", "compiled", losses("bf16"))
    other = entry(harness, "jax", "jit", losses("float32", rate=0.8))
    assert harness.disagreement([exact, exact, mixed], tolerance) is None
    assert "jax" in harness.disagreement([exact, exact, other], tolerance)


def test_ratios_are_medians_of_pairs_and_losing_is_shown(harness):
    from benchmarks.report import means, ours_of, page

    theirs = entry(harness, "pytorch", "eager", [1.0], seconds=[2.0, 3.0, 2.0])
    slower = entry(harness, "jax", "jit", [1.0], seconds=[9.0, 9.0, 9.0])
    ours = entry(harness, "chainrule", "glass", [1.0], seconds=[4.0, 6.0, 5.0])
    limits = {"flops": 1e9, "bandwidth": 1e9}
    row = harness.Row("tiny", "train", 4, "float32")
    figures = harness.summary(row, [theirs, slower, ours], limits, None)
    assert figures["best_peer"] == "pytorch, eager"
    assert ours_of(figures) == ("chainrule glass", 0.5)
    assert figures["versus"]["chainrule glass"] == {"PyTorch eager": 0.5, "JAX": 1.8}
    assert means([figures, figures])["training, float32"]["mean"] == pytest.approx(0.5)
    machine = {"processor": "P", "target": "t", "cores": 1, "vector_floats": 4, "threads": 1,
               "last_cache": 2**20, "system": "S", "versions": {}}  # fmt: skip
    plan = {"rounds": 3, "seconds": 0.3}
    report = {"rows": [figures], "machine": machine, "plan": plan, "date": "d", "command": "c"}
    line = next(s for s in page(report, None).splitlines() if s.startswith("| **chainrule, glass"))
    assert "| 0.50 |" in line
