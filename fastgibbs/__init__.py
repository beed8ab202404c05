"""fastgibbs: Monte Carlo for energies of binary variables - Ising, spin-glass, Hopfield and RBM."""

from fastgibbs import analysis, exact, learning, plots, testing
from fastgibbs.analysis import mean_field, pseudo_likelihood
from fastgibbs.campaigns import Campaign, Task, campaign
from fastgibbs.integrations import to_bqm, to_networkx, to_qubo, to_scipy
from fastgibbs.io import VERSION as __version__  # noqa: F401 - no function of the package
from fastgibbs.io import as_model, read, read_idx, read_rudy, write, write_rudy
from fastgibbs.learning import fit_ising, train
from fastgibbs.methods.annealing import anneal
from fastgibbs.methods.log_z import Estimate, Likelihood, log_likelihood, log_z
from fastgibbs.methods.quenching import Basins, quench
from fastgibbs.methods.recall import recall
from fastgibbs.methods.sampling import sample
from fastgibbs.methods.schedules import beta_range, beta_schedule, geometric, linear
from fastgibbs.methods.tempering import temper
from fastgibbs.models import (
    RBM,
    BoltzmannMachine,
    Cell,
    Energy,
    Flips,
    Helmholtz,
    Hopfield,
    Ising,
    Perceptron,
    Polynomial,
    TransverseIsing,
    cut,
    edwards_anderson,
    lattice,
    p_spin,
    power_law,
    random_regular,
    sherrington_kirkpatrick,
    smallest_waves,
    teacher,
    triangular,
    viana_bray,
    waves,
)
from fastgibbs.models.protocols import Protocol, oscillating, protocol
from fastgibbs.pages import report
from fastgibbs.results.annealed import AnnealResult
from fastgibbs.results.fitted import IsingFit
from fastgibbs.results.recalled import RecallResult
from fastgibbs.results.sampled import SampleResult
from fastgibbs.results.saving import load, save
from fastgibbs.results.tempered import TemperResult
from fastgibbs.results.trained import TrainResult
from fastgibbs.threads import stop

__all__ = [
    "RBM",
    "AnnealResult",
    "Basins",
    "BoltzmannMachine",
    "Campaign",
    "Cell",
    "Energy",
    "Estimate",
    "Flips",
    "Helmholtz",
    "Hopfield",
    "Ising",
    "IsingFit",
    "Likelihood",
    "Perceptron",
    "Polynomial",
    "Protocol",
    "RecallResult",
    "SampleResult",
    "Task",
    "TemperResult",
    "TrainResult",
    "TransverseIsing",
    "analysis",
    "anneal",
    "as_model",
    "beta_range",
    "beta_schedule",
    "campaign",
    "cut",
    "edwards_anderson",
    "exact",
    "fit_ising",
    "geometric",
    "lattice",
    "learning",
    "linear",
    "load",
    "log_likelihood",
    "log_z",
    "mean_field",
    "oscillating",
    "p_spin",
    "plots",
    "power_law",
    "protocol",
    "pseudo_likelihood",
    "quench",
    "random_regular",
    "read",
    "read_idx",
    "read_rudy",
    "recall",
    "report",
    "sample",
    "save",
    "sherrington_kirkpatrick",
    "smallest_waves",
    "stop",
    "teacher",
    "temper",
    "testing",
    "to_bqm",
    "to_networkx",
    "to_qubo",
    "to_scipy",
    "train",
    "triangular",
    "viana_bray",
    "waves",
    "write",
    "write_rudy",
]
