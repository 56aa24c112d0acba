import tracemalloc
from contextlib import contextmanager

import pytest


@pytest.fixture
def memory_below():
    """`with memory_below(limit):` fails if more than `limit` bytes are allocated inside."""

    @contextmanager
    def watch(limit):
        tracemalloc.start()
        try:
            yield
            assert tracemalloc.get_traced_memory()[1] < limit
        finally:
            tracemalloc.stop()

    return watch
