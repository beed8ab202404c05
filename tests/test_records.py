"""Runs that keep bins in place of draws: what they keep, what statistics make of it, how they go on."""

import numpy as np
import pytest
from binned import binned, bins_of
from interrupts import ctrl_c
from test_analysis import autoregressive, coverage
from test_ladders import run as tempered

import fastgibbs as fg
from fastgibbs import analysis
from fastgibbs.engines import binning
from fastgibbs.methods import running

GLASS, WEIGHTED = fg.edwards_anderson((4, 4), seed=1), fg.edwards_anderson((4, 4), "gaussian", seed=1)
OBSERVE = {"staggered": np.resize([1.0, -0.3], 16), "first": np.eye(16)[0]}
SAMPLE = dict(beta=[0.2, 0.2, 0.5, 0.5], sweeps=777, burn_in=10, thin=2, seed=3, observe=OBSERVE)
TEMPER = dict(betas=np.linspace(0.1, 1, 5), ladders=4, sweeps=777, burn_in=10, thin=2, seed=3, observe=OBSERVE)
RUNS = {
    "sample": (fg.sample, GLASS, SAMPLE),
    "sample with fields": (fg.sample, WEIGHTED, SAMPLE),
    "sample in strips": (fg.sample, fg.lattice((8, 8)), SAMPLE | dict(observe=None, beta=0.3, chains=70, sweeps=64)),
    "temper": (fg.temper, GLASS, TEMPER | dict(clusters=True)),
    "temper with fields": (fg.temper, WEIGHTED, TEMPER | dict(observe=None)),
    "temper several": (fg.temper, [GLASS, fg.edwards_anderson((4, 4), seed=2)], TEMPER),
}
BY_RUN = pytest.mark.parametrize("name", RUNS)


def both(name, **more):
    """Results with all draws, and with bins: lists, of one result unless the run is of several models."""
    verb, model, kwargs = RUNS[name]
    found = (verb(model, **kwargs, **more), verb(model, **kwargs, **more, record="bins"))
    return [one if isinstance(one, list) else [one] for one in found]


def flat(record, axes=2):
    """A record (..., draws) as (chains, draws)."""
    return record.reshape(-1, record.shape[-1])


@BY_RUN
def test_a_run_keeps_the_bins_of_the_draws_that_it_would_have_kept(name):
    """The states at the end tell that no random number depends on it."""
    for draws, bins in zip(*both(name), strict=True):
        assert np.array_equal(draws.states, bins.states)
        sites, observables = draws.model.n, {k: flat(v) for k, v in draws.observables.items()}
        expected = bins_of(flat(draws.energy), flat(draws.magnetization), sites, observables)
        assert bins.bins == expected
        assert bins.energy.shape == draws.energy.shape
        for ours, theirs in (
            (bins.energy, draws.energy),
            (bins.magnetization, draws.magnetization),
            (abs(bins.magnetization), abs(draws.magnetization)),
            (bins.magnetization**2, draws.magnetization**2),
            *((bins.observables[k], draws.observables[k]) for k in draws.observables),
        ):
            np.testing.assert_allclose(ours.chain_means(), theirs.mean(axis=-1), rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(ours.chain_variances(), theirs.var(axis=-1), rtol=1e-9, atol=1e-12)
            whole = np.add.reduceat(theirs, np.cumsum(bins.bins.counts) - bins.bins.counts, axis=-1)
            np.testing.assert_allclose(ours.means, whole / bins.bins.counts, rtol=1e-12, atol=1e-12)
        em2 = flat(draws.energy * draws.magnetization**2).mean(axis=1)
        mine = bins.bins.energy_m2 @ bins.bins.counts / bins.bins.draws
        np.testing.assert_allclose(mine, em2, rtol=1e-12, atol=1e-12)


# Statistics


def test_of_bins_of_one_draw_statistics_are_those_of_the_draws():
    record = autoregressive(0.5, 16, 31)
    for statistic in (
        analysis.autocorrelation_time,
        analysis.effective_sample_size,
        analysis.standard_error,
        analysis.split_r_hat,
        lambda record: analysis.heat_capacity(record, 0.3, 9),
    ):
        assert statistic(binned(record)) == pytest.approx(statistic(record), rel=1e-9)
    ours, theirs = analysis.binning(binned(record)), analysis.binning(record)
    np.testing.assert_allclose(ours.errors, theirs.errors, rtol=1e-9)
    with pytest.raises(ValueError, match="record has 1 full bin"):
        analysis.binning(binned(record)[:1].part(0, 1))


@pytest.mark.parametrize(("chains", "draws"), [(16, 1000), (4, 3000), (1, 5000)])
def test_thermodynamics_of_bins_are_those_of_the_same_rows_of_draws(chains, draws):
    """Of whole bins, and the draws of the last one too where a row is a chain."""
    energy, m = (autoregressive(0.5, chains, draws, seed=k) / 9 for k in (1, 2))
    of_m = bins_of(energy, np.round(m * 100) / 100, 100).magnetization
    m = np.round(m * 100) / 100
    whole = slice(None) if chains >= 16 else slice(draws - draws % binning.bin_width(draws))
    exact = chains >= 16
    for ours, theirs in (
        (analysis.heat_capacity(binned(energy), 0.3, 9), analysis.heat_capacity(energy[:, whole], 0.3, 9)),
        (analysis.susceptibility(of_m, 0.3, 9), analysis.susceptibility(m[:, whole], 0.3, 9)),
        (analysis.binder_cumulant(of_m), analysis.binder_cumulant(m[:, whole])),
    ):
        assert ours[0] == pytest.approx(theirs[0], rel=1e-9 if exact else 0.1, abs=0 if exact else 0.1)
        assert ours[1] == pytest.approx(theirs[1], rel=1e-9 if exact else 0.6)


@pytest.mark.parametrize(("rho", "chains", "draws"), [(0.0, 16, 1000), (0.8, 16, 2000), (0.95, 16, 10_000)])
def test_tau_of_bins_is_that_of_the_process(rho, chains, draws):
    """Its noise is that of 5 tau or one bin on either side: 4 sigma of the mean of 20 records."""
    tau = (1 + rho) / (1 - rho)
    found = [analysis.autocorrelation_time(binned(autoregressive(rho, chains, draws, seed=k))) for k in range(20)]
    window = max(10 * tau, 3 * binning.bin_width(draws))
    assert abs(np.mean(found) / tau - 1) < 4 * np.sqrt(2 * window / (chains * draws) / 20) + 0.06  # by max(tau, 1)


def test_standard_errors_of_bins_cover_the_truth_as_often_as_they_should():
    """500 records of tau = 9: 68 % within one error, 1 false alarm in 10^4 at 4 sigma; the broken twin has tau = 1."""
    records = autoregressive(0.8, 500 * 8, draws=400).reshape(500, 8, 400)
    assert 0.60 < coverage(lambda r: analysis.standard_error(binned(r)).error, records) < 0.77
    assert coverage(lambda r: np.sqrt(binned(r).chain_variances().mean() / r.size), records) < 0.4


def test_chains_that_disagree_are_told_by_their_bins():
    """Chains that agree have scores above 3 about once in 100; tau about a common mean would hide those that do not."""
    agree = [analysis.disagreement(binned(autoregressive(0.8, 8, 1000, seed=k))) for k in range(100)]
    assert np.sum(np.array(agree) > 3) <= 4
    apart = autoregressive(0.8, 8, 1000) + np.repeat([0.0, 3.0], 4)[:, None]
    assert analysis.disagreement(binned(apart)) > 5 and analysis.split_r_hat(binned(apart)) > 1.1


def test_a_large_mean_and_a_frozen_chain_lose_nothing():
    record = autoregressive(0.5, 16, 1000)
    far = binned(record + 1e9)
    assert analysis.standard_error(far).error == pytest.approx(analysis.standard_error(binned(record)).error, rel=1e-5)
    frozen = binned(np.full((4, 500), 0.1))
    assert analysis.standard_error(frozen)[1:] == (0.0, 2000.0, 1.0)
    assert (analysis.split_r_hat(frozen), analysis.disagreement(frozen)) == (1.0, -np.inf)
    apart = binned(np.repeat([[0.1], [0.2]], 500, axis=1))
    assert (analysis.split_r_hat(apart), analysis.disagreement(apart)) == (np.inf, np.inf)


def problems(energies):
    return analysis.equilibration(binned(energies), np.full(energies.shape[:2], 10), 16).problems


@pytest.mark.parametrize("ladders", [1, 4, 16])
def test_a_good_tempering_run_in_bins_passes_99_times_in_100(ladders):
    """At 1 %, more than 7 of 200 have probability 1e-3."""
    assert sum(bool(problems(tempered(seed, ladders))) for seed in range(200)) <= 7


@pytest.mark.parametrize("ladders", [2, 4, 16])
def test_energies_that_relax_late_are_a_problem_in_bins(ladders):
    energies = tempered(1, ladders, draws=4000, keep=0.0)
    energies[:, 3] += energies[:, 3].std() * np.exp(-np.arange(4000) / 1000)
    first, *_ = problems(energies)
    assert first.startswith("Rung 3: the mean energy per site moved from") and "in draws 385 to 896" in first


def test_a_ladder_that_disagrees_is_a_problem_in_bins():
    energies = tempered(3, 4, draws=4000)
    energies[2, 1] += energies[2, 1].std() / 2
    assert any(problem.startswith("Rung 1: ") and "ladder 2" in problem for problem in problems(energies))


# Against exact laws


def deviations(beta_of_run):
    """How many errors apart what 64 chains say of E, C, |m|, chi and U is from enumeration at beta = 0.4."""
    states = fg.exact.states(16)
    p = np.exp(-0.4 * GLASS.energy(states))
    p /= p.sum()
    E, m = GLASS.energy(states), states.mean(axis=1)
    result = fg.sample(GLASS, beta=beta_of_run, chains=64, sweeps=3000, burn_in=100, seed=1, record="bins")
    truth = (
        p @ E / 16,
        0.4**2 * (p @ E**2 - (p @ E) ** 2) / 16,
        p @ abs(m),
        0.4 * 16 * (p @ m**2 - (p @ abs(m)) ** 2),
        1 - p @ m**4 / (3 * (p @ m**2) ** 2),
    )
    found = (
        analysis.standard_error(result.energy / 16)[:2],
        analysis.heat_capacity(result.energy, 0.4, 16),
        analysis.standard_error(abs(result.magnetization))[:2],
        analysis.susceptibility(result.magnetization, 0.4, 16),
        analysis.binder_cumulant(result.magnetization),
    )
    return [abs(value - true) / error for (value, error), true in zip(found, truth, strict=True)]


def test_means_of_bins_are_those_of_enumeration():
    """Five at 4 errors: 3 false alarms in 10^4. The broken twin runs at a beta 5 % off."""
    assert max(deviations(0.4)) < 4
    assert max(deviations(0.42)) > 8


def test_log_z_and_reweighted_means_of_bins_are_those_of_enumeration():
    """Eight ladders: errors of 7 degrees of freedom, at 8 of which 14 numbers have 1 false alarm in 10^3."""
    betas, between = np.linspace(0, 1.2, 7), np.array([0.1, 0.5, 1.0])
    result = fg.temper(GLASS, betas=betas, ladders=8, sweeps=4000, seed=2, record="bins")
    spectrum = fg.exact.spectrum(GLASS)
    assert (abs(result.log_z.bar - spectrum.log_z(betas))[1:] < 8 * result.log_z.bar_error[1:]).all()
    found = analysis.reweight(result, between)
    states = fg.exact.states(16)
    E, m = GLASS.energy(states), states.mean(axis=1)
    p = np.exp(-between[:, None] * E)
    p /= p.sum(axis=1, keepdims=True)
    assert (abs(found.energy - p @ E / 16) < 8 * found.energy_error).all()
    assert (abs(found.magnetization - p @ abs(m)) < 8 * found.magnetization_error).all()
    assert (abs(found.free_energy + spectrum.log_z(between) / between / 16) < 8 * found.free_energy_error).all()
    wrong = analysis.reweight(result, between * 1.05)
    assert (abs(wrong.energy - p @ E / 16) > 8 * wrong.energy_error).any()


def test_reweighting_cells_is_reweighting_draws_within_their_reach():
    """Continuous energies, cells of half a deviation: off by a thousandth of a change of one deviation, and warned
    of where cells are too coarse."""
    rng = np.random.default_rng(1)
    energy = rng.gamma(60, size=(16, 5000))
    m = np.clip(0.5 - 0.02 * (energy - 60) + 0.1 * rng.normal(size=energy.shape), -1, 1)
    bins = bins_of(energy, m, 1000)
    width = bins.width.max()
    betas = np.array([0.9, 1.0, 1.0 + 1 / np.sqrt(60)])
    ours, theirs = Kept(bins), Kept(None, energy, np.round(m * 1000) / 1000)
    few, all_ = analysis.reweight(ours, betas), analysis.reweight(theirs, betas)
    change = abs(all_.energy - all_.energy[1])[[0, 2]]
    assert (abs(few.energy - all_.energy)[[0, 2]] < 0.01 * change).all()
    np.testing.assert_allclose(few.energy[1], all_.energy[1], rtol=2e-3)
    np.testing.assert_allclose(few.magnetization, all_.magnetization, atol=3e-3)
    with pytest.warns(UserWarning, match="histograms are too coarse"):
        analysis.reweight(ours, 1 + 1.01 / width)


class Kept:
    """A result at beta = 1 of a model of 1000 sites."""

    def __init__(self, bins, *records):
        self.bins, self.records = bins, records
        self.model = fg.Ising.from_edges(1000, [0], [1], [1.0])

    def by_beta(self):
        from fastgibbs.analysis.records import Group

        return [Group(1.0, 0, *self.records) if self.bins is None else Group.of(1.0, 0, self.bins)]


# Going on, being stopped


def kept_of(result):
    """What a result holds, in bytes."""
    of = result if isinstance(result, list) else [result]
    return b"".join(np.asarray(x).tobytes() for one in of for x in (*one.bins[:5], one.states))


@BY_RUN
def test_a_run_goes_on_to_the_same_bytes_as_one_that_was_asked_for_at_once(name, tmp_path):
    verb, model, kwargs = RUNS[name]
    path = tmp_path / "run.npz"
    sizes = []
    for sweeps in (40, 2 * 31 + 1, kwargs["sweeps"] + 1000):
        options = kwargs | dict(sweeps=sweeps, record="bins")
        assert kept_of(verb(model, **options, checkpoint=path)) == kept_of(verb(model, **options))
        sizes.append(path.stat().st_size)
    assert max(sizes) < 1.1 * min(sizes) + 4096  # whatever the sweeps


@pytest.mark.parametrize("name", ["sample", "temper"])
def test_a_stop_loses_nothing_and_its_result_has_what_all_chains_did(name, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "CHUNK_SECONDS", 1e-9)
    verb, model, kwargs = RUNS[name]
    kwargs = kwargs | dict(sweeps=20_000, record="bins")
    kwargs |= dict(beta=np.full(600, 0.4)) if name == "sample" else dict(ladders=40)
    whole = verb(model, **kwargs)
    kwargs["checkpoint"] = tmp_path / "run.npz"
    stopped = verb(model, **kwargs, progress=ctrl_c())
    assert stopped.interrupted and 0 < stopped.bins.draws < whole.bins.draws
    assert np.isfinite(stopped.bins.sums).all()
    assert (stopped.bins.cells[:, :, 0].sum(axis=1) >= stopped.bins.draws).all()
    assert "in bins of" in repr(stopped) and stopped.summary().startswith(repr(stopped))
    stopped.save(tmp_path / "stopped.npz")
    assert fg.load(tmp_path / "stopped.npz").bins == stopped.bins
    monkeypatch.undo()
    assert kept_of(verb(model, **kwargs)) == kept_of(whole)


def test_blocks_that_were_stopped_apart_have_their_common_bins():
    from fastgibbs.methods import binned as methods

    rng = np.random.default_rng(1)
    energy, m = rng.normal(size=(2, 200)), rng.integers(-8, 9, (2, 200)) / 8
    ahead, behind = bins_of(energy[:1], m[:1], 8), bins_of(energy[1:, :70], m[1:, :70], 8)
    bins = binning.bins(2, 0)
    for k, of in enumerate((ahead, behind)):
        width = binning.bin_width((200, 70)[k])
        full = (200, 70)[k] // width
        bins.sums[k, :, :full], bins.first[k], bins.cells[k] = of.sums[0, :, :full], of.first[0], of.cells[0]
        bins.open[k] = of.sums[0, :, full] if of.counts.size > full else 0
    kept = methods.kept(bins, [(1, 200), (1, 70)], 8, ())
    assert kept.counts.tolist() == [8] * 8
    np.testing.assert_allclose(kept.energy.means, energy[:, :64].reshape(2, 8, 8).mean(axis=2), rtol=1e-12)
