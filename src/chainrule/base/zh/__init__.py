"""The Chinese catalogue: one module a room, each with a dict TEXT from English to Chinese."""
