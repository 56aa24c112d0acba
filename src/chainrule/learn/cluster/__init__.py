"""Clusters around means: k-means on all samples, and on small batches of them."""

from chainrule.learn.cluster.batches import MiniBatchKMeans as MiniBatchKMeans
from chainrule.learn.cluster.kmeans import KMeans as KMeans
from chainrule.learn.cluster.seeding import kmeans_plusplus as kmeans_plusplus
