"""What an energy is: frozen, validated models of binary variables, in NumPy alone."""

from fastgibbs.models.boltzmann import BoltzmannMachine
from fastgibbs.models.cells import Cell
from fastgibbs.models.cuts import cut
from fastgibbs.models.energy import Energy, Flips
from fastgibbs.models.glasses import edwards_anderson, power_law, random_regular, sherrington_kirkpatrick, viana_bray
from fastgibbs.models.helmholtz import Helmholtz
from fastgibbs.models.hopfield import Hopfield
from fastgibbs.models.ising import Ising
from fastgibbs.models.lattices import lattice, triangular
from fastgibbs.models.perceptron import Perceptron, teacher
from fastgibbs.models.polynomial import Polynomial, p_spin
from fastgibbs.models.rbm import RBM
from fastgibbs.models.transverse import TransverseIsing
from fastgibbs.models.waves import smallest_waves, waves

__all__ = [
    "RBM",
    "BoltzmannMachine",
    "Cell",
    "Energy",
    "Flips",
    "Helmholtz",
    "Hopfield",
    "Ising",
    "Perceptron",
    "Polynomial",
    "TransverseIsing",
    "cut",
    "edwards_anderson",
    "lattice",
    "p_spin",
    "power_law",
    "random_regular",
    "sherrington_kirkpatrick",
    "smallest_waves",
    "teacher",
    "triangular",
    "viana_bray",
    "waves",
]
