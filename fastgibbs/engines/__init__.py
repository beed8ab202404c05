"""How an energy is advanced: Numba kernels, arrays in, arrays out."""
