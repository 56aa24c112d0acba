"""Mixtures of Gaussians by expectation and maximization."""

from chainrule.learn.mixture.gaussian import GaussianMixture as GaussianMixture
