"""Kernels in bfloat16 for processors with its dot product (`Target.bf16`).

A 32-bit lane holds a pair of bfloat16 numbers, neighbours in the dimension that is summed over, and
a multiply-add becomes the dot product of two pairs, added to a float32 sum. So the generators of
float32 write these kernels too: on operands in pairs, with half as many steps (`dot`, `halves`);
`pairing` brings float32 arrays into pairs and rounds them on the way. Numbers below 2⁻¹²⁶ count as
zero, in operands and results: these instructions have no subnormal numbers.
"""
