"""The live page of a training run."""

from chainrule.explain.watch.callback import Watch as Watch
