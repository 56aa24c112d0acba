"""PyTorch: eager or compiled, channels_last, fused optimiser."""

from __future__ import annotations

from typing import Any

import torch
import torch._inductor.config

from benchmarks.peers import Job, Program
from benchmarks.peers.modules import build, load
from benchmarks.workloads import Weights


def prepare(job: Job, weights: Weights, x: Any, y: Any) -> Program:
    torch.set_num_threads(job.options.get("threads", job.threads))
    model = build(torch.nn, job.workload)
    load(model, {name: torch.tensor(value) for name, value in weights.items()})
    inputs, target = torch.tensor(x), torch.tensor(y)
    if job.options.get("channels_last"):
        model = model.to(memory_format=torch.channels_last)
        inputs = inputs.to(memory_format=torch.channels_last)
    half = job.precision == "bf16"
    if job.mode == "infer":
        return inference(job, model.eval(), inputs, half)

    workload = job.workload
    if workload.optimizer == "adam":
        optimizer: Any = torch.optim.Adam(
            model.parameters(), lr=workload.rate, fused=job.options.get("fused")
        )
    else:
        optimizer = torch.optim.SGD(
            model.parameters(),
            lr=workload.rate,
            momentum=workload.momentum,
            fused=job.options.get("fused"),
        )

    def loss_of(inputs: Any, target: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = model(inputs)
        logits = logits.float().flatten(0, -2)
        return torch.nn.functional.cross_entropy(logits, target.flatten())

    update = optimizer.step
    if job.options.get("compile"):
        loss_of = torch.compile(loss_of)
    if job.options.get("compile_optimizer"):
        update = torch.compile(optimizer.step)

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(inputs, target)
        loss.backward()
        update()
        return loss

    return Program(step, lambda loss: [loss.item()])


def inference(job: Job, model: Any, inputs: Any, half: bool) -> Program:
    if job.options.get("freeze"):
        torch._inductor.config.freezing = True
    if job.options.get("compile"):
        model = torch.compile(model)

    def step() -> Any:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            return model(inputs)

    return Program(step, lambda out: out.float().flatten().tolist())
