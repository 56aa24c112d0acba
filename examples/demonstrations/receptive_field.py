"""The effective receptive field is a Gaussian spot within the theoretical one.

Note 003 §8.1.5: RF_i = (RF_{i+1} − 1)·s_i + f_i; the pixels' influence falls off from the middle.
"""

import math
import sys
from pathlib import Path

from common import FOLDER

import chainrule as cr
from chainrule import nn
from chainrule.explain import Lines, Pictures, figure

SIZE = 61


def stack(depth):
    cr.manual_seed(0)
    return nn.Sequential(*[nn.Conv2d(1 if i == 0 else 4, 4, 3, padding=1) for i in range(depth)])


def theoretical(layers):
    """RF from the last layer to the first."""
    field = 1
    for conv in reversed(layers):
        field = (field - 1) * conv.stride[0] + conv.kernel_size[0]
    return field


def main(folder=FOLDER):
    pictures, profiles, widths = {}, {}, {}
    axis = cr.arange(SIZE) - SIZE // 2
    for depth in (5, 10, 20):
        model = stack(depth)
        for conv in model:
            nn.init.constant_(conv.weight, 1 / 36)  # every path counts the same
        field = cr.models.effective_receptive_field(model, (1, SIZE, SIZE))
        reach = theoretical(list(model))
        assert reach == 2 * depth + 1
        # What is outside the theoretical field has no influence at all; its corners nearly none.
        assert (field > 0).any(0).sum() <= reach
        row = field[SIZE // 2]
        mass = row / row.sum()
        deviation = math.sqrt((mass * axis**2).sum().item())
        # A sum of `depth` steps −1, 0, 1, each with variance 2/3.
        assert abs(deviation - math.sqrt(depth * 2 / 3)) < 0.02 * depth**0.5, deviation
        gauss = cr.exp(-(axis**2) / (2 * deviation**2))
        assert (row - gauss).abs().max() < 0.05
        widths[depth] = 4 * deviation / reach  # ±2σ hold 95 % of the influence
        pictures[f"{depth} layers: {reach} × {reach}"] = field
        profiles[f"{depth} layers"] = (axis, row)
        profiles[f"Gauss, {depth}"] = (axis, gauss)

    assert widths[5] > widths[10] > widths[20] and widths[20] < 0.4, widths
    print("Share of the field's width that holds 95 % of the influence:")
    print("  " + ", ".join(f"{depth} layers {share:.0%}" for depth, share in widths.items()))
    return figure(
        Path(folder) / "receptive_field.svg",
        "Theoretical and effective receptive field",
        Pictures("Influence of each pixel on the middle output, 61 × 61", pictures),
        Lines("Its profile, and a Gaussian of the same width", profiles, x_name="distance",
              dashed=[name for name in profiles if name.startswith("Gauss")]),
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
