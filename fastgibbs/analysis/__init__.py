"""What records are worth: error bars, the quality of a tempering ladder, free energies."""

from fastgibbs.analysis.errors import autocorrelation_time, effective_sample_size, jackknife
from fastgibbs.analysis.free_energy import IntegratedLogZ, LogZ, integrated_log_z, log_z
from fastgibbs.analysis.ladders import Barrier, Equilibration, barrier, enough_rungs, equalized, equilibration
from fastgibbs.analysis.likelihood import log_mean, log_weights, pseudo_likelihood
from fastgibbs.analysis.mean_field import MeanField, mean_field

__all__ = [
    "Barrier",
    "Equilibration",
    "IntegratedLogZ",
    "LogZ",
    "MeanField",
    "autocorrelation_time",
    "barrier",
    "effective_sample_size",
    "enough_rungs",
    "equalized",
    "equilibration",
    "integrated_log_z",
    "jackknife",
    "log_mean",
    "log_weights",
    "log_z",
    "mean_field",
    "pseudo_likelihood",
]
