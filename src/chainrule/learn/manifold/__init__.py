"""Maps of high-dimensional samples onto the plane."""

from chainrule.learn.manifold.tsne import TSNE as TSNE
