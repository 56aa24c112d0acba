"""From a graph of primitives to loop nests over buffers."""
