"""Whatever holds a model goes in: what `as_model` makes of the objects of other libraries, and the ways back."""

import itertools
import json

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import exact

SCIPY = pytest.importorskip("scipy.sparse", reason="SciPy comes with fastgibbs[dev]")
LABELS = {
    "names": ["b", "a", "c", "d"],
    "numbers of sites": [0, 1, 2, 3],
    "numbers of sites, in another order": [2, 0, 3, 1],
    "other numbers": [10, 5, 7, 6],
    "of several types": ["a", ("b", 1), 3, 0.5],
}


@pytest.fixture
def dimod():
    return pytest.importorskip("dimod", reason="dimod comes with fastgibbs[dev]")


@pytest.fixture
def networkx():
    return pytest.importorskip("networkx", reason="networkx comes with fastgibbs[dev]")


def of_labels(model, values):
    """The energy of a dict of labels to values, with no help of `labelled`."""
    labels = range(model.n) if model.labels is None else model.labels
    return model.energy([values[label] for label in labels])


def every(labels, low):
    """Every state as a dict."""
    for values in itertools.product((low, 1), repeat=len(labels)):
        yield dict(zip(labels, values, strict=True))


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("low, kind", [(-1, "SPIN"), (0, "BINARY")])
@pytest.mark.parametrize("cls", ["DictBQM", "Float32BQM", "Float64BQM"])
def test_a_bqm_has_the_energy_that_dimod_enumerates(dimod, cls, low, kind, labels):
    rng = np.random.default_rng(7)
    bqm = getattr(dimod, cls)(kind)
    for label in labels:
        bqm.add_variable(label, float(rng.integers(-8, 9)) / 4)
    for pair in itertools.combinations(labels, 2):
        bqm.add_interaction(*pair, float(rng.integers(-8, 9)) / 4)
    bqm.offset = 0.75
    model = fg.as_model(bqm)
    assert model.low == low
    for values, energy in dimod.ExactSolver().sample(bqm).data(["sample", "energy"]):
        assert of_labels(model, values) == energy == of_labels(fg.as_model(fg.to_bqm(model)), values)
    for view in (bqm.spin, bqm.binary):  # the same problem in the other units
        other = fg.as_model(view)
        assert sorted(other.energy(other.from_spins(exact.states(4)))) == sorted(
            model.energy(model.from_spins(exact.states(4)))
        )


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("kind, low", [("spin", -1), ("binary", 0)])
def test_a_dict_of_terms_is_their_sum(labels, kind, low):
    a, b, c, d = labels
    terms = {(a, b): 1.5, (b, a): 0.25, (c,): -2.0, (): 0.5, (d, b): -1, (a, c, d): 3.0}
    for some in (terms, dict(list(terms.items())[:-1])):
        model = fg.as_model(some, kind=kind)
        for values in every(labels, low):
            assert of_labels(model, values) == sum(w * np.prod([values[i] for i in key]) for key, w in some.items())


def test_a_square_of_a_unit_is_the_unit_and_of_a_spin_is_one():
    qubo = fg.as_model({("x", "x"): 2.0, ("x", "y"): 3.0, ("y", "y"): -1})
    assert qubo.energy([[0, 0], [1, 0], [0, 1], [1, 1]]).tolist() == [0.0, 2.0, -1.0, 4.0]
    with pytest.warns(UserWarning, match="more than once"):
        spins = fg.as_model({("x", "x"): 2.0, ("x", "y"): 3.0}, kind="spin")
    assert spins.energy([[1, 1], [1, -1]]).tolist() == [5.0, -1.0]


@pytest.mark.parametrize("kind, low", [("SPIN", -1), ("BINARY", 0)])
def test_a_polynomial_of_dimod_has_its_energy_in_an_order_that_no_hash_decides(dimod, kind, low):
    polynomial = dimod.BinaryPolynomial({("b", "a", "c"): 1.5, ("a", "d"): -2, ("c",): 0.5, (): 3}, kind)
    model = fg.as_model(polynomial)
    assert model.labels == ("a", "b", "c", "d")  # of frozensets of texts, which come in any order
    for values in every("abcd", low):
        assert of_labels(model, values) == polynomial.energy(values)
    assert fg.as_model({frozenset("ba"): 1.0}).labels == ("a", "b")


@pytest.mark.parametrize("kind, low", [(None, -1), ("spin", -1), ("binary", 0)])
def test_a_graph_is_its_weights_and_biases(networkx, kind, low):
    graph = networkx.MultiGraph()
    graph.add_node("x", weight=0.5)
    graph.add_node("lonely", bias=-2)
    graph.add_edge("x", "y", weight=3)
    graph.add_edge("y", "x", bias=0.25)
    graph.add_edge("y", "z")  # weight 1
    graph.add_edge("z", "z", weight=7)
    with pytest.warns(UserWarning, match=r"node 'z' has an edge to itself"):
        model = fg.as_model(graph, kind=kind)
    assert model.labels == ("x", "lonely", "y", "z")
    for v in every(model.labels, low):
        right = 0.5 * v["x"] - 2 * v["lonely"] + 3.25 * v["x"] * v["y"] + v["y"] * v["z"] + 7 * v["z"] ** 2
        assert of_labels(model, v) == right


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int8, np.float32, np.float16, ">f8", bool])
@pytest.mark.parametrize("made", [np.asarray, SCIPY.csr_array, SCIPY.coo_matrix, np.ndarray.tolist])
def test_a_matrix_is_a_qubo_or_couplings_as_it_is_told(dtype, made):
    if made is not np.asarray and dtype in (np.float16, ">f8"):
        made = np.asarray  # SciPy has no such
    Q = np.array([[1, 2, 0], [0, 3, 1], [5, 0, 0]]).astype(dtype)
    model = fg.as_model(made(Q), kind="binary")
    wide = Q.astype(float)
    for x in itertools.product((0, 1), repeat=3):
        assert model.energy(x) == x @ wide @ x
    J = np.triu(Q, 1) + np.triu(Q, 1).T
    assert fg.as_model(made(J), kind="spin") == fg.Ising(J.astype(float))
    with pytest.raises(TypeError, match=r"given is a matrix of shape \(3, 3\), which may be a QUBO or couplings"):
        fg.as_model(made(Q))


def test_repeated_entries_of_a_sparse_matrix_add_up():
    Q = SCIPY.coo_array(([1, 2, 3, 200], ([0, 0, 0, 1], [1, 1, 0, 0])), shape=(2, 2), dtype=np.uint8)
    assert fg.as_model(Q, kind="binary").energy([1, 1]) == 206


VERBS = {
    "anneal": lambda model: fg.anneal(model, sweeps=20, reads=4, seed=1).energy,
    "sample": lambda model: fg.sample(model, beta=0.5, sweeps=4, chains=3, seed=1).energy,
    "temper": lambda model: fg.temper(model, betas=[0.1, 1.0], sweeps=4, seed=1).energy,
    "quench": lambda model: fg.quench(model, [[1, 1], [1, 1]]).energies,
    "log_z": lambda model: fg.log_z(model, method="exact").value,
    "log_likelihood": lambda model: fg.log_likelihood(model, [[1, 1]]).value,
    "pseudo_likelihood": lambda model: fg.pseudo_likelihood(model, [[1, 1]]),
    "log_weights": lambda model: fg.analysis.log_weights(model, [[1, 1]]),
    "mean_field": lambda model: fg.mean_field(model).log_z,
    "beta_schedule": lambda model: fg.beta_schedule(model, 4),
    "beta_range": fg.beta_range,
    "spectrum": lambda model: exact.spectrum(model).log_z(1.0),
    "minima": lambda model: exact.minima(model).energies,
    "barriers": lambda model: exact.barriers(model).energies,
    "driven": lambda model: exact.driven(model, beta=1.0, field=0.1).magnetization,
    "cut": lambda model: fg.cut(model, [1, -1]),
    "TransverseIsing": lambda model: fg.TransverseIsing(model, 1.0, slices=2).energy([1, -1, 1, 1]),
}


class Edge:
    """A graph of one edge, without networkx."""

    graph, adjacency = {}, dict

    def is_directed(self):
        return False

    def nodes(self, data):
        return [("u", {}), ("v", {})]

    def edges(self, data):
        return [("u", "v", {"weight": 2.0})]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_what_holds_a_model(verb):
    np.testing.assert_array_equal(VERBS[verb](Edge()), VERBS[verb](fg.as_model(Edge())))
    with pytest.raises(TypeError, match=r"model is 3: give a"):
        VERBS[verb](3)


def test_several_models_may_be_of_several_kinds():
    terms = {("p", "q"): 1.0, ("q",): 0.5}
    models = [Edge(), fg.as_model(terms, kind="spin"), fg.Ising([[0, 1], [1, 0]])]
    runs = fg.anneal(models, sweeps=20, reads=4, seed=1)
    assert [run.energy[0] for run in runs] == [-2.0, -1.5, -1.0]
    assert [run.model.labels for run in runs] == [("u", "v"), ("p", "q"), None]
    with pytest.raises(TypeError, match="model is 3 at index 1: give a model"):
        fg.anneal([Edge(), 3])


def test_results_tell_states_by_label_in_the_units_of_the_problem():
    terms = {("x", "x"): 1.0, ("x", "y"): -3.0, ("y", "z"): 2.0}
    run = fg.anneal(terms, sweeps=20, reads=4, seed=1)
    assert run.model.labelled(run.states[0]) == {"x": 1, "y": 1, "z": 0}
    assert run.model.labelled(run.states[:1][None])[0][0] == {"x": 1, "y": 1, "z": 0}
    assert fg.lattice((2,)).labelled([1, -1]) == {0: 1, 1: -1}
    assert run.model.to_ising().labels == ("x", "y", "z")


def test_results_become_samplesets(dimod):
    terms = {("x",): 1.0, ("x", "y"): -3.0, ("y", "z"): 2.0}
    for model, units in ((fg.as_model(terms), dimod.BINARY), (fg.as_model(terms, kind="spin"), dimod.SPIN)):
        for run in (
            fg.anneal(model, sweeps=20, reads=4, seed=1),
            fg.sample(model, beta=0.5, sweeps=4, chains=3, seed=1),
            fg.temper(model, betas=[0.1, 1.0], sweeps=4, seed=1),
        ):
            found = run.to_sampleset()
            assert found.vartype is units and list(found.variables) == ["x", "y", "z"]
            assert len(found) == run.states[..., 0].size and found.info["seed"] == "1"
            dimod.testing.assert_sampleset_energies(found, fg.to_bqm(model))
            json.dumps(found.info)
    with pytest.raises(TypeError, match="result is 3: give what sample"):
        fg.integrations.to_sampleset(3)


def test_models_become_what_they_came_from(dimod, networkx):
    rng = np.random.default_rng(3)
    J = np.triu(rng.integers(-4, 5, (5, 5)), 1) / 2
    spins = fg.Ising(J + J.T, rng.integers(-4, 5, 5) / 2, 1.25).with_labels("vwxyz")
    units = fg.as_model({("v", "w"): 0.1, ("w", "w"): -0.3, ("x",): 0.7, ("y", "x"): 1e-300, (): 2.5})
    machine = fg.BoltzmannMachine(J + J.T, [1, 0, 0.5, 0, 0])
    hopfield = fg.Hopfield(rng.choice([-1, 1], (2, 5)))
    for model in (spins, units, machine, hopfield):
        states = model.from_spins(exact.states(model.n))
        for again in (fg.as_model(fg.to_bqm(model)), fg.as_model(fg.to_networkx(model))):
            np.testing.assert_allclose(again.energy(states), model.energy(states), rtol=1e-15, atol=1e-15)
            assert again.low == model.low and again.labels == model.labels
        Q, offset = fg.to_qubo(model)
        binary = (model.to_spins(states) + 1) // 2
        np.testing.assert_allclose(fg.as_model(Q).energy(binary) + offset, model.energy(states), atol=1e-14)
        ising = model.to_ising()
        assert (fg.Ising(fg.to_scipy(model), ising.fields, ising.offset).energy(exact.states(model.n))).tolist() == (
            ising.energy(exact.states(model.n)).tolist()
        )
    assert fg.as_model(fg.to_bqm(spins)) == spins and fg.as_model(fg.to_networkx(units)) == units
    with pytest.raises(ValueError, match="has terms of 3 variables"):
        fg.to_bqm(fg.Polynomial({(0, 1, 2): 1.0}))


def test_labels_are_kept_by_copies_and_files(tmp_path):
    labels = ("a", 3, ("b", (1.5, None)), True)
    model = fg.lattice((4,)).with_labels(labels)
    assert model != fg.lattice((4,)) and model == fg.lattice((4,)).with_labels(labels)
    fg.save(model, tmp_path / "model.npz")
    assert fg.load(tmp_path / "model.npz") == model == fg.as_model(tmp_path / "model.npz")
    run = fg.anneal(model, sweeps=20, reads=4, seed=1)
    run.save(tmp_path / "run.npz")
    assert fg.load(tmp_path / "run.npz").model.labels == labels
    with pytest.raises(TypeError, match=r"labels\[1\] is frozenset"):
        fg.save(fg.lattice((2,)).with_labels(["a", frozenset()]), tmp_path / "other.npz")


EMPTY = {
    "terms": lambda: fg.as_model({}),
    "a constant": lambda: fg.as_model({(): 2.0}),
    "a constant of spins": lambda: fg.as_model({(): 2.0}, kind="spin"),
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_problem_without_variables_is_valid(name, tmp_path):
    model = EMPTY[name]()
    constant = 0.0 if name == "terms" else 2.0
    none = np.empty((2, 0), np.int8)
    assert fg.anneal(model, sweeps=20, reads=4, seed=1).energy.tolist() == [constant] * 4
    assert fg.sample(model, beta=0.5, sweeps=4, chains=3, seed=1).energy.tolist() == [[constant] * 4] * 3
    assert fg.temper(model, sweeps=4, seed=1).energy.mean() == constant
    assert fg.quench(model, none).energies.tolist() == [constant]
    assert exact.spectrum(model).log_z(1.0) == fg.log_z(model, method="exact").value == -constant
    assert fg.pseudo_likelihood(model, none) == 0.0 and model.labelled(none) == [{}, {}]
    assert fg.to_qubo(model) == ({}, constant) and fg.to_scipy(model).shape == (0, 0)
    fg.save(model, tmp_path / "model.npz")
    assert fg.read(tmp_path / "model.npz") == model


def test_empty_problems_of_other_libraries_are_valid(dimod, networkx):
    for kind in ("SPIN", "BINARY"):
        assert fg.as_model(dimod.BinaryQuadraticModel({}, {}, 1.5, kind)).energy([]) == 1.5
        assert fg.to_bqm(fg.as_model(dimod.BinaryQuadraticModel(kind))).num_variables == 0
    assert fg.as_model(networkx.Graph()).n == fg.as_model(np.empty((0, 0)), kind="binary").n == 0


BAD = {
    "a NaN": ({("a", "b"): np.nan}, {}, ValueError, r"given\[\('a', 'b'\)\] is nan"),
    "an infinity": ({("a",): 1, ("b",): np.inf}, {}, ValueError, r"given\[\('b',\)\] is inf"),
    "a complex number": ({("a", "b"): 1j}, {}, TypeError, r"given\[\('a', 'b'\)\] is 1j"),
    "a text": ({("a",): 1.0, ("a", "b"): "1"}, {}, TypeError, r"given\[\('a', 'b'\)\] is '1'"),
    "a list": ({("a",): 1.0, ("b",): [1]}, {}, TypeError, r"given\[\('b',\)\] is \[1\]"),
    "lists": ({("a",): [1.0], ("b",): [1]}, {}, TypeError, r"given\[\('a',\)\] is \[1.0\]"),
    "a key that is a text": ({"ab": 1.0}, {}, TypeError, "given has the key 'ab': give tuples of labels"),
    "a key that is a number": ({0: 1.0}, {}, TypeError, "given has the key 0: give tuples of labels"),
    "a bool in a key": ({(0, True): 1.0}, {}, TypeError, r"given has the key \(0, True\): a bool is no label"),
    "another kind": ({("a",): 1.0}, {"kind": "spins"}, ValueError, "kind is 'spins': give one of 'spin', 'binary'"),
    "a model of another kind": (fg.lattice((3,)), {"kind": "binary"}, ValueError, "whose variables are spin"),
    "complex entries": (np.eye(2) * 1j, {"kind": "binary"}, TypeError, "given has dtype complex128"),
    "objects": (np.array([[None]]), {"kind": "binary"}, TypeError, "given has dtype object"),
    "a NaN in a matrix": ([[0, np.nan], [0, 0]], {"kind": "binary"}, ValueError, r"given\[0, 1\] is nan"),
    "no square": (np.ones((2, 3)), {"kind": "binary"}, ValueError, r"given has shape \(2, 3\)"),
    "a number": (3, {}, TypeError, "given is 3: give a model.* dimod .* dict .* networkx .* path of a file"),
    "nothing": (None, {}, TypeError, "given is None: give a model"),
    "a class": (fg.Ising, {}, TypeError, "given is <class"),
    "a ragged list": ([[1, 2], [3]], {}, TypeError, r"given is \[\[1, 2\], \[3\]\]: give a model"),
    "an array of one axis": (np.ones(3), {}, TypeError, r"given is array\(\[1., 1., 1.\]\): give a model"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_holds_no_model_is_refused_in_one_line_that_names_the_entry(name):
    given, how, error, words = BAD[name]
    with pytest.raises(error, match=words) as caught:
        fg.as_model(given, **how)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["SPIN", "BINARY"])
def test_bad_biases_of_a_bqm_are_named_by_their_labels(dimod, kind):
    for linear, quadratic, offset, words in (
        ({"a": np.nan}, {}, 0, r"given\[\('a',\)\] is nan"),
        ({}, {("a", "b"): np.inf}, 0, r"given\[\('(b', 'a|a', 'b)'\)\] is inf"),
        ({"a": 1}, {}, -np.inf, r"given\[\(\)\] is -inf"),
    ):
        with pytest.raises(ValueError, match=words):
            fg.as_model(dimod.BinaryQuadraticModel(linear, quadratic, offset, kind))
    other = {"SPIN": "binary", "BINARY": "spin"}[kind]
    with pytest.raises(ValueError, match=f"kind is '{other}' and given is BinaryQuadraticModel.*: leave kind out"):
        fg.as_model(dimod.BinaryQuadraticModel(kind), kind=other)
    for unknown in (dimod.QuadraticModel(), dimod.ConstrainedQuadraticModel(), dimod.BinaryQuadraticModel):
        with pytest.raises(TypeError, match=r"give a model, a fastgibbs\.Energy of your own"):
            fg.as_model(unknown)


def test_states_of_one_vartype_given_as_the_other_are_refused(dimod):
    bqm = dimod.BinaryQuadraticModel({"a": 1}, {("a", "b"): 1}, 0, "BINARY")
    with pytest.raises(ValueError, match=r"states\[0\] is -1: give units of 0 and 1"):
        fg.quench(bqm, [-1, 1])
    with pytest.raises(ValueError, match=r"states\[0\] is 0: give spins of -1 and \+1"):
        fg.quench(bqm.spin, [0, 1])


def test_graphs_that_are_no_sum_of_pairs_are_refused(networkx):
    graph = networkx.Graph()
    graph.add_edge("a", "b", weight=2, bias=3)
    mixed = networkx.Graph()
    mixed.add_node(0, vartype="SPIN")
    mixed.add_node(1, vartype="BINARY")
    directed = networkx.DiGraph()
    directed.add_edge(0, 1)
    for given, error, words in (
        (directed, ValueError, "which is directed: give its to_undirected"),
        (graph, ValueError, r"given\[\('a', 'b'\)\] has weight 2 and bias 3"),
        (mixed, ValueError, "of SPIN and of BINARY nodes"),
    ):
        with pytest.raises(error, match=words):
            fg.as_model(given)
    for value, error in ((np.nan, ValueError), ("heavy", TypeError), (None, TypeError)):
        graph.edges["a", "b"].clear()
        graph.edges["a", "b"]["weight"] = value
        with pytest.raises(error, match=r"given\[\('a', 'b'\)\] is (nan|'heavy'|None)"):
            fg.as_model(graph)


def test_labels_that_clash_are_refused():
    model = fg.lattice((2,))
    for labels, error, words in (
        (["a", "a"], ValueError, r"labels\[0\] is 'a' and labels\[1\] is 'a', which are one"),
        ([1, True], ValueError, r"labels\[0\] is 1 and labels\[1\] is True, which are one"),
        (["a"], ValueError, "labels has 1 entries: the model has 2 variables"),
        (["a", []], TypeError, r"labels\[1\] is \[\]: give what can be a key of a dict"),
    ):
        with pytest.raises(error, match=words):
            model.with_labels(labels)


def test_verbs_take_the_path_of_a_file(tmp_path):
    path = tmp_path / "model.npz"
    fg.save(fg.lattice((4,)), path)
    assert fg.anneal(path, sweeps=20, reads=4, seed=1).energy[0] == -4.0
    assert fg.exact.spectrum(str(path)).ground_energy == -4.0


def test_fields_of_spins_made_of_units_are_0_where_all_but_rounding_cancels():
    """A field of 10^-16 is one to a descent, which looks for domains that it could turn; one of 10^-9 is a field."""
    rng = np.random.default_rng(2)
    J = np.triu(rng.normal(size=(40, 40)), 1)
    linear = -2 * (J + J.T).sum(axis=1)
    qubo = {(i, j): 4 * J[i, j] for i in range(40) for j in range(i + 1, 40)}
    for small in (0.0, 1e-9):
        model = fg.as_model(qubo | {(i, i): linear[i] + (2 * small if i == 7 else 0.0) for i in range(40)})
        fields = model.to_ising().fields
        assert np.flatnonzero(fields).tolist() == ([7] if small else [])
        np.testing.assert_allclose(fields[7], -small, rtol=1e-4)
