"""The trace of a support vector machine's fit: its multipliers on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.learn.svm.kernels import Rows
from chainrule.learn.svm.solver import Problem, Solution

# The first steps one by one, then ever fewer.
STOPS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987, 1597, 2584, 4181, 6765, 10946)


@dataclass(frozen=True)
class Trace:
    """One problem's fit.

    rows: the samples with their kernel; y: labels ±1 or targets; bound: C of each sample; epsilon:
    of the regression, 0 for classification; steps, multipliers: how many pairs had been changed,
    and u (yα or α − α*) then; rho: at the end.
    """

    rows: Rows
    y: np.ndarray
    bound: np.ndarray
    epsilon: float
    regression: bool
    steps: list[int]
    multipliers: list[np.ndarray]
    rho: float


class Recorder:
    """Keeps the multipliers each time the solver reports."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.steps, self.kept = [0], [np.zeros(problem.q.size)]

    def __call__(self, steps: int, u: np.ndarray) -> None:
        if steps > self.steps[-1]:
            self.steps.append(steps)
            self.kept.append(u.copy())

    def finish(self, solution: Solution, y: np.ndarray, bound: np.ndarray) -> Trace:
        """The trace, its last entry the solution."""
        self(solution.steps, solution.u)
        problem = self.problem
        regression = bool(np.any(problem.low * problem.high < 0))
        return Trace(
            problem.kernel, y, bound, problem.epsilon, regression, self.steps, self.kept,
            solution.rho,
        )  # fmt: skip
