"""chainrule: compiled mode, and glass mode as it stands."""

from __future__ import annotations

from typing import Any

import chainrule as cr
from benchmarks.peers import Job, Program, Unavailable
from benchmarks.peers.modules import build, load
from benchmarks.workloads import Weights
from chainrule import nn, optim


def prepare(job: Job, weights: Weights, x: Any, y: Any) -> Program:
    compiled = job.options["compile"]
    if compiled and not callable(cr.compile):
        raise Unavailable("this version has no compiled mode")
    set_threads = getattr(cr, "set_num_threads", None)
    if set_threads is not None:
        set_threads(job.threads)
    model = build(nn, job.workload)
    load(model, {name: cr.tensor(value) for name, value in weights.items()})
    inputs, target = cr.tensor(x), cr.tensor(y)
    if job.mode == "infer":
        run = cr.compile(model.eval()) if compiled else model.eval()

        def infer() -> Any:
            with cr.no_grad():
                return run(inputs)

        return Program(infer, lambda out: out.float().flatten().tolist())

    workload = job.workload
    if workload.optimizer == "adam":
        optimizer: Any = optim.Adam(model.parameters(), lr=workload.rate)
    else:
        optimizer = optim.SGD(model.parameters(), lr=workload.rate, momentum=workload.momentum)

    def forward(x: Any) -> Any:
        if job.precision == "float32":
            return model(x)
        with cr.autocast("bfloat16"):
            return model(x).float()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(forward(x).flatten(0, -2), y.flatten())
        loss.backward()
        optimizer.step()
        return loss

    run_step = cr.compile(step) if compiled else step
    return Program(lambda: run_step(inputs, target), lambda loss: [loss.item()])
