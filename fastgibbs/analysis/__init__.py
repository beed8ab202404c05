"""What records are worth: error bars, thermodynamics, reweighting, the quality of a ladder, free energies."""

from fastgibbs.analysis.ageing import TwoTime, two_time
from fastgibbs.analysis.bins import Binned, Bins, Levels
from fastgibbs.analysis.correlations import Correlations, correlations
from fastgibbs.analysis.disorder import DisorderAverage, disorder_average
from fastgibbs.analysis.errors import (
    Binning,
    Mean,
    autocorrelation_time,
    binning,
    blocks,
    disagreement,
    effective_sample_size,
    jackknife,
    split_r_hat,
    standard_error,
)
from fastgibbs.analysis.extrapolation import ContinuousMeans, extrapolate
from fastgibbs.analysis.finite_size import Crossing, binder_crossing, xi_crossing
from fastgibbs.analysis.fourier import (
    CorrelationLength,
    StructureFactor,
    correlation_length,
    overlap_correlation_length,
    overlap_structure_factor,
    structure_factor,
)
from fastgibbs.analysis.free_energy import IntegratedLogZ, LogZ, integrated_log_z, log_z, log_z_of_ratios
from fastgibbs.analysis.likelihood import log_mean, log_weights, pseudo_likelihood, pseudo_likelihoods
from fastgibbs.analysis.mean_field import MeanField, mean_field
from fastgibbs.analysis.quantum import QuantumMeans, quantum
from fastgibbs.analysis.response import Response, response
from fastgibbs.analysis.reweighting import Reweighted, reweight, to_u_kn
from fastgibbs.analysis.rungs import Barrier, Equilibration, barrier, enough_rungs, equalized, equilibration, refined
from fastgibbs.analysis.summaries import summary
from fastgibbs.analysis.thermodynamics import binder_cumulant, heat_capacity, susceptibility, temperature
from fastgibbs.analysis.ultrametricity import Triangles, ultrametricity

__all__ = [
    "Barrier",
    "Binned",
    "Binning",
    "Bins",
    "ContinuousMeans",
    "CorrelationLength",
    "Correlations",
    "Crossing",
    "DisorderAverage",
    "Equilibration",
    "IntegratedLogZ",
    "Levels",
    "LogZ",
    "Mean",
    "MeanField",
    "QuantumMeans",
    "Response",
    "Reweighted",
    "StructureFactor",
    "Triangles",
    "TwoTime",
    "autocorrelation_time",
    "barrier",
    "binder_crossing",
    "binder_cumulant",
    "binning",
    "blocks",
    "correlation_length",
    "correlations",
    "disagreement",
    "disorder_average",
    "effective_sample_size",
    "enough_rungs",
    "equalized",
    "equilibration",
    "extrapolate",
    "heat_capacity",
    "integrated_log_z",
    "jackknife",
    "log_mean",
    "log_weights",
    "log_z",
    "log_z_of_ratios",
    "mean_field",
    "overlap_correlation_length",
    "overlap_structure_factor",
    "pseudo_likelihood",
    "pseudo_likelihoods",
    "quantum",
    "refined",
    "response",
    "reweight",
    "split_r_hat",
    "standard_error",
    "structure_factor",
    "summary",
    "susceptibility",
    "temperature",
    "to_u_kn",
    "two_time",
    "ultrametricity",
    "xi_crossing",
]
