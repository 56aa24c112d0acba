"""Floor 0: dtypes, shapes, errors, parameter constraints, texts, safe file writing."""
