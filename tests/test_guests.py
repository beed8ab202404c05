"""Guests with bad manners: objects of other libraries that hold a problem in an odd way, or none."""

import warnings

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import exact

pytest.importorskip("scipy", reason="SciPy comes with fastgibbs[dev]")
SPARSE = pytest.importorskip("scipy.sparse")
NAN, HUGE = float("nan"), 10**400


class Frame:
    """A pandas frame, as far as it is read."""

    def __init__(self, values, index, columns):
        self.values, self.index, self.columns = np.array(values), index, columns
        self.shape = self.values.shape

    def __array__(self, dtype=None, copy=None):
        return self.values.astype(dtype or self.values.dtype)


class Graph:
    """A networkx graph, as far as it is read."""

    adjacency = dict

    def __init__(self, nodes, edges, **graph):
        self.graph, self._nodes, self._edges = graph, nodes, edges

    def is_directed(self):
        return False

    def nodes(self, data):
        return list(self._nodes.items())

    def edges(self, data):
        return self._edges


def bare(*edges, **graph):
    return Graph({node: {} for edge in edges for node in edge[:2]}, list(edges), **graph)


REFUSED = {
    "a number beyond all floats": ({(0, 1): HUGE}, {}, ValueError, r"given\[\(0, 1\)\] is 1000"),
    "a weight beyond all floats": (
        bare(("a", "b", {"weight": HUGE})),
        {},
        ValueError,
        r"given\[\('a', 'b'\)\] is 1000",
    ),
    "a long double beyond all floats": ({(0, 1): np.longdouble("1e4000")}, {}, ValueError, r"give a finite number"),
    "a time": ({(0, 1): np.timedelta64(3, "s")}, {}, TypeError, r"given\[\(0, 1\)\] is"),
    "a text of NumPy": ({(0, 1): np.str_("1")}, {}, TypeError, r"given\[\(0, 1\)\] is '1': give a finite number"),
    "a label that is a NaN": ({(NAN, "a"): 1.0}, {}, ValueError, r"labels\[0\] is nan, which differs from itself"),
    "two NaNs": ({(NAN, 1): 1.0, (float("nan"), 2): 1.0}, {}, ValueError, r"labels\[0\] is nan"),
    "a node that is a NaN": (bare((NAN, float("nan"), {})), {}, ValueError, r"labels\[0\] is nan"),
    "arrays of weights": (
        bare((0, 1, {"weight": np.array([1, 2]), "bias": np.array([1, 2])})),
        {},
        TypeError,
        r"given\[\(0, 1\)\] is array",
    ),
    "two weights": (bare((0, 1, {"weight": 1, "bias": 2})), {}, ValueError, r"has weight 1 and bias 2: give one"),
    "another vartype": (
        Graph({"a": {"vartype": "INTEGER"}}, []),
        {},
        ValueError,
        r"vartype of 'a' is 'INTEGER': give 'SPIN' or 'BINARY'",
    ),
    "no vartype": (Graph({"a": {"vartype": ["SPIN"]}}, []), {}, ValueError, r"vartype of 'a' is \['SPIN'\]"),
    "two vartypes": (
        Graph({0: {"vartype": "SPIN"}, 1: {"vartype": "BINARY"}}, []),
        {},
        ValueError,
        "of SPIN and of BINARY nodes",
    ),
    "a frame of other columns": (
        Frame([[0.0, 1], [1, 0]], ["a", "b"], ["a", "c"]),
        {"kind": "binary"},
        ValueError,
        r"rows \['a', 'b'\] and columns \['a', 'c'\]: give both the same labels",
    ),
    "a frame of one label twice": (Frame(np.eye(2), ["a", "a"], ["a", "a"]), {"kind": "spin"}, ValueError, "has rows"),
    "a sum of two halves that differ": (
        np.array([[0, 0.1 + 0.2], [0.3, 0]]),
        {"kind": "spin"},
        ValueError,
        r"J must be symmetric; \(J \+ J\.T\) / 2 is$",
    ),
    "one half": (np.triu(np.ones((2, 2)), 1), {"kind": "spin"}, ValueError, r"symmetrised first \(J \+ J\.T\)$"),
    "rows without a kind": (((0, 1), (1, 0)), {}, TypeError, r"matrix of shape \(2, 2\), which may be a QUBO"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_holds_no_problem_is_refused_by_name(name):
    given, options, error, words = REFUSED[name]
    with pytest.raises(error, match=words) as caught:
        fg.as_model(given, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "made",
    [getattr(SPARSE, f"{form}_{of}") for form in ("dok", "lil", "dia", "bsr", "csc") for of in ("array", "matrix")],
)
def test_a_sparse_matrix_of_any_format_is_one(made):
    J = np.array([[0, 2.0, 0], [2, 0, -1], [0, -1, 0]])
    assert fg.as_model(made(J), kind="spin") == fg.Ising(J)
    assert fg.as_model(made(J), kind="binary") == fg.as_model(J, kind="binary")
    with pytest.raises(TypeError, match=r"matrix of shape \(3, 3\)"):
        fg.as_model(made(J))


def test_a_frame_keeps_its_labels_whatever_the_order_of_its_columns():
    model = fg.as_model(Frame([[2.0, 1], [3, 0]], ["a", "b"], ["b", "a"]), kind="binary")
    assert model.labels == ("a", "b") and model.terms == {(0,): 1.0, (1,): 3.0, (0, 1): 2.0}
    model = fg.as_model(Frame([[2.0, 1], [3, 0]], [1, 0], [0, 1]), kind="binary")
    assert model.labels is None and model.terms == {(0,): 3.0, (1,): 1.0, (0, 1): 2.0}
    J = [[0.0, 1], [1, 0]]
    assert fg.as_model(Frame(J, ["x", "y"], ["x", "y"]), kind="spin") == fg.Ising(J).with_labels("xy")


TOLD = {
    "an edge of another name": (bare(("a", "b", {"J": 2.0})), r"\('a', 'b'\)\] has 'J' and no weight or bias"),
    "one edge of two": (bare((0, 1, {"weight": 2}), (1, 2, {"Weight": 3})), r"\(1, 2\)\] has 'Weight' and no weight"),
    "a node of another name": (Graph({"a": {"h": 0.5}}, []), r"\('a',\)\] has 'h' and no weight .*: 0 is taken"),
}


@pytest.mark.parametrize("name", TOLD)
def test_numbers_of_a_graph_that_are_not_read_are_told_of_at_the_users_line(name):
    graph, words = TOLD[name]
    with pytest.warns(UserWarning, match=words) as caught:
        fg.as_model(graph)
    assert caught[0].filename == __file__


def test_what_else_a_graph_carries_is_let_be():
    nodes = {0: {"pos": (0.5, 1.0), "subset": 1, "club": "x"}, 1: {"bipartite": 0}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fg.as_model(Graph(nodes, [(0, 1, {"weight": 2.0, "length": 3.0, "kind": "road"})], vartype="BINARY"))
    assert model == fg.as_model({(0, 1): 2.0})


@pytest.mark.parametrize("offset", [0.5, np.inf, NAN, 1e30])
@pytest.mark.parametrize("kind", ["SPIN", "BINARY"])
def test_the_offset_of_integers_is_not_cut(kind, offset):
    dimod = pytest.importorskip("dimod", reason="dimod comes with fastgibbs[dev]")
    bqm = dimod.DictBQM(kind)
    bqm.add_variable("a", 1)
    bqm.add_interaction("a", "b", 3)
    bqm.offset = offset
    if offset != 0.5:
        with pytest.raises(ValueError, match=r"given\[\(\)\] is (inf|nan|1e\+30)"):
            fg.as_model(bqm)
        return
    assert fg.as_model(bqm).energy([1, 1]) == bqm.energy({"a": 1, "b": 1}) == 4.5
    sampler = pytest.importorskip("fastgibbs.integrations.dimod").AnnealingSampler()
    dimod.testing.assert_sampleset_energies(sampler.sample(bqm, num_sweeps=0, seed=1), bqm)


def test_the_ways_back_take_what_every_verb_takes(tmp_path):
    dimod = pytest.importorskip("dimod", reason="dimod comes with fastgibbs[dev]")
    pytest.importorskip("networkx", reason="networkx comes with fastgibbs[dev]")
    terms = {("a",): 1.0, ("a", "b"): -2.0, (): 0.5}
    model = fg.as_model(terms)
    fg.write(terms, tmp_path / "it.json")
    fg.write(tmp_path / "it.json", tmp_path / "it.npz")
    for given in (terms, dimod.BinaryPolynomial(terms, "BINARY"), fg.to_bqm(model), tmp_path / "it.npz"):
        assert fg.as_model(fg.to_bqm(given)) == fg.as_model(fg.to_networkx(given)) == model
        assert fg.to_qubo(given) == fg.to_qubo(model)
        assert (fg.to_scipy(given) != fg.to_scipy(model)).nnz == 0
    for way in (fg.to_bqm, fg.to_networkx, fg.to_qubo, fg.to_scipy, lambda given: fg.write(given, tmp_path / "it.coo")):
        with pytest.raises(TypeError, match="model is 3: give a model"):
            way(3)


def test_problems_of_dimod_that_are_no_binary_quadratic_ones_are_told_which_are():
    dimod = pytest.importorskip("dimod", reason="dimod comes with fastgibbs[dev]")
    for given in (dimod.ConstrainedQuadraticModel(), dimod.DiscreteQuadraticModel(), dimod.QuadraticModel()):
        with pytest.raises(TypeError, match="dimod BQM or BinaryPolynomial"):
            fg.as_model(given)


def test_a_model_of_no_energy_passes_the_check():
    fg.testing.check_energy(fg.Ising([[0.0]]))
    assert exact.spectrum(fg.Ising([[0.0]])).ground_energy == 0


JSON = (
    '{"type": "BinaryQuadraticModel", "variable_labels": %s, "variable_type": %s, "offset": 0, "linear_biases": '
    '[1, 2], "quadratic_biases": [1], "quadratic_head": [0], "quadratic_tail": [1]}'
)
FILES = {
    "a bond among the heads": (
        "it.sg",
        "type: sk\nsize: 3\n1:2 2 1\n",
        "line 3: '1:2 2 1' stands where one of `type:`",
    ),
    "a type twice": ("it.sg", "type: sk\nsize: 3\ntype: pm\n1 2 1\n", "line 3: 'type: pm' stands where one of `type:`"),
    "two vartypes": ("it.coo", "# vartype=SPIN\n# vartype=BINARY\n0 0 1\n", "and one alone, tells what the variables"),
    "labels that are a text": ("it.json", JSON % ('"ab"', '"SPIN"'), "variable_labels is 'ab': give a list"),
    "labels that are a number": ("it.json", JSON % ("5", '"SPIN"'), "variable_labels is 5: give a list"),
    "a label that is a NaN": (
        "it.json",
        JSON % ("[1, NaN]", '"SPIN"'),
        r"labels\[1\] is nan, which differs from itself",
    ),
    "a list of vartypes": (
        "it.json",
        JSON % ("[1, 2]", '["SPIN"]'),
        r"variable_type is \['SPIN'\]: give SPIN or BINARY",
    ),
    "zeros": ("it.mc", "\0" * 10**5, "line 1: '.{60,100} stands where the numbers of sites"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_contradicts_itself_is_refused_in_a_short_line(name, tmp_path):
    named, content, words = FILES[name]
    (tmp_path / named).write_text(content)
    with pytest.raises(ValueError, match=words) as caught:
        fg.read(tmp_path / named)
    assert len(str(caught.value)) < len(str(tmp_path)) + 350


def test_rows_that_only_add_up_to_the_right_count_of_numbers_are_refused(tmp_path, monkeypatch):
    (tmp_path / "it.mc").write_text("4 2\n1 2 3+4\n1 2 -\n")  # 1 2 3, 4 1 2 to who stops at the last word

    def older(text, *_, **__):
        warnings.warn("string or file could not be read to its end", DeprecationWarning, stacklevel=2)
        return np.array([1.0, 2, 3, 4, 1, 2])

    for reads in (np.fromstring, older):  # NumPy up to 2.2 warns, where later ones raise
        monkeypatch.setattr(np, "fromstring", reads)
        with pytest.raises(ValueError, match=r"line 2: '1 2 3\+4' stands where an edge"):
            fg.read(tmp_path / "it.mc")


def test_a_problem_without_biases_and_the_label_none_at_every_door_of_dimod():
    dimod = pytest.importorskip("dimod", reason="dimod comes with fastgibbs[dev]")
    samplers = pytest.importorskip("fastgibbs.integrations.dimod")
    alike = dimod.BinaryQuadraticModel({"a": 0}, {("a", "b"): 0}, 1.5, "SPIN")
    assert (
        samplers.TemperingSampler().sample(alike, num_reads=2, num_sweeps=10, seed=1).record.energy.tolist()
        == [1.5] * 2
    )
    unnamed = dimod.DictBQM("SPIN")
    unnamed.add_interaction(None, "b", 1)
    model = fg.as_model(unnamed)
    run = fg.anneal(model, sweeps=1, reads=1, seed=1)
    for door in (lambda: samplers.AnnealingSampler().sample(unnamed), lambda: fg.to_bqm(model), run.to_sampleset):
        with pytest.raises(ValueError, match="has the label None, which dimod takes for no label"):
            door()


def test_an_estimator_refuses_masks_sizes_beyond_memory_and_what_is_not_fitted():
    pytest.importorskip("sklearn", reason="scikit-learn comes with fastgibbs[dev]")
    from sklearn.exceptions import NotFittedError

    from fastgibbs.integrations.sklearn import BernoulliRBM

    X = np.eye(4)
    for method in ("transform", "score_samples", "gibbs"):
        with pytest.raises(NotFittedError):
            getattr(BernoulliRBM(), method)(X)
    with pytest.raises(TypeError, match="X has masked entries"):
        BernoulliRBM().fit(np.ma.array(X, mask=X > 0))
    with pytest.raises(ValueError, match=r"a machine of 4 x 1000000000000 weights needs"):
        BernoulliRBM(n_components=10**12).fit(X)


@pytest.mark.parametrize("made", [np.asarray, SPARSE.csr_array, np.round])
def test_batches_that_are_drawn_at_once_are_those_that_are_drawn_one_by_one(made):
    from fastgibbs.learning.data import Data

    data = Data(made(np.random.default_rng(1).random((23, 5))), 5)
    rows = data.order(7, 3)[8:]
    found = data.batches(rows, 4, 7, 3, 2)
    one_by_one = [data.units(rows[4 * k : 4 * k + 4], 7, 3, 1, 2 + k) for k in range(4)]
    np.testing.assert_array_equal(found, np.concatenate(one_by_one))
    assert data.certain == (made is np.round) and len({part.tobytes() for part in one_by_one}) == 4


def test_a_list_of_binary_problems_is_told_what_makes_it_one_of_spins():
    model = [{("a", "b"): -1.0}, {("a", "b"): 1.0, ("c",): -2.0}]
    for verb in (fg.anneal, fg.temper):
        with pytest.raises(TypeError, match=r"\[fastgibbs.as_model\(one\).to_ising\(\) for one in model\]"):
            verb(model)
    assert [fg.as_model(one).to_ising().labels for one in model] == [("a", "b"), ("a", "b", "c")]
