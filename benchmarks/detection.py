"""`python -m benchmarks.detection`: Faster R-CNN beside the same network in plain PyTorch.

A training step (SGD with momentum) and the inference of one image, in one process, in turns;
medians. PyTorch has its best of eager, channels_last and what its compiler takes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

import chainrule as cr
from benchmarks.detection_torch import Detector
from chainrule.models import detection

Work = Callable[[], Any]


def scene(batch: int, side: int, classes: int, seed: int = 0) -> tuple[list[Any], list[Any]]:
    """Images and their objects: eight each, a tenth to a third of the side."""
    rng = np.random.default_rng(seed)
    images, targets = [], []
    for _ in range(batch):
        images.append(cr.tensor(rng.random((3, side, side), np.float32)))
        corner, size = rng.uniform(0, 0.65 * side, (8, 2)), rng.uniform(0.1, 0.33, (8, 2)) * side
        boxes = np.concatenate([corner, corner + size], 1).astype(np.float32)
        labels = rng.integers(1, classes, 8)
        targets.append({"boxes": cr.tensor(boxes), "labels": cr.tensor(labels)})
    return images, targets


def as_torch(x: Any) -> torch.Tensor:
    return torch.from_numpy(x.detach().numpy().copy())


def peers(model: Any, training: bool, compiled: bool) -> dict[str, tuple[Detector, Any]]:
    """PyTorch's settings: the network, and what its images go through."""
    model.train(training)
    found = {"eager": (Detector(model), lambda x: x)}
    last = Detector(model).to(memory_format=torch.channels_last)
    found["channels_last"] = last, lambda x: x.to(memory_format=torch.channels_last)
    if compiled:
        peer = Detector(model).to(memory_format=torch.channels_last)
        peer.features = torch.compile(peer.backbone)
        found["compiled backbone"] = peer, found["channels_last"][1]
    return found


def peer_step(peer: Detector, optimizer: Any, *data: Any) -> float:
    optimizer.zero_grad()
    loss = sum(peer.losses(*data).values())
    loss.backward()
    optimizer.step()
    return float(loss.item())


def steps(model: Any, batch: int, side: int, compiled: bool) -> dict[str, Work]:
    images, targets = scene(batch, side, 11)
    data = model.batch(images, targets)
    rest = as_torch(data.sizes), *([as_torch(o[k]) for o in targets] for k in ("boxes", "labels"))
    work: dict[str, Work] = {}
    for name, (peer, prepare) in peers(model, True, compiled).items():
        optimizer = torch.optim.SGD(peer.parameters(), 1e-4, 0.9)
        x = prepare(as_torch(data.images))
        work[f"PyTorch, {name}"] = partial(peer_step, peer, optimizer, x, *rest)
    ours = cr.optim.SGD(model.parameters(), 1e-4, 0.9)

    @cr.compile
    def train(*data: Any) -> Any:
        ours.zero_grad()
        loss = sum(model.losses(*data).values())
        loss.backward()
        ours.step()
        return loss

    work["chainrule"] = lambda: train(*data).item()
    return work


def inferences(model: Any, side: int, compiled: bool) -> dict[str, Work]:
    (image,), _ = scene(1, side, 11)
    settings = peers(model, False, compiled)
    model.eval()
    data = model.batch([image])
    work: dict[str, Work] = {}
    for name, (peer, prepare) in settings.items():
        x, sizes = prepare(as_torch(data.images)), as_torch(data.sizes)
        work[f"PyTorch, {name}"] = partial(peer.detections, x, sizes)
    if compiled:
        peer, prepare = settings["channels_last"]
        x, sizes = prepare(as_torch(data.images)), as_torch(data.sizes)
        work["PyTorch, compiled whole"] = partial(torch.compile(peer.detections), x, sizes)
    best = cr.compile(model.best)
    work["chainrule"] = lambda: model.listed(best(data.images, data.sizes), data.sizes, [image])
    return work


def measured(work: dict[str, Work], rounds: int) -> dict[str, float]:
    """Milliseconds, the median of turns. The first calls are not counted, nor is the first of each
    turn: PyTorch's threads wait busily for some time after their last work, and caches are those
    of the one before."""
    for one in work.values():
        for _ in range(3):
            one()
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, one in work.items():
            one()
            start = time.perf_counter()
            one()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(each) for name, each in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=cr.get_num_threads())
    parser.add_argument("--compile", action="store_true", help="compiled PyTorch, too")
    parser.add_argument("--rows", default="small,large,infer")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cr.set_num_threads(options.threads)

    def model(side: int) -> Any:
        cr.manual_seed(0)
        return detection.fasterrcnn_small(num_classes=11, fixed_size=(side, side))

    rows = {
        "small": ("training step, 4 images 128×128",
                  lambda: steps(model(128), 4, 128, options.compile)),
        "large": ("training step, 1 image 400×400",
                  lambda: steps(model(400), 1, 400, options.compile)),
        "infer": ("inference, 1 image 400×400",
                  lambda: inferences(model(400), 400, options.compile)),
    }  # fmt: skip
    for key in options.rows.split(","):
        title, make = rows[key]
        found = measured(make(), options.rounds)
        best = min(v for k, v in found.items() if k != "chainrule")
        for name, value in found.items():
            print(f"{title:34} {name:28} {value:9.2f} ms")
        print(f"{title:34} {'PyTorch’s best / chainrule':28} {best / found['chainrule']:9.2f}")


if __name__ == "__main__":
    main()
