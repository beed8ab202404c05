"""What an energy is: frozen, validated models of binary variables, in NumPy alone."""

from fastgibbs.models.boltzmann import BoltzmannMachine
from fastgibbs.models.cuts import cut
from fastgibbs.models.energy import Energy, Flips
from fastgibbs.models.glasses import edwards_anderson, random_regular, sherrington_kirkpatrick
from fastgibbs.models.hopfield import Hopfield
from fastgibbs.models.ising import Ising
from fastgibbs.models.lattices import lattice, triangular
from fastgibbs.models.rbm import RBM
from fastgibbs.models.waves import smallest_waves, waves

__all__ = [
    "RBM",
    "BoltzmannMachine",
    "Energy",
    "Flips",
    "Hopfield",
    "Ising",
    "cut",
    "edwards_anderson",
    "lattice",
    "random_regular",
    "sherrington_kirkpatrick",
    "smallest_waves",
    "triangular",
    "waves",
]
