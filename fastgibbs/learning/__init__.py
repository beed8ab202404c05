"""Learning a model from data: `train`, the exact gradient its estimates are measured against, filling in, dreaming.

And what the layers of a machine know of each other, and of data: `information`; and the couplings that spins have:
`fit_ising`.
"""

from fastgibbs.learning.dreaming import dream
from fastgibbs.learning.entropies import Entropies, Information, information
from fastgibbs.learning.exact import gradient
from fastgibbs.learning.filling import fill_in
from fastgibbs.learning.inverse import fit_ising
from fastgibbs.learning.training import train
from fastgibbs.results.fitted import IsingFit, IsingPath

__all__ = [
    "Entropies",
    "Information",
    "IsingFit",
    "IsingPath",
    "dream",
    "fill_in",
    "fit_ising",
    "gradient",
    "information",
    "train",
]
