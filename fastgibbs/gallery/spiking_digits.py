"""A machine that has learnt small digits dreams in spikes, with the law of the heat bath, and forgets more slowly."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastgibbs import analysis, plots
from fastgibbs.engines.spiking import MOST
from fastgibbs.gallery.output import Columns, archive, comma_separated, picture, table
from fastgibbs.gallery.rbm_digits import pictures, require, trained
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs
from fastgibbs.methods.sampling import sample
from fastgibbs.models import RBM, checks
from fastgibbs.results.sampled import SampleResult
from fastgibbs.types import FloatArray, Progress

GROUPS = 8  # of chains, whose tau differ by its error
DREAMS = 18


@dataclass(frozen=True)
class Config:
    """What the run is told; see spiking_digits.toml."""

    hidden: int
    epochs: int
    batch_size: int
    steps: int
    learning_rates: list[float]
    method: str
    refractories: list[int]
    shown: int
    window: int
    chains: int
    burn_in: int
    sweeps: int
    seed: int


class Told(NamedTuple):
    """What a run tells."""

    energy: analysis.Mean
    tau: float  # of energies, in sweeps
    tau_error: float
    means: FloatArray  # float64 (chains, n): of units

    @classmethod
    def of(cls, run: SampleResult) -> "Told":
        """What it tells."""
        taus = [analysis.autocorrelation_time(part) for part in np.array_split(run.energy, GROUPS)]
        error = float(np.std(taus, ddof=1)) / np.sqrt(GROUPS)
        means = run.samples.mean(axis=1)
        return cls(analysis.standard_error(run.energy), analysis.autocorrelation_time(run.energy), error, means)

    def off(self, other: "Told") -> tuple[float, float]:
        """By how much its energy is another, and the root mean square of what means of units are, in errors."""
        energy = (self.energy.mean - other.energy.mean) / np.hypot(self.energy.error, other.energy.error)
        variances = [one.means.var(axis=0, ddof=1) / len(one.means) for one in (self, other)]
        apart = (self.means.mean(axis=0) - other.means.mean(axis=0)) ** 2 / (variances[0] + variances[1])
        return float(energy), float(np.sqrt(apart.mean()))


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Train, sample by the heat bath and in spikes of several lengths, and draw a raster and what is dreamt meanwhile.

    L. Buesing et al., PLoS Comput. Biol. 7, e1002211 (2011).
    """
    require(config)
    for tau in config.refractories:
        checks.integer("refractories: one", tau, 1, MOST)
    if config.shown not in config.refractories:
        raise ValueError(f"shown is {config.shown}: give one of refractories, {config.refractories}")
    checks.integer("chains", config.chains, minimum=2 * GROUPS)
    checks.integer("window", config.window, minimum=DREAMS)
    checks.integer("sweeps", config.sweeps)
    rows, shape, origin = pictures()
    rng = np.random.default_rng(config.seed)
    learnt = trained(config, rng.permutation(rows), rng, progress, checkpoint, likelihood_every=0)
    if learnt.interrupted:
        raise Interrupted("interrupted in the training: the same command goes on")
    machine = learnt.model
    assert isinstance(machine, RBM), "as `trained` began with one"
    options: dict[str, Any] = dict(beta=1.0, chains=config.chains, sweeps=config.sweeps, burn_in=config.burn_in)
    options |= dict(seed=config.seed, engine="sparse", keep_states=True, progress=progress)
    heat_bath = Told.of(_whole(sample(machine, **options, checkpoint=checkpoint("gibbs"))))
    found: dict[int, Told] = {}
    for tau in config.refractories:
        spiking: dict[str, Any] = dict(rule="spiking", refractory=tau, checkpoint=checkpoint(f"spiking{tau}"))
        result = _whole(sample(machine, **options, **spiking))
        found[tau] = Told.of(result)
        if tau == config.shown:
            more: dict[str, Any] = dict(rule="spiking", keep_states=True, sweeps=config.window)
            window = sample(machine, beta=1.0, start=result, **more)
    columns = _columns(heat_bath, found)
    slower = {tau: one.tau / heat_bath.tau for tau, one in found.items()}
    text = (
        f"{machine!r} trained on {origin} by {learnt.method}; {config.chains} chains of {config.sweeps} sweeps each; "
        f"off: from the heat bath, in errors\n{table(columns)}\n"
        f"The law is the same; energies forget {slower[config.shown]:.1f} times more slowly where a spike lasts "
        f"{config.shown} sweeps: a model of neurons, and no better sampler"
    )
    dreams = _dreams(machine, window)
    files = {"table.csv": comma_separated(columns), "result.npz": archive(spikes=window.spikes[0], dreams=dreams)}
    return Findings(text, files).with_pictures(
        lambda: {"spiking_digits.png": _draw(config, machine, window, dreams, shape, heat_bath, found)}
    )


def _whole(result: SampleResult) -> SampleResult:
    if result.interrupted:
        raise Interrupted("interrupted in a sampling: the same command goes on")
    return result


def _columns(heat_bath: Told, found: dict[int, Told]) -> Columns:
    rows, off = [heat_bath, *found.values()], [(0.0, 0.0), *(one.off(heat_bath) for one in found.values())]
    return {
        "rule": ("", ["heat bath", *(f"spikes of {tau}" for tau in found)]),
        "E": (".3f", [one.energy.mean for one in rows]),
        "error": (".3f", [one.energy.error for one in rows]),
        "off": ("+.1f", [energy for energy, _ in off]),
        "units off, rms": (".2f", [units for _, units in off]),
        "tau of E": (".1f", [one.tau for one in rows]),
        "error ": (".1f", [one.tau_error for one in rows]),
    }


def _dreams(machine: RBM, window: SampleResult) -> FloatArray:
    """What the first chain's visible units are likely to be, given the hidden ones at sweeps far apart: (DREAMS, V)."""
    sweeps = np.linspace(0, window.energy.shape[1] - 1, DREAMS).round().astype(int)
    hidden = window.samples[0, sweeps, machine.n_visible :]
    return machine.visible_means(hidden)


def _draw(
    config: Config,
    machine: RBM,
    window: SampleResult,
    dreams: FloatArray,
    shape: tuple[int, int],
    heat_bath: Told,
    found: dict[int, Told],
) -> bytes:
    """The raster, dreams, units' means and autocorrelation times, as PNG."""
    figure, axes = plots.figure(2, 2, size=(10.5, 7.2), width_ratios=[2, 1], height_ratios=[3, 2])
    V, n = machine.n_visible, machine.n
    plots.raster(window, ax=axes[0, 0], color=plots.PALETTE[0])
    plots.raster(window, neurons=np.arange(V), ax=axes[0, 0])
    axes[0, 0].axhline(V - 0.5, color="0.6", linewidth=0.8)
    axes[0, 0].set_yticks([V / 2, (V + n) / 2], ["visible", "hidden"], rotation=90, va="center")
    axes[0, 0].set_ylim(-1, n)
    axes[0, 0].set_title(f"spikes of {n} neurons; each lasts {config.shown} sweeps")
    plots.fantasies(dreams, shape, ax=axes[1, 0])
    axes[1, 0].set_title("what they dream of meanwhile, row by row")
    shown = found[config.shown]
    axes[0, 1].plot([0, 1], [0, 1], color="0.8", zorder=0)
    axes[0, 1].plot(heat_bath.means.mean(axis=0), shown.means.mean(axis=0), "o", color=plots.PALETTE[0], markersize=3)
    axes[0, 1].set(xlabel="mean of a unit, heat bath", ylabel="in spikes", aspect="equal")
    axes[0, 1].set_title("the law is the same")
    taus = list(found)
    how: Any = dict(fmt="o-", color=plots.PALETTE[1], linewidth=1.2, markersize=5, capsize=2, label="in spikes")
    axes[1, 1].errorbar(taus, [one.tau for one in found.values()], [one.tau_error for one in found.values()], **how)
    axes[1, 1].axhline(heat_bath.tau, color=plots.PALETTE[0], linewidth=1.2, label="heat bath")
    axes[1, 1].set(xlabel="sweeps that a spike lasts", ylabel="$\\tau$ of the energy (sweeps)")
    axes[1, 1].set_xlim(0, None)
    axes[1, 1].set_ylim(0, None)
    axes[1, 1].set_title("but it forgets more slowly")
    axes[1, 1].legend(frameon=False, fontsize=9)
    figure.suptitle(f"An RBM of {V} and {machine.n_hidden} units dreams in spikes")
    return picture(figure)
