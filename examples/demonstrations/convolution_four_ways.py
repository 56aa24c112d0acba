"""One convolution computed four ways: direct, im2col, the sparse matrix C, and by FFT.

Notes 000 §9 (im2col) and 001, "卷积神经网络": Y = CX, and backward ∂L/∂X = Cᵀ ∂L/∂Y.
"""

import sys
from pathlib import Path

from common import FOLDER, digits

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.explain import Bars, Pictures, figure


def main(folder=FOLDER):
    cr.manual_seed(0)
    x = digits(8)[0].reshape(8, 1, 28, 28).double()
    kernels = cr.randn(6, 1, 5, 5, dtype=cr.float64)
    g = cr.randn(8, 6, 12, 12, dtype=cr.float64)  # a gradient that flows in
    ways = {"direct": F.conv2d_direct, "im2col": F.conv2d_im2col, "matrix C": F.conv2d_matrix,
            "FFT": F.conv2d_fft, "conv2d": F.conv2d}  # fmt: skip
    outputs, gradients = {}, {}
    for name, conv in ways.items():
        inputs, weight = x.clone().requires_grad_(), kernels.clone().requires_grad_()
        outputs[name] = conv(inputs, weight, stride=2)
        outputs[name].backward(g)
        gradients[name] = (inputs.grad, weight.grad)

    reference = outputs["direct"].detach()
    differences = {n: (y.detach() - reference).abs().max().item() for n, y in outputs.items()}
    assert reference.abs().max() > 1 and all(d < 1e-12 for d in differences.values()), differences
    for by_input, by_weight in gradients.values():
        assert cr.allclose(by_input, gradients["direct"][0], atol=1e-12)
        assert cr.allclose(by_weight, gradients["direct"][1], atol=1e-11)

    # The note's matrix: a 3×3 kernel on 5×5 pixels is 9×25, with 9 numbers in each row.
    kernel = cr.arange(1, 10, dtype=cr.float64).reshape(1, 1, 3, 3)
    matrix = F.convolution_matrix(kernel, input_size=(5, 5))
    assert matrix.shape == (9, 25) and (matrix != 0).sum() == 81
    picture = x[:1, :, 10:15, 10:15]
    column = picture.flatten()
    assert cr.allclose(matrix @ column, F.conv2d(picture, kernel).flatten())
    back = F.conv_transpose2d(g[:1, :1, :3, :3], kernel)
    assert cr.allclose(matrix.T @ g[0, 0, :3, :3].flatten(), back.flatten())

    print("Largest difference from the direct form, outputs up to "
          f"{reference.abs().max().item():.0f}:")  # fmt: skip
    print("  " + ", ".join(f"{name} {d:.0e}" for name, d in differences.items() if d))
    shown = {name: y[0, 0].detach() for name, y in outputs.items()}
    size = reference[0, 0].numel()
    work = {
        "windows as columns (im2col), numbers": 25 * size,
        "C, all numbers": size * 784,
        "C, not zero": 25 * size,
    }
    return figure(
        Path(folder) / "convolution_four_ways.svg",
        "One convolution, four ways",
        Pictures("A digit, one kernel, stride 2: the same picture each way", shown, signed=True),
        Pictures("C of a 3×3 kernel on 5×5 pixels (note 001), 9 × 25", {"Y = CX": matrix}, 1, True),
        Bars("Size of what is laid out for one kernel", work, form=",.0f"),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
