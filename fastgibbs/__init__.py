"""fastgibbs: Monte Carlo for energies of binary variables - Ising, spin-glass, Hopfield and RBM."""

from fastgibbs import exact
from fastgibbs.io import read_rudy, write_rudy
from fastgibbs.methods.sampling import SampleResult, sample
from fastgibbs.models import (
    RBM,
    Hopfield,
    Ising,
    edwards_anderson,
    lattice,
    random_regular,
    sherrington_kirkpatrick,
    triangular,
)

__version__ = "0.1.0"
__all__ = [
    "RBM",
    "Hopfield",
    "Ising",
    "SampleResult",
    "edwards_anderson",
    "exact",
    "lattice",
    "random_regular",
    "read_rudy",
    "sample",
    "sherrington_kirkpatrick",
    "triangular",
    "write_rudy",
]
