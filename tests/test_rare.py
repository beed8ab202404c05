"""Low temperatures of the multi-spin engine: skips between candidates, their shares, and sweeps that draw no more."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from probe import block, transition_matrix
from scipy import stats
from test_parity import parity

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import contract, multispin, multispin_rare, rare
from fastgibbs.engines.bitslices import keep, whole_number
from fastgibbs.engines.multispin_neighbors import bonds_of
from fastgibbs.engines.vectors import store
from fastgibbs.jit import njit
from fastgibbs.reference import annealing as annealing_twin
from fastgibbs.reference import multispin as multispin_twin
from fastgibbs.reference import rare as twin
from fastgibbs.reference.streams import TAIL, seeded
from fastgibbs.testing.laws import boltzmann, draw_exactly, pvalue

GLASS = fg.edwards_anderson((4, 4, 3), "bimodal", seed=2)
CUBIC = fg.random_regular(20, 3, "bimodal", seed=4)
BONDS = fg.random_regular(8, 6, "bimodal", seed=3).bonds
IN_FIELD = fg.Ising.from_edges(8, *BONDS, np.full(8, 1.0))
OPEN = fg.edwards_anderson((3, 4, 3), "bimodal", seed=3, periodic=False)
MODELS = {  # with a class without a field and none, at the ends and between, in even and odd degrees
    "EA +-J": (GLASS, 1.5),
    "open EA +-J": (OPEN, 3.0),  # degrees 3 to 6
    "3-regular": (CUBIC, 3.0),
    "weak field": (IN_FIELD, 3.0),
    "field of J": (fg.lattice((3, 3), J=0.5, h=1.0), 3.0),
    "field of all neighbours": (fg.lattice((4, 5), J=1.0, h=-4.0), 1.7),
    "strong field": (fg.lattice((4, 4), h=5.5), 2.0),
    "one spin": (fg.Ising([[0]]), 1.0),
}


def sparing(model, beta, rule):
    """The ways of each degree, None where all outcomes are drawn."""
    J = np.abs(model.couplings).max(initial=0.0)
    degrees = np.unique(np.diff(model.indptr))
    return [twin.shares(int(degree), J, model.fields[0], beta, rule) for degree in degrees]


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", MODELS)
def test_low_temperatures_equal_the_twin(name, rule):
    model, beta = MODELS[name]
    for value in (beta, -1.5 * beta, 100 * beta):
        assert any(sparing(model, value, rule))
        parity(model, value, 70, rule=rule, strips=1, sweeps=20)


def test_beta_infinity_equals_the_twin():
    parity(GLASS, np.inf, 5, strips=1)


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
def test_words_at_one_beta_and_others_beside_each_other_equal_the_twin(rule):
    """Rare outcomes alone, all outcomes, lanes at different betas, and a last word that is not full; by any threads."""
    betas = np.repeat([1.6, 0.5, 2.0, 1.5, 3.0], [64, 64, 32, 32, 20])
    parity(GLASS, betas, betas.size, rule=rule, strips=1, sweeps=12)
    kwargs = dict(sweeps=12, rule=rule, engine="multispin", strips=1, seed=5)
    one, three = (fg.sample(GLASS, beta=betas, threads=threads, **kwargs) for threads in (1, 3))
    np.testing.assert_array_equal(one.states, three.states)
    np.testing.assert_array_equal(one.energy, three.energy)


def test_chains_are_the_same_beside_any_others_of_their_beta():
    kwargs = dict(sweeps=12, engine="multispin", strips=1, seed=5)
    all_of_them = fg.sample(GLASS, beta=np.repeat([2.0, 3.0], 64), **kwargs)
    for chains in (3, 67):
        some = fg.sample(GLASS, beta=np.repeat([2.0, 3.0], 64)[:chains], **kwargs)
        np.testing.assert_array_equal(some.states, all_of_them.states[:chains])


@pytest.mark.parametrize(
    ("model", "strips", "chains"),
    [(fg.lattice((128, 4)), 64, 3), (fg.edwards_anderson((8, 4, 3), seed=6), 4, 40), (fg.lattice((12, 5)), 4, 16)],
)
def test_strips_equal_the_twin(model, strips, chains):
    parity(model, 1.7, chains, strips=strips)


def test_tiles_equal_the_twin_by_any_workers(monkeypatch):
    """Each tile begins its skips anew, from streams of its own."""
    monkeypatch.setattr(multispin, "TILE_CELLS", 8)
    monkeypatch.setattr(multispin_twin, "TILE", 8)
    model = fg.lattice((16, 8))
    parity(model, 1.7, 64, sweeps=60, strips=1)
    kwargs = dict(beta=1.7, sweeps=60, chains=64, strips=1, engine="multispin", seed=5)
    one, three = (fg.sample(model, threads=threads, **kwargs) for threads in (1, 3))
    np.testing.assert_array_equal(one.states, three.states)


def test_clamped_sites_stay_and_the_others_equal_the_twin():
    free = [site for site in range(GLASS.n) if site % 5]
    result = fg.sample(GLASS, beta=1.7, sweeps=10, chains=64, clamp={5 * k: 1 for k in range(10)}, seed=5, strips=1)
    assert (result.states[:, ::5][:, :10] == 1).all()
    assert len(free) == 38


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
def test_annealing_to_and_fro_across_the_crossing_equals_the_twin(rule):
    betas = [0.5, 1.5, 3.0, 0.4, 1e3, 1.2, 1.2, 2.0]
    result = fg.anneal(GLASS, betas=betas, sweeps=8, reads=70, seed=3, engine="multispin", rule=rule)
    expected = annealing_twin.anneal(multispin_twin, GLASS, betas, 70, rule, 3)
    np.testing.assert_array_equal(result.trace_mean, expected.trace_mean)
    np.testing.assert_array_equal(result.states[np.argsort(result.read)], expected.best_states)


def test_a_run_that_goes_on_is_one_run():
    kwargs = dict(beta=np.repeat([2.0, 0.5], 64), engine="multispin", strips=1)
    whole = fg.sample(GLASS, sweeps=30, seed=5, **kwargs)
    first = fg.sample(GLASS, sweeps=10, seed=5, **kwargs)
    rest = fg.sample(GLASS, sweeps=20, start=first, **kwargs)
    np.testing.assert_array_equal(rest.energy, whole.energy[:, 10:])


# The law of skips


def test_the_table_of_skips_is_exact_to_the_last_of_64_bits():
    digits = np.array(rare.skip_digits())
    for m in range(8, 16):
        found = [sum((int(digits[m - 8, j]) >> b & 1) << (63 - j) for j in range(64)) for b in range(64)]
        assert found == twin.bits(m, 61)


@pytest.mark.parametrize("broken", [False, True])
def test_skips_are_geometric_to_2_to_minus_56_of_each_probability(broken):
    """And to 2^-64 where that is more, in the tail; a broken twin has the probability of another bit in one place."""
    with localcontext() as context:
        context.prec = 60
        for m, s in ((8, 11), (13, 14), (9, 33), (15, 46)):
            x, digits = Decimal(m) * Decimal(2) ** -s, list(twin.bits(m, s))
            if broken:
                digits[0] = digits[1]
            chances = [Decimal(digit) / 2**64 for digit in digits]
            right = []
            for skip in (0, 1, 5, 8, 1000, 2 ** (s - 3), 5 * 2 ** (s - 4), 20 * 2 ** (s - 4)):
                p = Decimal(1)
                for i, chance in enumerate(chances):
                    p *= chance if skip >> i & 1 else 1 - chance
                expected = (1 - (-x).exp()) * (-x * skip).exp()
                bound = Decimal(2) ** -56 + Decimal(2) ** -63 * (x * skip).exp()
                right.append(abs(p / expected - 1) < bound)
            assert all(right) != broken


@njit
def draw_skips(skips, rate, tails, scratch, out):
    """Positions of candidates, four at a time."""
    for k in range(0, out.size, rare.AHEAD):
        scratch[rare.VECTOR * rare.RATE] = rate
        scratch[rare.VECTOR * rare.LAST] = 2**64 - 1
        rare.draw(skips, 0, 1, 2**61, tails, scratch)
        for lane in range(rare.AHEAD):
            out[k + lane] = scratch[rare.VECTOR * rare.QUEUE + lane]


def drawn_skips(m, s, count):
    tails = seeded(3, TAIL, 64).T.copy()
    out = np.empty(count, np.int64)
    draw_skips(rare.skip_digits(), 16 * s + m, tails, np.zeros(8 * (rare.ASIDE + 4), np.uint64), out)
    return np.diff(out.reshape(-1, rare.AHEAD), axis=1, prepend=-1).ravel() - 1


@pytest.mark.parametrize(("m", "s"), [(12, 12), (8, 13), (9, 33)])  # 9 / 2^33 is 1.05e-9 an attempt
def test_candidates_come_at_their_rate_down_to_1e_9(m, s):
    """What happens once in 10^9 attempts, from the skips between: their law, their number and their lowest bits.

    Each chi-square test has a rate of false alarms of 1e-4; skips of the next x fail the first two.
    """
    count = 2**16
    skips = drawn_skips(m, s, count)
    bins = 64
    for of, right in ((m, True), (m - 1, False)):
        x = of * 2.0**-s
        edges = np.floor(-np.log1p(-np.arange(1, bins) / bins) / x)
        law = np.diff(np.concatenate([[0.0], -np.expm1(-x * edges), [1.0]]))
        seen = np.bincount(np.searchsorted(edges, skips, "right"), minlength=bins)
        assert (stats.chisquare(seen, law * count).pvalue > 1e-4) == right
        z = ((skips + 1).sum() * -np.expm1(-x) - count) / np.sqrt(count)
        assert (abs(z) < 3.9) == right
    low = np.bincount(skips % 64, minlength=64)
    weights = np.exp(-m * 2.0**-s * np.arange(64))
    assert stats.chisquare(low, weights / weights.sum() * count).pvalue > 1e-4
    assert abs(stats.spearmanr(skips[:-1], skips[1:]).statistic) < 3.9 / np.sqrt(count)


# Shares, and the law of a sweep


@pytest.mark.parametrize("field", [0.0, 1.0, 0.75])
@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
def test_candidates_times_shares_are_the_probabilities_of_all_classes(rule, field):
    betas = np.array([1.4, 1.6, 2.0, 3.0, 5.0, 9.0, 30.0, np.inf])
    model = fg.Ising.from_edges(9, [*BONDS[0], 8, 8, 8], [*BONDS[1], 0, 1, 2], 1.0, np.full(9, field))
    degrees = np.array([3, 6, 7])
    found = rare.rarities(model, degrees, betas, contract.RULES[rule])
    shares = found.shares.reshape(betas.size, 3, 8)
    tried = 0
    with localcontext() as context:
        context.prec = 60
        for rung, beta in enumerate(betas):
            for table, degree in enumerate(degrees):
                rate = int(found.rates[rung, table])
                if rate < 0:
                    continue
                c = 1 - (-Decimal(rate & 15) * Decimal(2) ** -(rate >> 4)).exp() if rate else Decimal(0)
                for k in range(degree + 1):
                    f = Decimal(2 * k - int(degree)) + Decimal(field)
                    p = c * int(shares[rung, table, k]) / 2**63
                    e = (-2 * Decimal(beta) * abs(f)).exp() if np.isfinite(beta) else Decimal(0)
                    expected = (e if rule == "metropolis" else e / (1 + e)) if f else Decimal(0)
                    assert abs(p - expected) < Decimal("1e-15") * expected + Decimal(2) ** -57
                    tried += 1
    assert tried > 50


@njit
def read(plan, state, greater, free, numbers):
    for tile in range(len(plan.tiles)):
        first, end, table, degree, _, _, _, _, start, _ = plan.tiles[tile]
        for word in range(8 * first, 8 * end, 8):
            ups = whole_number(plan.number, start)
            for slot in range(0, degree, 2):
                ups = multispin_rare.with_two(bonds_of(plan), state.spins, word // 8 * plan.slots + slot, ups)
            above, equal = multispin_rare.sides(plan.field == 0, ups, plan.rare.limits, table)
            store(greater, word, above)
            store(free, word, equal)
            keep(ups, numbers, 4 * word)


def bit(words, place, shift):
    return (words[place] >> shift & np.uint64(1)).astype(int)


def order_and_flips(model, states, beta, rule):
    """The order of cells, and flip probabilities (states, n) of what the kernel reads and compares with."""
    plan, state = block("multispin", model, states, beta, rule)
    greater, free = np.zeros((2, state.spins.size), np.uint64)
    numbers = np.zeros(4 * state.spins.size, np.uint64)
    read(plan, state, greater, free, numbers)
    numbers = numbers.reshape(-1, 4, 8).swapaxes(0, 1).reshape(4, -1)
    lane = np.arange(len(states))
    cells = (plan.tiles[:, 1] - plan.tiles[:, 0]) * 8 // plan.words
    tables, starts = np.repeat(plan.tiles[:, 2], cells), np.repeat(plan.tiles[:, 8], cells)
    probabilities = np.empty((len(states), model.n))
    for cell in range(model.n):
        place, shift = plan.position[cell] * plan.words + lane // 64, (lane % 64).astype(np.uint64)
        table = tables[plan.position[cell]]
        rate, limits = plan.rare.rates[0, table], plan.rare.limits.reshape(-1, 8)[table]
        assert rate >= 0
        k = sum(bit(numbers[j], place, shift) << j for j in range(4)) - starts[plan.position[cell]]
        share = plan.rare.shares.reshape(plan.rare.rates.shape[1], -1)[table][k] / 2.0**63
        turns = -np.expm1(-(rate % 16) * 2.0 ** -(rate // 16)) * share
        coin = bit(free, place, shift) * int(limits[rare.COINS])
        likely = bit(greater, place, shift) ^ int(plan.rare.turned[0]) ^ int(limits[rare.TURNS] & np.uint64(1))
        at_likelier = (np.asarray(states)[:, cell] > 0) == likely
        if rule == "gibbs":
            turns = np.where(coin, 0.5, np.where(at_likelier, turns, 1 - turns))
        else:
            turns = np.where(coin | ~at_likelier, 1.0, turns)
        probabilities[:, cell] = turns
    return np.argsort(plan.position), probabilities


SMALL = {
    "torus odd": (fg.lattice((3, 3)), 1.5),
    "in a field": (IN_FIELD, 3.0),
    "field of 2 J": (fg.lattice((3, 3), J=0.5, h=1.0), 3.0),
    "EA +-J": (fg.edwards_anderson((3, 3), "bimodal", seed=2), 1.5),
    "3-regular": (fg.random_regular(8, 3, "bimodal", seed=3), 3.0),
    "6-regular": (fg.random_regular(8, 6, "bimodal", seed=3), 1.5),
    "all the other way": (fg.random_regular(8, 6, "bimodal", seed=3), -1.6),
}


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", SMALL)
def test_one_sweep_leaves_the_boltzmann_distribution_unchanged_to_1e12(name, rule):
    model, beta = SMALL[name]
    p, states = boltzmann(model, beta), exact.states(model.n)

    def change(of):
        return np.abs(p @ transition_matrix(*order_and_flips(model, states, of, rule)) - p).max()

    assert change(beta) < 1e-13
    assert change(1.05 * beta) > 1e-9


CHAINS, LEVEL = 65_536, 1e-4  # each of the tests below raises a false alarm at this rate


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", ["in a field", "field of 2 J", "EA +-J", "3-regular", "6-regular"])
def test_exactly_drawn_states_stay_exactly_distributed(name, rule):
    model, beta = SMALL[name]
    p, start = draw_exactly(model, beta, np.random.default_rng(11), CHAINS)
    kwargs = dict(sweeps=2, chains=CHAINS, rule=rule, start=start, seed=12, engine="multispin", strips=1)
    assert pvalue(model, fg.sample(model, beta=beta, **kwargs).states, p) > LEVEL


@pytest.mark.parametrize("name", ["EA +-J", "3-regular", "in a field"])
def test_a_wrong_beta_fails_the_invariance_test(name):
    model, beta = SMALL[name]
    p, start = draw_exactly(model, beta, np.random.default_rng(11), CHAINS)
    kwargs = dict(sweeps=30, chains=CHAINS, start=start, seed=12, engine="multispin", strips=1)
    assert pvalue(model, fg.sample(model, beta=1.1 * beta, **kwargs).states, p) < LEVEL
