"""What records are worth: error bars, the quality of a tempering ladder, free energies."""

from fastgibbs.analysis.errors import autocorrelation_time, effective_sample_size, jackknife
from fastgibbs.analysis.free_energy import LogZ, log_z
from fastgibbs.analysis.ladders import Barrier, Equilibration, barrier, enough_rungs, equalized, equilibration

__all__ = [
    "Barrier",
    "Equilibration",
    "LogZ",
    "autocorrelation_time",
    "barrier",
    "effective_sample_size",
    "enough_rungs",
    "equalized",
    "equilibration",
    "jackknife",
    "log_z",
]
