"""What is known without sampling: every state of a small model, the square lattice, Hopfield memories, perceptrons."""

from fastgibbs.exact.driven import Driven, driven
from fastgibbs.exact.enumeration import Spectrum, spectrum, states
from fastgibbs.exact.hopfield import CRITICAL_LOAD, Memory, hopfield, retrieval_overlap
from fastgibbs.exact.landscape import Minima, Valleys, barriers, minima
from fastgibbs.exact.perceptron import LearningCurve, learning_curve
from fastgibbs.exact.torus import CRITICAL_BETA, Torus, onsager_energy, onsager_magnetization, torus
from fastgibbs.exact.transverse import Quantum, QuantumChain, transverse, transverse_chain

__all__ = [
    "CRITICAL_BETA",
    "CRITICAL_LOAD",
    "Driven",
    "LearningCurve",
    "Memory",
    "Minima",
    "Quantum",
    "QuantumChain",
    "Spectrum",
    "Torus",
    "Valleys",
    "barriers",
    "driven",
    "hopfield",
    "learning_curve",
    "minima",
    "onsager_energy",
    "onsager_magnetization",
    "retrieval_overlap",
    "spectrum",
    "states",
    "torus",
    "transverse",
    "transverse_chain",
]
