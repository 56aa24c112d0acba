"""What an optimiser does in one step, worked out with its numbers and checked."""
