"""fastgibbs: Monte Carlo for energies of binary variables."""
