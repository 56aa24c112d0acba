"""Networks as scikit-learn estimators: any `nn.Module`, trained by the library's Trainer."""

from chainrule.learn.neural.estimators import NeuralClassifier as NeuralClassifier
from chainrule.learn.neural.estimators import NeuralRegressor as NeuralRegressor
