"""Principal components, from all samples at once and batch by batch."""

from chainrule.learn.decomposition.incremental import IncrementalPCA as IncrementalPCA
from chainrule.learn.decomposition.pca import PCA as PCA
