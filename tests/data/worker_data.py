"""Data sets for worker processes: a process must be able to import them."""

import os
import signal
import time

import numpy as np

from chainrule.data import IterableDataset


class Numbers:
    """Squares; `at` is the index where something happens."""

    def __init__(self, n=40, at=None, what=None):
        self.n, self.at, self.what = n, at, what

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        if index == self.at:
            if self.what == "die":
                os._exit(3)
            if self.what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.what == "hang":
                time.sleep(3600)
            if self.what == "raise":
                raise RuntimeError("no such picture")
            if self.what == "lambda":
                return lambda: 0
        return np.full(3, index**2, np.float32), index


class Stream(IterableDataset):
    def __iter__(self):
        yield from (np.full(2, i, np.float32) for i in range(11))


def first(samples):
    return samples[0]
