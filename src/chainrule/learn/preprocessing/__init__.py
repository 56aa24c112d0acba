"""Scalers (row N2 of the notes: zero-centre, normalise, whiten) and polynomial features."""

from chainrule.learn.preprocessing.polynomials import PolynomialFeatures as PolynomialFeatures
from chainrule.learn.preprocessing.ranges import MaxAbsScaler as MaxAbsScaler
from chainrule.learn.preprocessing.ranges import MinMaxScaler as MinMaxScaler
from chainrule.learn.preprocessing.ranges import RobustScaler as RobustScaler
from chainrule.learn.preprocessing.standard import StandardScaler as StandardScaler
from chainrule.learn.preprocessing.whitening import Whitener as Whitener
