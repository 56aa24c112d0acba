"""Normalised layers do not see the scale of the weights or of the data.

Note 000 §7: BN((aW)x) = BN(Wx), so ∂/∂x is the same and ∂/∂(aW) = 1/a · ∂/∂W; LN(W(bx)) = LN(Wx).
"""

import sys
from pathlib import Path

from common import FOLDER, digits

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.explain import Lines, figure


def batch_norm(z):
    return F.batch_norm(z, None, None, training=True, eps=0.0)


def layer_norm(z):
    return F.layer_norm(z, z.shape[1:], eps=0.0)


def plain(z):
    return z


def measure(normalise, weight_scale=1.0, data_scale=1.0):
    """The output, the gradient of a loss by the data's unscaled values, and by the weights."""
    cr.manual_seed(0)
    x = (digits(100)[0].double() * data_scale).requires_grad_()
    weight = (0.05 * cr.randn(40, 784, dtype=cr.float64) * weight_scale).requires_grad_()
    y = normalise(x @ weight.T)
    # Any loss will do; a fixed direction in front of a tanh makes it neither linear nor even.
    loss = (cr.tanh(y) * cr.randn(100, 40, dtype=cr.float64)).sum()
    loss.backward()
    return y.detach(), x.grad, weight.grad


def main(folder=FOLDER):
    scales = [0.01, 0.1, 1.0, 10.0, 100.0]
    kinds = {"none": plain, "batch norm": batch_norm, "layer norm": layer_norm}
    by_weight, by_data, spread = {}, {}, {}
    for name, normalise in kinds.items():
        y, gx, gw = measure(normalise)
        runs = [measure(normalise, weight_scale=a) for a in scales]
        by_weight[name] = [run[2].norm().item() for run in runs]
        spread[name] = [run[0].std().item() for run in runs]
        by_data[name] = [measure(normalise, data_scale=b)[2].norm().item() for b in scales]
        if normalise is plain:
            continue
        for a, (y_a, gx_a, gw_a) in zip(scales, runs):
            assert cr.allclose(y_a, y, atol=1e-9)
            assert cr.allclose(gx_a, gx, atol=1e-9 * gx.abs().max().item())
            assert cr.allclose(a * gw_a, gw, atol=1e-9 * gw.abs().max().item())
            y_b, _, gw_b = measure(normalise, data_scale=a)
            assert cr.allclose(y_b, y, atol=1e-9)
            assert cr.allclose(gw_b, gw, atol=1e-9 * gw.abs().max().item())
    assert spread["none"][-1] > 1e3 * spread["none"][0]
    slope = by_weight["batch norm"][0] / by_weight["batch norm"][-1]
    assert abs(slope / (scales[-1] / scales[0]) - 1) < 1e-6

    print(
        "Outputs and ∂L/∂x are the same for weights × 0.01 … 100, and outputs and ∂L/∂W for data."
    )
    print(
        f"∂L/∂W is 1/a as large: × {slope:.0f} from a = 100 to a = 0.01, which steadies the step."
    )
    return figure(
        Path(folder) / "normalisation_invariance.svg",
        "What normalisation does not see",
        Lines("Deviation of the output, weights × a", spread, scales, "a", log=True, log_x=True),
        Lines("‖∂L/∂W‖, weights × a", by_weight, scales, "a", log=True, log_x=True),
        Lines("‖∂L/∂W‖, data × b", by_data, scales, "b", log=True, log_x=True),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
