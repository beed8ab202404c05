"""Deep machines in training: gradients and both phases against sums, the twin and broken twins."""

import numpy as np
import pytest
from test_deep import ALARM, MACHINES, MIXED, as_graph, largest_z, learner, moments, rows_of, states

import fastgibbs as fg
from fastgibbs.engines import phases
from fastgibbs.engines.gradients import Step
from fastgibbs.learning import gradient
from fastgibbs.reference import layered
from fastgibbs.reference.layered import State


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("name", MACHINES)
def test_it_is_trained_as_the_machine_of_its_graph(name, centered):
    """Along the exact gradient, with momentum, pulls and row weights: uncoupled pairs stay apart."""
    model, data = MACHINES[name], rows_of(MACHINES[name])
    settings = dict(method="exact", epochs=20, batch_size=15, learning_rate=0.2, momentum=0.6, l1=0.01, l2=0.02, seed=4)
    settings |= dict(centered=centered, weights=np.arange(40) % 3, likelihood_every=5)
    if not model.weights.all():  # whose list of parameters, and so the order of rows, is another
        settings["batch_size"] = 40
    one, graph = fg.train(model, data, **settings), fg.train(as_graph(model), data, **settings)
    if not centered:  # centred, the graph's hidden offsets begin elsewhere
        np.testing.assert_allclose(as_graph(one.model).weights, graph.model.weights, rtol=0, atol=1e-12)
        np.testing.assert_allclose(as_graph(one.model).biases, graph.model.biases, rtol=0, atol=1e-12)
        for record in ("pseudo_likelihood", "log_likelihood", "gradient_norm"):
            np.testing.assert_allclose(getattr(one.history, record), getattr(graph.history, record), rtol=1e-10)
    assert (one.model.weights[model.weights == 0] == 0).all()
    assert one.history.log_likelihood[-1] > fg.log_likelihood(model, data).value


def twin(model, streams, v, h, begin, end, held, walk):
    """`draw_held` in NumPy: both sides (units, lanes) bool after so many sweeps, with the means of the second."""
    W, a, b = (part.astype(np.float32) for part in (model.weights, model.visible_bias, model.hidden_bias))
    first, second, of_v, of_h = held
    scale = np.full(v.shape[1], phases.MINUS_LOG2E, np.float32)
    state = State(None, W, a, b, 1.0, streams, "gibbs", None)
    v, h = (np.where(side, 1, -1).astype(np.int8) for side in (v, h))

    def draw_second(draws):
        x = layered.inputs(b, W, v > 0)
        if draws:
            layered._draw(state, x, h, range(len(h)), scale)
        h[second] = 2 * of_h - 1
        means = 1 / (1 + np.exp(-x.astype(float)))
        means[second] = of_h
        return means

    begins, steps, draws = walk
    means = draw_second(draws or steps > 0) if begins else None
    for step in range(steps):
        layered._draw(state, layered.inputs(a, W.T, h > 0), v, range(begin, end), scale)
        v[first] = 2 * of_v - 1
        means = draw_second(draws or step + 1 < steps)
    return v > 0, h > 0, means


@pytest.mark.parametrize(
    ("shape", "visible"),
    [
        ((8, 6), range(3)),
        ((40, 20), range(25)),  # the data's units are left out of what is drawn
        ((40, 20), [*range(0, 40, 3), 45, 59]),
        ((70, 66), [*range(30), 69, 75, 76]),
        ((13, 70), range(13, 83)),  # one side is held
        ((13, 7), range(20)),  # all is
    ],
)
@pytest.mark.parametrize("method", ["pcd", "cd"])
def test_both_phases_are_drawn_to_the_bits_of_the_twin(shape, visible, method):
    rng = np.random.default_rng(2)
    visible = rng.permutation(visible)
    model = fg.RBM(*(rng.normal(size=size) for size in (shape, *shape)), visible)
    lanes, steps = 20, 3
    one = learner(model, method, steps, batch_size=lanes, chains=lanes)
    V, row0, b = shape[0], phases.whole(shape[0], 6), one.block
    for _ in range(2):
        data, rows = rng.integers(0, 2, (lanes, visible.size)), rng.permutation(40)[:lanes]
        whole = np.zeros((sum(shape), lanes), bool)
        whole[visible] = data.T
        free = one.sides.free
        if b.hidden.size:
            whole[free] = np.unpackbits(b.hidden[rows], axis=1, count=free.size).T
        streams, chains = b.shown.streams[:, :lanes].copy(), b.chains
        v, h = (chains.spins[part, :lanes] > 0 for part in (slice(V), slice(row0, row0 + shape[1])))
        of_model = streams if method == "cd" else chains.streams[:, :lanes].copy()
        one.positive(data, np.full(lanes, 1 / lanes, np.float32), rows)
        one.negative()
        first, second = visible[visible < V], visible[visible >= V] - V
        held = first, second, whole[first], whole[V:][second]
        sweeps = steps if free.size and second.size < shape[1] else min(free.size, 1)
        walk = True, sweeps, method == "cd"
        x, y, means = twin(model, streams, whole[:V], whole[V:], *one.data.held[-2:], held, walk)
        found_v, found_h, _ = states(one, 0, lanes)
        np.testing.assert_array_equal(found_v.T > 0, x)
        np.testing.assert_array_equal(x[first], whole[first])
        np.testing.assert_allclose(found_h.T, means, rtol=2e-5, atol=1e-30)
        if b.hidden.size:
            np.testing.assert_array_equal(np.unpackbits(b.hidden[rows], axis=1, count=free.size).T, x[free])
        if method == "cd":
            v, h = x, y
        nothing = np.arange(0), np.arange(0), np.zeros((0, lanes)), np.zeros((0, lanes))
        x, y, means = twin(model, of_model, v, h, 0, V, nothing, (False, steps, method == "pcd"))
        found_v, found_h, _ = states(one, lanes, 2 * lanes)
        np.testing.assert_array_equal(found_v.T > 0, x)
        np.testing.assert_allclose(found_h.T, means, rtol=2e-5, atol=1e-30)
        if method == "pcd":
            np.testing.assert_array_equal(one.chains().T > 0, np.concatenate([x, y]))


def estimates(model, method="pcd", spoil=None):
    """64 gradients from data and chains that have come to rest."""
    one, data, found = learner(model, method), rows_of(model), []
    if spoil is not None:
        spoil(one)
    for _ in range(74):
        one.positive(data, np.full(40, 1 / 40, np.float32), np.arange(40))
        one.negative()
        found.append(moments(one))
    return np.array(found[10:])


def without_sweeps(one):
    one.data_steps = 0


def with_a_stale_clamp(one):
    one.data.fill = lambda values: None


def with_units_of_others(one):
    one.data.held.first[:] = one.data.held.first[::-1].copy()
    one.data.held.second[:] = (one.data.held.second + 1) % one.hidden


@pytest.mark.parametrize("name", ["deep", "mixed"])
@pytest.mark.parametrize("method", ["pcd", "tempering"])
def test_sampled_gradients_are_the_exact_one_in_the_mean(name, method):
    model = MACHINES[name]
    truth = np.concatenate([part.ravel() for part in gradient(model, rows_of(model))])
    assert largest_z(estimates(model, method), truth) < ALARM


@pytest.mark.parametrize("spoil", [without_sweeps, with_a_stale_clamp, with_units_of_others])
def test_a_positive_phase_that_is_broken_is_seen(spoil):
    truth = np.concatenate([part.ravel() for part in gradient(MIXED, rows_of(MIXED))])
    assert np.abs(estimates(MIXED, spoil=spoil).mean(axis=0) - truth).max() > 0.1


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["mixed", "four layers"])
def test_a_step_moves_parameters_and_offsets_by_the_formula(name, threads):
    """Two centred steps with momentum, l1 and l2, in float64 NumPy from the states that the kernels drew."""
    model, data = MACHINES[name], rows_of(MACHINES[name])
    one, coupled = learner(model, centered=True, threads=threads), (model.weights != 0).astype(float)
    shown, free = 40, model.sides.free
    W, a, b = one.parameters()
    mu, lam = one.block.mu[: len(a)].astype(float), one.block.parameters.offsets[: len(b)].astype(float)
    velocities = [np.zeros_like(part) for part in (W, a, b)]
    for _ in range(2):
        one.positive(data, np.full(shown, 1 / shown, np.float32), np.arange(shown))
        one.negative()
        v, h, c = states(one, 0, one.count)
        norm = one.move(Step(0.3, 0.7, 0.02, 0.05))
        dW = np.einsum("n,ni,nj->ij", c[:, 0], v - mu, h - lam) * coupled
        da, db = (c * v).sum(axis=0) - dW @ lam, (c * h).sum(axis=0) - mu @ dW
        assert norm == pytest.approx(np.sqrt((dW**2).sum() + (da**2).sum() + (db**2).sum()), rel=1e-5)
        changes = dW - 0.02 * np.sign(W) - 0.05 * W, da, db
        velocities = [0.7 * velocity + 0.3 * change for velocity, change in zip(velocities, changes, strict=True)]
        W, a, b = (part + velocity for part, velocity in zip((W, a, b), velocities, strict=True))
        for now, expected in zip(one.parameters(), (W, a, b), strict=True):
            np.testing.assert_allclose(now, expected, atol=3e-6)
        lam += 0.01 * (h[:shown].mean(axis=0) - lam)
        mu[free] += 0.01 * (v[:shown].mean(axis=0) - mu)[free]
        np.testing.assert_allclose(one.block.mu[: len(a)], mu, atol=1e-6)
        np.testing.assert_allclose(one.block.parameters.offsets[: len(b)], lam, atol=1e-6)
        W, a, b = one.parameters()
    assert (W[model.weights == 0] == 0).all()


def test_persistent_chains_reach_the_likelihood_of_the_exact_gradient():
    data = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 1, 1]], 25, axis=0)
    settings = dict(epochs=400, batch_size=50, learning_rate=np.geomspace(0.3, 0.02, 400), likelihood_every=400, seed=2)
    start = fg.RBM.deep((4, 3, 2), data, seed=1)
    start = fg.RBM(30 * start.weights, start.visible_bias, start.hidden_bias, start.visible)
    along_exact = fg.train(start, data, method="exact", **settings).history.log_likelihood[-1]
    assert fg.log_likelihood(start, data).value + 0.3 < along_exact < -np.log(4)  # the entropy of the data bounds it
    found = fg.train(start, data, steps=2, chains=200, **settings).history.log_likelihood[-1]
    assert found > 1.02 * along_exact
