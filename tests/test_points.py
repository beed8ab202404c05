"""Fields beside the model's own, and protocols: twins, laws, runs that go on, and what is refused."""

from unittest import mock

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.engines import ENGINES, register
from fastgibbs.engines.sparse import Sparse
from fastgibbs.methods import jobs
from fastgibbs.reference import coloured, dense, multispin, overlap, sampling, sparse, sparse64, tempering

RING = fg.lattice((6,))
GLASS = fg.edwards_anderson((3, 3, 3), "gaussian", seed=1)
SIGNS = fg.edwards_anderson((4, 4, 3), "bimodal", seed=2)
MEMORY = fg.Hopfield(np.random.default_rng(1).choice([-1, 1], (3, 25)))
TWINS = {
    "sparse": (sparse, GLASS, 20),
    "sparse64": (sparse64, GLASS, 20),
    "dense": (dense, fg.sherrington_kirkpatrick(33, seed=3), 20),
    "dense of few": (dense, fg.sherrington_kirkpatrick(33, seed=3), 3),
    "coloured": (coloured, GLASS, 3),
    "overlap": (overlap, MEMORY, 20),
    "multispin": (multispin, SIGNS, 70),
    "multispin in a field": (multispin, fg.lattice((4, 4), J=0.7, h=0.3), 70),
}
WAVE = fg.oscillating(0.4, period=4)


def equal(result, twin):
    energy, magnetization, states = twin
    np.testing.assert_allclose(result.energy, energy, rtol=1e-12)
    np.testing.assert_array_equal(result.magnetization, magnetization)
    np.testing.assert_array_equal(result.states, states)


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", TWINS)
def test_trajectories_in_fields_of_chains_and_along_protocols_equal_the_twins(name, rule):
    twin, model, chains = TWINS[name]
    rng, kwargs = np.random.default_rng(3), dict(sweeps=8, burn_in=4, rule=rule, seed=5)
    betas, fields = rng.choice([0.3, 0.9, 40.0, -0.6], chains), rng.choice([0.0, 0.25, -1.3, 2.0], chains)
    engine = dict(engine=name.split()[0], threads=1)
    for beta, field in (
        (betas, fields),
        (0.7, rng.normal(size=(4, chains))),
        (rng.choice([0.2, 1.5], (2, chains)), WAVE.values[:, None]),
    ):
        driven = [fg.protocol(np.squeeze(of)) if np.ndim(of) == 2 else of for of in (beta, field)]
        result = fg.sample(model, beta=driven[0], field=driven[1], chains=chains, **kwargs, **engine)
        equal(result, sampling.recorded(twin, twin.start(model, chains, 5, rule), model, beta, 8, 4, 1, field))


def test_the_engine_is_the_same_in_strips_by_several_threads_and_in_parts():
    """Of two periods each: strips of a driven lattice equal the twin's, and so do runs that go on, on other threads."""
    model, kwargs = fg.lattice((16, 4)), dict(beta=0.4, field=WAVE, chains=3, engine="multispin", strips=4)
    whole = fg.sample(model, burn_in=4, sweeps=16, seed=5, threads=2, **kwargs)
    equal(
        whole,
        sampling.recorded(
            multispin, multispin.start(model, 3, 5, "gibbs", strips=4), model, 0.4, 16, 4, 1, WAVE.values[:, None]
        ),
    )
    first = fg.sample(model, burn_in=4, sweeps=8, seed=5, threads=1, **kwargs)
    last = fg.sample(model, sweeps=8, start=first, beta=0.4, field=WAVE)
    np.testing.assert_array_equal(np.concatenate([first.energy, last.energy], axis=1), whole.energy)
    assert (last.states == whole.states).all() and (whole.order[:8] == [0, 16, 32, 48, 2, 18, 34, 50]).all()


@pytest.mark.parametrize("name", ["sparse", "multispin", "dense", "coloured"])
def test_a_field_of_nothing_changes_no_byte(name):
    _, model, chains = TWINS[name]
    kwargs = dict(beta=0.6, chains=chains, sweeps=8, seed=5, engine=name)
    for field in (0.0, -0.0, fg.protocol(np.zeros(4))):
        with_one, without = fg.sample(model, field=field, **kwargs), fg.sample(model, **kwargs)
        np.testing.assert_array_equal(with_one.energy, without.energy)
    assert (with_one.field == 0).all() and without.field is None


def test_a_driven_run_that_was_saved_goes_on_to_the_same_bytes(tmp_path):
    kwargs = dict(beta=fg.protocol(np.linspace(0.1, 0.9, 4)), field=WAVE, chains=20, burn_in=4, seed=5)
    path = tmp_path / "run.npz"
    whole = fg.sample(GLASS, sweeps=20, **kwargs)
    fg.sample(GLASS, sweeps=8, checkpoint=path, **kwargs)
    on = fg.sample(GLASS, sweeps=20, checkpoint=path, **kwargs)
    np.testing.assert_array_equal(on.energy, whole.energy)
    with pytest.raises(ValueError, match="was written with"):
        fg.sample(GLASS, sweeps=20, checkpoint=path, **kwargs | dict(field=fg.oscillating(0.41, period=4)))
    on.save(tmp_path / "result.npz")
    loaded = fg.load(tmp_path / "result.npz")
    assert loaded.driven and (loaded.field == on.field).all() and (loaded.beta == on.beta).all()
    assert loaded.table().coordinates.keys() == on.table().coordinates.keys()


def test_clamped_sites_keep_their_values_and_the_others_follow_the_field():
    run = fg.sample(RING, beta=1.0, field=40.0, chains=64, sweeps=4, seed=1, clamp={2: -1})
    assert (run.states == [1, 1, -1, 1, 1, 1]).all() and (run.magnetization[:, -1] == 4 / 6).all()


# Ladders of points

LADDER = dict(betas=np.array([0.3, 0.6, 0.6, 0.4]), fields=np.array([0.0, 0.1, -0.5, 1.2]))


@pytest.mark.parametrize("name", ["sparse", "multispin"])
def test_ladders_in_fields_equal_the_twins(name):
    twin, model, _ = TWINS[name]
    how = dict(sweeps=20, burn_in=4, thin=1, swap_every=2, overlap_every=5, rule="gibbs", seed=5)
    result = fg.temper(model, **LADDER, ladders=2, engine=name, **how)
    found = tempering.temper(twin, model, LADDER["betas"], 2, clusters=False, fields=LADDER["fields"], **how)
    np.testing.assert_allclose(result.energy, found.energies, rtol=1e-12)
    np.testing.assert_array_equal(result.magnetization, found.magnetizations)
    np.testing.assert_array_equal(result.states, found.states)
    tried = np.maximum(found.attempts.sum(axis=0), 1)
    np.testing.assert_allclose(result.acceptance, found.acceptance_sum.sum(axis=0) / tried, rtol=1e-12)


def test_swaps_along_points_keep_the_law_of_each_and_log_z_is_that_of_enumeration():
    """Scores of E and M at each point, and of log Z; what sums of spins do to the weights is told apart."""
    model = fg.Ising.from_edges(6, *np.triu_indices(6, 1), np.random.default_rng(4).normal(size=15))
    states = fg.exact.states(6)
    E, M = model.energy(states), states.sum(axis=1)
    betas, fields = LADDER["betas"][:, None], LADDER["fields"][:, None]
    weights = -betas * (E - fields * M)
    expected = np.logaddexp.reduce(weights, axis=1)
    laws = np.exp(weights - expected[:, None])
    run = fg.temper(model, **LADDER, ladders=64, sweeps=400, burn_in=40, seed=1, engine="sparse", overlap_every=0)
    for values, of_states in ((run.energy, E), (run.magnetization * 6, M)):
        mean, error = values.mean(axis=2), values.mean(axis=2).std(axis=0, ddof=1) / 8
        assert (np.abs(mean.mean(axis=0) - laws @ of_states) < 4.5 * error).all()
    for a in range(3):  # of any two states, what the four log weights say
        gain = weights[a + 1][:, None] + weights[a] - weights[a][:, None] - weights[a + 1]
        beta, push = np.diff(betas[:, 0])[a], np.diff(betas[:, 0] * fields[:, 0])[a]
        gaps = np.stack(np.broadcast_arrays(beta, E - E[:, None], push, M - M[:, None]), axis=-1).reshape(-1, 4)
        p = [tempering.swap_probability(*of_two) for of_two in gaps]
        np.testing.assert_allclose(np.log(p), np.minimum(gain, 0).ravel(), atol=1e-12)
    expected -= expected[0]
    assert (np.abs(run.log_z.bar - expected)[1:] < 4.5 * run.log_z.bar_error[1:]).all()
    without = fg.analysis.log_z(run.betas, run.energy, 0.0, np.zeros(4), run.magnetization)
    assert (np.abs(without.bar - expected)[1:] > 4.5 * without.bar_error[1:]).any()
    assert run.acceptance.min() > 0 and run.round_trips.sum() > 0
    assert [group.field for group in run.by_beta()] == LADDER["fields"].tolist() and "field" in run.summary()


def test_a_ladder_in_fields_goes_on_and_is_saved(tmp_path):
    whole = fg.temper(GLASS, **LADDER, sweeps=24, burn_in=4, seed=5)
    first = fg.temper(GLASS, **LADDER, sweeps=12, burn_in=4, seed=5, checkpoint=tmp_path / "run.npz")
    last = fg.temper(GLASS, sweeps=12, start=first)
    np.testing.assert_array_equal(np.concatenate([first.energy, last.energy], axis=2), whole.energy)
    on = fg.temper(GLASS, **LADDER, sweeps=24, burn_in=4, seed=5, checkpoint=tmp_path / "run.npz")
    np.testing.assert_array_equal(on.energy, whole.energy)
    on.save(tmp_path / "result.npz")
    assert (fg.load(tmp_path / "result.npz").fields == LADDER["fields"]).all()
    with pytest.raises(ValueError, match="was written with"):
        fields = dict(fields=LADDER["fields"] + 0.1)
        fg.temper(GLASS, **LADDER | fields, sweeps=24, burn_in=4, seed=5, checkpoint=tmp_path / "run.npz")
    with pytest.raises(ValueError, match="ladder in fields"):
        print(on.barrier)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (dict(betas=None), "betas is missing: in fields give as many"),
        (dict(betas=[0.1, 0.2]), r"betas has shape \(2,\), fields \(4,\)"),
        (dict(fields=[0.1]), r"fields has shape \(1,\): give 2 to 256 fields"),
        (dict(fields=[0.1, np.nan, 0.2, 0.3]), r"fields\[1\] is nan"),
        (dict(betas=[0.1, -0.2, 0.3, 0.4]), r"betas\[1\] is -0.2: give betas of at least 0"),
        (dict(betas=0.5, fields=[0.1, 0.1, 0.2, 0.3]), "rungs 0 and 1 are at the same beta and field"),
        (dict(rungs=5), "rungs is 5 but fields holds 4"),
        (dict(clusters=True), "cluster moves know no field beside the model's"),
        (dict(engine="layered"), "engine 'layered' cannot run this"),
        (dict(betas=[0.1, 0.0, 0.2, 0.3], rule="metropolis"), r"betas\[1\] is 0: there Metropolis"),
    ],
)
def test_points_that_make_no_ladder_are_refused_in_words(given, said):
    with pytest.raises(ValueError, match=said):
        fg.temper(RING, sweeps=4, **LADDER | given)


# What is refused, before anything is compiled


class Plain(Sparse):
    """An engine of somebody else, who knows no fields."""

    name, field_bits = "plain", 0

    def start(self, plan, lanes, ups, entropy, betas, rule):
        """As the contract was."""
        return super().start(plan, lanes, ups, entropy, betas, rule)


MACHINE = fg.RBM(np.zeros((3, 2)))
REFUSED = {
    "a field that is infinite": (dict(field=np.inf), "field is inf: give finite numbers"),
    "one that is no number": (dict(field=[0.1, np.nan]), r"field\[1\] is nan: give finite numbers"),
    "text": (dict(field="up"), "field has dtype"),
    "a matrix": (dict(field=[[0.1]]), r"field has shape \(1, 1\): give a number, a 1-D array"),
    "nothing": (dict(field=[]), r"field has shape \(0,\)"),
    "other chains": (dict(field=[0.1, 0.2], chains=3), "chains is 3 but field holds 2 values"),
    "other betas": (dict(beta=[0.1, 0.2, 0.3], field=[0.1, 0.2]), "there are 3 chains but field holds 2 values"),
    "half a period": (dict(field=WAVE, sweeps=10), "field has a period of 4 sweeps, burn_in and sweeps are 0 and 10"),
    "half a burn-in": (
        dict(beta=fg.protocol([0.1] * 4), burn_in=2),
        "beta has a period of 4 sweeps, burn_in and sweeps",
    ),
    "an infinite wave": (dict(field=fg.protocol([0.1, np.inf])), r"the values of field\[1\] is inf"),
    "clusters": (dict(field=0.1, clusters="wolff"), "clusters is 'wolff': cluster moves take one beta per chain"),
    "clusters along a protocol": (dict(beta=fg.protocol([0.1, 0.2]), clusters="wolff"), "clusters is 'wolff'"),
    "Metropolis at beta 0": (
        dict(beta=fg.protocol([0.1, 0.0]), rule="metropolis"),
        "beta is 0 in chain 0: there Metropolis",
    ),
    "by layers": (
        dict(model=MACHINE, field=0.1, engine="layered"),
        "takes no field beside the model's; engine 'multispin' can",
    ),
    "small beside large": (
        dict(model=GLASS, beta=1e6, field=0.1, engine="sparse"),
        "where local fields and the extra one, together up to",
    ),
    "thirds at T = 0": (dict(beta=np.inf, field=0.3, engine="sparse"), "more than the 0 that these betas allow"),
    "too large": (dict(field=1e308, beta=1e10), "beta times the cost of a flip may add up to more than"),
    "several models on graphs": (dict(model=[RING, fg.lattice((5,))], field=0.1), "field"),
    "several models along betas": (
        dict(model=[RING, fg.lattice((5,))], beta=fg.protocol([0.1, 0.2])),
        "beta is a protocol: several models",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_in_words(name):
    given, said = REFUSED[name]
    given = dict(model=RING, beta=0.5, sweeps=8) | given
    with pytest.raises((ValueError, TypeError), match=said), mock.patch.object(jobs, "begin", None):
        fg.sample(given.pop("model"), **given)


def test_protocols_say_what_they_cannot_be():
    for values, said in (
        ([], "shape"),
        (np.ones((1, 1, 1)), "shape"),
        ([0.1, np.nan], r"values\[1\] is nan"),
        (3.0, "shape"),
    ):
        with pytest.raises(ValueError, match=said):
            fg.protocol(values)
    for arguments, said in (
        ((0.1, 1), "period is 1: give an integer of at least 2"),
        (([[0.1]], 4), "amplitude has shape"),
        ((0.1, 4, np.nan), "phase is nan"),
        ((0.1, 4, 0.0, "saw"), "waveform is 'saw'"),
    ):
        with pytest.raises(ValueError, match=said):
            fg.oscillating(*arguments)
    np.testing.assert_allclose(
        fg.oscillating([1.0, 2.0], 4, phase=np.pi / 2).values, np.outer([-1, 0, 1, 0], [1, 2]), atol=1e-12
    )
    assert fg.oscillating(1.0, 8, waveform="square").values.tolist() == [1, -1, -1, -1, -1, 1, 1, 1]
    assert fg.oscillating(1.0, 8, waveform="triangle").values.tolist() == [0.5, 0, -0.5, -1, -0.5, 0, 0.5, 1]


def test_an_engine_that_knows_no_fields_runs_without_and_is_refused_with_one():
    with mock.patch.dict(ENGINES):
        register(Plain())
        fg.sample(GLASS, beta=0.5, sweeps=2, seed=1, engine="plain")
        with pytest.raises(ValueError, match="engine 'plain' cannot run this: it takes no field beside the model's"):
            fg.sample(GLASS, beta=0.5, field=0.1, sweeps=2, seed=1, engine="plain")


def test_zero_temperature_in_exact_fields_goes_along_them():
    """J + J - 2 b = 0 leaves a coin: at b = 1.5 all go up, at b = 2 sites between two that are down may stay."""
    for engine in ("sparse", "multispin"):
        kwargs = dict(beta=np.inf, start=-np.ones(6, int), chains=64, sweeps=1, seed=1, engine=engine)
        assert (fg.sample(RING, field=1.5, **kwargs).states == -1).all()
        assert 0.2 < (fg.sample(RING, field=2.0, **kwargs).states == 1).mean() < 1
        assert (fg.sample(RING, field=2.5, **kwargs).states == 1).all()
