"""The sheets, a file for each family: what people wrote about each thing."""

from importlib import import_module

from chainrule.explain.cards.sheet import Sheet

_FAMILIES = (
    "activations", "rectifiers", "losses", "margin_losses", "convolution", "pooling",
    "normalisation", "recurrent", "attention", "layers", "regularisers", "optimisers", "schedules",
    "initialisers", "arithmetic", "elementary", "comparisons", "reductions", "sorting", "shapes",
    "joining", "indexing", "matrices", "decompositions", "creation", "randomness", "questions",
    "boxes", "trees", "estimators", "unsupervised",
)  # fmt: skip

SHEETS: dict[str, dict[str, Sheet]] = {
    family: import_module(f"{__name__}.{family}").SHEETS for family in _FAMILIES
}

# Functions that are another one under a name of their own.
SAME = {
    "upsample": "interpolate",
    "upsample_nearest": "interpolate",
    "upsample_bilinear": "interpolate",
}

_CONVOLUTIONS = {
    f"{lazy}{name}{n}d": f"{base}{n}d"
    for lazy in ("", "Lazy")
    for name, base in (("Conv", "conv"), ("ConvTranspose", "conv_transpose"))
    for n in "123"
}
_NORMS = {
    f"{lazy}{name}Norm{n}d": f"{base}_norm"
    for lazy in ("", "Lazy")
    for name, base in (("Batch", "batch"), ("Instance", "instance"))
    for n in "123"
}
_POOLS = {
    f"{name}{n}d": f"{base}{n}d"
    for name, base in (
        ("MaxPool", "max_pool"), ("AvgPool", "avg_pool"), ("LPPool", "lp_pool"),
        ("AdaptiveMaxPool", "adaptive_max_pool"), ("AdaptiveAvgPool", "adaptive_avg_pool"),
        ("MaxUnpool", "max_unpool"), ("FractionalMaxPool", "fractional_max_pool"),
        ("Dropout", "dropout"),
    )
    for n in "123"
    if not (name.startswith("Fractional") and n == "1")
}  # fmt: skip
_PADS = {
    f"{name}Pad{n}d": "pad"
    for name in ("Zero", "Constant", "Reflection", "Replication", "Circular")
    for n in "123"
}

# Modules whose name does not tell which sheet is theirs.
LAYERS = {
    **_CONVOLUTIONS, **_NORMS, **_POOLS, **_PADS,
    "Linear": "linear", "LazyLinear": "linear", "Bilinear": "bilinear",
    "LayerNorm": "layer_norm", "GroupNorm": "group_norm", "RMSNorm": "rms_norm",
    "LocalResponseNorm": "local_response_norm", "CrossMapLRN2d": "local_response_norm",
    "Dropout": "dropout", "AlphaDropout": "alpha_dropout",
    "FeatureAlphaDropout": "feature_alpha_dropout",
    "Embedding": "embedding", "EmbeddingBag": "embedding_bag",
    "CosineSimilarity": "cosine_similarity", "PairwiseDistance": "pairwise_distance",
    "RNN": "rnn", "LSTM": "lstm", "GRU": "gru",
    "RNNCell": "rnn_tanh_cell", "LSTMCell": "lstm_cell", "GRUCell": "gru_cell",
    "Flatten": "flatten", "Unflatten": "unflatten", "Fold": "fold", "Unfold": "unfold",
    "PixelShuffle": "pixel_shuffle", "PixelUnshuffle": "pixel_unshuffle",
    "ChannelShuffle": "channel_shuffle", "Softmax2d": "softmax", "RReLU": "rrelu",
    "PReLU": "prelu", "GLU": "glu",
    "Upsample": "interpolate", "UpsamplingBilinear2d": "interpolate",
    "UpsamplingNearest2d": "interpolate",
    "MSELoss": "mse_loss", "L1Loss": "l1_loss", "SmoothL1Loss": "smooth_l1_loss",
    "HuberLoss": "huber_loss", "QuadraticLoss": "quadratic_loss", "RMSELoss": "rmse_loss",
    "KLDivLoss": "kl_div", "BCELoss": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits", "FocalLoss": "focal_loss",
    "SoftmaxFocalLoss": "softmax_focal_loss", "NLLLoss": "nll_loss",
    "CrossEntropyLoss": "cross_entropy", "PoissonNLLLoss": "poisson_nll_loss",
    "GaussianNLLLoss": "gaussian_nll_loss", "CTCLoss": "ctc_loss", "HingeLoss": "hinge_loss",
    "SoftMarginLoss": "soft_margin_loss", "HingeEmbeddingLoss": "hinge_embedding_loss",
    "MarginRankingLoss": "margin_ranking_loss", "MultiMarginLoss": "multi_margin_loss",
    "MultiLabelMarginLoss": "multilabel_margin_loss",
    "MultiLabelSoftMarginLoss": "multilabel_soft_margin_loss",
    "CosineEmbeddingLoss": "cosine_embedding_loss", "ContrastiveLoss": "contrastive_loss",
    "TripletMarginLoss": "triplet_margin_loss",
    "TripletMarginWithDistanceLoss": "triplet_margin_with_distance_loss",
}  # fmt: skip
