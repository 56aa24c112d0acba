"""LLVM IR as text: the builder, vector mathematics, and the kernels."""
