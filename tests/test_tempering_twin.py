"""Ladders have the bits of their NumPy twins, at any number of threads, chunks, ladders and samples."""

import numpy as np
import pytest
from test_tempering import GLASS, IN_FIELD, LADDER, RBM, SQUARE, WEIGHTED

import fastgibbs as fg
from fastgibbs.engines.precision import energy_error
from fastgibbs.reference import coloured as coloured_twin
from fastgibbs.reference import layered as layered_twin
from fastgibbs.reference import multispin as multispin_twin
from fastgibbs.reference import sparse as sparse_twin
from fastgibbs.reference import tempering as twin

RING = fg.edwards_anderson((12,), "gaussian", seed=3)  # whose clusters never percolate, also those of half the sites
MACHINE = fg.RBM(*(np.random.default_rng(5).normal(size=size) for size in ((27, 21), 27, 21)))
ENGINES = {
    "sparse": (WEIGHTED, sparse_twin),
    "multispin": (GLASS, multispin_twin),
    "layered": (MACHINE, layered_twin),
    "coloured": (WEIGHTED, coloured_twin),
}
BY_ENGINE = pytest.mark.parametrize(
    ("engine", "model", "twin_engine"), [(name, *ENGINES[name]) for name in ENGINES], ids=list(ENGINES)
)


def same(a, b, ladders=slice(None)):
    """Whether two results are; `ladders` of b."""
    pairs = slice(None) if ladders == slice(None) else slice(ladders.stop // 2)
    for name in ("betas", "energy", "magnetization", "states", "round_trips", "restarts"):
        in_b = getattr(b, name)
        np.testing.assert_array_equal(getattr(a, name), in_b if name == "betas" else in_b[ladders], err_msg=name)
    assert (a.overlap is None) == (b.overlap is None or ladders == slice(1))
    for name, in_a, in_b in zip(a.overlap._fields, a.overlap, b.overlap, strict=True) if a.overlap else ():
        np.testing.assert_array_equal(in_a, in_b[pairs], err_msg=name)
    if ladders == slice(None):
        np.testing.assert_array_equal(a.acceptance, b.acceptance)
        np.testing.assert_array_equal(a.flow, b.flow)
        assert a.adaptation == b.adaptation


# The twin


PARITY = dict(sweeps=24, burn_in=6, thin=3, swap_every=1, overlap_every=4, clusters=False, rule="gibbs", seed=3)


def parity(engine, twin_engine, model, betas, ladders, **change):
    kwargs = PARITY | change
    results = fg.temper(model, betas=betas, ladders=ladders, engine=engine, **kwargs)
    expected = twin.temper(twin_engine, model, betas, ladders, **kwargs)
    for k, result in enumerate(results if isinstance(results, list) else [results]):
        mine, pairs = slice(k * ladders, (k + 1) * ladders), slice(k * (ladders // 2), (k + 1) * (ladders // 2))
        np.testing.assert_array_equal(result.energy, expected.energies[mine])
        np.testing.assert_array_equal(result.magnetization, expected.magnetizations[mine])
        np.testing.assert_array_equal(result.states, expected.states[mine])
        np.testing.assert_array_equal(result.round_trips, expected.round_trips[mine])
        np.testing.assert_array_equal(result.restarts, expected.restarts[mine])
        attempts = expected.attempts[mine].sum(axis=0)
        accepted = expected.acceptance_sum[mine].sum(axis=0)
        np.testing.assert_array_equal(result.acceptance, accepted / np.maximum(attempts, 1))
        hot, cold = expected.hot_visits[mine].sum(axis=0), expected.cold_visits[mine].sum(axis=0)
        np.testing.assert_array_equal(result.flow, hot / np.maximum(hot + cold, 1))
        if kwargs["overlap_every"] and ladders > 1:
            draws = kwargs["sweeps"] // kwargs["overlap_every"]
            assert (result.overlap.draws == draws).all()
            np.testing.assert_array_equal(result.overlap.histogram, expected.histogram[pairs])
            moments = np.stack([getattr(result.overlap, name) for name in MOMENTS], axis=-1)
            moments = np.concatenate([moments, result.overlap.qk2], axis=-1)
            np.testing.assert_array_equal(moments, expected.moments[pairs] / draws)
        else:
            assert result.overlap is None
    return expected


MOMENTS = ("q", "q_abs", "q2", "q4", "link", "link2")


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("clusters", [False, True])
@pytest.mark.parametrize(("swap_every", "thin", "overlap_every"), [(1, 1, 1), (2, 3, 5), (5, 4, 2)])
@BY_ENGINE
def test_ladders_equal_the_twins_bit_for_bit(
    engine, model, twin_engine, swap_every, thin, overlap_every, clusters, rule
):
    schedule = dict(swap_every=swap_every, thin=thin, overlap_every=overlap_every)
    parity(engine, twin_engine, model, LADDER, 5, clusters=clusters, rule=rule, **schedule)


@pytest.mark.parametrize("ladders", [1, 2, 4])
@pytest.mark.parametrize("rungs", [2, 3, 6, 33])
@BY_ENGINE
def test_odd_and_even_ladders_equal_the_twin(engine, model, twin_engine, rungs, ladders):
    parity(engine, twin_engine, model, np.linspace(0.0, 2.0, rungs), ladders, clusters=ladders > 1)


@BY_ENGINE
def test_round_trips_equal_a_recount(engine, model, twin_engine):
    expected = parity(engine, twin_engine, model, [0.2, 0.25, 0.3], 4, sweeps=200, overlap_every=0)
    assert expected.round_trips.min() >= 1
    assert expected.restarts.sum() > expected.round_trips.sum() > 100


@pytest.mark.parametrize(("rungs", "ladders"), [(2, 600), (24, 11), (256, 2)])
@BY_ENGINE
def test_several_blocks_equal_the_twin(engine, model, twin_engine, rungs, ladders):
    change = dict(sweeps=6, burn_in=2, thin=2, overlap_every=3, clusters=ladders < 100)
    parity(engine, twin_engine, model, np.linspace(0.0, 2.0, rungs), ladders, **change)


@pytest.mark.parametrize("ladders", [1, 2, 3])
def test_samples_equal_the_twin(ladders):
    models = [fg.edwards_anderson((4, 4), seed=seed) for seed in range(7)]
    parity("auto", multispin_twin, models, np.linspace(0.0, 1.5, 5), ladders, clusters=ladders > 1)


@pytest.mark.parametrize("model", [IN_FIELD, RING, RBM, fg.lattice((5, 4), h=0.3)])
def test_other_models_equal_the_twin(model):
    twin_engine = {RBM: layered_twin, IN_FIELD: sparse_twin, RING: sparse_twin}.get(model, multispin_twin)
    kwargs = dict(sweeps=24, burn_in=6, thin=3, swap_every=2, overlap_every=4, clusters=True, rule="gibbs", seed=3)
    result = fg.temper(model, betas=LADDER, ladders=4, **kwargs)
    expected = twin.temper(twin_engine, model, LADDER, 4, **kwargs)
    np.testing.assert_array_equal(result.states, expected.states)
    np.testing.assert_array_equal(result.overlap.histogram, expected.histogram)
    np.testing.assert_allclose(result.energy, expected.energies, rtol=1e-12)  # of machines, added up in another order


# The same bytes


@pytest.mark.parametrize("given", [dict(betas=LADDER), dict(rungs=6), dict()], ids=["given", "spaced", "built"])
@BY_ENGINE
def test_threads_and_chunks_change_nothing(engine, model, twin_engine, given, monkeypatch):
    kwargs = dict(sweeps=600, ladders=100, overlap_every=3, clusters=True, seed=3, engine=engine) | given
    kwargs |= dict(sweeps=60) if "betas" in given else dict(ladders=20)
    reference = fg.temper(model, threads=1, **kwargs)
    assert len(reference.adaptation) == (0 if "betas" in given else 2)
    for threads in (2, 3):
        same(fg.temper(model, threads=threads, **kwargs), reference)
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 0.0)  # chunks of one sweep
    same(fg.temper(model, threads=2, **kwargs), reference)


@pytest.mark.parametrize("clusters", [False, True])
@pytest.mark.parametrize("rungs", [2, 13, 40])
@BY_ENGINE
def test_a_ladder_is_the_same_however_many_there_are(engine, model, twin_engine, rungs, clusters):
    kwargs = dict(betas=np.linspace(0, 2, rungs), sweeps=20, overlap_every=2, seed=3, engine=engine)
    many = fg.temper(model, ladders=50, clusters=clusters, **kwargs)
    for ladders in (2, 10, 12, 34):
        same(fg.temper(model, ladders=ladders, clusters=clusters, **kwargs), many, slice(ladders))
    if not clusters:
        for ladders in (1, 11):
            same(fg.temper(model, ladders=ladders, **kwargs), many, slice(ladders))


def test_samples_in_one_run_equal_the_same_ladders_of_one_model():
    models = [fg.edwards_anderson((4, 4), seed=seed) for seed in range(5)]
    kwargs = dict(betas=LADDER, sweeps=20, seed=3)
    together = fg.temper(models, ladders=2, **kwargs)
    assert [result.model for result in together] == models
    for k, model in enumerate(models):
        alone = fg.temper(model, ladders=10, **kwargs)
        np.testing.assert_array_equal(together[k].energy, alone.energy[2 * k : 2 * k + 2])
        np.testing.assert_array_equal(together[k].states, alone.states[2 * k : 2 * k + 2])
    (single,) = fg.temper(models[:1], ladders=2, **kwargs)
    same(single, fg.temper(models[0], ladders=2, **kwargs))


def test_the_seed_in_the_result_repeats_the_run():
    for seed in (None, 5, np.random.SeedSequence(5).spawn(3)[2], np.random.default_rng(5)):
        first = fg.temper(GLASS, sweeps=600, seed=seed)
        same(first, fg.temper(GLASS, sweeps=600, seed=first.seed))
    assert fg.temper(GLASS, betas=[0, 1], sweeps=1, seed=5).seed == 5


@pytest.mark.parametrize("clusters", [False, True])
@pytest.mark.parametrize("model", [GLASS, SQUARE, WEIGHTED, IN_FIELD, RBM, fg.lattice((5, 5), h=0.3)])
def test_the_last_energies_are_those_of_the_states(model, clusters):
    result = fg.temper(model, betas=LADDER, sweeps=12, burn_in=5, thin=3, ladders=6, clusters=clusters, seed=1)
    assert result.energy.shape == result.magnetization.shape == (6, 13, 4)
    if isinstance(model, fg.Ising):
        np.testing.assert_array_equal(result.energy[..., -1], model.energy(result.states))
    else:
        np.testing.assert_allclose(
            result.energy[..., -1], model.energy(result.states), rtol=0, atol=energy_error(model)
        )
    spins = model.to_spins(result.states)
    np.testing.assert_array_equal(result.magnetization[..., -1], spins.mean(axis=2))
