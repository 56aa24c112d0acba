"""The functions of layers under PyTorch's names, as `torch.nn.functional` has them.

They are the operations themselves; this module only gathers them from the vocabulary.
"""

from __future__ import annotations

from typing import Any

from chainrule.base.text import t
from chainrule.nn.errors import MissingAttributeError
from chainrule.ops.functional import PUBLIC

NAMES = (
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu", "conv1d",
    "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cross_entropy",
    "dropout", "dropout1d", "dropout2d", "elu", "embedding", "fold", "gelu", "glu", "group_norm",
    "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "huber_loss", "instance_norm", "kl_div",
    "l1_loss", "layer_norm", "leaky_relu", "linear", "local_response_norm", "log_softmax",
    "logsigmoid", "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d", "max_pool2d", "max_pool3d",
    "max_unpool1d", "max_unpool2d", "max_unpool3d", "mish", "mse_loss", "nll_loss", "pad", "prelu",
    "relu", "relu6", "rms_norm", "selu", "sigmoid", "silu", "smooth_l1_loss", "softmax", "softmin",
    "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold", "unfold",
    # The notes have these, PyTorch has not.
    "focal_loss", "hard_sigmoid_bnn", "hardmax", "quadratic_loss", "sign_ste",
)  # fmt: skip

globals().update({name: PUBLIC[name] for name in NAMES})


def __getattr__(name: str) -> Any:
    raise MissingAttributeError(
        t("chainrule.nn.functional has no function {name!r}.", name=name), name=name
    )


def __dir__() -> list[str]:
    return list(NAMES)
