"""Support vector machines: with kernels by sequential minimal optimisation, and linear ones."""

from chainrule.learn.svm.classification import SVC as SVC
from chainrule.learn.svm.linear import LinearSVC as LinearSVC
from chainrule.learn.svm.linear import LinearSVR as LinearSVR
from chainrule.learn.svm.regression import SVR as SVR
