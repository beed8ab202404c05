"""A population of reads: the twin's bits, the law of Boltzmann, log Z with honest errors, stops without loss."""

from types import SimpleNamespace

import numpy as np
import pytest
from interrupts import ctrl_c
from scipy import stats
from test_annealing import GLASS, MACHINE, WEIGHTED, parity

import fastgibbs as fg
from fastgibbs.engines import resampling
from fastgibbs.io import read_archive, write_archive
from fastgibbs.methods import checkpoints, running
from fastgibbs.reference import annealing as twin
from fastgibbs.reference import coloured, layered, multispin, overlap, polynomial, sparse, sparse64

SMALL = fg.edwards_anderson((4, 4), seed=1)
UNITS = fg.RBM(np.random.default_rng(4).normal(size=(9, 5)), np.linspace(-1, 1, 9), [0.5, 0.0, -0.5, 1.0, 0.2])
TRIPLES = fg.p_spin(12, 3, seed=1)
MEMORY = fg.Hopfield(np.random.default_rng(9).choice([-1, 1], (3, 21)))
TOLD = ("log_z", "log_z_error", "energy", "energy_error", "rho", "family_entropy")


def populate(model, beta=2.0, **kwargs):
    return fg.anneal(model, population=True, **dict(betas=fg.linear(0, beta), seed=1) | kwargs)


def same(a, b):
    for name in ("energy", "states", "last_states", "read", "trace_min", "trace_mean", "betas"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    for name, mine, other in zip(a.population._fields, a.population, b.population, strict=True):
        np.testing.assert_array_equal(mine, other, err_msg=name)


# The twin


SPARSE64 = SimpleNamespace(**vars(sparse) | vars(sparse64))  # which follows energies too
ENGINES = {
    "multispin": (GLASS, multispin),
    "sparse": (WEIGHTED, sparse),
    "sparse64": (WEIGHTED, SPARSE64),
    "layered": (MACHINE, layered),
    "coloured": (WEIGHTED, coloured),
    "overlap": (MEMORY, overlap),
    "polynomial": (TRIPLES, polynomial),
}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_population_equals_the_twins_bit_for_bit(engine):
    """Whose last step is a short one; of several blocks where a block has 64 lanes."""
    model, twin_engine = ENGINES[engine]
    result = populate(model, sweeps=14, resample_every=3, reads=70, seed=3, engine=engine)
    expected = twin.anneal(twin_engine, model, result.betas, 70, "gibbs", 3, every=3)
    parity(result, expected)
    np.testing.assert_array_equal(result.population.families[np.argsort(result.read)], expected.population.families)
    for name in TOLD:
        np.testing.assert_allclose(getattr(result.population, name), getattr(expected.population, name), rtol=1e-9)
    assert 0 < np.unique(result.population.families).size < 50  # it was resampled


def test_a_twin_that_resamples_by_another_order_has_other_bits(monkeypatch):
    result = populate(GLASS, 0.4, sweeps=6, resample_every=3, reads=70, seed=3)
    monkeypatch.setattr(np, "argsort", lambda energies, **kwargs: np.arange(len(energies)))
    expected = twin.anneal(multispin, GLASS, result.betas, 70, "gibbs", 3, every=3)
    assert (result.trace_mean[:3] == expected.trace_mean[:3]).all()
    assert (result.trace_mean[3:] != expected.trace_mean[3:]).any()


def test_copies_are_as_weights_say_and_who_has_any_stays():
    rng = np.random.default_rng(1)
    for weights in (rng.random(50), np.eye(50)[7], np.ones(50), rng.random(50) ** 9):
        total, order, mean = weights.sum(), rng.permutation(50), 0.0
        for uniform in (np.arange(200) + 0.5) / 200:
            sources = np.empty(50, np.int64)
            resampling.choose(weights, total, uniform, order, sources)
            copies = np.bincount(sources, minlength=50)
            share = 50 * weights / total
            assert (copies >= np.floor(share - 1e-9)).all()
            assert (copies <= np.ceil(share + 1e-9)).all()
            assert (sources[copies > 0] == np.flatnonzero(copies)).all()
            mean = mean + copies / 200
        np.testing.assert_allclose(mean, share, atol=0.011)


# One result however it is run


@pytest.mark.parametrize("model", [GLASS, WEIGHTED], ids=["multispin", "sparse"])
def test_threads_and_chunks_change_nothing(model, monkeypatch):
    kwargs = dict(sweeps=45, resample_every=4, reads=1200, keep=3)
    one = populate(model, threads=1, **kwargs)
    monkeypatch.setattr(running, "CHUNK_SECONDS", 1e-9)
    for threads in (1, 2, 3):
        same(populate(model, threads=threads, **kwargs), one)


def test_blocks_wait_for_each_other(monkeypatch):
    """However unevenly they advance, all have made as many sweeps when they meet, and none is being advanced."""
    seen, busy = [], []

    def advance(block, first, last, crew):
        if first < last:
            assert block[0] == first
            busy.append(block)
            block[0] = last
            busy.remove(block)

    def hold(blocks, done):
        assert not busy
        assert [block[0] for block in blocks] == [done] * len(blocks)
        seen.append(done)

    for threads in (1, 2, 4):
        blocks = [[done] for done in (3, 5, 5, 4, 3, 3, 5)]
        with running.running() as run:
            end = run.advance(advance, blocks, [b[0] for b in blocks], 23, threads, meetings=running.Meetings(5, hold))
        assert (end.done, end.interrupted) == ([23] * 7, False)
        assert seen == [5, 10, 15, 20, 23]
        seen.clear()


def test_an_error_in_a_meeting_comes_out_of_all_threads():
    def hold(blocks, done):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), running.running() as run:
        run.advance(lambda *_: None, [0, 1, 2], [0] * 3, 23, 3, meetings=running.Meetings(5, hold))


# Against enumeration


EXACT = {"+-J": (SMALL, 2.0, 2000), "SK": (fg.sherrington_kirkpatrick(20, seed=3), 4.0, 500)}
EXACT |= {"RBM": (UNITS, 2.0, 500), "terms of three": (TRIPLES, 2.0, 500)}


def deviations(name, seeds=40):
    """Of each seed log Z and <E> at the last beta, off by how many of their errors: two arrays (seeds,)."""
    model, beta, reads = EXACT[name]
    exact = fg.exact.spectrum(model)
    found = [populate(model, beta, sweeps=400, reads=reads, seed=seed).population for seed in range(seeds)]
    log_z = [(one.log_z[-1] - float(exact.log_z(beta))) / one.log_z_error[-1] for one in found]
    middle = found[0].betas.size // 2
    energy = [(one.energy[middle] - float(exact.energy(one.betas[middle]))) / one.energy_error[middle] for one in found]
    return np.array(log_z), np.array(energy)


@pytest.mark.parametrize("name", EXACT)
def test_log_z_and_energies_are_those_of_enumeration_within_their_errors(name):
    """Each within 4 errors, as 99.5 % of such tests would; errors are those of a normal law by chi^2, at 10^-4."""
    for off in deviations(name):
        assert (np.abs(off) < 4).all()
        assert stats.chi2.ppf(1e-4, 40) < (off**2).sum() < stats.chi2.ppf(1 - 1e-4, 40)


def test_a_population_that_weighs_by_another_step_is_found_out(monkeypatch):
    """The broken twin: 5 % too much."""
    weigh = resampling.weigh
    monkeypatch.setattr(resampling, "weigh", lambda energies, least, gap, out: weigh(energies, least, 1.05 * gap, out))
    log_z, _ = deviations("+-J")
    assert (log_z**2).sum() > stats.chi2.ppf(1 - 1e-9, 40)


def test_the_values_that_were_computed_beforehand():
    """4x4 +-J at beta 2 from 40 temperatures: log Z 44.72131, rho_t 6.4 and S_f 5.98 of R = 2000, in any order."""
    found = [populate(SMALL, sweeps=400, reads=2000, seed=seed).population for seed in range(8)]
    assert all(one.betas.size == 40 for one in found)
    log_z, rho, entropy = (np.array([getattr(one, n)[-1] for one in found]) for n in ("log_z", "rho", "family_entropy"))
    assert abs(log_z.mean() - 44.72131) < 4 * log_z.std(ddof=1) / 8**0.5
    assert rho.mean() == pytest.approx(6.4, abs=1.2)
    assert entropy.mean() == pytest.approx(5.98, abs=0.2)


def hotelling(shares, expected):
    """The chance of means like these, (runs, k), around what is expected, (k,): by Hotelling's T^2, between runs."""
    runs, k = shares.shape
    off = shares.mean(axis=0) - expected
    squared = runs * off @ np.linalg.solve(np.atleast_2d(np.cov(shares.T)), off)
    return stats.f.sf(squared * (runs - k) / (k * (runs - 1)), k, runs - k)


TRIANGLE = fg.Ising.from_edges(3, [0, 1, 0], [1, 2, 2], [0.7, -0.4, 0.9], [0.3, -0.2, 0.1])


PAIRED = fg.Ising(np.ones((4, 4)) - np.eye(4), np.full(4, 0.12))  # two valleys, which single flips do not leave


def chance(model, beta, kinds, runs=60):
    """Of the last states of runs by enumeration: reads of a run descend from one another, runs do not.

    `kinds(states)`: the number of the kind of each, of which kind 0 is what is left over.
    """
    states = np.array(np.meshgrid(*[[-1, 1]] * model.n, indexing="ij")).reshape(model.n, -1).T
    weights, count = np.exp(-beta * model.energy(states)), kinds(states).max() + 1
    shares, kwargs = [], dict(sweeps=24, resample_every=2, reads=1000, engine="sparse")  # biases are some 0.3 / reads
    for seed in range(runs):
        last = populate(model, beta, seed=seed, **kwargs).last_states
        shares.append(np.bincount(kinds(last), minlength=count) / 1000)
    return hotelling(np.array(shares)[:, 1:], np.bincount(kinds(states), weights / weights.sum())[1:])


def valley(states):
    return (states.sum(axis=1) < 0).astype(int)


def test_the_last_states_have_the_law_of_boltzmann():
    assert chance(TRIANGLE, 1.0, lambda states: ((states + 1) // 2) @ [4, 2, 1]) > 1e-4
    assert chance(PAIRED, 2.5, valley) > 1e-4


def test_valleys_that_are_weighed_by_another_step_are_found_out(monkeypatch):
    """The broken twin: sweeps do not mend what weights do."""
    weigh = resampling.weigh
    monkeypatch.setattr(resampling, "weigh", lambda energies, least, gap, out: weigh(energies, least, 1.3 * gap, out))
    assert chance(PAIRED, 2.5, valley) < 1e-9


def test_clamped_sites_are_not_summed_over():
    spectrum = [fg.exact.spectrum(fg.Ising.from_edges(*_clamped(value))) for value in (1, -1)]
    for value, exact in zip((1, -1), spectrum, strict=True):
        found = populate(TRIANGLE, clamp={1: value}, sweeps=100, reads=1000)
        assert (found.last_states[:, 1] == value).all()
        one = found.population
        assert abs(one.log_z[-1] - float(exact.log_z(2.0))) < 4 * one.log_z_error[-1]
        assert one.log_z[0] == pytest.approx(2 * np.log(2))


def _clamped(value):
    """TRIANGLE with site 1 at a value, as a model of the others."""
    return 2, [0], [1], [0.9], [0.3 + 0.7 * value, 0.1 - 0.4 * value], 0.2 * value


# What is in the result


def test_families_and_energies_are_those_of_the_last_states():
    result = populate(GLASS, sweeps=200, reads=500)
    one, shares = result.population, np.unique(result.population.families, return_counts=True)[1] / 500
    assert one.rho[-1] == pytest.approx(500 * (shares**2).sum())
    assert one.family_entropy[-1] == pytest.approx(-(shares * np.log(shares)).sum())
    assert one.energy[-1] == pytest.approx(GLASS.energy(result.last_states).mean()) == result.trace_mean[-1]
    np.testing.assert_array_equal(one.betas, result.betas[::10])
    assert (one.rho[0], one.log_z_error[0], one.log_z[0]) == (1, 0, pytest.approx(48 * np.log(2)))
    np.testing.assert_allclose(
        np.diff(one.log_z), -np.diff(one.betas) * (one.energy[1:] + one.energy[:-1]) / 2, rtol=0.1
    )


def test_where_one_family_is_left_errors_are_infinite_and_it_is_said():
    result = populate(fg.edwards_anderson((8, 8, 8), seed=1), sweeps=4, resample_every=1, reads=8)
    assert result.population.rho[-1] == 8
    assert result.population.log_z_error[-1] == np.inf
    assert "fewer than 100 families" in result.summary()
    assert "WARNING" not in populate(SMALL, sweeps=1000, reads=2000).summary()


def test_reads_of_a_population_are_no_trials():
    result = populate(SMALL, sweeps=30)
    for ask in (result.success, result.time_to_solution):
        with pytest.raises(ValueError, match="result is of a population"):
            ask()
    assert result.energy.size == 1024


def test_a_population_is_saved_and_becomes_a_table(tmp_path):
    result = populate(SMALL, sweeps=30, reads=20)
    result.save(tmp_path / "run.npz")
    same(fg.load(tmp_path / "run.npz"), result)
    table = result.table()
    np.testing.assert_array_equal(table.variables["population_log_z"][1], result.population.log_z)
    assert fg.anneal(SMALL, sweeps=3).population is None


def test_the_default_schedule_begins_at_0_and_ends_where_annealing_does():
    for model in (SMALL, UNITS, TRIPLES):
        result = fg.anneal(model, population=True, sweeps=100, reads=20, seed=1)
        assert result.population.betas[0] == 0
        assert (np.diff(result.population.betas) > 0).all()
        assert result.betas[-1] == pytest.approx(fg.beta_range(model)[1])
    nothing = fg.anneal(fg.Ising(np.zeros((3, 3))), population=True, sweeps=20, reads=8, seed=1)
    np.testing.assert_allclose(nothing.population.log_z, 3 * np.log(2))


# Stopping


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_returns_the_temperatures_that_were_come_to(threads):
    kwargs = dict(sweeps=100_000, reads=1000, threads=threads)
    result = populate(fg.edwards_anderson((10, 10, 10), seed=1), progress=ctrl_c(), **kwargs)
    assert result.interrupted
    one = result.population
    assert 0 < one.betas.size == result.done[0] // 10 < 10_000
    assert "stopped before its last sweep" in result.summary()
    whole = populate(result.model, **kwargs | dict(betas=one.betas, sweeps=10 * one.betas.size)).population
    for name in TOLD:
        np.testing.assert_array_equal(getattr(one, name), getattr(whole, name))


def test_a_stop_before_the_first_meeting_returns_no_temperature(monkeypatch):
    monkeypatch.setattr(running, "CHUNK_SECONDS", 1e-9)
    monkeypatch.setattr("fastgibbs.threads.TICK_SECONDS", 0.001)
    result = populate(WEIGHTED, progress=lambda done, total: True, sweeps=10**4, resample_every=5000, reads=1000)
    assert result.interrupted
    assert result.population.betas.size == 0
    result.summary()


def test_a_checkpoint_is_written_as_often_as_was_asked(tmp_path, monkeypatch):
    written, write = [], checkpoints.Checkpoint._write
    monkeypatch.setattr(checkpoints.Checkpoint, "_write", lambda *args: written.append(1) or write(*args))
    populate(GLASS, sweeps=2000, reads=600, checkpoint=tmp_path / "run.npz", every=1e9)
    assert len(written) == 2  # at the start and the end


def test_a_checkpoint_of_blocks_that_have_not_met_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    kwargs = dict(sweeps=40, resample_every=4, reads=600, engine="sparse", checkpoint=path, seed=5)
    whole = populate(WEIGHTED, **kwargs)
    _, arrays, header, _ = read_archive(path, "checkpoint")
    header["blocks"][0]["done"] = 30
    arrays |= {name: arrays[name][:30] for name in ("block0.reads.lowest", "block0.reads.sums")}
    write_archive(path, "checkpoint", arrays, header)
    with pytest.raises(ValueError, match=r"one has done 40, all meet at 32"):
        populate(WEIGHTED, **kwargs)
    assert whole.population.betas.size == 10


# Bad input


WRONG = {
    "one read": (dict(reads=1), "reads is 1: a population has at least 2"),
    "no read": (dict(reads=0), "reads is 0"),
    "descending betas": (dict(betas=[0, 2, 1]), r"betas\[2\] is 1 after 2: give betas that ascend"),
    "equal betas": (dict(betas=[0, 1, 1]), r"betas\[2\] is 1 after 1"),
    "betas from above 0": (dict(betas=[0.1, 1]), r"betas\[0\] is 0.1: a population begins at 0"),
    "a geometric schedule": (dict(betas=fg.geometric(0.1, 1)), r"geometric.*betas\[0\] is 0.1: .* begins at 0"),
    "a schedule that falls": (dict(betas=fg.linear(0, 0)), r"linear.*betas\[1\] is 0 after 0"),
    "an infinite beta": (dict(betas=[0, np.inf]), r"betas\[1\] is inf"),
    "one beta": (dict(betas=[0.0]), r"betas has shape \(1,\)"),
    "a start": (dict(start=np.ones(16)), "start is given"),
    "a limit": (dict(time_limit=1.0), "time_limit is given"),
    "batches": (dict(sweeps=[100, 200]), r"sweeps is \(100, 200\)"),
    "one temperature": (dict(sweeps=10), "sweeps is 10 and resample_every 10"),
    "no sweep between": (dict(resample_every=0), "resample_every is 0"),
    "two laws": (dict(clamp={3: np.resize([1, -1], 8)}, reads=8), "clamp has another value for site 3 in read 1"),
    "no population": (dict(population=False, betas=None, resample_every=3), "resample_every is 3: it goes with"),
    "several models": (dict(model=[SMALL, SMALL]), "population is True: runs of several models"),
    "worldlines": (dict(model=fg.TransverseIsing(SMALL, 1.0), beta=1.0, betas=None), "population is given"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_named_before_anything_compiles(name, monkeypatch):
    monkeypatch.setattr(running.Run, "advance", None)
    change, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        fg.anneal(**dict(model=SMALL, population=True, betas=fg.linear(0, 1)) | change)


def test_a_population_that_is_neither_true_nor_false_is_named():
    with pytest.raises(TypeError, match="population is 3"):
        fg.anneal(SMALL, population=3)
