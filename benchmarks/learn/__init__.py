"""Every estimator of chainrule.learn beside scikit-learn's: `python -m benchmarks.learn`."""
