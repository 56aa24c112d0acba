"""The loop of an iterative fit: progress lines, Ctrl-C, a missing extra."""

import os
import signal
import sys

import pytest

import chainrule as cr
from chainrule.learn.base import InterruptedFitWarning, Rounds


def test_progress_is_printed_only_when_asked_for(capsys):
    for verbose in (0, 1):
        with Rounds("Fit", total=5, verbose=verbose) as rounds:
            for i in rounds:
                rounds.show(loss=1.0 / (i + 1))
        out = capsys.readouterr().out.splitlines()
        assert len(out) == 2 * verbose
        if verbose:
            assert out[0].split() == ["Fit", "1/5", "loss", "1"]
            assert out[-1].split() == ["Fit", "5/5", "loss", "0.2"]
    assert rounds.done == 5 and not rounds.interrupted


def test_ctrl_c_finishes_the_round_and_warns():
    before = signal.getsignal(signal.SIGINT)
    state = 0
    with (
        pytest.warns(InterruptedFitWarning, match="after 3 of 10"),
        Rounds("Fit", total=10) as rounds,
    ):
        for i in rounds:
            if i == 2:
                os.kill(os.getpid(), signal.SIGINT)
            state = i + 1
    assert state == rounds.done == 3 and rounds.interrupted
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_that_is_raised_ends_the_loop_too():
    with pytest.warns(InterruptedFitWarning), Rounds("Fit", total=10) as rounds:
        for i in rounds:
            if i == 4:
                raise KeyboardInterrupt
    assert rounds.done == 4


def test_ctrl_c_again_and_errors_get_through():
    with pytest.raises(KeyboardInterrupt), Rounds("Fit", total=10) as rounds:
        for _ in rounds:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(ZeroDivisionError), Rounds("Fit", total=10) as rounds:
        for i in rounds:
            1 / i


def test_a_missing_extra_is_named_in_one_line(monkeypatch):
    for name in [n for n in sys.modules if n.startswith("chainrule.learn.linear")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(vars(cr.learn), "Ridge", raising=False)
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    with pytest.raises(ImportError, match="chainrule\\[learn\\]"):
        _ = cr.learn.Ridge


def test_the_room_loads_without_its_packages():
    import subprocess

    code = "import sys, chainrule.learn, chainrule.learn.working; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"sklearn", "numba", "scipy"} & set(out.stdout.split())
