"""fastgibbs: Monte Carlo for energies of binary variables - Ising, spin-glass, Hopfield and RBM."""

from fastgibbs import exact
from fastgibbs.analysis import mean_field, pseudo_likelihood
from fastgibbs.io import read_rudy, write_rudy
from fastgibbs.methods.annealing import AnnealResult, anneal
from fastgibbs.methods.free_energies import Estimate, Likelihood, log_likelihood, log_z
from fastgibbs.methods.sampling import SampleResult, sample
from fastgibbs.methods.schedules import geometric, linear
from fastgibbs.methods.tempering import TemperResult, temper
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
    "AnnealResult",
    "Estimate",
    "Hopfield",
    "Ising",
    "Likelihood",
    "SampleResult",
    "TemperResult",
    "anneal",
    "edwards_anderson",
    "exact",
    "geometric",
    "lattice",
    "linear",
    "log_likelihood",
    "log_z",
    "mean_field",
    "pseudo_likelihood",
    "random_regular",
    "read_rudy",
    "sample",
    "sherrington_kirkpatrick",
    "temper",
    "triangular",
    "write_rudy",
]
