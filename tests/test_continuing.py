"""Going on from states of another run: none of its random numbers return, and a start is a state that was seen."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.engines.streams import SWEEP, stream_state
from fastgibbs.learning import fill_in
from fastgibbs.methods import sampling
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.reference import streams as twin

TORUS = fg.lattice((8, 8))
GLASS = fg.edwards_anderson((4, 4), "gaussian", seed=1)
RBM = fg.RBM(np.random.default_rng(2).normal(size=(9, 5)))
KWARGS = dict(beta=0.35, sweeps=30, seed=1)


def energies_agree(one, other):
    """The correlation of energies at equal sweeps, and the share of chains that end alike."""
    a, b = (run.energy - run.energy.mean(axis=0) for run in (one, other))
    return (a * b).mean() / (a.std() * b.std()), (one.states == other.states).all(axis=1).mean()


@pytest.mark.parametrize("engine", ["multispin", "sparse", "coloured"])
def test_a_run_from_states_of_another_does_not_replay_it(engine, monkeypatch):
    """64 chains x 30 sweeps of tau about 5: a correlation of 0.25 is 5 sigma."""
    first = fg.sample(TORUS, engine=engine, **KWARGS)
    second = fg.sample(TORUS, engine=engine, start=first.states, **KWARGS)
    third = fg.sample(TORUS, engine=engine, start=second.states, **KWARGS)
    for one, other in ((first, second), (second, third), (first, third)):
        correlation, alike = energies_agree(one, other)
        assert abs(correlation) < 0.25
        assert alike == 0
    monkeypatch.setattr(sampling, "run_entropy", lambda seed, verb, given: seed)  # the broken twin
    assert energies_agree(first, fg.sample(TORUS, engine=engine, start=first.states, **KWARGS))[0] > 0.35


def test_the_streams_of_all_verbs_and_starts_differ():
    states = np.random.default_rng(3).choice(np.int8([-1, 1]), (8, 16))
    cases = [
        (verb, given)
        for verb in ("sample", "anneal", "temper", "recall", "log_z", "train", "fill_in", "information")
        for given in (None, states, states[:4], states[:1], -states[:1], np.linspace(0, 1, 16), np.linspace(0, 1, 17))
    ]
    addresses = {tuple(stream_state(run_entropy(seed, *case), SWEEP)) for case in cases for seed in (0, 1, 2**4000)}
    assert len(addresses) == 3 * len(cases)
    assert run_entropy(5, "sample") == 5


@pytest.mark.parametrize("verb", ["sample", "anneal", "temper"])
def test_the_twin_has_the_same_addresses(verb):
    rng = np.random.default_rng(4)
    for start in (None, *(rng.choice(np.int8([-1, 1]), shape) for shape in ((1, 5), (7, 5), (3, 0)))):
        assert twin.run_entropy(2**70 + 3, verb, start) == run_entropy(2**70 + 3, verb, start)
    same = np.broadcast_to(rng.choice(np.int8([-1, 1]), 5), (9, 5))
    assert twin.run_entropy(3, verb, same) == run_entropy(3, verb, same) == run_entropy(3, verb, same[:1])


class Heard(Exception):
    """What a verb asked an address for."""


def address(monkeypatch, module, call, *arguments):
    """The entropy that a verb takes for its streams; it is stopped there."""

    def hear(*arguments):
        raise Heard(*arguments)

    monkeypatch.setattr(f"fastgibbs.{module}.run_entropy", hear)
    with pytest.raises(Heard) as heard:
        call(*arguments)
    monkeypatch.undo()
    return run_entropy(*heard.value.args)


UP = np.ones(16)
VERBS = {
    "sample": ("methods.sampling", lambda start: fg.sample(GLASS, beta=1, sweeps=1, start=start, seed=1)),
    "anneal": ("methods.cooling", lambda start: fg.anneal(GLASS, sweeps=1, start=start, seed=1)),
    "recall": ("methods.recall", lambda start: fg.recall(fg.Hopfield([UP]), UP if start is None else start, seed=1)),
    "log_z": (
        "methods.log_z",
        lambda start: fg.log_z(GLASS, method="ais" if start is None else "reverse", start=start, seed=1),
    ),
    "fill_in": (
        "learning.filling",
        lambda start: fill_in(RBM, np.ones(9) if start is None else start[:9] == 1, np.arange(9) < 4, seed=1),
    ),
    "train": (
        "learning.training",
        lambda start: fg.train(RBM if start is None else fg.RBM(start[:9, None]), np.ones((2, 9)), seed=1),
    ),
}


def test_every_verb_and_start_asks_for_streams_of_its_own(monkeypatch):
    starts = None, np.resize([1, -1], 16), np.resize([1, 1, -1], 16)
    found = [address(monkeypatch, module, call, start) for module, call in VERBS.values() for start in starts]
    found.append(address(monkeypatch, "methods.tempering", lambda: fg.temper(GLASS, seed=1)))
    found.append(address(monkeypatch, "methods.log_z", lambda: fg.log_z(GLASS, method="tempering", seed=1)))
    assert len(set(found[:-1])) == len(found) - 1
    assert found[-1] == found[3 * list(VERBS).index("log_z")]  # another method of one verb


def test_sampling_from_annealed_states_is_no_replay_of_the_annealing():
    cold = fg.anneal(TORUS, betas=np.full(30, 0.35), sweeps=30, rule="gibbs", seed=1)
    plain = fg.sample(TORUS, **KWARGS)
    again = fg.sample(TORUS, start=cold.states[np.argsort(cold.read)], **KWARGS)
    for run in (plain, again):
        assert (run.energy.mean(axis=0) != cold.trace_mean).all()


@pytest.mark.parametrize("engine", ["multispin", "sparse", "coloured"])
def test_with_one_start_for_all_a_chain_is_the_same_however_many_there_are(engine):
    start = np.ones(64)
    kwargs = KWARGS | dict(engine=engine, strips=1)
    many, few = (fg.sample(TORUS, start=start, chains=chains, **kwargs) for chains in (80, 3))
    np.testing.assert_array_equal(few.energy, many.energy[:3])
    rows = fg.sample(TORUS, start=np.ones((3, 64)), chains=3, **kwargs)
    np.testing.assert_array_equal(rows.energy, few.energy)


def test_the_seed_of_a_run_with_a_start_repeats_it():
    first = fg.sample(GLASS, beta=1.0, sweeps=3, chains=2, start=np.ones(16))
    again = fg.sample(GLASS, beta=1.0, sweeps=3, chains=2, start=np.ones(16), seed=first.seed)
    np.testing.assert_array_equal(first.energy, again.energy)


@pytest.mark.parametrize("engine", ["multispin", "sparse", "coloured", "dense", "overlap", "layered"])
def test_hot_sweeps_forget_no_start(engine, monkeypatch):
    monkeypatch.setattr("fastgibbs.methods.cooling.quenched", lambda model, states, *rest: states)
    rng = np.random.default_rng(6)
    model = {
        "multispin": fg.edwards_anderson((4, 4), seed=1),
        "overlap": fg.Hopfield(rng.choice([-1, 1], (2, 12))),
        "layered": fg.RBM(rng.normal(size=(5, 4))),
    }.get(engine, GLASS)
    spectrum = fg.exact.spectrum(model)
    ground = spectrum.ground_states[0]
    kwargs = dict(betas=[1e-3] * 5, sweeps=5, reads=30, engine=engine, seed=1)
    lost = fg.anneal(model, **kwargs).energy
    assert lost.max() > spectrum.ground_energy + 1e-9  # such sweeps find it in few reads
    shared = fg.anneal(model, start=ground, **kwargs)
    np.testing.assert_allclose(shared.energy, spectrum.ground_energy)
    np.testing.assert_allclose(model.energy(shared.states), shared.energy)
    starts = model.from_spins(rng.choice([-1, 1], (30, model.n)))
    starts[3] = ground
    own = fg.anneal(model, start=starts, **kwargs)
    by_read = own.energy[np.argsort(own.read)]
    assert (by_read <= model.energy(starts) + 1e-9).all()
    assert by_read[3] == pytest.approx(spectrum.ground_energy)


def test_a_start_is_seen_with_its_clamped_sites_as_they_are_held():
    model = fg.Ising(np.zeros((3, 3)), [1.0, 2.0, 4.0])
    result = fg.anneal(model, betas=[0.0], sweeps=1, reads=4, start=np.ones(3), clamp={2: -1}, rule="gibbs", seed=1)
    np.testing.assert_array_equal(result.energy, 1.0)
    np.testing.assert_array_equal(result.states, [[1, 1, -1]] * 4)


def test_a_run_that_is_stopped_at_once_returns_its_start():
    energy = GLASS.energy(UP)
    result = fg.anneal(GLASS, start=UP, sweeps=10**6, reads=200, target_energy=energy, seed=1)
    assert result.energy.size == 200
    assert (result.energy <= energy + 1e-9).all()
