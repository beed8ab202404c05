"""What `sample` promises: the same bytes however it is run, energies that are the model's, errors at the door."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.engines.precision import energy_error
from fastgibbs.methods import chains as job
from fastgibbs.methods.settings import check_betas, choose_engine

EA = fg.edwards_anderson((4, 4, 4), "gaussian", seed=1)
GLASS = fg.edwards_anderson((4, 4, 4), seed=1)  # for the multi-spin engine
RBM = fg.RBM(np.random.default_rng(2).normal(size=(7, 4)), np.ones(7))


def same(a, b):
    np.testing.assert_array_equal(a.energy, b.energy)
    np.testing.assert_array_equal(a.magnetization, b.magnetization)
    np.testing.assert_array_equal(a.states, b.states)


@pytest.mark.parametrize(("model", "scan"), [(EA, "sequential"), (EA, "random"), (GLASS, "sequential")])
def test_the_same_seed_gives_the_same_bytes_at_any_number_of_threads_and_any_chunking(model, scan, monkeypatch):
    kwargs = dict(beta=0.7, sweeps=50, chains=600, burn_in=7, thin=3, scan=scan, seed=3)
    reference = fg.sample(model, threads=1, **kwargs)
    for threads in (2, 3, 8):
        same(reference, fg.sample(model, threads=threads, **kwargs))
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 0.0)  # chunks of one sweep
    same(reference, fg.sample(model, threads=2, **kwargs))


@pytest.mark.parametrize("strips", [1, 4, 64])
def test_threads_that_share_one_lattice_change_nothing(strips, monkeypatch):
    kwargs = dict(beta=0.44, sweeps=12, thin=2, chains=1, strips=strips, seed=3, keep_states=True)
    model = fg.lattice((1024, 512))
    reference = fg.sample(model, threads=1, **kwargs)
    for threads in (2, 5):
        shared = fg.sample(model, threads=threads, **kwargs)
        same(reference, shared)
        np.testing.assert_array_equal(reference.samples, shared.samples)
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 0.0)
    same(reference, fg.sample(model, threads=2, **kwargs))
    np.testing.assert_array_equal(reference.energy, model.energy(reference.samples))


@pytest.mark.parametrize(("shape", "strips"), [((16, 6), 1), ((16, 6), 8), ((4, 4, 6), 2)])
@pytest.mark.parametrize("J", [1.0, -0.5])
def test_a_uniform_lattice_runs_as_the_same_model_given_by_its_bonds(shape, strips, J):
    uniform = fg.lattice(shape, J=J, h=0.25)
    listed = fg.Ising.from_edges(uniform.n, *uniform.bonds, uniform.fields, shape=shape)
    kwargs = dict(beta=0.4, sweeps=12, chains=3, strips=strips, seed=3)
    same(fg.sample(uniform, **kwargs), fg.sample(listed, **kwargs))


@pytest.mark.parametrize(("model", "engine"), [(EA, "sparse"), (EA, "coloured"), (GLASS, "multispin")])
@pytest.mark.parametrize("chains", [1, 2, 15, 16, 17, 64, 65, 200])
def test_a_chain_is_the_same_however_many_chains_one_engine_runs(model, engine, chains):
    kwargs = dict(beta=0.7, sweeps=20, seed=3, strips=1, engine=engine)
    many, few = fg.sample(model, chains=200, **kwargs), fg.sample(model, chains=chains, **kwargs)
    assert few.energy.shape == (chains, 20)
    np.testing.assert_array_equal(few.energy, many.energy[:chains])
    np.testing.assert_array_equal(few.states, many.states[:chains])


@pytest.mark.parametrize("model", [EA, GLASS], ids=["sparse", "multispin"])
def test_a_chain_does_not_depend_on_its_neighbours_betas(model):
    betas = np.linspace(0, 2, 20)
    scan = fg.sample(model, beta=betas, sweeps=20, seed=3, strips=1)
    alone = fg.sample(model, beta=betas[7], sweeps=20, chains=20, seed=3, strips=1)
    np.testing.assert_array_equal(scan.energy[7], alone.energy[7])


def test_disorder_samples_in_one_run_equal_runs_of_their_own():
    models = [fg.edwards_anderson((4, 4, 4), seed=seed) for seed in range(5)]
    together = fg.sample(models, beta=0.7, sweeps=20, chains=70, seed=3)
    assert together.model == tuple(models)
    same(
        fg.sample(models[:1], beta=0.7, sweeps=20, chains=70, seed=3),
        fg.sample(models[0], beta=0.7, sweeps=20, chains=70, seed=3),
    )
    for k, model in enumerate(models):
        alone = fg.sample(model, beta=0.7, sweeps=20, chains=70, seed=3)
        mine = slice(14 * k, 14 * (k + 1))
        np.testing.assert_array_equal(together.energy[mine], alone.energy[mine])
        np.testing.assert_array_equal(together.energy[mine, -1], model.energy(together.states[mine]))


def test_samples_of_lattices_in_strips_are_in_site_order():
    result = fg.sample(fg.lattice((16, 6)), beta=0.4, sweeps=12, thin=3, chains=5, seed=3, keep_states=True, strips=8)
    np.testing.assert_array_equal(result.energy, fg.lattice((16, 6)).energy(result.samples))
    np.testing.assert_array_equal(result.states, result.samples[:, -1])
    assert result.strips == 8


@pytest.mark.parametrize("model", [EA, fg.lattice((5, 5), h=0.3), fg.sherrington_kirkpatrick(40, seed=1)])
def test_recorded_energies_equal_the_models_bit_for_bit(model):
    result = fg.sample(model, beta=0.8, sweeps=30, burn_in=2, thin=3, chains=70, seed=4, keep_states=True)
    assert result.samples.shape == (70, 10, model.n)
    assert result.samples.dtype == np.int8
    np.testing.assert_array_equal(result.energy, model.energy(result.samples))
    np.testing.assert_array_equal(result.magnetization, result.samples.mean(axis=2))
    np.testing.assert_array_equal(result.states, result.samples[:, -1])


@pytest.mark.parametrize("model", [RBM, fg.Hopfield(np.random.default_rng(3).choice([-1, 1], (3, 30)))])
def test_machines_and_memories_come_back_in_their_own_units(model):
    result = fg.sample(model, beta=0.8, sweeps=30, chains=70, seed=4, keep_states=True)
    assert set(np.unique(result.states)) == ({0, 1} if model is RBM else {-1, 1})
    atol = energy_error(model) if model is RBM else 1e-12 * np.abs(result.energy).max()
    np.testing.assert_allclose(result.energy, model.energy(result.samples), rtol=0, atol=atol)
    again = fg.sample(model, beta=0.8, sweeps=1, start=result.states, chains=70, seed=5)
    assert again.states.shape == result.states.shape


def test_the_seed_in_the_result_repeats_the_run():
    for seed in (None, 5, np.random.SeedSequence(5).spawn(3)[2], np.random.default_rng(5)):
        first = fg.sample(EA, beta=0.7, sweeps=5, chains=3, seed=seed)
        same(first, fg.sample(EA, beta=0.7, sweeps=5, chains=3, seed=first.seed))
    assert fg.sample(EA, beta=0.7, sweeps=5, chains=3, seed=5).seed == 5


def test_start_is_used_and_kept_unchanged():
    cold = fg.sample(EA, beta=60.0, sweeps=50, chains=4, seed=1)
    start = cold.states.copy()
    start.flags.writeable = False
    one = fg.sample(EA, beta=60.0, sweeps=1, chains=4, start=start, seed=2)
    np.testing.assert_array_equal(one.states, start)
    shared = fg.sample(EA, beta=60.0, sweeps=1, chains=4, start=start[0], seed=2)
    np.testing.assert_array_equal(shared.states, np.broadcast_to(start[0], (4, 64)))


VALID = {
    "empty model": dict(model=fg.Ising(np.zeros((0, 0)), offset=2.5)),
    "isolated spins": dict(model=fg.Ising(np.zeros((5, 5)))),
    "one spin": dict(model=fg.Ising([[0]], [1])),
    "beta 0": dict(beta=0),
    "negative beta": dict(beta=-1.5),
    "huge beta": dict(beta=1e300),
    "infinite energies in units of float32": dict(model=fg.lattice((3, 3), J=1e300), beta=1e-300),
    "no coupling": dict(model=fg.lattice((3, 3), J=0.0)),
    "non-contiguous": dict(model=fg.Ising(np.ones((8, 8))[::2, ::2] - np.eye(4), np.arange(8)[::2])),
    "read-only": dict(beta=np.broadcast_to(0.5, 65)),
    "big-endian": dict(model=fg.Ising((np.ones((4, 4)) - np.eye(4)).astype(">f4")), beta=np.array([1, 2], ">i4")),
    "float32": dict(beta=np.float32(0.5), sweeps=np.int64(4)),
    "one chain": dict(chains=1, engine="sparse"),
    "65 chains": dict(chains=65),
}


@pytest.mark.parametrize("name", VALID)
@pytest.mark.parametrize("scan", ["sequential", "random"])
def test_unusual_but_valid_input_works(name, scan):
    arguments = dict(model=EA, beta=0.5, sweeps=4, seed=1, scan=scan) | VALID[name]
    model = arguments.pop("model")
    result = fg.sample(model, **arguments)
    assert result.energy.dtype == result.magnetization.dtype == np.float64
    np.testing.assert_array_equal(result.energy[:, -1], model.energy(result.states))
    assert np.abs(result.magnetization).max(initial=0) <= 1


BAD = {
    "NaN beta": (dict(beta=np.nan), ValueError, "beta is nan"),
    "minus infinite beta": (dict(beta=[1.0, -np.inf]), ValueError, r"beta\[1\] is -inf"),
    "beta of text": (dict(beta="1"), TypeError, "beta"),
    "beta of two dimensions": (dict(beta=np.ones((2, 2))), ValueError, "beta has shape"),
    "no beta": (dict(beta=[]), ValueError, "beta has shape"),
    "chains against beta": (dict(beta=[1.0, 2.0], chains=3), ValueError, "chains is 3"),
    "zero chains": (dict(chains=0), ValueError, "chains is 0"),
    "half a chain": (dict(chains=0.5), TypeError, "chains is 0.5"),
    "zero sweeps": (dict(sweeps=0), ValueError, "sweeps is 0"),
    "sweeps of text": (dict(sweeps="9"), TypeError, "sweeps is '9'"),
    "zero thin": (dict(thin=0), ValueError, "thin is 0"),
    "thin past sweeps": (dict(thin=11), ValueError, "thin is 11"),
    "negative burn-in": (dict(burn_in=-1), ValueError, "burn_in is -1"),
    "unknown rule": (dict(rule="glauber"), ValueError, "rule is 'glauber'.*'gibbs', 'metropolis'"),
    "unknown scan": (dict(scan="sequentail"), ValueError, "did you mean 'sequential'"),
    "strips of 3": (dict(strips=3), ValueError, "strips is 3"),
    "strips of a glass with weights": (dict(strips=4), ValueError, "'sparse' cannot run this: it does not cut"),
    "multispin of a gaussian glass": (dict(engine="multispin"), ValueError, r"the couplings are not all \+J or -J"),
    "two graphs": (
        dict(model=[fg.lattice((3, 3)), fg.lattice((9,))], chains=2, engine="multispin"),
        ValueError,
        "model 1 has not the bonds and the .J. of model 0",
    ),
    "chains against models": (dict(model=[fg.lattice((3, 3))] * 2, chains=3), ValueError, "chains is 3"),
    "unknown engine": (dict(engine="gpu"), ValueError, "engine is 'gpu'"),
    "seed 3.5": (dict(seed=3.5), TypeError, "seed is 3.5"),
    "seed -1": (dict(seed=-1), ValueError, "seed is -1"),
    "zero threads": (dict(threads=0), ValueError, "threads is 0"),
    "start not +-1": (dict(start=np.zeros(64)), ValueError, r"\[0\] is 0"),
    "start too short": (dict(start=np.ones(63)), ValueError, "63"),
    "start of other chains": (dict(start=np.ones((3, 64)), chains=4), ValueError, "start has shape"),
    "result too big": (dict(sweeps=10**12), ValueError, "chains x draws"),
    "too many chains": (dict(chains=10**14), ValueError, "chains x draws"),
    "samples too big": (dict(sweeps=10**9, thin=10, keep_states=True), ValueError, "chains x draws"),
    "ordered Metropolis at beta 0": (dict(beta=[1, 0], rule="metropolis"), ValueError, "beta is 0 in chain 1"),
    "Metropolis at beta 0 from a start": (
        dict(beta=0, rule="metropolis", scan="random", start=np.ones(64)),
        ValueError,
        "beta is 0 in chain 0",
    ),
    "progress of text": (dict(progress="yes"), TypeError, "progress is 'yes'"),
    "no model": (dict(model=np.eye(3)), TypeError, "model is"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_before_anything_compiles(name, monkeypatch):
    change, error, message = BAD[name]
    monkeypatch.setattr(job, "advance", None)
    arguments = dict(model=EA, beta=0.5, sweeps=10) | change
    with pytest.raises(error, match=message):
        fg.sample(arguments.pop("model"), **arguments)


@pytest.mark.parametrize(
    ("model", "field"),
    [
        (fg.Ising.from_edges(4, [0, 0, 0], [1, 2, 3], [1.0, -2.0, 0.5], [0.0, -3.0, 0.0, 1.0]), 2.0 * 3 + 3.0),
        (fg.lattice((4, 4), J=-2.0, h=-0.5), 2.0 * 4 + 0.5),
        (fg.Hopfield(np.ones((3, 8)), field=-0.25), 3 + 0.25),
        (fg.RBM([[1.0, -4.0], [0.0, 2.0]], [0.5, 0.0], [0.0, -1.5]), 4.0 * 4 + 1.5),
    ],
    ids=["bonds", "lattice", "memory", "machine"],
)
def test_betas_are_refused_where_their_product_with_a_flips_cost_might_overflow(model, field):
    """Up to 8 beta F, F a bound on every local field that is cheap to tell."""
    most = np.finfo(np.float64).max / 8 / field
    check_betas("beta", np.array([1.0, -0.99 * most]), [fg.lattice((4,)), model])
    with pytest.raises(ValueError, match=r"beta times the cost of a flip may add up to more than 1.8e\+308"):
        check_betas("beta", np.array([1.0, -1.01 * most]), [fg.lattice((4,)), model])
    for verb, name in ((fg.sample, "beta"), (fg.temper, "betas"), (fg.anneal, "betas")):
        with pytest.raises(ValueError, match=f"{name} times the cost of a flip"):
            verb(model, sweeps=9, **{name: [0.5, 1.01 * most]})


def test_samples_that_were_not_kept_are_an_error_that_says_how_to_keep_them():
    with pytest.raises(ValueError, match="keep_states=True"):
        _ = fg.sample(EA, beta=0.5, sweeps=2).samples


def test_the_result_says_what_was_run_and_how_fast():
    result = fg.sample(EA, beta=0.5, sweeps=20, chains=5, burn_in=4, thin=2, rule="metropolis")
    assert (result.engine, result.rule, result.scan, result.burn_in, result.thin) == (
        "sparse",
        "metropolis",
        "sequential",
        4,
        2,
    )
    assert fg.sample(fg.lattice((5, 5)), beta=0.5, sweeps=2).engine == "multispin"
    assert result.timing.updates_per_second == pytest.approx(5 * 64 * 24 / result.timing.kernel)
    assert result.timing.total >= result.timing.kernel + result.timing.compile
    assert repr(result) == "SampleResult(Ising(n=64, bonds=192, fields=0), chains=5, draws=10, engine='sparse')"


def test_graphs_whose_groups_of_cells_fill_no_vectors_are_swept_site_by_site():
    rng = np.random.default_rng(1)

    def engine(n, chance, chains):
        i, j = np.array(np.triu_indices(n, 1))[:, rng.random(n * (n - 1) // 2) < chance]
        return choose_engine("auto", [fg.Ising.from_edges(n, i, j, 1)], "sequential", None, chains)[0]

    assert [engine(10, 1, chains) for chains in (64, 512)] == ["sparse", "multispin"]
    assert [engine(100, 0.04, chains) for chains in (64, 512)] == ["sparse", "multispin"]
    assert engine(400, 0.0075, 64) == "multispin"
    small = fg.random_regular(20, 3, seed=1), fg.lattice((4, 4))
    assert {choose_engine("auto", [model], "sequential", None, 64)[0] for model in small} == {"multispin"}


def test_few_chains_have_an_engine_of_their_own_which_only_the_model_and_their_number_decide():
    """Strips count as chains do: a lattice that fills the lanes of a word is cut instead."""
    regular, torus = fg.random_regular(60, 3, seed=1), fg.lattice((64, 64))
    for model, few, many in ((EA, "coloured", "sparse"), (regular, "coloured", "multispin")):
        for chains in (1, 4, 5):
            engines = {fg.sample(model, beta=0.5, sweeps=1, chains=chains, threads=k).engine for k in (1, 2)}
            assert engines == {few if chains < 5 else many}
        assert fg.anneal(model, sweeps=1, reads=4).engine == few
        assert fg.temper(model, betas=[0.1, 0.2], ladders=2, sweeps=1).engine == few
        assert fg.temper(model, betas=[0.1, 0.2], ladders=3, sweeps=1).engine == many
    one = fg.sample(torus, beta=0.5, sweeps=1, chains=1)
    assert (one.engine, one.strips) == ("multispin", 32)
    assert fg.sample(torus, beta=0.5, sweeps=1, chains=1, strips=1).engine == "coloured"
    assert fg.anneal(torus, sweeps=1, reads=1).engine == "coloured"
    assert fg.sample(EA, beta=0.5, sweeps=1, chains=1, scan="random").engine == "sparse"
    assert fg.sample(EA, beta=0.5, sweeps=1, start=fg.sample(EA, beta=0.5, sweeps=1, chains=2)).engine == "coloured"
