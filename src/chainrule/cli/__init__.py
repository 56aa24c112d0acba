"""Floor 7: the command line, `chainrule` or `python -m chainrule`."""
