"""Exact answers: enumeration against sums written out state by state, the torus against enumeration and tables."""

import itertools
import math

import numpy as np
import pytest

from fastgibbs.exact import CRITICAL_BETA, onsager_energy, onsager_magnetization, spectrum, states, torus
from fastgibbs.models import RBM, Hopfield, Ising, edwards_anderson, lattice, sherrington_kirkpatrick, triangular

BETAS = np.array([0.0, 1e-3, 0.4, 1.0, 7.0, 1e3, -0.3, -2.0, -1e3])


def random_rbm(visible, hidden):
    rng = np.random.default_rng(visible)
    return RBM(rng.normal(size=(visible, hidden)), rng.normal(size=visible), rng.normal(size=hidden))


def random_ising(n, integer):
    rng = np.random.default_rng(n)
    J = np.triu(rng.normal(size=(n, n)), 1)
    h = rng.normal(size=n)
    if integer:
        J, h = np.rint(3 * J), np.rint(2 * h)
    return Ising(J + J.T, h, offset=0.3)


MODELS = {
    "empty": Ising(np.zeros((0, 0)), offset=2.5),
    "one spin": Ising([[0.0]], [0.7]),
    "free spins": Ising(np.zeros((5, 5))),
    "gaussian": random_ising(9, integer=False),
    "integer": random_ising(10, integer=True),
    "even integers": lattice((2, 4), J=-2.0, h=4.0),
    "glass": edwards_anderson((3, 3), seed=3),
    "hopfield": Hopfield(np.where(np.random.default_rng(4).random((3, 10)) < 0.5, -1, 1)),
    "rbm, small visible": random_rbm(3, 6),
    "rbm, small hidden": random_rbm(7, 3),
    "rbm, no hidden": RBM(np.zeros((3, 0)), [0.5, -1.0, 0.0]),
}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


def all_states(model):
    """Every state in the model's units, written out by a route that shares nothing with `states`."""
    low = 0 if isinstance(model, RBM) else -1
    rows = [values[::-1] for values in itertools.product((low, 1), repeat=model.n)]
    return np.array(rows, dtype=np.int8).reshape(2**model.n, model.n)


def written_out(energies, counts, beta):
    """(log Z, energy, heat capacity, entropy) of a list of energies by the definitions."""
    # the ground energy is taken out first, so that the sums themselves do not round at |beta| = 1e3
    zero = energies.min() if beta >= 0 else energies.max()
    weights = counts * np.exp(-beta * (energies - zero))
    p = weights / weights.sum()
    excess = (p * (energies - zero)).sum()
    variance = (p * (energies - zero - excess) ** 2).sum()
    log_sum = np.log(weights.sum())
    return log_sum - beta * zero, zero + excess, beta**2 * variance, log_sum + beta * excess


def close(value, expected, tolerance=1e-12):
    np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance)


class TestEnumeration:
    def test_equals_the_sum_over_all_states_at_every_beta(self, model):
        energies = model.energy(all_states(model))
        result = spectrum(model)
        expected = np.array([written_out(energies, 1, beta) for beta in BETAS]).T
        # beta^2 var E and beta <E> multiply the rounding of E by beta
        close(result.log_z(BETAS), expected[0], 1e-12)
        close(result.energy(BETAS), expected[1])
        close(result.heat_capacity(BETAS), expected[2], 1e-10)
        close(result.entropy(BETAS), expected[3], 1e-11)
        warm = BETAS[1:]
        close(result.free_energy(warm), -expected[0, 1:] / warm)

    def test_result_has_the_shape_of_beta(self, model):
        result = spectrum(model)
        grid = np.array([[0.1, 0.2, 0.1], [-0.5, 1.0, 0.0]])
        for function in (result.log_z, result.energy, result.heat_capacity, result.entropy):
            assert np.ndim(function(0.2)) == 0
            assert function([]).shape == (0,)
            np.testing.assert_array_equal(function(grid)[0], [function(0.1), function(0.2), function(0.1)])
            assert function(grid).shape == grid.shape

    def test_ground_states_are_all_states_of_least_energy(self, model):
        everything = all_states(model)
        energies = model.energy(everything)
        expected = everything[energies <= energies.min() + 1e-12]
        result = spectrum(model)
        close(result.ground_energy, energies.min())
        assert result.ground_states.dtype == np.int8
        assert sorted(map(tuple, result.ground_states)) == sorted(map(tuple, expected))

    @pytest.mark.parametrize("beta", [0.0, 0.8, -0.8, 1e3])
    def test_probabilities_are_boltzmann_weights_in_the_order_of_states(self, model, beta):
        everything = model.from_spins(states(model.n))
        np.testing.assert_array_equal(everything, all_states(model))
        energies = model.energy(everything)
        weights = np.exp(-beta * (energies - (energies.min() if beta >= 0 else energies.max())))
        close(spectrum(model).probabilities(beta), weights / weights.sum(), 1e-10)

    def test_rbm_units_without_input_double_its_ground_states(self):
        rbm = RBM([[1.0, 0.0, -1.0], [0.0, 0.0, 0.0]], [0.5, 0.0], [0.0, 0.0, -1.0])
        everything = all_states(rbm)
        energies = rbm.energy(everything)
        expected = everything[energies == energies.min()]
        assert len(expected) == 4
        assert sorted(map(tuple, spectrum(rbm).ground_states)) == sorted(map(tuple, expected))
        with pytest.raises(ValueError, match="ground states"):
            _ = spectrum(RBM(np.zeros((25, 2)))).ground_states

    def test_rbm_equals_its_ising_form_over_several_blocks(self):
        rbm = random_rbm(18, 4)
        by_layer, by_spins = spectrum(rbm), spectrum(rbm.to_ising())
        close(by_layer.log_z(BETAS), by_spins.log_z(BETAS), 1e-11)
        close(by_layer.ground_energy, by_spins.ground_energy)
        np.testing.assert_array_equal(rbm.to_spins(by_layer.ground_states), by_spins.ground_states)
        wide = RBM(np.random.default_rng(0).normal(size=(12, 3000)) / 50)
        v = (states(12) + 1) // 2
        result = spectrum(wide)
        close(result.log_z(1.0), np.logaddexp.reduce(-wide.free_energy(v)), 1e-13)
        close(result.ground_energy, -np.maximum(v @ wide.weights, 0).sum(axis=1).max())
        close(wide.energy(result.ground_states), [result.ground_energy])

    def test_ground_states_that_differ_by_rounding_are_all_found(self):
        whole, tenth = spectrum(triangular((3, 4), J=-1.0)), spectrum(triangular((3, 4), J=-0.1))
        assert len(whole.ground_states) > 2
        np.testing.assert_array_equal(tenth.ground_states, whole.ground_states)

    def test_several_blocks_equal_the_probabilities_of_one_table(self):
        model = random_ising(18, integer=False)
        result = spectrum(model)
        probabilities = result.probabilities(0.3)
        energies = model.energy(states(18))
        close(result.energy(0.3), probabilities @ energies)
        close(result.entropy(0.3), -(probabilities * np.log(probabilities)).sum())
        close(result.ground_energy, energies.min())
        np.testing.assert_array_equal(result.ground_states, states(18)[[energies.argmin()]])

    def test_density_of_states_counts_every_state(self):
        for name in ("empty", "free spins", "integer", "even integers", "glass"):
            model = MODELS[name]
            offset = model.to_ising().offset
            levels, counts = np.unique(np.rint(model.energy(all_states(model)) - offset), return_counts=True)
            energies, g = spectrum(model).density_of_states()
            np.testing.assert_array_equal(energies, levels + offset)
            np.testing.assert_array_equal(g, counts)
            assert g.dtype == np.int64

    def test_density_of_states_of_a_3x3x3_torus_is_the_known_one(self):
        result = spectrum(lattice((3, 3, 3)))
        energies, counts = result.density_of_states()
        known = {
            **{-81: 2, -69: 54, -61: 162, -57: 594, -53: 648, -49: 3402, -45: 6516, -41: 17496, -37: 44226},
            **{-33: 106488, -29: 277668, -25: 713124, -21: 1786536, -17: 3898206, -13: 7761096, -9: 13183056},
            **{-5: 19828962, -1: 23901480, 3: 23851530, 7: 18244602, 11: 11577168, 15: 5813046, 19: 2347380},
            **{23: 703080, 27: 151206},
        }
        assert dict(zip(energies.tolist(), counts.tolist(), strict=True)) == known
        assert result.log_z(0.22165462) == pytest.approx(21.6761931345, abs=1e-10)
        assert result.energy(0.22165462) / 27 == pytest.approx(-1.4344439155, abs=1e-10)

    def test_magnetisation_of_small_tori_is_the_known_one(self):
        # |m|, m^2 and m^4 of the 4x4 torus, T_c first
        known = {
            CRITICAL_BETA: (0.843860444813, 0.761358908569, 0.665691213267),
            1 / 2: (0.918943267402, 0.868921681642, 0.804530078689),
            1 / 3: (0.601291326039, 0.450988140848, 0.316958977929),
        }
        m = states(16).mean(axis=1)
        result = spectrum(lattice((4, 4)))
        for beta, moments in known.items():
            p = result.probabilities(beta)
            np.testing.assert_allclose((p @ np.abs(m), p @ m**2, p @ m**4), moments, rtol=2e-12)
        m = states(9).mean(axis=1)
        p = spectrum(lattice((3, 3))).probabilities(CRITICAL_BETA)
        moments = (0.871071935474, 0.809429989272, 0.746613605228)
        np.testing.assert_allclose((p @ np.abs(m), p @ m**2, p @ m**4), moments, rtol=2e-12)

    def test_frustrated_triangle_has_six_ground_states(self):
        result = spectrum(Ising.from_edges(3, [0, 1, 2], [1, 2, 0], -1.0))
        assert result.ground_energy == -1.0
        assert sorted(map(tuple, result.ground_states)) == sorted(
            state for state in itertools.product((-1, 1), repeat=3) if abs(sum(state)) == 1
        )
        close(result.entropy(1e3), math.log(6))

    @pytest.mark.parametrize(
        "model", [random_ising(20, integer=False), lattice((4, 5)), random_rbm(15, 40)], ids=["real", "integer", "rbm"]
    )
    def test_results_do_not_depend_on_the_threads(self, model):
        one, three = spectrum(model, threads=1), spectrum(model, threads=3)
        for name in ("log_z", "energy", "heat_capacity", "entropy"):
            np.testing.assert_array_equal(getattr(one, name)(BETAS), getattr(three, name)(BETAS))
        assert one.ground_energy == three.ground_energy

    def test_a_beta_gives_the_same_bits_alone_and_among_others(self):
        model = random_ising(17, integer=False)
        assert spectrum(model).log_z(0.4) == spectrum(model).log_z(BETAS)[2]

    def test_what_cannot_be_answered_is_refused(self):
        with pytest.raises(ValueError, match=r"31 spins, 2\^31 states"):
            spectrum(lattice((31,)))
        with pytest.raises(ValueError, match=r"26 units in the smaller layer, 2\^26 states"):
            spectrum(RBM(np.zeros((30, 26))))
        with pytest.raises(TypeError, match="model is 3"):
            spectrum(3)
        with pytest.raises(ValueError, match="threads is 0"):
            spectrum(lattice((3,)), threads=0)
        with pytest.raises(ValueError, match="n is 21"):
            states(21)
        real = spectrum(sherrington_kirkpatrick(21, seed=1))
        with pytest.raises(ValueError, match="21 spins"):
            real.probabilities(1.0)
        for refused in (
            real,
            spectrum(random_rbm(2, 2)),
            spectrum(Ising.from_edges(3, [0, 1], [1, 2], [1.0, 2.0**21])),
        ):
            with pytest.raises(ValueError, match="no density of states"):
                refused.density_of_states()
        with pytest.raises(ValueError, match="ground states"):
            _ = spectrum(Ising(np.zeros((21, 21)))).ground_states
        for beta in (0.0, [1.0, 0.0]):
            with pytest.raises(ValueError, match="infinite at beta = 0"):
                real.free_energy(beta)
        for method in (real.log_z, real.free_energy, real.probabilities):
            with pytest.raises(ValueError, match="beta is nan"):
                method(math.nan)

    def test_integers_too_wide_to_count_are_still_summed(self):
        model = Ising.from_edges(3, [0, 1], [1, 2], [1.0, 2.0**21])
        close(spectrum(model).log_z(0.1), written_out(model.energy(all_states(model)), 1, 0.1)[0])


SMALL_SHAPES = [(n, m) for n in range(1, 17) for m in range(1, 17) if n * m <= 16]


class TestTorus:
    @pytest.mark.parametrize("shape", SMALL_SHAPES, ids=str)
    def test_equals_enumeration_for_both_signs(self, shape):
        betas = np.array([0.0, 0.01, 0.2, CRITICAL_BETA, 1.0, 4.0, -0.01, -0.2, -CRITICAL_BETA, -1.0, -4.0])
        result = torus(shape, betas)
        expected = np.array([written_out(*spectrum(lattice(shape)).density_of_states(), beta) for beta in betas]).T
        for value, exact in zip(result, expected[:3], strict=True):
            np.testing.assert_allclose(value, exact, rtol=1e-12, atol=1e-13)

    def test_equals_the_tables_at_all_sizes(self):
        # L: log Z/N, E/N and C/N at T_c, E/N at T = 2 and T = 3
        table = {
            2: (1.09550665866847, -1.69705627484771, 0.40394608794576, -1.8008253628498, -1.39994652970511),
            3: (1.002245933438259, -1.61124638153116, 0.62873610564649, -1.76767846580397, -1.15488579998544),
            4: (0.9701197161722052, -1.56562378763832, 0.78326682592891, -1.75538028877744, -1.0170696269551),
            8: (0.9397153248292055, -1.49158910743971, 1.1455592398944, -1.7456831702932, -0.841315427851915),
            16: (0.9321963149809878, -1.45306485281348, 1.4987049594, -1.74553066899092, -0.817689367869555),
            32: (0.9303203901841237, -1.43365846614625, 1.8467675900396, -1.74556452703457, -0.817309738934172),
            64: (0.9298516316942894, -1.42393838983301, 2.1922113931406, -1.74556457531252, -0.817309592502453),
            128: (0.9297344557701895, -1.41907627208499, 2.5363313351086, -1.74556457531252, -0.81730959250242),
        }
        for L, row in table.items():
            log_z, energy, heat_capacity = (total / L**2 for total in torus((L, L), [CRITICAL_BETA, 1 / 2, 1 / 3]))
            np.testing.assert_allclose((log_z[0], energy[0], heat_capacity[0], *energy[1:]), row, rtol=3e-13)

    def test_depends_on_beta_and_J_as_their_product_and_on_no_order_of_the_sides(self):
        log_z, energy, heat_capacity = torus((3, 4), [0.3, -0.3], J=2.0)
        swapped = torus((4, 3), [-0.6, 0.6], J=-1.0)
        close(log_z, swapped.log_z, 1e-15)
        close(energy, -2 * swapped.energy, 1e-15)
        close(heat_capacity, swapped.heat_capacity, 1e-15)

    def test_result_has_the_shape_of_beta(self):
        grid = np.array([[0.1, 0.2], [-0.3, 0.0], [1.0, 5.0]])
        for values, value in zip(torus((3, 3), grid), torus((3, 3), 0.2), strict=True):
            assert values.shape == grid.shape
            assert isinstance(value, float)
            assert values[0, 1] == value
        assert torus((3, 3), []).energy.shape == (0,)

    @pytest.mark.parametrize("shape", [(1, 5), (2, 3), (8, 8), (64, 31)], ids=str)
    def test_small_beta_gives_the_leading_terms(self, shape):
        n, K = math.prod(shape), 1e-90
        self_bonds = n * shape.count(1)
        squares = n * sum({1: 0, 2: 2}.get(side, 1) for side in shape)  # sum of J_ij^2: a double bond is (2J)^2
        result = torus(shape, K)
        expected = (n * math.log(2) + K * self_bonds, -self_bonds - K * squares, K**2 * squares)
        np.testing.assert_allclose(result, expected, rtol=1e-15)

    def test_cold_ferromagnet_is_two_ground_states_and_single_flips(self):
        n, K = 64 * 64, 20.0
        result = torus((64, 64), K)
        assert result.log_z == pytest.approx(2 * n * K + math.log(2), rel=1e-15)
        assert result.energy == -2 * n
        assert result.heat_capacity == pytest.approx(64 * K**2 * n * math.exp(-8 * K), rel=1e-13, abs=0)

    def test_cold_frustrated_antiferromagnet_keeps_its_ground_state_entropy(self):
        for shape in ((3, 3), (3, 4), (3, 5)):
            levels, counts = spectrum(lattice(shape, J=-1.0)).density_of_states()
            for beta in (50.0, 199.0, 201.0, 1e3, 1e6):
                result = torus(shape, beta, J=-1.0)
                assert result.energy == levels[0]
                assert result.log_z == pytest.approx(math.log(counts[0]) - beta * levels[0], rel=1e-15)
            gap = levels[1] - levels[0]
            expected = (50 * gap) ** 2 * counts[1] / counts[0] * math.exp(-50 * gap)
            assert torus(shape, 50.0, J=-1.0).heat_capacity == pytest.approx(expected, rel=1e-12, abs=0)

    def test_no_coupling_leaves_free_spins(self):
        assert torus((3, 5), 2.0, J=0.0) == (15 * math.log(2), 0.0, 0.0)

    def test_bad_arguments_are_named(self):
        for shape, error, message in (
            ((3, 0), ValueError, r"shape\[1\] is 0"),
            ((3, 2.5), TypeError, r"shape\[1\] is 2.5"),
            ((3, 3, 3), ValueError, "two sides"),
            (3, TypeError, "shape is 3"),
        ):
            with pytest.raises(error, match=message):
                torus(shape, 0.4)
        for function in (lambda *a: torus((3, 3), *a), onsager_energy, onsager_magnetization):
            with pytest.raises(ValueError, match=r"beta\[1\] is inf"):
                function([0.4, math.inf])
            with pytest.raises(ValueError, match="J is nan"):
                function(0.4, math.nan)


class TestOnsager:
    def test_energy_equals_the_table_and_a_large_torus(self):
        known = [-1.74556457531255, -1.10607920374579, -0.81730959250242]
        np.testing.assert_allclose(onsager_energy([1 / 2, 1 / 2.5, 1 / 3]), known, rtol=2e-14)
        for beta in (1e-6, 0.02, 0.3, 0.6, 3.0):
            assert onsager_energy(beta) == pytest.approx(torus((512, 512), beta).energy / 512**2, rel=1e-14)

    def test_energy_at_its_special_points(self):
        assert onsager_energy(CRITICAL_BETA) == pytest.approx(-math.sqrt(2), rel=2e-14)
        assert onsager_energy(0.0) == 0.0
        assert onsager_energy(1e3, J=3.0) == -6.0
        np.testing.assert_allclose(onsager_energy(1e-9), -2e-9, rtol=1e-15)

    def test_energy_changes_sign_with_beta_but_not_with_J(self):
        betas = np.array([[0.1, 0.4], [0.5, 2.0]])
        np.testing.assert_array_equal(onsager_energy(-betas), -onsager_energy(betas))
        np.testing.assert_array_equal(onsager_energy(betas, J=-1.0), onsager_energy(betas))
        np.testing.assert_allclose(onsager_energy(betas, J=2.0), 2 * onsager_energy(2 * betas), rtol=1e-15)

    def test_magnetisation_vanishes_above_the_critical_temperature(self):
        values = onsager_magnetization([0.0, 0.44, CRITICAL_BETA, 0.45, 0.5, 1e3])
        np.testing.assert_array_equal(values[:3], 0.0)
        np.testing.assert_allclose(
            values[3:], [(1 - math.sinh(0.9) ** -4) ** 0.125, 0.911319377877496, 1.0], rtol=1e-13
        )
        assert onsager_magnetization(0.5, J=-1.0) == onsager_magnetization(0.5)
