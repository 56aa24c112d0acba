"""Nearest neighbours: brute force by matrix products, and a k-d tree."""

from chainrule.learn.neighbors.classes import KNeighborsClassifier as KNeighborsClassifier
from chainrule.learn.neighbors.classes import KNeighborsRegressor as KNeighborsRegressor
