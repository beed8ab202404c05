"""What proves clamping: conditional laws by enumeration on every engine, frozen sites, the twins' bits, bad input."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.reference import coloured, dense, layered, multispin, overlap, sampling, sparse
from fastgibbs.reference.streams import start_spins
from fastgibbs.testing.laws import pvalue

TWINS = {"sparse": sparse, "dense": dense, "overlap": overlap, "layered": layered, "multispin": multispin}
TWINS["coloured"] = coloured
MACHINE = fg.RBM(np.random.default_rng(4).normal(size=(5, 3)), [0.5, -1, 0, 0.2, 0.1], [1, -0.5, 0])
MODELS = {  # beta makes 5 % of it show
    "sparse": (fg.edwards_anderson((2, 4), "gaussian", seed=1), 0.8),
    "dense": (fg.sherrington_kirkpatrick(8, seed=3), 1.2),
    "overlap": (fg.Hopfield(np.random.default_rng(5).choice([-1, 1], (3, 8)), field=0.1), 1.5),
    "layered": (MACHINE, 1.5),
    "multispin": (fg.triangular((3, 3), J=-0.7, h=0.3), 0.8),
    "coloured": (fg.edwards_anderson((2, 4), "gaussian", seed=1), 0.8),
}
CASES = [(engine, rule, "sequential") for engine in TWINS for rule in ("gibbs", "metropolis")]
CASES += [(engine, rule, "random") for engine in ("sparse", "dense", "overlap") for rule in ("gibbs", "metropolis")]
CHAINS = 20_000
LEVEL = 1e-5  # of each of 36 chi-square tests: one false alarm in 3000 runs


def clamp_of(model, several):
    """Sites 1, 4 and 6 clamped, alike in all chains or not."""
    rng = np.random.default_rng(6)
    low = int(model.from_spins(-np.ones(model.n, np.int8))[0])
    shape = CHAINS if several else ()
    return {site: np.where(rng.random(shape) < 0.5, low, 1) for site in (6, 1, 4)}


def conditional(model, beta, clamp):
    """p(s) of every state given the clamped sites, float64 (2^n,), those values drawn as they are in the chains."""
    states = model.from_spins(exact.states(model.n))
    weight = np.exp(-beta * (model.energy(states) - model.energy(states).min()))
    patterns, counts = np.unique(
        np.array([np.broadcast_to(v, CHAINS) for v in clamp.values()]), axis=1, return_counts=True
    )
    p = np.zeros(len(states))
    for pattern, count in zip(patterns.T, counts, strict=True):
        here = weight * (states[:, list(clamp)] == pattern).all(axis=1)
        p += here / here.sum() * count / CHAINS
    return p


@pytest.mark.parametrize("several", [False, True], ids=["one value", "values per chain"])
@pytest.mark.parametrize(("engine", "rule", "scan"), CASES)
def test_free_sites_have_their_conditional_law(engine, rule, scan, several):
    model, beta = MODELS[engine]
    clamp = clamp_of(model, several)
    kwargs = dict(sweeps=60, chains=CHAINS, clamp=clamp, rule=rule, scan=scan, engine=engine, seed=3)
    result = fg.sample(model, beta=beta, **kwargs)
    for site, value in clamp.items():
        np.testing.assert_array_equal(result.states[:, site], np.broadcast_to(value, CHAINS))
    p = conditional(model, beta, clamp)
    assert pvalue(model, result.states, p) > LEVEL
    # energies, magnetisations and states are those of all sites
    np.testing.assert_allclose(result.energy[:, -1], model.energy(result.states), rtol=0, atol=1e-5)
    np.testing.assert_allclose(result.magnetization[:, -1], model.to_spins(result.states).mean(axis=1), atol=1e-14)
    # the broken twin: 10 % off in beta
    assert pvalue(model, fg.sample(model, beta=1.1 * beta, **kwargs).states, p) < LEVEL


@pytest.mark.parametrize("held", [range(5), range(5, 8), range(8)], ids=["visible", "hidden", "all"])
def test_units_have_their_conditional_law_given_a_whole_layer(held):
    """Given one layer, sweeps draw the other anew: two of them are as good as many."""
    model, beta = MODELS["layered"]
    values = np.random.default_rng(12).integers(0, 2, (3, 8))[np.arange(CHAINS) % 3]
    mask = np.isin(np.arange(8), held)
    clamp = {site: values[:, site] for site in held}
    p = conditional(model, beta, clamp)
    for sweeps in (1, 2):
        result = fg.sample(model, beta=beta, sweeps=sweeps, chains=CHAINS, clamp=(mask, values), seed=3)
        assert result.engine == "layered"
        np.testing.assert_array_equal(result.states[:, mask], values[:, mask])
        assert pvalue(model, result.states, p) > LEVEL
    if len(held) < 8:  # the broken twin: every chain gets the values of its neighbour
        other = fg.sample(model, beta=beta, sweeps=2, chains=CHAINS, clamp=(mask, np.roll(values, 1, axis=0)), seed=3)
        states = np.where(mask, values, other.states)
        assert pvalue(model, states, p) < LEVEL


@pytest.mark.parametrize("engine", TWINS)
def test_the_law_of_one_chains_clamp_is_not_that_of_another(engine):
    """The broken twin of values per chain: every chain gets the values of its neighbour."""
    model, beta = MODELS[engine]
    clamp = clamp_of(model, True)
    wrong = {site: np.roll(values, 1) for site, values in clamp.items()}
    states = fg.sample(model, beta=beta, sweeps=30, chains=CHAINS, clamp=wrong, engine=engine, seed=3).states
    for site, values in clamp.items():
        states[:, site] = values
    assert pvalue(model, states, conditional(model, beta, clamp)) < LEVEL


BIG = {
    "sparse": fg.edwards_anderson((4, 5), "gaussian", seed=1),
    "dense": fg.sherrington_kirkpatrick(150, seed=3),
    "overlap": fg.Hopfield(np.random.default_rng(5).choice([-1, 1], (3, 40))),
    "layered": fg.RBM(np.random.default_rng(4).normal(size=(27, 15)), np.linspace(-1, 1, 27)),
    "multispin": fg.edwards_anderson((4, 6), "bimodal", seed=1),
    "coloured": fg.edwards_anderson((5, 13), "gaussian", seed=1),
}


@pytest.mark.parametrize("clamps", ["some", "others", "all", "all visible", "all hidden"])
@pytest.mark.parametrize(("engine", "rule", "scan"), CASES)
def test_trajectories_equal_the_numpy_twins_bit_for_bit(engine, rule, scan, clamps):
    model, rng = BIG[engine], np.random.default_rng(7)
    sites = {
        "some": np.flatnonzero(rng.random(model.n) < 0.4),
        "others": np.arange(1, model.n, 2),
        "all": np.arange(model.n),
        "all visible": np.arange(27 if engine == "layered" else 1),
        "all hidden": np.arange(27 if engine == "layered" else model.n - 1, model.n),
    }[clamps]
    values = rng.choice([-1, 1], (sites.size, 20)).astype(np.int8)
    full = np.ones((20, model.n), np.int8)
    full[:, sites] = values.T
    clamp = dict(zip(sites.tolist(), model.from_spins(full)[:, sites].T, strict=True))
    beta = np.linspace(0.2, 1.5, 20)
    kwargs = dict(sweeps=8, burn_in=3, thin=2, seed=5)
    result = fg.sample(model, beta=beta, clamp=clamp, rule=rule, scan=scan, engine=engine, **kwargs)
    spins = start_spins(5, model.n, 20)
    spins[:, sites] = values.T
    twin, free = TWINS[engine], np.setdiff1d(np.arange(model.n), sites)
    scans = {} if engine in ("layered", "multispin", "coloured") else {"scan": scan}
    state = twin.start(model, 20, 5, rule, spins=spins, free=free, **scans)
    energy, magnetization, states = sampling.recorded(twin, state, model, beta, 8, 3, 2)
    np.testing.assert_array_equal(result.states, states)
    np.testing.assert_allclose(result.energy, energy, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(result.magnetization, magnetization)


@pytest.mark.parametrize("engine", TWINS)
def test_a_chain_is_the_same_however_many_chains_and_threads_there_are(engine, monkeypatch):
    model, rng = BIG[engine], np.random.default_rng(8)
    low = int(model.from_spins(-np.ones(model.n, np.int8))[0])
    values = {int(site): rng.choice([low, 1], 150) for site in rng.permutation(model.n)[:9]}
    kwargs = dict(beta=0.6, sweeps=12, thin=3, engine=engine, seed=3, keep_states=True)
    many = fg.sample(model, chains=150, threads=1, clamp=values, **kwargs)
    for site in values:
        np.testing.assert_array_equal(many.samples[..., site], np.repeat(values[site][:, None], 4, axis=1))
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 0.0)
    for chains, threads in ((70, 2), (20, 5)):
        few = {site: value[:chains] for site, value in values.items()}
        result = fg.sample(model, chains=chains, threads=threads, clamp=few, **kwargs)
        np.testing.assert_array_equal(result.samples, many.samples[:chains])
        np.testing.assert_array_equal(result.energy, many.energy[:chains])


def test_no_clamp_changes_nothing_and_a_start_keeps_its_free_sites():
    model = BIG["sparse"]
    kwargs = dict(beta=0.6, sweeps=5, chains=3, seed=3)
    plain = fg.sample(model, **kwargs)
    np.testing.assert_array_equal(fg.sample(model, clamp={}, **kwargs).states, plain.states)
    everything = dict(enumerate(plain.states.T))
    np.testing.assert_array_equal(fg.sample(model, clamp=everything, **kwargs).states, plain.states)
    cold = fg.sample(model, clamp={0: -1}, start=np.ones(model.n), **kwargs | dict(beta=1e9, sweeps=1)).states
    assert (cold[:, 0] == -1).all()


@pytest.mark.parametrize("several", [False, True], ids=["one state", "states per chain"])
@pytest.mark.parametrize("engine", TWINS)
def test_a_mask_with_states_gives_the_bytes_of_a_dict(engine, several):
    model, rng = BIG[engine], np.random.default_rng(11)
    mask = rng.random(model.n) < 0.3
    low = int(model.from_spins(-np.ones(model.n, np.int8))[0])
    states = np.where(rng.random((20, model.n) if several else model.n) < 0.5, low, 1.0)
    by_site = {int(site): states[..., site] for site in np.flatnonzero(mask)}
    states[..., ~mask] = np.nan  # never looked at
    kwargs = dict(beta=0.8, sweeps=7, chains=20, engine=engine, seed=5, keep_states=True)
    listed, masked = (fg.sample(model, clamp=clamp, **kwargs) for clamp in (by_site, (mask, states)))
    np.testing.assert_array_equal(masked.samples, listed.samples)
    np.testing.assert_array_equal(masked.energy, listed.energy)
    other = (~mask, np.where(np.isnan(states), low, states))
    assert (fg.sample(model, clamp=other, **kwargs).samples != listed.samples).any()


def test_every_verb_takes_a_mask():
    model = BIG["sparse"]
    mask, state = np.arange(model.n) < 5, model.from_spins(np.ones(model.n, np.int8))
    state[:3] = -1
    runs = {
        fg.sample: dict(beta=1.0, chains=3),
        fg.anneal: dict(reads=3),
        fg.temper: dict(betas=[0.5, 1.0]),
    }
    for run, arguments in runs.items():
        arguments |= dict(sweeps=10, seed=1)
        masked, listed = (run(model, clamp=c, **arguments) for c in ((mask, state), dict(enumerate(state[:5]))))
        np.testing.assert_array_equal(masked.states, listed.states)
        assert (masked.states[..., :5] == state[:5]).all()
    per_read = np.where(np.arange(3)[:, None] == 1, -state, state)
    reads = fg.anneal(model, clamp=(mask, per_read), reads=3, sweeps=10, seed=1)
    np.testing.assert_array_equal(reads.states[:, :5], per_read[reads.read, :5])


def test_an_empty_mask_clamps_nothing():
    model = BIG["sparse"]
    kwargs = dict(beta=0.6, sweeps=5, chains=3, seed=3)
    empty = (np.zeros(model.n, bool), np.full(model.n, np.nan))
    np.testing.assert_array_equal(fg.sample(model, clamp=empty, **kwargs).states, fg.sample(model, **kwargs).states)


def test_observables_are_those_of_the_whole_state():
    model, beta = MODELS["layered"]
    clamp, w = {0: 1, 6: 0}, np.arange(8.0)
    kwargs = dict(beta=beta, sweeps=6, chains=40, clamp=clamp, keep_states=True, seed=2)
    result = fg.sample(model, observe={"w": w, "first": lambda states: states[:, 0]}, **kwargs)
    np.testing.assert_allclose(result.observables["w"], model.to_spins(result.samples) @ w, atol=1e-12)
    assert (result.observables["first"] == 1).all()


@pytest.mark.parametrize("engine", ["sparse", "layered"])
def test_annealing_finds_the_minimum_given_the_clamped_sites(engine):
    model, _ = MODELS[engine]
    states = model.from_spins(exact.states(model.n))
    rng = np.random.default_rng(9)
    pattern = states[rng.integers(0, len(states), 64)][:, [2, 5]]
    clamp = {2: pattern[:, 0], 5: pattern[:, 1]}
    result = fg.anneal(model, sweeps=1000, reads=64, clamp=clamp, seed=4, engine=engine)
    found = result.energy[np.argsort(result.read)]
    fits = (states[:, None, [2, 5]] == pattern).all(axis=2)
    np.testing.assert_allclose(found, np.where(fits, model.energy(states)[:, None], np.inf).min(axis=0), atol=1e-6)
    np.testing.assert_array_equal(result.states[np.argsort(result.read)][:, [2, 5]], pattern)


@pytest.mark.parametrize("clusters", [False, True])
@pytest.mark.parametrize("engine", TWINS)
def test_tempering_has_the_conditional_law_and_its_log_z(engine, clusters):
    model, beta = MODELS[engine]
    clamp = {1: 1, 4: int(model.from_spins(-np.ones(model.n, np.int8))[0])}
    betas = np.linspace(0, beta, 4)
    kwargs = dict(betas=betas, clamp=clamp, sweeps=300, ladders=64, engine=engine, seed=5, clusters=clusters)
    result = fg.temper(model, **kwargs)
    states = model.from_spins(exact.states(model.n))
    energy = model.energy(states[(states[:, list(clamp)] == list(clamp.values())).all(axis=1)])
    log_z = [np.log(np.exp(-b * energy).sum()) for b in betas]
    means = [(energy * np.exp(-b * energy)).sum() / np.exp(-b * energy).sum() for b in betas]
    assert (result.states[..., list(clamp)] == list(clamp.values())).all()
    # two-sided rate 1e-4 of each of four z-scores, 80 in all
    ladder = result.energy.mean(axis=2)
    z = (ladder.mean(axis=0) - means) / (ladder.std(axis=0, ddof=1) / 8)
    assert np.abs(z).max() < 3.9
    np.testing.assert_allclose(result.log_z.bar[1:], log_z[1:], rtol=0, atol=4.5 * result.log_z.bar_error[1:].max())
    assert result.log_z.bar[0] == pytest.approx((model.n - 2) * np.log(2))
    # the broken twin: without the clamp
    free = fg.temper(model, **kwargs | dict(clamp=None)).energy.mean(axis=2)
    assert np.abs((free.mean(axis=0) - means) / (free.std(axis=0, ddof=1) / 8)).max() > 3.9


@pytest.mark.parametrize("engine", ["sparse", "layered"])
@pytest.mark.parametrize("verb", ["sample", "anneal", "temper"])
def test_a_checkpoint_goes_on_with_its_own_clamp_only(verb, engine, tmp_path):
    model, path = BIG[engine], tmp_path / "run.npz"
    low = int(model.from_spins(-np.ones(model.n, np.int8))[0])
    arguments = {
        "sample": dict(beta=1.0, chains=3, thin=1),
        "anneal": dict(reads=3),
        "temper": dict(betas=[0.5, 1.0]),
    }[verb]
    run = getattr(fg, verb)
    kwargs = dict(sweeps=400, clamp={2: 1, 3: low}, seed=1, checkpoint=path, **arguments)
    whole = run(model, **kwargs | dict(checkpoint=None))
    stops = iter([False, True])
    run(model, **kwargs, progress=lambda done, total: next(stops, True))
    with pytest.raises(ValueError, match="clamp"):
        run(model, **kwargs | dict(clamp={2: 1, 3: 1}))
    with pytest.raises(ValueError, match="clamp"):
        run(model, **kwargs | dict(clamp=None))
    resumed = run(model, **kwargs)
    np.testing.assert_array_equal(resumed.states, whole.states)
    np.testing.assert_array_equal(resumed.energy, whole.energy)


def test_a_saved_ladder_keeps_its_clamped_sites(tmp_path):
    result = fg.temper(BIG["sparse"], betas=[0.0, 1.0], sweeps=10, clamp={7: 1, 2: -1}, seed=1)
    result.save(tmp_path / "result.npz")
    loaded = fg.load(tmp_path / "result.npz")
    np.testing.assert_array_equal(loaded.clamped, [2, 7])
    np.testing.assert_array_equal(loaded.log_z.bar, result.log_z.bar)


SAMPLE = dict(beta=1.0, sweeps=1, chains=4)
HELD, UP = np.isin(np.arange(20), [6, 7, 12]), np.ones(20)
BAD = [
    (dict(clamp={20: 1}), ValueError, "site 20: give site indices from 0 to 19"),
    (dict(clamp={-1: 1}), ValueError, "at least 0"),
    (dict(clamp={1.0: 1}), TypeError, "a site is 1.0: give an integer"),
    (dict(clamp=[1, 2]), TypeError, "clamp is a list: give a dict"),
    (dict(clamp=(1, 2, 3)), TypeError, r"clamp is a tuple: give a dict .* or a pair \(mask, states\)"),
    (dict(clamp={3: 0}), ValueError, r"clamp\[3\] is 0: give -1 or 1"),
    (dict(clamp={3: [1, 1, 2, 1]}), ValueError, r"clamp\[3\] is 2: give -1 or 1"),
    (dict(clamp={3: [1, 1]}), ValueError, r"clamp\[3\] has shape \(2,\): give one value, or one for each of 4 chains"),
    (dict(clamp={3: "up"}), TypeError, r"clamp\[3\]"),
    (dict(clamp={3: float("nan")}), ValueError, r"clamp\[3\]"),
    (dict(clamp=(np.ones(20), UP)), TypeError, "clamp: the mask has dtype float64: give bools"),
    (dict(clamp=([[True], [True, False]], UP)), TypeError, "clamp: the mask is ragged: give an array of bools"),
    (dict(clamp=(HELD[:19], UP)), ValueError, r"clamp: the mask has shape \(19,\): give \(20,\)"),
    (dict(clamp=(np.tile(HELD, (4, 1)), UP)), ValueError, r"clamp: the mask has shape \(4, 20\): give \(20,\)"),
    (dict(clamp=(HELD, UP[:19])), ValueError, r"states have shape \(19,\): give \(20,\) or \(chains, n\) = \(4, 20\)"),
    (dict(clamp=(HELD, np.tile(UP, (3, 1)))), ValueError, r"clamp: states have shape \(3, 20\)"),
    (dict(clamp=(HELD, "up")), TypeError, "clamp: states has dtype"),
    (dict(clamp=(HELD, [1j] * 20)), TypeError, "clamp: states has dtype complex128"),
    (dict(clamp=(HELD, 0 * UP)), ValueError, r"clamp: states\[6\] is 0: give -1 or 1"),
    (dict(clamp=(HELD, np.where(np.arange(80).reshape(4, 20) == 47, np.nan, 1))), ValueError, r"states\[2, 7\] is nan"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD)
def test_bad_clamps_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        fg.sample(BIG["sparse"], **SAMPLE, **arguments)


def test_units_strips_and_ladders_limit_what_is_clamped():
    with pytest.raises(ValueError, match=r"clamp\[3\] is -1: give 0 or 1"):
        fg.sample(MACHINE, **SAMPLE, clamp={3: -1})
    with pytest.raises(ValueError, match="strips is 4"):
        fg.sample(fg.lattice((16, 16)), **SAMPLE, strips=4, clamp={3: -1})
    with pytest.raises(ValueError, match=r"clamp\[3\] has shape \(2,\): give one value$"):
        fg.temper(BIG["sparse"], betas=[0.1, 1.0], sweeps=1, clamp={3: [1, -1]})
    with pytest.raises(ValueError, match=r"clamp: states have shape \(2, 20\): give \(20,\)$"):
        fg.temper(BIG["sparse"], betas=[0.1, 1.0], sweeps=1, clamp=(HELD, np.ones((2, 20))))
    with pytest.raises(ValueError, match=r"clamp: states\[1\] is -1: give 0 or 1"):
        fg.sample(MACHINE, **SAMPLE, clamp=(np.arange(8) < 3, [1, -1, 0, 0, 0, 0, 0, 0]))
    assert fg.sample(fg.lattice((16, 16)), **SAMPLE, clamp={3: -1}).strips == 1


def test_clamped_sites_cost_nothing():
    """Attempts that are counted: one a free site and sweep."""
    model = BIG["sparse"]
    timing = fg.sample(model, **SAMPLE, clamp=dict.fromkeys(range(15), 1)).timing
    assert round(timing.updates_per_second * timing.kernel) == 4 * 5
