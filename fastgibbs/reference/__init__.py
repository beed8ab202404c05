"""The engines and what drives them again in plain NumPy: slow, readable, and equal to the kernels bit for bit.
It exists to be compared with: tests run a kernel and its twin from one seed and ask for the same bytes."""
