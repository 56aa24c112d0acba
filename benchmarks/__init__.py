"""Our modes beside the peers, on this machine, in one run: `python -m benchmarks`."""
