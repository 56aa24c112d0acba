"""Linear models: least squares, ridge, lasso, elastic net, logistic regression."""

from chainrule.learn.linear.coordinate import ElasticNet as ElasticNet
from chainrule.learn.linear.coordinate import Lasso as Lasso
from chainrule.learn.linear.least_squares import LinearRegression as LinearRegression
from chainrule.learn.linear.least_squares import Ridge as Ridge
from chainrule.learn.linear.logistic import LogisticRegression as LogisticRegression
