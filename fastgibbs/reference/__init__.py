"""The engines again in plain NumPy, file for file: slow, readable, and equal to the kernels bit for bit.
It exists to be compared with: tests run a kernel and its twin from one seed and ask for the same bytes."""
