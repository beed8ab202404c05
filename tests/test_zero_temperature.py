"""beta = inf: a spin goes along its field and one without field by a fair coin, on every engine that takes it."""

from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np
import pytest
from test_parity import parity

import fastgibbs as fg
from fastgibbs.engines import ENGINES
from fastgibbs.methods import chains, cooling
from fastgibbs.methods.annealing import _cooled
from fastgibbs.methods.settings import choose_engine
from fastgibbs.reference import annealing as annealing_twin
from fastgibbs.reference import coloured as coloured_twin
from fastgibbs.reference import dense as dense_twin
from fastgibbs.reference import layered as layered_twin
from fastgibbs.reference import multispin as multispin_twin
from fastgibbs.reference import overlap as overlap_twin
from fastgibbs.reference import polynomial as polynomial_twin
from fastgibbs.reference import sampling as sampling_twin
from fastgibbs.reference import sparse as sparse_twin
from fastgibbs.reference import sparse64 as sparse64_twin
from fastgibbs.reference.streams import ORDER, below, run_entropy, stream
from fastgibbs.testing.laws import chi_square

INF = np.inf
CHAINS, LEVEL = 4096, 1e-4  # a false alarm in 10,000 laws
FAIR, UNFAIR, STAYING, TURNING = 0.5, 0.45, "stays", "turns"  # how often a spin without field is up, or what it does


def whole(n, seed, scale=1.0):
    """Couplings and fields of -1, 0 and 1, or -2, 0 and 2: many states leave a spin without field."""
    rng = np.random.default_rng(seed)
    J = np.triu(rng.integers(-1, 2, (n, n)), 1)
    return fg.Ising(scale * (J + J.T), scale * rng.integers(-1, 2, n))


def machine(scale=1.0):
    """An RBM whose Ising form is exact."""
    rng = np.random.default_rng(4)
    return fg.RBM(*(scale * 4 * rng.integers(-1, 2, shape) for shape in ((3, 3), 3, 3)))


def products(scale=1.0, kind="spin"):
    """Products whose sums are exact, and ties."""
    rng = np.random.default_rng(2)
    return fg.Polynomial.from_arrays(
        8, [rng.permutation(8)[:3] for _ in range(9)], scale * rng.choice([-2, 2], 9), kind
    )


def students(n):
    """Flips that decide no example, and others that make up for what they cost."""
    return fg.Perceptron(np.random.default_rng(n).choice([-1, 1], (9, n)))


RING, TRIANGLES = fg.lattice((6,)), fg.Ising.from_edges(5, [0, 1, 2, 2, 3, 4], [1, 2, 0, 3, 4, 2], [-1.0] * 6)
MEMORY = fg.Hopfield(np.random.default_rng(3).choice([-1, 1], (2, 8)))
MODELS = {
    "multispin": [RING, TRIANGLES, *(fg.lattice((6,), *terms) for terms in ((-1.0, 2.0), (1e-300,), (1e300,)))],
    "sparse": [RING, whole(6, 1), whole(6, 2, 2.0**-1000), whole(6, 2, 2.0**1000)],
    "dense": [RING, whole(6, 1), whole(6, 2, 1e-300), whole(6, 2, 1e300)],
    "sparse64": [TRIANGLES, whole(6, 1), whole(6, 2, 1e-300), whole(6, 2, 1e300)],
    "coloured": [RING, TRIANGLES, whole(6, 2, 1e-300), whole(6, 2, 1e300)],
    "overlap": [MEMORY, fg.Hopfield(MEMORY.patterns[:, :5], field=0.0, order=3), students(7), students(6)],
    "layered": [machine(), machine(2.0**-1000), machine(2.0**990)],
    "polynomial": [products(), products(2.0**-1000), products(2.0**990), products(kind="binary")],
}
CASES = [(engine, k) for engine in MODELS for k in range(len(MODELS[engine]))]


def first_state(n):
    return np.random.default_rng(n).choice([-1, 1], n)


def order_of(model, engine, strips=1):
    """The order in which a sweep visits the sites."""
    if engine == "coloured":
        return np.concatenate(coloured_twin.start(model, 1, 0, "gibbs").order).tolist()
    if engine == "multispin":
        groups = multispin_twin.groups(model, strips, range(model.n))
        return [int(site) for group in groups for cell in group.cells for site in cell]
    if engine == "layered":
        return [*range(model.n_visible, model.n), *range(model.n_visible)]
    return list(range(model.n))


def cost(model, state, site):
    """Half of what it costs to turn a spin, exactly: a Fraction."""
    if isinstance(model, fg.Hopfield):
        turned = np.where(np.arange(model.n) == site, -state, state)
        sums = [int(xi @ spins.astype(np.int64)) ** model.order for spins in (state, turned) for xi in model.patterns]
        return Fraction(sum(sums[: len(model.patterns)]) - sum(sums[len(model.patterns) :]))
    if isinstance(model, fg.Perceptron):
        turned = np.where(np.arange(model.n) == site, -state, state)
        before, after = (int(((model.patterns * spins).sum(axis=1) < 0).sum()) for spins in (state, turned))
        return Fraction(after - before)
    if isinstance(model, fg.Polynomial):
        low, half = model.low, Fraction(1, 2)
        values = [state, np.where(np.arange(model.n) == site, -state, state)]
        before, after = (
            sum(Fraction(c) * int(np.where(s[list(key)] == 1, 1, low).prod()) for key, c in model.terms.items())
            for s in values
        )
        return half * (after - before)
    ising = model.to_ising()
    row = slice(ising.indptr[site], ising.indptr[site + 1])
    terms = zip(ising.couplings[row], ising.indices[row], strict=True)
    field = Fraction(ising.fields[site]) + sum((Fraction(J) * int(state[j]) for J, j in terms), Fraction(0))
    return field * int(state[site])


def law(model, start, order, coin=FAIR):
    """The master equation: the probability of every state that visits to sites, one by one, lead to from a start."""
    law = {tuple(start): 1.0}
    for site in order:
        after = defaultdict(float)
        for state, p in law.items():
            half = cost(model, np.array(state), site)
            turned = (*state[:site], -state[site], *state[site + 1 :])
            if half != 0 or coin in (STAYING, TURNING):
                after[turned if half < 0 or (half == 0 and coin == TURNING) else state] += p
            else:
                up, down = (state, turned) if state[site] == 1 else (turned, state)
                after[up] += p * coin
                after[down] += p * (1 - coin)
        law = after
    return law


def p_value(spins, law):
    seen = Counter(map(tuple, spins.tolist()))
    states = sorted({*seen, *law})
    counts = [(seen[state], law.get(state, 0.0) * len(spins)) for state in states]
    return chi_square([np.array(counts, float).T])


def spins_of(result):
    return result.model.to_spins(result.states)


@pytest.mark.parametrize("sweeps", [1, 3])
@pytest.mark.parametrize(("engine", "k"), CASES)
def test_sweeps_at_infinity_follow_the_master_equation_on_every_engine(engine, k, sweeps):
    """Of chains from one state; broken ones, of spins without field that stay, turn, or throw a false coin, do not."""
    model = MODELS[engine][k]
    start = first_state(model.n)
    kwargs = dict(beta=INF, chains=CHAINS, sweeps=sweeps, engine=engine, strips=1, seed=7)
    drawn = spins_of(fg.sample(model, start=model.from_spins(start), **kwargs))
    order = order_of(model, engine) * sweeps
    assert p_value(drawn, law(model, start, order)) > LEVEL
    if len(law(model, start, order)) > 1:
        for broken in (STAYING, TURNING, UNFAIR):
            assert p_value(drawn, law(model, start, order, broken)) < LEVEL


def test_every_engine_meets_spins_without_field():
    """Lest the test above should see none."""
    for engine, models in MODELS.items():
        sizes = [len(law(model, first_state(model.n), order_of(model, engine))) for model in models]
        assert max(sizes) > 1, engine


@pytest.mark.parametrize("engine", ["sparse", "dense", "sparse64"])
def test_a_random_scan_at_infinity_follows_the_master_equation_of_its_order(engine):
    model = whole(6, 1)
    start = first_state(6)
    kwargs = dict(beta=INF, chains=CHAINS, sweeps=2, engine=engine, scan="random")
    drawn = spins_of(fg.sample(model, start=start, seed=7, **kwargs))
    orders = stream(run_entropy(7, "sample", np.broadcast_to(start, (CHAINS, 6)).astype(np.int8)), ORDER)
    order = [below(orders, 6) for _ in range(12)]
    assert p_value(drawn, law(model, start, order)) > LEVEL
    assert p_value(drawn, law(model, start, order[:-2])) < LEVEL
    assert p_value(drawn, law(model, start, order, UNFAIR)) < LEVEL


def test_a_lattice_in_strips_follows_the_master_equation():
    ring = fg.lattice((8,))
    start = np.array([1, 1, -1, -1, 1, -1, 1, 1])
    drawn = spins_of(fg.sample(ring, beta=INF, chains=CHAINS, sweeps=2, strips=2, start=start, seed=7))
    order = order_of(ring, "multispin", strips=2) * 2
    assert p_value(drawn, law(ring, start, order)) > LEVEL
    assert p_value(drawn, law(ring, start, order, UNFAIR)) < LEVEL


@pytest.mark.parametrize("engine", ["sparse", "multispin"])
def test_clamped_sites_stay_and_the_others_follow_the_master_equation(engine):
    start = np.array([1, 1, -1, -1, 1, -1])
    kwargs = dict(beta=INF, chains=CHAINS, sweeps=2, engine=engine, start=start, clamp={0: -1, 3: 1}, seed=7)
    drawn, start = spins_of(fg.sample(RING, **kwargs)), np.array([-1, 1, -1, 1, 1, -1])
    order = [site for site in order_of(RING, engine) if site not in (0, 3)] * 2
    assert p_value(drawn, law(RING, start, order)) > LEVEL
    assert p_value(drawn, law(RING, start, order, UNFAIR)) < LEVEL


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_couplings_that_round_everywhere_send_spins_along_their_exact_fields(scale):
    """One sweep of 512 starts, site by site, by fields summed in fractions: "auto" finds the engine that can."""
    model = fg.sherrington_kirkpatrick(12, seed=1)
    i, j, J = model.bonds
    model = fg.Ising.from_edges(12, i, j, J * scale, np.random.default_rng(1).normal(size=12) * scale)
    starts = np.random.default_rng(2).choice([-1, 1], (512, 12))
    result = fg.sample(model, beta=INF, chains=512, sweeps=1, start=starts, seed=1)
    assert result.engine == "sparse64"
    for start, state in zip(starts, result.states, strict=True):
        ((expected, _),) = law(model, start, range(12)).items()
        assert tuple(state) == expected


@pytest.mark.parametrize("h", [1e-3, 2.0**-60, -(2.0**-70), 0.0])
def test_a_small_field_decides_between_large_couplings_that_cancel(h):
    """And where it is 0, 4096 coins do: 5 standard errors."""
    model = fg.Ising.from_edges(3, [0, 1], [1, 2], [1e6, -1e6], [0.0, h, 0.0])
    result = fg.sample(model, beta=INF, sweeps=1, chains=4096, clamp={0: 1, 2: 1}, seed=1)
    assert abs(result.states[:, 1].mean() - np.sign(h)) <= (0 if h else 5 / 64)


@pytest.mark.parametrize("fields", [[2e307, 0.0], [-5e-324, 5e-324], [1e-310, -1e-310]])
def test_the_largest_and_the_least_numbers_decide(fields):
    states = fg.sample(fg.Ising(np.zeros((2, 2)), fields), beta=INF, sweeps=1, chains=64, seed=1).states
    for spins, h in zip(states.T, fields, strict=True):
        assert (spins == np.sign(h)).all() if h else abs(spins.mean()) < 5 / 8


REFUSED = {  # engines that round the fields of such models, and what they say
    "sparse of a glass": ("sparse", fg.edwards_anderson((4, 4), "gaussian", seed=1), "off by .* than the 0 that these"),
    "dense of a glass": ("dense", fg.sherrington_kirkpatrick(20, seed=1), "site 0 add up to .* engine 'sparse64' can"),
    "layered of a machine": ("layered", fg.RBM(np.random.default_rng(1).normal(size=(5, 4))), "engine 'sparse64' can"),
    "multispin in a field of rounding": ("multispin", fg.lattice((4, 4), J=0.1, h=0.3), "site 0 .* 'sparse64' can"),
    "overlap in a field beside patterns": ("overlap", fg.Hopfield(MEMORY.patterns, field=0.1), "'sparse64' can"),
    "overlap in a field below float32": ("overlap", fg.Hopfield(np.ones((0, 4)), field=1e-300), "'multispin' can"),
    "polynomial of other numbers": ("polynomial", fg.p_spin(6, 3, seed=1), "site 0 add up to .* 0 that these"),
    "all beyond 106 bits": ("auto", fg.Ising.from_edges(3, [0, 0], [1, 2], [1, 1], [2.0**-110, 0, 0]), "no engine has"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_engine_that_rounds_fields_is_refused_by_name(name, monkeypatch):
    engine, model, message = REFUSED[name]
    monkeypatch.setattr(chains, "advance", None)
    monkeypatch.setattr(cooling, "drivers", None)
    for verb, given in ((fg.sample, dict(beta=[1.0] * 9 + [INF])), (fg.anneal, dict(betas=[INF, INF]))):
        with pytest.raises(ValueError, match=message):
            verb(model, sweeps=2, engine=engine, **given)


def test_dense_takes_couplings_of_one_size_and_sparse64_no_more_bits_than_the_errors_of_its_sums_have():
    glass = fg.sherrington_kirkpatrick(120, "bimodal", seed=1)
    assert glass.couplings[0] not in (1.0, -1.0)
    assert choose_engine("auto", [glass], "sequential", None, 64, 0.0)[0] == "dense"
    thirds = fg.Ising(0.1 * np.where(np.arange(25).reshape(5, 5) % 6, 1, 0), [0.3, -0.3, 0.0, 0.0, 0.0])
    assert "site 0 " in ENGINES["dense"].refusal([thirds], "sequential", 1, 0.0)  # 0.3 is not three times 0.1
    for bits, refused in ((-85, False), (-90, True)):  # of sums of 2^10, and 1024 errors that take 96 bits
        beside = fg.Ising.from_edges(1025, [0] * 1024, range(1, 1025), [1.0] * 1024, [2.0**bits] + [0.0] * 1024)
        assert (ENGINES["sparse64"].refusal([beside], "sequential", 1, 0.0) is not None) == refused


TWINS = {
    "multispin": (multispin_twin, fg.edwards_anderson((4, 4, 3), seed=2)),
    "sparse": (sparse_twin, whole(20, 1)),
    "sparse64": (sparse64_twin, whole(20, 2, 1e6)),
    "coloured": (coloured_twin, whole(20, 2, 1e6)),
    "dense": (dense_twin, whole(70, 3)),
    "overlap": (overlap_twin, fg.Hopfield(np.random.default_rng(5).choice([-1, 1], (4, 25)))),
    "polynomial": (polynomial_twin, products()),
    "layered": (layered_twin, fg.RBM(np.random.default_rng(6).integers(-2, 3, (9, 7)))),
}


@pytest.mark.parametrize("engine", TWINS)
def test_trajectories_with_infinities_among_the_betas_equal_the_twins_bit_for_bit(engine):
    twin, model = TWINS[engine]
    betas = np.array([0.3, INF, -0.7, INF, 0.0, 2.0, INF] * 3)
    if engine == "multispin":
        parity(model, betas, betas.size, strips=1)
        parity(fg.lattice((12, 5), h=0.5), betas, betas.size, strips=4)
        return
    kwargs = dict(sweeps=20, burn_in=3, thin=2, rule="gibbs", seed=5)
    scans = {} if engine in ("layered", "coloured") else {"scan": "random"}
    result = fg.sample(model, beta=betas, engine=engine, **scans, **kwargs)
    energy, magnetization, states = sampling_twin.sample(twin, model, betas, chains=betas.size, **scans, **kwargs)
    np.testing.assert_array_equal(result.energy, energy)
    np.testing.assert_array_equal(result.magnetization, magnetization)
    np.testing.assert_array_equal(result.states, states)


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("engine", TWINS)
def test_annealing_that_ends_at_infinity_equals_the_twins(engine, rule):
    twin, model = TWINS[engine]
    betas = np.append(np.linspace(0.1, 2.0, 12), [INF] * 8)
    given = sampling_twin.Whole(model) if engine == "overlap" else model
    result = fg.anneal(model, betas=betas, sweeps=betas.size, reads=20, rule=rule, engine=engine, seed=5)
    expected = annealing_twin.anneal(twin, given, betas, 20, rule, 5)
    places = np.argsort(result.read)
    np.testing.assert_array_equal(result.energy[places], expected.best_energies)
    np.testing.assert_array_equal(result.states[places], expected.best_states)
    np.testing.assert_array_equal(result.last_states[places], expected.states)
    np.testing.assert_array_equal(result.trace_min, expected.trace_min)
    np.testing.assert_array_equal(result.betas, betas)


@pytest.mark.parametrize("scan", ["sequential", "random"])
def test_metropolis_at_infinity_makes_every_move_that_costs_nothing(scan):
    model, start = RING, np.array([1, 1, -1, -1, 1, -1])
    kwargs = dict(sweeps=3, rule="metropolis", start=start, reads=64, scan=scan, engine="sparse", seed=7)
    result = fg.anneal(model, betas=[INF], **kwargs)
    address = run_entropy(7, "anneal", np.broadcast_to(start, (64, 6)).astype(np.int8))
    orders = stream(address, ORDER)
    order = [below(orders, 6) for _ in range(18)] if scan == "random" else [*range(6)] * 3
    ((expected, _),) = law(model, start, order, TURNING).items()
    assert (result.last_states == expected).all()
    assert expected not in law(model, start, order, STAYING)


def test_annealing_at_infinity_throws_coins():
    start = np.array([1, 1, -1, -1, 1, -1])
    kwargs = dict(betas=[INF], sweeps=2, reads=CHAINS, start=start, seed=7)
    drawn = fg.anneal(RING, **kwargs).last_states
    order = order_of(RING, "multispin") * 2
    assert p_value(drawn, law(RING, start, order)) > LEVEL
    assert p_value(drawn, law(RING, start, order, UNFAIR)) < LEVEL


@pytest.mark.parametrize(
    ("given", "sweeps", "expected"),
    [
        ([0.1, 1, INF], 3, [0.1, 1, INF]),
        ([1, INF], 5, [1, 4 / 3, 2, 4, INF]),
        ([INF, 1], 5, [INF, 4, 2, 4 / 3, 1]),
        ([1, INF, 1], 5, [1, 2, INF, 2, 1]),
        ([0, INF], 3, [0, 0, INF]),
        ([5e-324, INF], 3, [5e-324, 0, INF]),
        ([INF, INF], 4, [INF] * 4),
        ([2, INF, INF, 1], 7, [2, 4, INF, INF, INF, 2, 1]),
        ([0.5, 1.5, INF], 2, [0.5, INF]),
        ([1, INF], 1, [1]),
        ([INF], 3, [INF] * 3),
        ([0.1, 0.3, 0.5], 5, [0.1, 0.2, 0.3, 0.4, 0.5]),
    ],
)
def test_schedules_are_stretched_through_infinity_by_the_temperature(given, sweeps, expected):
    np.testing.assert_allclose(_cooled(np.array(given, float), sweeps), expected, rtol=1e-15)
