"""When the overlap engine is chosen, how cold its runs are, and what it costs to compile."""

import numpy as np
import pytest
from probe import memory_fields
from test_overlap import MODELS, SMALL

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines.entries import hold
from fastgibbs.methods.schedules import COLD, HOT, beta_range, coldest
from fastgibbs.methods.settings import choose_engine

RNG = np.random.default_rng(1)


def patterns(count, n):
    return RNG.choice(np.array([-1, 1], np.int8), (count, n))


def chosen(model, engine="auto", **kwargs):
    return choose_engine(engine, [model], "sequential", 1, 64, **kwargs)[0]


def test_auto_takes_the_engine_that_fits():
    assert chosen(fg.Hopfield(patterns(5, 100))) == "overlap"
    assert chosen(fg.Hopfield(patterns(300, 100), order=3)) == "overlap"
    assert chosen(fg.Hopfield(np.ones((10, 100_000), np.int8))) == "overlap"
    assert chosen(fg.Hopfield(patterns(5, 100), rule="storkey")) != "overlap"
    assert chosen(fg.Hopfield(patterns(2000, 20))) != "overlap"
    assert chosen(fg.lattice((4, 4))) == "multispin"
    assert fg.sample(fg.Hopfield(patterns(5, 100)), beta=1.0, sweeps=1).engine == "overlap"


@pytest.mark.parametrize(
    ("model", "engine", "message"),
    [
        (fg.lattice((4, 4)), "overlap", "runs Hopfield models"),
        (fg.Hopfield(patterns(3, 30), rule="storkey"), "overlap", "Storkey.*rank P"),
        (fg.Hopfield(patterns(3, 30), order=3), "sparse", "no Ising form.*overlap"),
        (fg.Hopfield(np.ones((1, 2**20), np.int8)), "sparse", "coupling matrix.*GiB"),
    ],
)
def test_an_engine_that_cannot_run_the_model_says_why(model, engine, message):
    with pytest.raises(ValueError, match=message):
        fg.sample(model, beta=1.0, sweeps=1, engine=engine)


def test_memories_run_one_at_a_time_and_without_strips():
    model = fg.Hopfield(patterns(3, 30), order=3)
    with pytest.raises(ValueError, match="one model at a time"):
        fg.sample([model, model], beta=1.0, sweeps=1, engine="overlap")
    with pytest.raises(ValueError, match="does not cut lattices into strips"):
        fg.sample(model, beta=1.0, sweeps=1, strips=2, engine="overlap")


@pytest.mark.parametrize("name", ["Hebb", "Hebb, many", "Hebb, fields", "Hebb, correlated", "pseudo-inverse"])
def test_the_range_of_betas_is_about_that_of_the_couplings(name):
    """Sites that would gain turn at once, not one by one: what flips cost near the minima is nearly the same."""
    model = MODELS[name]
    ours, expected = (np.median(fg.beta_schedule(one, 99)) for one in (model, model.to_ising()))
    assert ours == pytest.approx(expected, rel=0.3)


@pytest.mark.parametrize("order", [3, 4])
def test_the_range_of_higher_orders_rests_on_what_flips_cost(order):
    model = SMALL[f"order {order}"]
    states = exact.states(model.n)
    energies = model.energy(states)
    flipped = np.repeat(states[None], model.n, axis=0)
    sites = np.arange(model.n)
    flipped[sites, :, sites] *= -1
    costs = np.abs(model.energy(flipped) - energies)
    hot, cold = beta_range(model)
    assert HOT / costs.max() <= hot < cold <= COLD / costs[costs > 0].min()


def test_the_coldest_beta_of_a_hebb_memory_is_that_of_its_least_excitation():
    for count, n in ((3, 25), (5, 24), (3, 24), (8, 25)):
        model = fg.Hopfield(patterns(count, n))
        fields = memory_fields(model, patterns(5000, n))
        least = np.abs(fields[fields != 0]).min() / n
        assert coldest(model) == pytest.approx(np.log(1e4 * n) / (2 * least))


def test_default_schedules_reach_the_enumerated_ground_states():
    for name in ("Hebb", "pseudo-inverse, fields", "order 4"):
        model = MODELS[name]
        small = fg.Hopfield(model.patterns[:, :16], model.rule, model.fields[:16], model.order)
        ground = small.energy(exact.states(16)).min()
        assert fg.anneal(small, sweeps=300, seed=1).energy[0] == pytest.approx(ground, rel=1e-12)
        assert fg.temper(small, sweeps=2000, seed=1, ladders=2).energy.min() == pytest.approx(ground, rel=1e-12)


def test_a_million_spins_need_no_square_array():
    rng = np.random.default_rng(2)
    model = fg.Hopfield(rng.choice(np.array([-1, 1], np.int8), (4, 200_000)))
    result = fg.anneal(model, sweeps=2, reads=1, seed=1)
    assert result.engine == "overlap"
    assert result.energy[0] == model.energy(result.states[0])


def test_memories_of_one_kind_compile_once():
    """One kernel each for Hebb memories, for pseudo-inverse ones, and for each two orders 2 k - 1 and 2 k."""
    for kwargs in (dict(), dict(rule="pseudoinverse"), dict(order=3)):
        fg.sample(fg.Hopfield(patterns(2, 9), **kwargs), beta=1.0, sweeps=1, engine="overlap")
        signatures = len(hold.signatures)
        sizes = (8, None), (30, 0.2), (7, np.ones(7))
        rng = np.random.default_rng(1)  # patterns of its own: those of the pseudo-inverse must be independent
        more = [fg.Hopfield(rng.choice([-1, 1], (5, n)), field=field, **kwargs) for n, field in sizes]
        more += [fg.Hopfield(patterns(3, 12), order=4)] if "order" in kwargs else []
        for model in more:
            fg.sample(model, beta=[0.5, 1], sweeps=4, thin=2, rule="metropolis", scan="random", engine="overlap")
            fg.recall(model, np.ones(model.n))
        assert len(hold.signatures) == signatures
