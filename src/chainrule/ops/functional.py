"""Every public function of the vocabulary, under PyTorch's name: the registry as a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chainrule.ops import (
    creation,
    noise,
    random,
    sampling,
    settings,
    type_info,
    window_functions,
)
from chainrule.ops.op import REGISTRY
from chainrule.ops.register import FUNCTIONS

# Primitives in their array form; users have the functions with PyTorch's arguments instead.
INTERNAL = {
    "cast", "alias", "slice", "unslice", "constant_pad", "view_write", "index", "index_adjoint",
    "index_put", "put_along_dim_add", "masked_scale", "euclidean", "conv", "conv_input",
    "conv_weight", "windows_sum", "windows_sum_adjoint", "windows_argmax", "windows_unfold",
    "windows_fold", "max_pool", "max_unpool", "fitted_argmax", "fractional_argmax",
    "batch_norm_inference",
    "softmax_cross_entropy", "rnn", "lstm", "gru", "ctc", "linear_recurrence",
    "matrix_solve", "pseudo_inverse", "cofactor", "log_det", "cholesky_factor", "symmetric_eigen",
    "singular_values", "orthogonal_triangular", "power_norm", "attention",
    "box_iou", "generalized_box_iou", "box_encode", "box_decode", "clip_boxes_to_image",
    "roi_align", "roi_align_levels", "roi_pool", "nms_keep", "nms_struck",
}  # fmt: skip


def _collect() -> dict[str, Callable[..., Any]]:
    out: dict[str, Callable[..., Any]] = {}
    for name, cls in REGISTRY.items():
        if name not in INTERNAL:
            for public in (name, *cls.aliases):
                out[public] = cls.function
    for module in (creation, noise, random, sampling, settings, type_info, window_functions):
        for name, value in vars(module).items():
            own = callable(value) and getattr(value, "__module__", "") == module.__name__
            if own and name[0].islower() and not name.endswith("_"):
                out[name] = value
    return out | FUNCTIONS


if TYPE_CHECKING:
    # What the registry holds is known only at run time.
    def __getattr__(name: str) -> Any: ...


PUBLIC = _collect()
globals().update(PUBLIC)
