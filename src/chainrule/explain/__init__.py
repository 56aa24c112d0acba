"""Watching a network: reports of training runs, worked explanations, statistics of layers."""
