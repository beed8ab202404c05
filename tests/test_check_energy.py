"""`fastgibbs.testing.check_energy` passes models that are right, and says of others what is wrong."""

import numpy as np
import pytest
from strangers import budget, triplets
from strangers.budget import Budget
from strangers.triplets import Triplets

import fastgibbs as fg
from fastgibbs.engines import ENGINES
from fastgibbs.testing import check_energy

RNG = np.random.default_rng(1)
GLASS = Triplets(7, [RNG.permutation(7)[:3] for _ in range(9)], RNG.normal(size=9))


class Pairs(fg.Energy):
    """A stranger's energy by its Ising form alone."""

    def __init__(self, J, wrong=0.0):
        super().__init__(len(J), J=np.array(J, float), wrong=wrong)

    def energy(self, states):
        s = self.to_spins(states).astype(float)
        return -0.5 * np.einsum("...i,ij,...j", s, self.J, s)

    def to_ising(self):
        return fg.Ising(self.J, np.full(self.n, self.wrong))


class Hidden(Budget):
    """The last two units are hidden."""

    n_visible = property(lambda self: self.n - 2)

    def log_marginal(self, v, beta=1.0):
        rows = [
            np.concatenate([v, np.broadcast_to(h, (*v.shape[:-1], 2))], -1) for h in ((0, 0), (0, 1), (1, 0), (1, 1))
        ]
        return np.logaddexp.reduce([-beta * self.energy(states) for states in rows])


J = np.triu(RNG.normal(size=(5, 5)), 1)
RIGHT = {
    "triplets": GLASS,
    "budget": Budget(8, 3),
    "pairs": Pairs(J + J.T),
    "hidden units": Hidden(6, 2),
    "our own with hidden units": fg.RBM(RNG.normal(size=(3, 2)), RNG.normal(size=3)),
    "our own by overlaps": fg.Hopfield(RNG.choice([-1, 1], (2, 7)), field=0.2),
    "no way to run it": type("Bare", (Budget,), {"flips": lambda self: None})(6, 2),
    "one variable": Budget(1, 0.3),
}


@pytest.mark.parametrize("name", RIGHT)
def test_models_that_are_right_pass(name):
    check_energy(RIGHT[name])


# Mutants of what a stranger writes: the function that is wrong, and what is said of it


def wrong_sign(spins, site, first, members, J):
    field = 0.0
    for k in range(first[site], first[site + 1]):
        field += J[k] * spins[members[k, 0]] * spins[members[k, 1]]
    return -2 * spins[site] * field


def forgotten_term(spins, site, first, members, J):
    field = 0.0
    for k in range(first[site], first[site + 1] - (site == 3)):
        field += J[k] * spins[members[k, 0]] * spins[members[k, 1]]
    return 2 * spins[site] * field


def in_float32(spins, site, first, members, J):
    field = np.float32(0.0)
    for k in range(first[site], first[site + 1]):
        field += np.float32(J[k] * spins[members[k, 0]] * spins[members[k, 1]])
    return 2 * spins[site] * field


def half_as_much(spins, site, first, members, J):
    field = 0.0
    for k in range(first[site], first[site + 1]):
        field += J[k] * spins[members[k, 0]] * spins[members[k, 1]]
    return spins[site] * field


@pytest.mark.parametrize("cost", [wrong_sign, forgotten_term, in_float32, half_as_much])
def test_a_cost_that_is_no_difference_of_energies_is_found(cost):
    class Mutant(Triplets):
        def flips(self):
            return super().flips()._replace(cost=cost)

    with pytest.raises(AssertionError, match=r"flips\(\).cost of site \d is .* the change of energy\(states\)"):
        check_energy(Mutant(7, GLASS.triples, GLASS.J))


def never_down(spins, site, sums, k):
    sums[0] += spins[site] < 0


def stale(spins, site, sums, k):
    pass


def changes_the_sums(spins, site, sums, k):
    sums[0] -= spins[site]
    return budget.penalty(sums[0], k) - budget.penalty(sums[0] + spins[site], k)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (dict(turn=never_down), r"flips\(\).turn of site \d makes the sums \[\d.0\] at"),
        (dict(turn=stale), r"flips\(\).cost of site \d"),
        (dict(sums=np.ones(1)), r"flips\(\).cost of site \d"),
        (dict(cost=changes_the_sums), r"flips\(\).cost of site \d"),
    ],
    ids=["never down", "stale", "a wrong beginning", "a cost that turns"],
)
def test_sums_that_do_not_follow_are_found(wrong, said):
    class Mutant(Budget):
        def flips(self):
            return super().flips()._replace(**wrong)

    with pytest.raises(AssertionError, match=said):
        check_energy(Mutant(8, 3))


class Shapeless(Budget):
    def energy(self, states):
        return np.minimum((self.to_spins(states).sum() - self.k) ** 2, 4.0)


class ByOthers(Budget):
    def __init__(self, n, k, share=1.0):
        fg.Energy.__init__(self, n, k=float(k), share=share)

    def energy(self, states):
        return super().energy(states) + self.share * len(np.atleast_2d(states))


class Infinite(Budget):
    def energy(self, states):
        energies = super().energy(states)
        return np.where(energies == 4, np.inf, energies)


class Turned(Budget):
    def from_spins(self, spins):
        return super().from_spins(-spins)


class Forgets(Hidden):
    def log_marginal(self, v, beta=1.0):
        return super().log_marginal(v, beta) - np.log(2)


def saying(model, **claims):
    """The model as one of a class that says this of itself."""
    return type("Claims", (type(model),), claims)(*model.arguments().values())


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Forgets(6, 2), r"log_marginal\(v\) of all 16 visible states adds up to .*, log Z is"),
        (saying(Budget(6, 2), even=True), "even is True: the energy is .*, of the opposite state"),
        (saying(GLASS, field_bound=0.1), "field_bound is 0.1: a flip costs"),
        (saying(ByOthers(6, 2, 1e-15), batch_invariant=True), "batch_invariant is True: energies of states alone"),
    ],
    ids=["hidden units", "even", "a bound", "batches"],
)
def test_what_a_model_says_of_itself_and_is_not_so_is_found(model, said):
    with pytest.raises(AssertionError, match=said):
        check_energy(model)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Shapeless(5, 2), r"energy\(states\) of \(32, 5\) has shape \(\): give \(k,\)"),
        (ByOthers(5, 2), "the energy of a state alone is .*, among others"),
        (Infinite(7, 2), r"the energy of \[.*\] is inf: give finite numbers"),
        (Turned(5, 2), "to_spins.from_spins.spins.. are other spins"),
        (Pairs(J + J.T, 1e-6), r"to_ising\(\).energy\(spins\) is .* energy\(states\)"),
    ],
    ids=["shape", "rows", "infinite", "units", "Ising form"],
)
def test_energies_that_are_none_are_found(model, said):
    with pytest.raises(AssertionError, match=said):
        check_energy(model)


def test_an_engine_that_is_a_tenth_too_hot_is_found(monkeypatch):
    start = ENGINES["terms"].start
    monkeypatch.setattr(ENGINES["terms"], "start", lambda *a: start(*a[:4], 0.9 * a[4], *a[5:]))
    with pytest.raises(AssertionError, match="sweeps change the enumerated law: p"):
        check_energy(GLASS)


def wraps(spins, site, sums, k):
    more = 0.0 if (site + 2**61) * 4 > 0 else 1e-3
    return budget.penalty(sums[0] - spins[site], k) - budget.penalty(sums[0], k) + more


def test_a_compiled_cost_that_is_not_what_python_says_is_found():
    """Compiled integers wrap round where Python's do not."""

    class Mutant(Budget):
        def flips(self):
            return super().flips()._replace(cost=wraps)

    with pytest.raises(AssertionError, match=r"flips\(\).cost of site 0, compiled, is"):
        check_energy(Mutant(5, 2))


def plain(x):
    return x


def calls_a_plain_one(spins, site, sums, k):
    return plain(0.0)


def test_a_cost_that_calls_what_is_not_compiled_is_refused():
    class Mutant(Budget):
        def energy(self, states):
            return 0 * super().energy(states)

        def flips(self):
            return super().flips()._replace(cost=calls_a_plain_one)

    with pytest.raises(TypeError, match=r"plain is called by what is compiled: decorate it with numba.njit"):
        fg.sample(Mutant(5, 2), beta=1.0, sweeps=1)


def allocates(spins, site, sums, k):
    return budget.penalty(sums[0] - spins[site], k) - budget.penalty(sums[0], k) + 0 * (spins * spins).sum()


def writes(spins, site, sums, k):
    spins[site] = 1
    return 0.0


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (allocates, r"flips\(\).cost cannot be compiled \(no arrays can be allocated in it, write loops\): "),
        (writes, "assignment destination is read-only"),
        (
            lambda spins, site, sums, k: None,
            r"flips\(\).cost\(spins, site, ...\) has dtype object \(None\): give a real",
        ),
    ],
    ids=["allocates", "writes", "nothing"],
)
def test_what_a_cost_cannot_do_is_said_of_its_own_line(cost, said):
    class Mutant(Budget):
        def flips(self):
            return super().flips()._replace(cost=cost)

    with pytest.raises((TypeError, ValueError), match=said) as error:
        fg.sample(Mutant(5, 2), beta=1.0, sweeps=1)
    assert cost is not allocates or "test_check_energy.py (" in str(error.value)


def test_large_models_and_no_models_are_refused():
    with pytest.raises(ValueError, match="13 variables: give a model of 1 to 12"):
        check_energy(Budget(13, 3))
    with pytest.raises(TypeError, match="model is 3"):
        check_energy(3)


def test_a_run_refuses_costs_that_are_wrong_before_anything_compiles():
    class Mutant(Triplets):
        def flips(self):
            return super().flips()._replace(cost=wrong_sign)

    with pytest.raises(
        ValueError, match=r"Mutant\(n=7\): flips\(\).cost of site \d is .* where energy\(states\) changes"
    ):
        fg.sample(Mutant(7, GLASS.triples, GLASS.J), beta=1.0, sweeps=1)


@pytest.mark.parametrize(
    ("flips", "said"),
    [
        (3, r"flips\(\) returned 3: give a fastgibbs.Flips"),
        (fg.Flips("cost"), r"flips\(\).cost is 'cost': give a function"),
        (fg.Flips(GLASS.energy), r"flips\(\).cost is .* give a function"),
        (fg.Flips(triplets.cost, [1.0]), r"flips\(\).parameters is \[1.0\]: give a tuple"),
        (fg.Flips(triplets.cost, (np.array(["x"]),)), r"flips\(\).parameters\[0\] has dtype"),
        (fg.Flips(triplets.cost, (1.0, np.nan)), r"flips\(\).parameters\[1\] is nan"),
        (fg.Flips(triplets.cost, (), budget.turn), r"flips\(\) has turn or sums alone"),
        (fg.Flips(budget.cost, (2.0,), budget.turn, np.zeros((1, 1))), r"flips\(\).sums has shape \(1, 1\)"),
    ],
)
def test_flips_are_checked_like_arguments(flips, said):
    model = type("Told", (Budget,), {"flips": lambda self: flips})(5, 2)
    with pytest.raises((TypeError, ValueError), match=said):
        fg.sample(model, beta=1.0, sweeps=1)
