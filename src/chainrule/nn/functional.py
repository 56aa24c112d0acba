"""The functions of layers under PyTorch's names, as `torch.nn.functional` has them.

They are the operations themselves; this module only gathers them from the vocabulary.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

from chainrule.base.text import t
from chainrule.graph import Tensor
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
    "max_unpool1d", "max_unpool2d", "max_unpool3d", "mish", "mse_loss", "nll_loss", "one_hot",
    "pad", "prelu", "relu", "relu6", "rms_norm", "selu", "sigmoid", "silu", "smooth_l1_loss",
    "softmax", "softmin",
    "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold", "unfold",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d_with_indices", "affine_grid", "channel_shuffle", "conv_tbc",
    "fractional_max_pool2d", "fractional_max_pool2d_with_indices", "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices", "grid_sample", "interpolate", "max_pool1d_with_indices",
    "max_pool2d_with_indices", "max_pool3d_with_indices", "pixel_shuffle", "pixel_unshuffle",
    "upsample", "upsample_bilinear", "upsample_nearest",
    "embedding_bag", "multi_head_attention_forward", "scaled_dot_product_attention",
    "alpha_dropout", "bilinear", "cosine_similarity", "dropout3d", "feature_alpha_dropout",
    "gumbel_softmax", "normalize", "pairwise_distance", "pdist", "rrelu",
    "cosine_embedding_loss", "ctc_loss", "gaussian_nll_loss", "hinge_embedding_loss",
    "margin_ranking_loss", "multi_margin_loss", "multilabel_margin_loss",
    "multilabel_soft_margin_loss", "poisson_nll_loss", "soft_margin_loss", "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    # The notes have these, PyTorch has not.
    "contrastive_loss", "hinge_loss", "rmse_loss", "softmax_focal_loss",
    "conv2d_direct", "conv2d_fft", "conv2d_im2col", "conv2d_matrix", "convolution_matrix",
    "focal_loss", "hard_sigmoid_bnn", "hardmax", "quadratic_loss", "sign_ste",
)  # fmt: skip

# Losses that PyTorch had before `reduction`.
OLD_ARGUMENTS = (
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss",
    "cross_entropy", "hinge_embedding_loss", "kl_div", "l1_loss", "margin_ranking_loss",
    "mse_loss", "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss",
    "nll_loss", "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss", "triplet_margin_loss",
)  # fmt: skip

INPLACE = (
    "celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_", "threshold_",
)  # fmt: skip


def with_old_arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, which also takes what PyTorch had before `reduction`: size_average and reduce."""

    @wraps(function)
    def call(*args: Any, size_average: Any = None, reduce: Any = None, **kwargs: Any) -> Any:
        if size_average is not None or reduce is not None:
            mean = size_average is None or size_average
            kept = reduce is not None and not reduce
            kwargs["reduction"] = "none" if kept else "mean" if mean else "sum"
            warnings.warn(
                t("size_average and reduce are old: write reduction={value!r}.",
                  value=kwargs["reduction"]),
                stacklevel=2,
            )  # fmt: skip
        return function(*args, **kwargs)

    return call


globals().update({name: PUBLIC[name] for name in NAMES})
globals().update({name: with_old_arguments(PUBLIC[name]) for name in OLD_ARGUMENTS})
globals().update({name: getattr(Tensor, name) for name in INPLACE})


def __getattr__(name: str) -> Any:
    raise MissingAttributeError(
        t("chainrule.nn.functional has no function {name!r}.", name=name), name=name
    )


def __dir__() -> list[str]:
    return [*NAMES, *INPLACE]
