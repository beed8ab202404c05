"""Schedules, the betas that models ask for, and the coldest beta of a ladder."""

import numpy as np
import pytest
from test_annealed_states import lone, pair, parts
from test_annealing import GLASS

import fastgibbs as fg
from fastgibbs.methods.schedules import COLD, HOT, Schedule, asked_for, coldest


def test_schedules_are_one_beta_per_sweep():
    def betas(sweeps, given):
        return fg.anneal(GLASS, betas=given, sweeps=sweeps, reads=1, seed=1).betas

    np.testing.assert_allclose(betas(5, fg.linear(0, 2)), [0, 0.5, 1, 1.5, 2], rtol=1e-15)
    np.testing.assert_allclose(betas(5, fg.geometric(0.25, 4)), [0.25, 0.5, 1, 2, 4], rtol=1e-15)
    np.testing.assert_allclose(betas(3, fg.linear(2, 1)), [2, 1.5, 1], rtol=1e-15)
    np.testing.assert_array_equal(betas(3, [0.1, 7.0, 0.3]), [0.1, 7.0, 0.3])
    np.testing.assert_allclose(betas(5, [0, 2, 0]), [0, 1, 2, 1, 0], rtol=1e-15)  # stretched
    np.testing.assert_allclose(betas(3, [0, 1, 2, 3, 4]), [0, 2, 4], rtol=1e-15)  # thinned out
    np.testing.assert_array_equal(betas(4, np.array([3], ">i4")), [3.0] * 4)
    np.testing.assert_array_equal(betas(1, fg.geometric(0.25, 4)), [0.25])
    default = betas(7, None)
    np.testing.assert_array_equal(default, fg.beta_schedule(GLASS, 7))
    assert isinstance(fg.linear(0, 1), Schedule)


@pytest.mark.parametrize(
    ("model", "weakest"),
    [
        (fg.lattice((6, 6)), 2),  # fields of 0, +-2, +-4
        (fg.lattice((6, 6), J=-0.7), 2 * 0.7),
        (fg.edwards_anderson((4, 4, 4), seed=1), 2),
        (fg.edwards_anderson((4, 4), seed=1, periodic=False), 1),  # three neighbours at an edge: fields of +-1, +-3
        (fg.random_regular(20, 3, seed=1), 1),
        (fg.lattice((6, 6), h=1.0), 1),  # 1 + {0, +-2, +-4}
        (fg.lattice((6, 6), J=1.0, h=0.5), 0.5),
        (fg.lattice((6, 6), J=0.5, h=1.0), 1),  # in units of 0.5: 2 + {0, +-2, +-4}, so 0 or 2 units
        (fg.Ising.from_edges(3, [0, 1], [1, 2], [1.0, 1 / np.pi]), 1 / np.pi),  # weakest of 1, 1/pi, 1/pi
        (fg.Ising.from_edges(3, [0, 1], [1, 2], [1.0, 1 / np.pi], [0, 0, -0.1]), 1 / np.pi),
        (fg.Ising.from_edges(4, [0], [1], [2.0]), 2),  # two sites that feel nothing
    ],
)
def test_the_coldest_beta_of_a_ladder_follows_from_the_weakest_local_field(model, weakest):
    """n exp(-2 beta f) = 10^-4, f by hand."""
    assert coldest(model) == pytest.approx(np.log(1e4 * model.n) / (2 * weakest), rel=1e-12)


def test_the_coldest_beta_of_a_gaussian_glass_rests_on_the_median_of_the_weakest_bonds():
    model = fg.edwards_anderson((6, 6, 6), "gaussian", seed=1)
    rows = [np.abs(model.couplings[model.indptr[i] : model.indptr[i + 1]]) for i in range(model.n)]
    assert coldest(model) == pytest.approx(np.log(1e4 * model.n) / (2 * np.median([row.min() for row in rows])))


RBM_PAIR = fg.RBM([[3.0]], [-1.0], [-1.0])  # minima 0 0 and 1 1: a flip costs 1 or 2


@pytest.mark.parametrize(
    ("model", "costs"),
    [
        (pair(2.5), (5, 5)),
        (fg.Ising(np.ones((8, 8)) - np.eye(8)), (14, 14)),
        (parts(pair(1), pair(100)), (2, 200)),
        (parts(pair(1), lone(5, 1e-3)), (2, 2)),  # sites without bonds descend
        (lone(0.5, -3, 0), (1, 6)),
        (fg.Ising(np.zeros((4, 4))), (None, None)),
    ],
)
def test_the_range_of_betas_is_that_of_what_flips_cost_at_local_minima(model, costs):
    least, most = costs
    expected = (1.0, 1.0) if least is None else (HOT / most, COLD / least)
    assert fg.beta_range(model) == pytest.approx(expected, rel=1e-12)
    assert fg.beta_range(model, hot=1, cold=2) == pytest.approx((1, 1) if least is None else (1 / most, 2 / least))
    schedule = fg.beta_schedule(model, 9)
    assert schedule[[0, -1]] == pytest.approx(expected)
    assert (np.diff(schedule) >= 0).all()


def test_units_pay_what_their_energy_says():
    hot, cold = fg.beta_range(RBM_PAIR)
    assert HOT / 2 <= hot <= HOT / 1
    assert hot * COLD / HOT == pytest.approx(cold)  # alike for both


def test_beta_grows_linearly_where_all_flips_cost_the_same_and_parts_on_other_scales_follow_one_another():
    np.testing.assert_allclose(fg.beta_schedule(pair(0.5), 100), np.linspace(HOT, COLD, 100), rtol=1e-3)
    both = fg.beta_schedule(parts(pair(0.5), pair(0.5e-3)), 100)
    assert (both <= COLD).sum() == (both >= 1000 * HOT).sum() == 50


@pytest.mark.parametrize("sweeps", [1, 2, 50, 999])
@pytest.mark.parametrize("spread", [0.0, 0.5, 6.0])
def test_each_beta_is_where_its_share_of_what_all_sites_ask_for_has_been_given(spread, sweeps):
    def given(betas):
        return np.clip((np.atleast_1d(betas)[:, None] * costs - HOT) / (COLD - HOT), 0, 1).mean(axis=1)

    costs = np.sort(10 ** np.random.default_rng(1).uniform(-spread, spread, 37))
    betas, tenth = asked_for(sweeps, HOT, COLD, costs)
    np.testing.assert_allclose(given(betas), np.linspace(0, 1, sweeps), atol=1e-12)
    np.testing.assert_allclose(given(tenth), 0.9, atol=1e-12)
    assert betas[0] == HOT / costs[-1]
    assert sweeps == 1 or betas[-1] == COLD / costs[0]
    assert (np.diff(betas) >= 0).all()


@pytest.mark.parametrize(
    ("knobs", "error", "message"),
    [
        (dict(hot=9, cold=9.0), ValueError, "hot is 9.0 and cold 9.0"),
        (dict(hot=0), ValueError, "hot is 0"),
        (dict(cold=np.inf), ValueError, "cold is inf"),
        (dict(cold="9"), TypeError, "cold"),
    ],
)
def test_knobs_of_the_schedule_that_contradict_each_other_are_refused(knobs, error, message):
    for call in (fg.beta_range, fg.beta_schedule):
        with pytest.raises(error, match=message):
            call(GLASS, **knobs)
    with pytest.raises(ValueError, match="sweeps is 0"):
        fg.beta_schedule(GLASS, 0)
    with pytest.raises(TypeError, match="model is"):
        fg.beta_range(np.eye(3))


def test_the_default_annealing_of_a_large_sk_model_is_dense():
    model = fg.sherrington_kirkpatrick(4096, seed=1)
    assert fg.beta_range(model)[1] < 100
    assert fg.anneal(model, sweeps=1, reads=1, seed=1).engine == "dense"


@pytest.mark.parametrize(
    ("schedule", "ends", "error", "message"),
    [
        (fg.geometric, (0, 1), ValueError, "first is 0.*fastgibbs.linear"),
        (fg.geometric, (1, 0), ValueError, "last is 0"),
        (fg.geometric, (-1, 1), ValueError, "first is -1"),
        (fg.linear, (0, -0.5), ValueError, "last is -0.5"),
        (fg.linear, (np.nan, 1), ValueError, "first is nan"),
        (fg.linear, (0, np.inf), ValueError, "last is inf"),
        (fg.linear, ("0", 1), TypeError, "first"),
        (fg.geometric, (1, [2, 3]), TypeError, "last"),
    ],
)
def test_bad_ends_of_a_schedule_are_refused(schedule, ends, error, message):
    with pytest.raises(error, match=message):
        schedule(*ends)


def test_a_schedule_that_no_memory_holds_is_refused():
    with pytest.raises(ValueError, match="a schedule of 1000000000000 sweeps needs"):
        fg.linear(0, 1).betas(10**12)
