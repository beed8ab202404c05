"""Pictures: each function draws on the Axes `ax`, or on new ones in the house style, and returns them.

`result` is what `sample`, `temper` or `anneal` returns, also of a run that was stopped: without a draw the Axes stay
empty and say so. Further keywords go to matplotlib, for the lines, bars or image of the data. Nothing is shown or
saved, and without matplotlib (the extra `plot`) the first call raises ImportError.
"""

from fastgibbs.plots.annealing import annealing_trace, read_histogram
from fastgibbs.plots.binder import binder_crossing, glass_crossing
from fastgibbs.plots.correlations import correlations, length_crossing, structure_factor, structure_map, two_time
from fastgibbs.plots.curves import curve
from fastgibbs.plots.fits import fitted_couplings, fitted_moments
from fastgibbs.plots.learning import entropies, fantasies, filters, information_history, inpaintings, training_history
from fastgibbs.plots.memories import overlap_trace, recall_curves, recall_histogram, recall_images
from fastgibbs.plots.movie import movie
from fastgibbs.plots.neurons import raster
from fastgibbs.plots.spins import spin_image
from fastgibbs.plots.style import PALETTE, figure
from fastgibbs.plots.temperatures import (
    energy_curve,
    heat_capacity_curve,
    magnetization_curve,
    susceptibility_curve,
    temperature_curve,
)
from fastgibbs.plots.tempering import overlap_distribution, replica_flow, swap_rates
from fastgibbs.plots.traces import energy_trace, magnetization_trace
from fastgibbs.plots.valleys import disconnectivity

__all__ = [
    "PALETTE",
    "annealing_trace",
    "binder_crossing",
    "correlations",
    "curve",
    "disconnectivity",
    "energy_curve",
    "energy_trace",
    "entropies",
    "fantasies",
    "figure",
    "filters",
    "fitted_couplings",
    "fitted_moments",
    "glass_crossing",
    "heat_capacity_curve",
    "information_history",
    "inpaintings",
    "length_crossing",
    "magnetization_curve",
    "magnetization_trace",
    "movie",
    "overlap_distribution",
    "overlap_trace",
    "raster",
    "read_histogram",
    "recall_curves",
    "recall_histogram",
    "recall_images",
    "replica_flow",
    "spin_image",
    "structure_factor",
    "structure_map",
    "susceptibility_curve",
    "swap_rates",
    "temperature_curve",
    "training_history",
    "two_time",
]
