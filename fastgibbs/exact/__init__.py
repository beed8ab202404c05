"""What is known without sampling: every state of a small model, and the square lattice in closed form."""

from fastgibbs.exact.enumeration import Spectrum, spectrum, states
from fastgibbs.exact.torus import CRITICAL_BETA, Torus, onsager_energy, onsager_magnetization, torus

__all__ = [
    "CRITICAL_BETA",
    "Spectrum",
    "Torus",
    "onsager_energy",
    "onsager_magnetization",
    "spectrum",
    "states",
    "torus",
]
