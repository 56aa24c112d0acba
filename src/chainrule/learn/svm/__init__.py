"""Support vector machines by sequential minimal optimisation."""

from chainrule.learn.svm.classification import SVC as SVC
from chainrule.learn.svm.regression import SVR as SVR
