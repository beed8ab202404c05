"""What an energy is: frozen, validated models of binary variables, in NumPy alone."""

from .glasses import edwards_anderson, random_regular, sherrington_kirkpatrick
from .hopfield import Hopfield
from .ising import Ising
from .lattices import lattice, triangular
from .rbm import RBM

__all__ = [
    "RBM",
    "Hopfield",
    "Ising",
    "edwards_anderson",
    "lattice",
    "random_regular",
    "sherrington_kirkpatrick",
    "triangular",
]
