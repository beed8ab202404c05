"""What somebody's editor and type checker know of fastgibbs: checked, never run."""

from pathlib import Path
from typing import assert_type

import numpy as np

import fastgibbs as fg
from fastgibbs.types import FloatArray, IntArray, Mask, ModelLike, Sites, States


class Chain(fg.Energy):
    """E(s) = -sum_i J_i s_i s_{i+1}."""

    J: FloatArray

    def __init__(self, J: FloatArray) -> None:
        super().__init__(len(J) + 1, J=J)


def models() -> None:
    """What models are made of, and what they know."""
    square = fg.lattice((16, 16), J=1.0, h=[0.1] * 256, periodic=(True, False))
    assert_type(square, fg.Ising)
    kagome = fg.lattice((4, 4), J=[(1.0,) * 6, 0.5], periodic=("antiperiodic", (1, 0)), cell="kagome")
    assert_type(kagome.positions, FloatArray | None)
    assert_type(fg.edwards_anderson((4, 4), cell=fg.Cell(np.eye(2), [[0, 0]]), bonds=0.8, h_width=1.0), fg.Ising)
    assert_type(fg.power_law(8, 1.5), fg.Ising)
    assert_type(fg.viana_bray(8, 1.5, "gaussian"), fg.Ising)
    fg.lattice((4, 4), cell="kagom")  # type: ignore[arg-type]  # there is no such lattice
    assert_type(square.n, int)
    assert_type(square.shape, tuple[int, ...] | None)
    assert_type(square.coupling, float | None)
    assert_type(square.couplings, FloatArray)
    assert_type(square.bonds, tuple[Sites, Sites, FloatArray])
    assert_type(square.energy(np.ones(256)), FloatArray)
    assert_type(square.to_spins([1] * 256), States)
    assert_type(fg.Ising.from_edges(3, [0, 1], [1, 2], 1.0), fg.Ising)
    assert_type(fg.Hopfield([[1, -1, 1]], "storkey").patterns, States)
    teacher, inputs, labels = fg.teacher(5, 8, seed=1)
    assert_type(fg.Perceptron(inputs, labels).energy(teacher), FloatArray)
    assert_type(labels, States)
    assert_type(fg.RBM.random(4, 2, seed=1).to_ising(), fg.Ising)
    assert_type(fg.RBM(np.zeros((4, 2))).free_energy([0, 1, 0, 1]), FloatArray)
    assert_type(fg.RBM.deep((4, 3, 2), seed=1).visible, Sites)
    assert_type(fg.RBM(np.zeros((4, 2)), visible=[0, 1, 5]).log_bound([0, 1, 0]), FloatArray)
    assert_type(fg.BoltzmannMachine(np.zeros((4, 4)), visible=[0, 1]).n_hidden, int)
    assert_type(fg.Helmholtz.random((4, 3, 2), seed=1).layers, tuple[int, ...])
    assert_type(fg.learning.dream(fg.Helmholtz.random((4, 3)), 5), States)
    assert_type(fg.log_likelihood(fg.Helmholtz.random((4, 3)), [[0, 1, 1, 0]], draws=20).effective_draws, float)
    assert_type(Chain(np.ones(4)).J, FloatArray)
    assert_type(fg.as_model({("a", "b"): 1.0}, kind="spin"), ModelLike)
    assert_type(fg.anneal({("a", "b"): 1.0}), fg.AnnealResult)
    assert_type(fg.to_qubo(square)[1], float)
    assert_type(square.with_labels("ab"), fg.Ising)
    fg.as_model(square, kind="binary_")  # type: ignore[arg-type]  # a checker sees the misspelling
    assert_type(fg.read("problem.qubo", format="qbsolv"), fg.Energy)
    fg.write(square, Path("square.mc"), "rudi")  # type: ignore[arg-type]  # a checker sees the misspelling
    assert_type(fg.cut(fg.read_rudy(Path("G1")), [1, -1]), FloatArray)
    fg.edwards_anderson((4, 4), disorder="gauss")  # type: ignore[arg-type]  # a checker sees the misspelling


def draws(model: ModelLike) -> None:
    """The verbs, and what their results hold."""
    run = fg.sample(model, beta=[0.2, 0.4], sweeps=100, seed=np.random.SeedSequence(1), rule="metropolis")
    assert_type(run, fg.SampleResult)
    assert_type(fg.sample(model, beta=0.4, sweeps=100, clusters="wolff", cluster_every=0), fg.SampleResult)
    assert_type(fg.temper(model, clusters="cmr", cluster_every=10), fg.TemperResult)
    assert_type(fg.sample([model, model], beta=0.4, sweeps=100), fg.SampleResult | list[fg.SampleResult])
    assert_type(run.energy, FloatArray)
    assert_type(run.observables, dict[str, FloatArray])
    assert_type(run.states, States)
    assert_type(run.timing.kernel, float)
    assert_type(run.summary(), str)
    assert_type(fg.anneal(model, sweeps=100, progress=True).lowest(3).counts, IntArray)
    population = fg.anneal(model, population=True, resample_every=5).population
    assert population is not None
    assert_type(population.log_z_error, FloatArray)
    ladders = fg.temper(model, betas=[0, 1], sweeps=100, progress=lambda done, total: done > 10)
    assert_type(ladders, fg.TemperResult)
    assert_type(ladders.log_z.bar, FloatArray)
    assert_type(fg.temper(model, betas=1.0, gammas=[2.0, 1.0]).gammas, FloatArray | None)
    assert_type(fg.analysis.extrapolate(run, run)[0].zz, tuple[float, float])
    samples = fg.temper([model, model], sweeps=100)
    assert_type(samples, list[fg.TemperResult])
    assert_type(fg.analysis.disorder_average(samples, width=1.0), fg.analysis.DisorderAverage)
    assert_type(fg.analysis.disorder_average(samples).of_samples.q2, FloatArray)
    assert_type(fg.recall(fg.Hopfield([[1, -1, 1]]), [1, 1, 1]).converged.all(), np.bool_)
    assert_type(fg.log_z(model, method="tempering").error, float)
    spiking = fg.sample(model, beta=1.0, sweeps=10, rule="spiking", refractory=5)
    assert_type(spiking.refractory, int | None)
    assert_type(spiking.spikes, Mask)
    fg.temper(model, sweeps=10, rule="spiking")  # type: ignore[call-overload]  # nor has this verb neurons
    fg.sample(model, beta=1.0, sweeps=10, rule="heat bath")  # type: ignore[call-overload]  # there is no such rule


def answers(model: fg.Ising, run: fg.SampleResult) -> None:
    """What needs no draws, and what draws are worth."""
    assert_type(fg.exact.spectrum(model).log_z([0.1, 0.2]), FloatArray)
    assert_type(fg.exact.torus((4, 4), 0.4).energy, FloatArray)
    assert_type(fg.analysis.standard_error(run.energy).error, float)
    assert_type(fg.analysis.reweight(run, np.linspace(0.2, 0.4)).binder, FloatArray)
    assert_type(fg.analysis.jackknife(np.mean, run.energy), tuple[float, float])
    assert_type(fg.mean_field(model, method="tap").converged, bool)
    fg.plots.energy_trace(run, linewidth=2).set_title("E")
    learnt = fg.train(fg.RBM.random(4, 2), np.eye(4), beta=fg.linear(0.2, 1), information_every=1)
    assert learnt.information is not None
    assert_type(learnt.information.mutual, FloatArray)
    told = fg.learning.information(fg.RBM.random(4, 2), np.eye(4))
    assert_type(told.model.mutual, float)
    assert_type(told.activity, FloatArray | None)
    found = fg.fit_ising(np.eye(4) * 2 - 1, "mean_field", l2=0.1)
    assert_type(found.model, fg.Ising)
    assert_type(found.couplings_error, FloatArray)
    fg.fit_ising(np.eye(4) * 2 - 1, "meanfield")  # type: ignore[arg-type]  # a checker sees the misspelling


def files(run: fg.SampleResult) -> None:
    """What is kept."""
    run.save("run.npz")
    fg.report([run, run], "report.html")
    fg.report(3, "report.html")  # type: ignore[arg-type]  # no result
    many = fg.campaign(
        [fg.Task({"recipe": "lattice", "shape": (4, 4)}, "sample", {"beta": 0.4, "sweeps": 9}, 1)], "many"
    )
    assert_type(many, fg.Campaign)
    assert_type(many[1:], fg.Campaign)
    fg.campaign([], "many", 4)  # type: ignore[arg-type]  # no executor
    fg.save(run.model, Path("model.npz")) if not isinstance(run.model, tuple) else None
    kept = fg.load("run.npz")
    assert isinstance(kept, fg.SampleResult)
    assert_type(kept.seed, int)
