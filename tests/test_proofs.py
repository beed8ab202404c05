"""What proves the engines: flip costs, exact stationarity, exact invariance, enumeration, Kaufman's torus.

Each statistical test has fixed seeds, a stated false-alarm rate and a broken twin that must fail it.
"""

import itertools

import numpy as np
import pytest
from probe import assert_one_sweep_leaves_the_law, block, fields, flip_probabilities, z_score
from scipy import stats

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import multispin_kernels
from fastgibbs.engines.bitslices import PART, classes, number
from fastgibbs.engines.multispin_decisions import turned, turned_alike
from fastgibbs.engines.vectors import full, nonzero, store
from fastgibbs.jit import njit
from fastgibbs.reference import multispin as multispin_twin
from fastgibbs.reference import sampling
from fastgibbs.testing.laws import draw_exactly, pvalue

SMALL = {
    "ring": fg.lattice((7,)),
    "torus 3x2": fg.lattice((3, 2), J=0.7, h=0.2),
    "triangular": fg.triangular((3, 2), J=-1.0),
    "EA gaussian": fg.edwards_anderson((2, 4), "gaussian", seed=1),
    "EA +-J": fg.edwards_anderson((8,), "bimodal", seed=2),
    "SK": fg.sherrington_kirkpatrick(6, seed=3),
    "Hopfield": fg.Hopfield([[1, 1, -1, 1, -1, 1], [1, -1, -1, 1, 1, 1]]),
    "RBM": fg.RBM(np.random.default_rng(4).normal(size=(4, 3)), [0.5, -1, 0, 0.2], [1, -0.5, 0]),
    "isolated": fg.Ising(np.zeros((3, 3)), [0.3, -2.0, 0.0]),
    "one spin": fg.Ising(np.zeros((1, 1)), [0.4]),
    "huge units": fg.edwards_anderson((5,), "gaussian", width=1e200, seed=5),
    "tiny units": fg.edwards_anderson((5,), "gaussian", width=1e-200, seed=5),
}


def spins_of(model):
    return exact.states(model.n)


def energies(model):
    """The Ising energies of all states without the offset, which no flip changes."""
    ising = model.to_ising()
    return ising.energy(spins_of(model)) - ising.offset


@pytest.mark.parametrize("name", SMALL)
def test_flip_cost_equals_the_energy_difference(name):
    model = SMALL[name]
    spins, energy = spins_of(model), energies(model)
    cost = 2 * spins * fields(model, spins)
    flipped = np.arange(2**model.n)[:, None] ^ (1 << np.arange(model.n))
    difference = energy[flipped] - energy[:, None]
    if name in ("ring", "triangular", "EA +-J"):
        np.testing.assert_array_equal(cost, difference)
    else:
        np.testing.assert_allclose(cost, difference, rtol=0, atol=1e-6 * np.abs(energy).max())


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("beta", [0.0, 0.3, 1.5, -0.8])
def test_one_sweep_leaves_the_boltzmann_distribution_unchanged(name, rule, beta):
    beta /= {"huge units": 1e200, "tiny units": 1e-200}.get(name, 1.0)
    assert_one_sweep_leaves_the_law("sparse", SMALL[name], beta, rule, 1e-6)


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("beta", [0.0, 0.3, 1.5, -0.8])
def test_one_coloured_sweep_leaves_the_boltzmann_distribution_unchanged(name, rule, beta):
    beta /= {"huge units": 1e200, "tiny units": 1e-200}.get(name, 1.0)
    assert_one_sweep_leaves_the_law("coloured", SMALL[name], beta, rule, 1e-6)


UNIFORM = {
    "ring": fg.lattice((7,)),
    "torus odd": fg.lattice((3, 3)),
    "in a field": fg.lattice((3, 3), J=0.7, h=0.2),
    "triangular": fg.triangular((3, 3), J=-1.0),
    "EA +-J": fg.edwards_anderson((3, 3), "bimodal", seed=2),
    "open EA +-J": fg.edwards_anderson((2, 4), "bimodal", seed=2, periodic=False),
    "3-regular": fg.random_regular(8, 3, "bimodal", seed=3),
    "6-regular": fg.random_regular(8, 6, "bimodal", seed=3),
    "isolated": fg.Ising(np.zeros((3, 3)), [0.3] * 3),
    "huge units": fg.lattice((5,), J=1e200),
}


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", UNIFORM)
@pytest.mark.parametrize("beta", [0.0, 0.44, 3.0, -0.8])
def test_one_multispin_sweep_leaves_the_boltzmann_distribution_unchanged_to_1e12(name, rule, beta):
    beta /= 1e200 if name == "huge units" else 1.0
    assert_one_sweep_leaves_the_law("multispin", UNIFORM[name], beta, rule, 1e-12)


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
def test_kernel_probabilities_are_right_to_1e6_relative_down_to_2_to_minus_32(rule):
    model = fg.Ising(np.zeros((1, 1)), [1.0])
    for beta in np.linspace(0.05, 10.0, 100):
        cost = 2 * beta
        expected = np.exp(-cost) if rule == "metropolis" else 1 / (1 + np.exp(cost))
        flip = flip_probabilities(model, np.array([[1], [-1]], np.int8), beta, rule)[:, 0]
        assert abs(flip[0] - expected) < 1e-6 * expected + 2.0**-32
        assert flip[1] == (1.0 if rule == "metropolis" else pytest.approx(1 - expected, abs=2e-7))


INVARIANT = {
    "ring": (fg.lattice((6,)), 0.5),
    "torus": (fg.lattice((3, 2), h=0.1), 0.44),
    "triangular": (fg.triangular((3, 3), J=-1.0), 0.6),
    "EA gaussian": (fg.edwards_anderson((2, 2, 2), "gaussian", seed=1), 1.0),
    "SK": (fg.sherrington_kirkpatrick(7, seed=3), 1.2),
    "RBM": (SMALL["RBM"], 1.0),
    "free": (fg.lattice((6,)), 0.0),
}
BY_COLOURS = {
    "torus odd": (fg.lattice((3, 3)), 0.44),
    "in a field": (fg.lattice((3, 3), h=0.2), 0.3),
    "EA +-J": (fg.edwards_anderson((3, 3), "bimodal", seed=2), 1.0),
    "open EA +-J": (fg.edwards_anderson((2, 4), "bimodal", seed=2, periodic=False), 0.8),
    "3-regular": (fg.random_regular(8, 3, "bimodal", seed=3), 0.7),
    "6-regular": (fg.random_regular(8, 6, "bimodal", seed=3), 0.3),
    "ring": INVARIANT["ring"],
    "triangular": INVARIANT["triangular"],
}
CASES = [
    *(
        (*INVARIANT[name], "sparse", rule, scan, name)
        for name, rule, scan in itertools.product(INVARIANT, ("gibbs", "metropolis"), ("sequential", "random"))
        if (name, rule) != ("free", "metropolis")
    ),  # refused
    *(
        (*INVARIANT[name], "coloured", rule, "sequential", name)
        for name in INVARIANT
        for rule in ("gibbs", "metropolis")
        if (name, rule) != ("free", "metropolis")
    ),
    *(
        (*BY_COLOURS[name], "multispin", rule, "sequential", name)
        for name in BY_COLOURS
        for rule in ("gibbs", "metropolis")
    ),
]
CHAINS, LEVEL = 16_384, 1e-4  # each of the 55 tests below raises a false alarm at this rate


@pytest.mark.parametrize(
    ("model", "beta", "engine", "rule", "scan"),
    [case[:5] for case in CASES],
    ids=["-".join(case[2:]) for case in CASES],
)
def test_exactly_drawn_states_stay_exactly_distributed(model, beta, engine, rule, scan):
    p, start = draw_exactly(model, beta, np.random.default_rng(11), CHAINS)
    kwargs = dict(sweeps=3, chains=CHAINS, rule=rule, scan=scan, start=start, seed=12, engine=engine)
    result = fg.sample(model, beta=beta, **kwargs)
    assert pvalue(model, result.states, p) > LEVEL


@pytest.mark.parametrize(
    ("models", "engine"),
    [(INVARIANT, "sparse"), (INVARIANT, "coloured"), (BY_COLOURS, "multispin")],
    ids=["sparse", "coloured", "multispin"],
)
def test_a_wrong_beta_fails_the_invariance_test(models, engine):
    for name, (model, beta) in models.items():
        if beta == 0:  # 5 % of nothing
            continue
        p, start = draw_exactly(model, beta, np.random.default_rng(11), 4 * CHAINS)  # so that no seed misses it
        kwargs = dict(sweeps=30, chains=4 * CHAINS, start=start, seed=12, engine=engine)
        result = fg.sample(model, beta=1.05 * beta, **kwargs)
        assert pvalue(model, result.states, p) < LEVEL, name


def parallel_update(model, states, beta, rng):
    """A broken twin: every spin decided at once, from the fields before the sweep."""
    field = fields(model, states)
    return np.where(rng.random(states.shape) < 1 / (1 + np.exp(-2 * beta * field)), 1, -1).astype(np.int8)


def wrong_parity(model, states, beta, rng):
    """A broken twin: even sites at once, then odd sites at once, on a graph that is not bipartite."""
    for parity in (0, 1):
        updated = parallel_update(model, states, beta, rng)
        states = np.where(np.arange(model.n) % 2 == parity, updated, states)
    return states


@pytest.mark.parametrize("broken", [parallel_update, wrong_parity])
def test_stale_fields_and_wrong_parity_fail_the_invariance_test(broken):
    rng = np.random.default_rng(13)
    model, beta = INVARIANT["triangular"]
    p, states = draw_exactly(model, beta, rng, CHAINS)
    for _ in range(3):
        states = broken(model, states, beta, rng)
    assert pvalue(model, states, p) < LEVEL


def chain_correlation(energy):
    """z-score of the mean correlation of energies between neighbouring chains (chains, draws)."""
    deviation = energy - energy.mean(axis=1, keepdims=True)
    deviation /= deviation.std(axis=1, keepdims=True)
    pairs = (deviation[0::2] * deviation[1::2]).mean(axis=1)
    return pairs.mean() / (pairs.std(ddof=1) / np.sqrt(pairs.size))


@pytest.mark.parametrize("engine", ["sparse", "coloured", "multispin"])
def test_chains_are_independent(engine):
    kwargs = dict(beta=0.3, sweeps=400, burn_in=20, chains=256, seed=14)
    result = fg.sample(fg.lattice((4, 4)), engine=engine, **kwargs)
    assert abs(chain_correlation(result.energy)) < 3.9  # two-sided rate 1e-4


def test_chains_that_share_random_bits_are_found(monkeypatch):
    monkeypatch.setattr("fastgibbs.methods.sampling.run_entropy", lambda seed, *_: seed)
    kwargs = dict(beta=0.3, sweeps=400, burn_in=20, chains=1, engine="sparse")
    model, rng = fg.lattice((4, 4)), np.random.default_rng(3)
    pairs = [fg.sample(model, seed=1000 + k // 2, start=rng.choice([-1, 1], 16), **kwargs) for k in range(32)]
    assert abs(chain_correlation(np.concatenate([pair.energy for pair in pairs]))) > 3.9


def test_lanes_that_share_a_random_word_are_found(monkeypatch):
    def one_uniform_for_all_lanes(head, rest, streams, tails):
        u = multispin_twin.next_words(streams)[:, None] >> np.uint64(64 - multispin_twin.BITS)
        return np.broadcast_to(u, head.shape) < head

    monkeypatch.setattr(multispin_twin, "decide", one_uniform_for_all_lanes)
    energy, _, _ = sampling.sample(
        multispin_twin, fg.lattice((4, 4)), 0.3, chains=64, sweeps=200, burn_in=20, rule="gibbs", seed=14
    )
    with np.errstate(divide="ignore"):  # lanes that coalesce have an infinite score
        assert abs(chain_correlation(energy)) > 3.9


LONG = {
    "ring": (fg.lattice((12,)), 0.5),
    "EA gaussian 3D": (fg.edwards_anderson((2, 2, 3), "gaussian", seed=6), 0.8),
    "EA +-J": (fg.edwards_anderson((4, 4), "bimodal", seed=7), 1.0),
    "3-regular": (fg.random_regular(14, 3, "bimodal", seed=8), 1.0),
    "Hopfield": (fg.Hopfield(np.random.default_rng(9).choice([-1, 1], (2, 14))), 1.2),
    "RBM": (fg.RBM(np.random.default_rng(10).normal(size=(8, 5))), 1.0),
    "antiferromagnet": (fg.lattice((3, 5)), -0.4),
    "beta 0": (fg.edwards_anderson((3, 3), "gaussian", seed=6), 0.0),
}


@pytest.mark.parametrize(
    ("name", "engine", "rule", "scan"),
    [(name, "sparse", "gibbs", "sequential") for name in LONG]
    + [(name, "coloured", "gibbs", "sequential") for name in LONG]
    + [(name, "coloured", "metropolis", "sequential") for name in ("EA gaussian 3D", "3-regular")]
    + [(name, "sparse", "metropolis", "random") for name in LONG if name != "beta 0"]
    + [(name, "multispin", "gibbs", "sequential") for name in ("ring", "EA +-J", "3-regular", "antiferromagnet")]
    + [(name, "multispin", "metropolis", "sequential") for name in ("EA +-J", "3-regular")],
)
def test_long_runs_from_a_bad_start_match_enumeration(name, engine, rule, scan):
    model, beta = LONG[name]
    start = np.ones(model.n, np.int8)
    kwargs = dict(sweeps=3000, chains=128, rule=rule, scan=scan, start=start, seed=15, engine=engine)
    result = fg.sample(model, beta=beta, burn_in=300, **kwargs)
    spectrum = exact.spectrum(model)
    squared = spectrum.energy(beta) ** 2 + (spectrum.heat_capacity(beta) / beta**2 if beta else 0)
    assert abs(z_score(result.energy, spectrum.energy(beta))) < 4.5  # two-sided rate 2e-5 with 128 chains
    if beta:
        assert abs(z_score(result.energy**2, squared)) < 4.5
        broken = fg.sample(model, beta=1.05 * beta, burn_in=300, **kwargs)
        assert abs(z_score(broken.energy, spectrum.energy(beta))) > 4.5


@pytest.mark.parametrize(("engine", "strips"), [("sparse", 1), ("coloured", 1), ("multispin", 1), ("multispin", 8)])
def test_the_16_by_16_torus_matches_kaufman(engine, strips):
    betas = np.repeat([0.3, 0.4, 0.44, 0.5], 64)
    kwargs = dict(sweeps=4000, burn_in=1000, seed=16, start=np.ones(256), engine=engine, strips=strips)
    result = fg.sample(fg.lattice((16, 16)), beta=betas, **kwargs)
    for beta in (0.3, 0.4, 0.44, 0.5):
        energy = result.energy[betas == beta]
        known = exact.torus((16, 16), beta)
        assert abs(z_score(energy, known.energy)) < 4.5
        assert abs(z_score(energy**2, known.energy**2 + known.heat_capacity / beta**2)) < 4.5


@njit
def count_accepted(plan, state, decisions, alike):
    """How many of so many decisions of class 0 are accepted, by the multi-spin engine's decision routines.

    Those of lanes at one rung, or of lanes at several.
    """
    total = 0
    scratch = state.scratch[0]
    ups = number(plan.number, 5)  # all four neighbours push up
    distance = number(plan.number, 2)
    kinds = classes(distance, plan.kinds)
    none = full(0, np.uint64, PART)
    for first in range(0, decisions // 64, PART):
        if alike:
            likely, spins = turned_alike(plan, state, ups, none ^ -1, (0, 4, 0, 3), first, 0)
            changed = likely ^ spins
        else:
            changed = turned(plan, state, none, none ^ -1, distance, kinds, (0, 4, 0, 3), first)
        if nonzero(changed) != 0:
            store(scratch, 0, changed)
            for element in range(PART):
                word = scratch[element]
                while word != 0:
                    word &= word - np.uint64(1)
                    total += 1
    return total


@njit
def prepare_thresholds(plan, state, rungs):
    multispin_kernels.show_codes(plan, state, rungs)


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize(("p", "decisions"), [(4e-10, 2**35), (1e-5, 2**27), (0.3, 2**20)])
def test_rare_events_happen_at_their_rate(p, decisions, alike):
    """Two-sided Poisson test at 1e-4; at 4e-10, 14 events are expected in 3 * 10^10 decisions."""
    beta = np.log(1 / p - 1) / 8  # four of four neighbours against it: p = 1 / (1 + exp(8 beta))
    plan, state = block("multispin", fg.lattice((4, 4)), np.ones((512, 16)), beta)
    prepare_thresholds(plan, state, np.zeros(512, np.int64))
    seen, expected = count_accepted(plan, state, decisions, alike), p * decisions
    assert min(stats.poisson.cdf(seen, expected), stats.poisson.sf(seen - 1, expected)) > 5e-5


def test_the_ring_mixes_where_sequential_metropolis_would_not():
    neighbours = -exact.spectrum(fg.lattice((8,))).energy(0.5) / 8
    result = fg.sample(fg.lattice((8,)), beta=0.5, sweeps=2000, chains=128, seed=17)
    assert abs(z_score(-result.energy / 8, neighbours)) < 4.5
    stuck = fg.sample(fg.lattice((8,)), beta=0.5, sweeps=2000, chains=128, rule="metropolis", seed=17)
    assert stuck.energy.mean(axis=1).std() > 5 * result.energy.mean(axis=1).std()
