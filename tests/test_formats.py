"""Problems in files: every format's energy is that of its definition, and what is written is read back exactly."""

import gzip
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgibbs as fg
from fastgibbs import exact, io
from fastgibbs.io import formats, text

SPINS = {"rudy", "spinglass"}  # without fields
UNITS = {"biqmac", "mqlib", "qbsolv", "qplib"}
ENDINGS = {name: one.endings[0] if one.endings else ".any" for name, one in formats.FORMATS.items()} | {"npz": ".npz"}


def file(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content.encode())
    return path


def energies(model):
    """E of all states, in the model's units, first variable slowest."""
    return model.energy(list(itertools.product((model.low, 1), repeat=model.n))).tolist()


def every(n, low, function):
    return [function(*x) for x in itertools.product((low, 1), repeat=n)]


# name: (file, content, format asked for, low, energy of a state)
DEFINED = {
    "rudy": ("g.txt", "3 2\n1 2 2\n2 3 -0.5\n", None, -1, lambda a, b, c: 2 * a * b - 0.5 * b * c),
    "G-set, comments": ("G1", "# G-set\n3 2\n# more\n1 2\n3 2 \n", None, -1, lambda a, b, c: a * b + b * c),
    "Biq Mac .mc": ("g.mc", "# a comment\n3 2\n1 2 2\n2 3 -1.5\n", None, -1, lambda a, b, c: 2 * a * b - 1.5 * b * c),
    "MQLib graph": ("g.any", "# Comment\n3 1\n1 3 4\n", None, -1, lambda a, b, c: 4 * a * c),
    "Biq Mac .sparse": ("q.sparse", "2 3\n1 1 3\n2 1 2\n2 2 -1\n", None, 0, lambda a, b: 3 * a + 4 * a * b - b),
    "Biq Mac .bq": ("q.bq", "# x\n2 2\n1 1 3\n1 2 2\n", None, 0, lambda a, b: 3 * a + 4 * a * b),
    "MQLib QUBO": ("q.txt", "# Q\n2 3\n1 1 3\n1 2 2\n2 2 -1\n", "mqlib", 0, lambda a, b: -(3 * a + 4 * a * b - b)),
    "qbsolv": (
        "q.qubo",
        "c a comment\np qubo 0 3 1 2\nc diagonals\n1 1 3\nc couplers\n0 1 -2.5\n1 2 1e1\n",
        None,
        0,
        lambda a, b, c: 3 * b - 2.5 * a * b + 10 * b * c,
    ),
    "D-Wave COO, spins": ("s.coo", "# vartype=SPIN\n0 0 1\n0 1 -2\n", None, -1, lambda a, b: a - 2 * a * b),
    "D-Wave COO, units": ("s.txt", "# vartype=BINARY\n0 0 1\n1 0 -2\n", None, 0, lambda a, b: a - 2 * a * b),
    "spin-glass server": (
        "s.any",
        "# \ntype: gauss\nsize: 2\nname: a small one\n\n1 2 0.5\n2 4 -1\n",
        None,
        -1,
        lambda a, b, c, d: -0.5 * a * b + b * d,
    ),
    "spin-glass server, name alone": ("s.txt", "name: x y\n\n1 2 0.5\n", None, -1, lambda a, b: -0.5 * a * b),
    "McGroundstate .sg": ("s.sg", "2 1\n1 2 0.5\n", None, -1, lambda a, b: -0.5 * a * b),
    "QPLIB, minimize": (
        "p.qplib",
        "! c\nname\nQBN\nminimize\n2 # variables\n2 # terms\n1 1 3\n2 1 5\n0.5 # default\n1 # others\n2 -4\n"
        "7 # constant\n1e+30\n0\n0\n0\n0\n0\n0\n",
        None,
        0,
        lambda a, b: 1.5 * a + 2.5 * a * b + 0.5 * a - 4 * b + 7,
    ),
    "QPLIB, maximize": (
        "p.txt",
        "name\nQBB\nmaximize\n2\n1\n2 1 5\n0\n0\n7\n1e30\n0\n1\n1 1\n0\n0\n0\n0\n",
        None,
        0,
        lambda a, b: -(2.5 * a * b + 7),
    ),
    "QPLIB, linear": (
        "p.qplib",
        "name\nLBN\nminimize\n2\n1\n0\n0\n1e30\n0\n0\n0\n0\n0\n0\n",
        None,
        0,
        lambda a, b: a + b,
    ),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("name", DEFINED)
def test_a_file_has_the_energy_of_its_definition_at_every_state(tmp_path, name, packed):
    named, content, asked, low, energy = DEFINED[name]
    for again in (content, "\ufeff" + content.replace("\n", "\r\n"), content.rstrip("\n")):
        path = tmp_path / (named + ".gz" * packed)
        path.write_bytes(gzip.compress(again.encode()) if packed else again.encode())
        model = fg.read(path, asked)
        assert model.low == low
        assert energies(model) == every(model.n, low, energy)
        assert type(model) is (fg.Polynomial if low == 0 else fg.Ising)


NUMBERS = st.one_of(st.integers(-5, 5).map(float), st.floats(-1e9, 1e9, allow_subnormal=False)).filter(lambda x: x)
PAIRS = st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda p: p[0] != p[1]), NUMBERS)


def spins_of(n, pairs, fields=None, offset=0.0):
    return fg.Ising.from_edges(n, [i for i, _ in pairs], [j for _, j in pairs], list(pairs.values()), fields, offset)


@settings(max_examples=36, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(ENDINGS)), PAIRS, st.lists(NUMBERS | st.just(0.0), min_size=6, max_size=6), NUMBERS)
@pytest.mark.filterwarnings("error")
def test_what_is_written_is_read_back_with_every_bit(tmp_path_factory, name, pairs, linear, offset):
    folder = tmp_path_factory.mktemp("formats")
    pairs = {pair: w for pair, w in pairs.items() if pair[::-1] not in pairs or pair < pair[::-1]}
    terms = pairs | {(i,): w for i, w in enumerate(linear)}
    models = []
    if name in SPINS:
        models.append(spins_of(6, pairs))
    elif name in UNITS:
        models.append(fg.Polynomial(terms, "binary", n=6))
    else:
        models += [spins_of(6, pairs, linear), fg.Polynomial(terms, "binary", n=6)]
    if name in ("qplib", "bqm", "npz"):
        models += [fg.Polynomial(terms | {(): offset}, "binary", n=6)]
    for model in models:
        for path in (folder / f"it{ENDINGS[name]}", folder / f"it{ENDINGS[name]}.gz"):
            if name == "npz" and path.suffix == ".gz":
                continue
            asked = name if name == "mqlib" else None
            fg.write(model, path, asked)
            assert fg.read(path, asked) == model
            content = path.read_bytes()
            fg.write(model, path, name)
            assert path.read_bytes() == content
    assert name in formats.NAMES


def test_labels_are_kept_where_there_is_a_place_for_them(tmp_path):
    problem = fg.as_model({("a", ("b", 1)): 1.5, (): 2.0, (3,): 1.0})
    for name in ("bqm", "npz"):
        fg.write(problem, tmp_path / "it", name)
        assert fg.read(tmp_path / "it") == problem
    numbers = fg.as_model({(5, 9): 1.5, (9,): 1.0})
    fg.write(numbers, tmp_path / "it.coo")
    assert fg.read(tmp_path / "it.coo") == numbers and numbers.labels == (5, 9)


def test_json_and_coordinates_are_those_of_dimod(tmp_path):
    dimod = pytest.importorskip("dimod", reason="dimod comes with fastgibbs[dev]")
    coo = pytest.importorskip("dimod.serialization.coo")
    rng = np.random.default_rng(5)
    for kind in ("SPIN", "BINARY"):
        bqm = dimod.BinaryQuadraticModel(kind)
        for i in range(6):
            bqm.add_variable(i, rng.normal())
        for pair in itertools.combinations(range(6), 2):
            bqm.add_interaction(*pair, round(rng.normal(), 6))
        model = fg.as_model(bqm)
        lossy = file(tmp_path, "b.coo", coo.dumps(bqm, vartype_header=True))  # six decimals
        states = model.from_spins(exact.states(6))
        np.testing.assert_allclose(fg.read(lossy).energy(states), model.energy(states), atol=1e-5)
        fg.write(model, tmp_path / "ours.coo")
        back = coo.loads((tmp_path / "ours.coo").read_text())
        assert back.vartype is bqm.vartype
        np.testing.assert_allclose(back.energies(states), bqm.energies(states), rtol=1e-14)
        bqm = bqm.relabel_variables({0: "a", 1: ("b", 2)}, inplace=False)
        bqm.offset = 0.1
        path = file(tmp_path, "b.json", json.dumps(bqm.to_serializable()))
        assert fg.read(path) == fg.as_model(bqm)
        fg.write(fg.as_model(bqm), path)
        assert dimod.BinaryQuadraticModel.from_serializable(json.loads(path.read_text())) == bqm


def test_a_file_goes_to_a_verb_and_to_the_cut(tmp_path):
    path = file(tmp_path, "square.mc", "4 4\n1 2\n2 3\n3 4\n4 1\n")
    run = fg.anneal(path, sweeps=20, reads=4, seed=1)
    assert fg.cut(run.model, run.states[0]) == 4.0


HEAD = "name\nQBN\nminimize\n"
BAD = {
    "nothing": ("it", "", None, "line 1: it begins with nothing, as no format does"),
    "prose": ("it", "Dear Sir,\n", None, "line 1: it begins with 'Dear Sir,', as no format does: rudy, "),
    "no head of rudy": (
        "it.mc",
        "Dear Sir,\n",
        None,
        "line 1: 'Dear Sir,' stands where the numbers of sites",
    ),
    "a loop": ("it.mc", "2 1\n1 1 3\n", None, "line 2: edge 1 1 is a self-loop, .*biqmac"),
    "a graph as .qubo": (
        "it.qubo",
        "2 1\n1 2 3\n",
        None,
        "begins with `n m`, '2 1', as no file of format 'qbsolv'",
    ),
    "a graph as .json": ("it.json", "2 1\n1 2 3\n", None, "as no file of format 'bqm' does"),
    "text as .npz": ("it.npz", "2 1\n1 2 3\n", None, "as no file of format 'npz' does"),
    "an entry twice": ("it.bq", "2 2\n1 2 3\n2 1 3\n", None, "entry 1 2 is given more than once"),
    "fewer entries": ("it.bq", "2 2\n1 2 3\n", None, "line 2: the file ends after 1 entries, its header announces 2"),
    "a word": ("it.bq", "2 2\n1 2 3\n1 1 x\n", None, "line 3: '1 1 x' stands where an entry, `i j q`, belongs"),
    "no weight": ("it.bq", "2 1\n1 2\n", None, "line 2: '1 2' stands where an entry"),
    "a site outside": ("it.qubo", "p qubo 0 2 1 0\n2 2 1\n", None, "line 2: entry 2 2 leaves the sites 0 to 1"),
    "other counts": ("it.qubo", "p qubo 0 2 1 1\n0 0 1\n", None, "ends after 1 diagonals and 0 couplers, its header"),
    "a bad head": ("it.qubo", "p qubo 0 2\n0 0 1\n", None, "line 1: 'p qubo 0 2' stands where the header"),
    "infinity": ("it.qubo", "p qubo 0 2 1 0\n0 0 1e999\n", None, "line 2: entry 0 0 has weight inf"),
    "no vartype": ("it.coo", "0 0 1\n", None, "line 1: no line `# vartype=SPIN`"),
    "another vartype": ("it.coo", "# vartype=INTEGER\n0 0 1\n", None, "line 1: no line `# vartype=SPIN`"),
    "a negative number": ("it.coo", "# vartype=SPIN\n0 -1 1\n", None, "line 2: term 0 -1 leaves the sites 0 to"),
    "another glass": ("it.sg", "type: pm4\nsize: 2\n1 2 1\n", None, "line 2: type is 'pm4': it is one of pm, gauss"),
    "no size": ("it.sg", "type: pm\n1 2 1\n", None, "size is ''"),
    "a spin outside": (
        "it.sg",
        "type: pm\nsize: 2\n\n1 2 1\n4 5 1\n",
        None,
        "line 5: bond 4 5 leaves the sites 1",
    ),
    "constraints": ("it.qplib", "name\nQCL\nminimize\n", None, "line 2: type is 'QCL': only problems of binary"),
    "another sense": ("it.qplib", "name\nQBN\nimprove\n", None, "line 3: 'improve' stands where `minimize`"),
    "too few terms": ("it.qplib", HEAD + "2\n2\n1 1 3\n", None, "the file ends after 1 of 2 lines, each a term"),
    "a term outside": ("it.qplib", HEAD + "2\n1\n3 1 3\n", None, "line 6: term 3 1 leaves the sites 1 to 2"),
    "no constant": ("it.qplib", HEAD + "2\n1\n1 1 3\n0\n0\n", None, "line 8: the file ends, the constant"),
    "a bad list": ("it.qplib", HEAD + "2\n0\n0\n1\n3 1\n", None, "line 8: '3 1' stands where one of the linear"),
    "damaged JSON": ("it.json", '{"type": ', None, "damaged JSON"),
    "other JSON": ("it", '{"type": "SampleSet"}', None, "type is 'SampleSet': give the JSON of a BinaryQuadraticModel"),
    "JSON without": ("it", '{"type": "BinaryQuadraticModel"}', None, "no 'linear_biases' in this JSON"),
    "another format": ("it.mc", "2 1\n1 2 3\n", "qbsolv", "line 1: '2 1' stands where the header, `p qubo"),
    "no zip": ("it.mc", "2 1\n1 2 3\n", "npz", "it.mc"),
    "an unknown format": ("it.mc", "2 1\n", "rudi", "format is 'rudi': give one of 'rudy'.*did you mean 'rudy'"),
    "too many variables": ("it.qplib", HEAD + "9999999999\n0\n0\n", None, "line 4: 9999999999 variables: at most"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_such_file_is_refused_by_name_and_line(tmp_path, name):
    named, content, asked, words = BAD[name]
    path = file(tmp_path, named, content)
    with pytest.raises(ValueError, match=words) as caught:
        fg.read(path, asked)
    assert name == "an unknown format" or str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


UNWRITTEN = {
    "fields": (fg.lattice((2, 3), h=1.0), "it.mc", ValueError, r"fields\[0\] is 1.0: the rudy format holds couplings"),
    "an offset of couplings": (fg.Ising([[0]], offset=1), "it.sg", ValueError, "offset is 1.0: the spinglass format"),
    "spins": (fg.lattice((2, 3)), "it.qubo", ValueError, r"of spins: .* give as_model\(to_qubo\(model\)\[0\]\)"),
    "an offset": (fg.as_model({(): 1, (0,): 1}), "it.bq", ValueError, "offset is 1.0: the biqmac format has no place"),
    "units": (fg.as_model({(0, 1): 1}), "it.mc", TypeError, "give an Ising model"),
    "triples": (fg.Polynomial({(0, 1, 2): 1}), "it.json", ValueError, "has terms of 3 variables"),
    "names": (fg.as_model({("a", "b"): 1}), "it.coo", ValueError, "label 'a': the coo format holds numbers"),
    "no ending": (fg.lattice((2, 3)), "it", ValueError, "ends with none of .rudy, .*: give format, one of rudy"),
    "no model": (3, "it.mc", TypeError, "model is 3: give a model"),
}


@pytest.mark.parametrize("name", UNWRITTEN)
def test_what_a_format_has_no_place_for_is_refused_and_nothing_is_written(tmp_path, name):
    model, named, error, words = UNWRITTEN[name]
    with pytest.raises(error, match=words):
        fg.write(model, tmp_path / named)
    assert not list(tmp_path.iterdir())


def test_long_tables_are_read_in_pieces_to_the_same_numbers_as_line_by_line(tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    graph = fg.Ising.from_edges(50, *np.triu_indices(50, 1), rng.normal(size=1225))
    fg.write(graph, tmp_path / "it.mc")
    lines = (tmp_path / "it.mc").read_text().splitlines()
    bad = [*lines[:700], "1 2 x", *lines[701:]]
    for piece in (7, 100, 4096):
        monkeypatch.setattr(text, "_PIECE", piece)
        assert fg.read(tmp_path / "it.mc") == graph
        for k in (1, 3, 600):  # comments, blank lines
            path = file(tmp_path, "other.mc", "\n".join([*lines[:k], "# 1 2 3", "", *lines[k:]]))
            assert fg.read(path) == graph
        with pytest.raises(ValueError, match="line 701: '1 2 x' stands where an edge"):
            fg.read(file(tmp_path, "bad.mc", "\n".join(bad)))
    monkeypatch.setattr(text.Text, "_plain", lambda *_: None)
    assert fg.read(tmp_path / "it.mc") == graph


@pytest.mark.parametrize("row", ["1e0 2 1", "1 2. 1", "1-2 1", "1 2 -", "1 2 3 4", "1 2 1_0", "--1 2 3", "1 2 3-4"])
def test_rows_that_only_look_like_numbers_are_refused_at_their_line(tmp_path, row):
    for rows in ([row], ["1 2 3", row], [row, "1 2 3"]):
        path = file(tmp_path, "it.mc", "\n".join([f"4 {len(rows)}", *rows]))
        with pytest.raises(ValueError, match=f"line {2 + rows.index(row)}: "):
            fg.read(path)


def test_a_file_of_one_long_line_is_refused_before_it_is_read(tmp_path):
    path = file(tmp_path, "it.mc", "1 " * 3_000_000)
    with pytest.raises(ValueError, match="line 1: a line of more than 1048576 characters"):
        fg.read(path)


def test_a_damaged_stream_is_refused(tmp_path):
    (tmp_path / "it.mc.gz").write_bytes(gzip.compress(b"2 1\n1 2 3\n")[:-9])
    with pytest.raises(ValueError, match=r"it\.mc\.gz: damaged gzip stream"):
        fg.read(tmp_path / "it.mc.gz")


def test_archives_of_results_are_no_models(tmp_path):
    fg.anneal(fg.lattice((4,)), sweeps=20, reads=4, seed=1).save(tmp_path / "run.npz")
    with pytest.raises(ValueError, match=r"run\.npz holds a anneal, not a model: fastgibbs.load reads results"):
        fg.read(tmp_path / "run.npz")
    assert math.isfinite(fg.load(tmp_path / "run.npz").energy[0])


def test_the_old_door_and_the_new_one_are_one(tmp_path):
    graph = fg.random_regular(20, 3, seed=1)
    fg.write_rudy(tmp_path / "old", graph)
    fg.write(graph, tmp_path / "new.mc")
    assert (tmp_path / "old").read_bytes() == (tmp_path / "new.mc").read_bytes()
    assert fg.read(tmp_path / "old") == io.read_rudy(tmp_path / "new.mc") == graph
