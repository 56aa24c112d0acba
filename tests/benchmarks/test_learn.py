"""The table of classical learning: cases, ratios, losing rows, a run that goes on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")
pytest.importorskip("sklearn")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def package(monkeypatch):
    """The package `benchmarks`, which is not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    import benchmarks.learn.cases as cases
    import benchmarks.learn.report as report

    return cases, report


def row(**changes):
    return {
        "family": "decomposition", "name": "PCA full", "rows": 1000,
        "fit": {"chainrule": 1.0, "sklearn": 2.0}, "use": {"chainrule": 1.0, "sklearn": 2.0},
        "peak": {"chainrule": 10.0, "sklearn": 10.0}, "first": 1.0,
        "score": {"chainrule": 0.9, "sklearn": 0.9},
    } | changes  # fmt: skip


def test_every_estimator_has_a_case_and_names_differ(package):
    from chainrule import learn

    cases, _ = package
    fitted = {name for name in learn.__all__ if hasattr(getattr(learn, name), "fit")}
    # scikit-learn has no estimator like this one.
    alone = {"Whitener"}
    assert {case.kind for case in cases.CASES} == fitted - alone
    assert len({case.name for case in cases.CASES}) == len(cases.CASES)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"fit": {"chainrule": 2.0, "sklearn": 1.0}}, "fit 0.50×"),
        ({"use": {"chainrule": 2.0, "sklearn": 1.0}}, "predict/transform 0.50×"),
        ({"peak": {"chainrule": 13.0, "sklearn": 10.0}}, "memory 1.30×"),
        ({"first": 2.5}, "first call 2.5 s"),
        ({"score": {"chainrule": 0.8, "sklearn": 0.9}}, "score 0.8000 below 0.9000"),
    ],
)
def test_losing_rows_are_named(package, changes, fault):
    _, report = package
    assert report.faults(row()) == []
    assert report.faults(row(**changes)) == [fault]
    assert fault in report.summary([row(), row(**changes)])


def test_means_are_geometric(package):
    _, report = package
    slow = row(fit={"chainrule": 2.0, "sklearn": 1.0}, use={"chainrule": 1.0, "sklearn": 8.0})
    text = report.summary([row(), slow])
    assert text.splitlines()[-1].split() == ["all", "1.00", "4.00", "2.00", "2"]


def test_the_page_holds_one_section_that_has_chinese(package, monkeypatch):
    _, report = package
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    from builder import chinese

    slow = row(name="SVC rbf, 5 classes", fit={"chainrule": 2.0, "sklearn": 1.0}, first=2.5)
    measured = "Measured on 2026-01-01 with `python -m benchmarks.learn`: A CPU, 2 cores; numba 1."
    text = report.section([row(), slow], measured)
    page = report.with_section(report.with_section("# Benchmarks\n", "older"), text)
    assert page == "# Benchmarks\n\nolder\n\n" + text
    assert report.section_of(report.with_section(page, text)) == text
    assert "| SVC rbf, 5 classes | 1,000 | fit 0.50×, first call 2.5 s |" in text
    assert "| SVC rbf, 5 类 | 1,000 | 训练 0.50×；首次调用 2.5 秒 |" in chinese.benchmarks(text)


def test_rows_that_are_there_are_not_measured_again(tmp_path):
    kept = tmp_path / "rows.json"
    kept.write_text(json.dumps([row()]))
    command = [sys.executable, "-m", "benchmarks.learn", "--only", "PCA full", "--rows=1000"]
    done = subprocess.run(
        [*command, "--json", str(kept)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "1000.000  2000.000   2.00" in done.stdout
    assert json.loads(kept.read_text()) == [row()]


def test_scores_of_what_draws_are_means_over_seeds(package, monkeypatch):
    import benchmarks.learn.worker as worker

    assert [worker.seeds(worker.find("DecisionTreeRegressor"), rows) for rows in (1000, 10)] == [
        1
    ] * 2
    name = "BaggingClassifier 4 trees"
    counts = [worker.seeds(worker.find(name), rows) for rows in (1000, 10_000, 100_000)]
    assert counts == [20, 10, 2]
    monkeypatch.setattr(worker, "seeds", lambda case, rows: 3)
    side, setting = worker.Side("chainrule"), {"threads": [1, 1], "options": {"n_jobs": None}}
    side.load(name, 400)
    singles = []
    for seed in range(3):
        side.fit(setting, seed)
        singles.append(worker.score(side.case, side.fitted, side.data))
    side.fit(setting, 0)
    assert side.score() == pytest.approx(sum(singles) / 3)
    assert len(set(singles)) > 1
