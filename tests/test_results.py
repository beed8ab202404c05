"""Results of all verbs alike: every field is described, and they are saved, compared and refused where damaged."""

import ast
import copy
import dataclasses
import functools
import inspect
import itertools
import pickle
import re
from typing import get_args

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import analysis
from fastgibbs.analysis.records import by_beta
from fastgibbs.fields import fields
from fastgibbs.integrations.tables import table
from fastgibbs.io import read_archive, write_archive
from fastgibbs.results.saving import RESULTS

GLASS = fg.edwards_anderson((3, 4), seed=1)
RNG = np.random.default_rng(1)
MEMORY = fg.Hopfield(RNG.choice([-1, 1], (3, 20)), field=0.01)
DATA = RNG.integers(0, 2, (30, 5))
MACHINE = fg.RBM(RNG.normal(size=(5, 3)))
CUES = RNG.choice([-1, 1], (6, 20))
GRAPH = fg.BoltzmannMachine(np.full((7, 7), 0.1) - 0.1 * np.eye(7), visible=range(5))
OBSERVE = {"first": np.eye(12)[0], "pair": lambda states: states[:, :2], "<b>&": lambda states: np.nan * states[:, 0]}
RUNS = {
    "sample": lambda: fg.sample(
        GLASS, beta=[0.3, np.inf, 0.3, np.inf], sweeps=9, thin=2, seed=1, keep_states=True, observe=OBSERVE
    ),
    "sample clamped": lambda: fg.sample(GLASS, beta=0.4, chains=3, sweeps=40, seed=1, clamp={7: [1, -1, 1], 2: -1}),
    "sample several": lambda: fg.sample([GLASS, fg.edwards_anderson((3, 4), seed=2)], beta=0.4, sweeps=5, seed=1),
    "sample an RBM": lambda: fg.sample(MACHINE, beta=1.0, chains=4, sweeps=60, seed=1, clamp={0: 1}),
    "anneal": lambda: fg.anneal(GLASS, sweeps=[3, 6], reads=10, seed=1, keep=4, clamp={3: 1}),
    "anneal to T = 0": lambda: fg.anneal(GRAPH, betas=[0.1, 1.0, np.inf], sweeps=6, reads=4, seed=1),
    "temper": lambda: fg.temper(GLASS, rungs=3, sweeps=200, ladders=4, seed=1, observe=OBSERVE, clamp={3: 1, 0: -1}),
    "temper one ladder": lambda: fg.temper(MACHINE, betas=[0.0, 0.5, 1.0], sweeps=30, ladders=1, seed=1),
    "recall": lambda: fg.recall(MEMORY, CUES, sweeps=5, seed=1),
    "recall warm": lambda: fg.recall(MEMORY, MEMORY.patterns, beta=2.0, sweeps=5, seed=1),
    "train": lambda: fg.train(MACHINE, DATA, epochs=30, batch_size=10, seed=1),
    "train a graph": lambda: fg.train(GRAPH, DATA, epochs=4, batch_size=10, method="cd", likelihood_every=0, seed=1),
    "sample stopped": lambda: fg.sample(
        GLASS, beta=0.4, chains=2, sweeps=10**7, thin=10**7, seed=1, progress=lambda done, total: True
    ),
    "temper no sites": lambda: fg.temper(fg.Ising(np.zeros((0, 0))), betas=[0.0, 1.0], sweeps=50, seed=1),
    "train without history": lambda: fg.train(MACHINE, DATA, epochs=2, method="exact", history_every=0, seed=1),
}
MODELS = {
    "Ising": fg.Ising.from_edges(5, [0, 1, 3], [1, 2, 0], [0.1, -2.5, 1e-300], np.arange(5), 0.7),
    "one of no sites": fg.Ising(np.zeros((0, 0))),
    "lattice": fg.lattice((3, 5), J=-0.3, h=0.1),
    "glass": GLASS,
    "Hopfield": MEMORY,
    "dense memory": fg.Hopfield(np.eye(3, 9) * 2 - 1, order=3),
    "RBM": MACHINE,
    "BoltzmannMachine": GRAPH,
}
NAMED = re.compile(r"(\w+) \((.*?),?\)(.*)")
LOOP = pytest.mark.parametrize("name", [*RUNS, "train diverged", "recall stopped"])


@functools.cache
def made():
    """The results of all runs."""
    made = {name: run() for name, run in RUNS.items()}
    with pytest.warns(RuntimeWarning, match="diverged"):
        made["train diverged"] = fg.train(MACHINE, DATA, epochs=5, learning_rate=1e6, seed=1)
    made["recall stopped"] = dataclasses.replace(made["recall"], overlaps=np.empty((6, 0, 3)), interrupted=True)
    return made


@pytest.fixture
def results():
    return made()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept.npz"


def everything(result):
    """Yield (name, value) of all that a result has: its fields, those of the NamedTuples in them, and its states."""
    values = {field.name: getattr(result, field.name) for field in fields(type(result))} | {"states": None}
    if hasattr(result, "states"):
        values["states"] = result.states
    for name, value in values.items():
        parts = value._asdict() if hasattr(value, "_asdict") else value if isinstance(value, dict) else {"": value}
        yield from ((f"{name}.{key}", part) for key, part in parts.items())
    if isinstance(result, fg.SampleResult) and result._blocks[0].record.samples.size:
        yield "samples", result.samples


def same(one, other):
    one, other = dict(everything(one)), dict(everything(other))
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert type(other[name]) is type(value), name
        if isinstance(value, np.ndarray):
            assert (other[name].dtype, other[name].shape) == (value.dtype, value.shape), name
            assert other[name].tobytes() == np.ascontiguousarray(value).tobytes(), name
        else:
            assert other[name] == value, name


# Fields


@pytest.mark.parametrize("cls", RESULTS.values(), ids=RESULTS)
def test_every_public_field_of_a_result_is_described_in_its_help(cls):
    public = [field.name for field in dataclasses.fields(cls) if not field.name.startswith("_")]
    assert [field.name for field in fields(cls)] == public
    for name, kind, shape, text in fields(cls):
        assert text.endswith(".") and text[0] != " ", name
        assert bool(shape) >= (kind in (np.ndarray, dict[str, np.ndarray])), name
        assert f"\n    {name}{shape and ', '}{shape}: " in cls.__doc__
        for part in (kind, *get_args(kind)):
            for inner in getattr(part, "_fields", ()):
                assert f"\n    {name}.{inner}" in cls.__doc__


@pytest.mark.parametrize("public", [fg, fg.analysis, fg.exact, fg.learning], ids=lambda module: module.__name__)
def test_no_public_class_describes_a_field_where_help_does_not_show_it(public):
    for name in public.__all__:
        if not isinstance(cls := getattr(public, name), type):
            continue
        (tree,) = ast.parse(inspect.getsource(cls)).body
        for field, text in itertools.pairwise(tree.body):
            described = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
            assert not (isinstance(field, ast.AnnAssign) and described), f"{name}.{field.target.id}"


@LOOP
def test_arrays_have_the_types_and_axes_that_their_fields_tell(results, name):
    result, sizes, seen = results[name], {}, 0
    for field in fields(type(result)):
        value = getattr(result, field.name)
        told = [(field.shape, value)]
        if isinstance(value, dict):
            told = [(field.shape, part) for part in value.values()]
        if hasattr(value, "_fields"):
            told = [(of.shape, part) for of, part in zip(fields(type(value)), value, strict=True)]
        for shape, array in told:
            if not isinstance(array, np.ndarray):
                continue
            seen += 1
            dtype, axes, beyond = NAMED.fullmatch(shape).groups()
            axes = axes.split(", ")
            assert array.dtype == dtype, field.name
            assert array.ndim == len(axes) or (axes[-1] == "..." and array.ndim >= len(axes) - 1), field.name
            for axis, size in zip(axes, array.shape, strict=False):
                assert axis == "..." or sizes.setdefault(axis, size) == size, (field.name, axis)
            assert beyond or axes[-1] == "..." or array.dtype.kind != "f" or np.isfinite(array).all(), field.name
    assert seen >= 4


# Archives


@LOOP
@pytest.mark.parametrize("save", [lambda result, path: result.save(path), fg.save], ids=["method", "function"])
def test_what_is_saved_comes_back_with_its_model(results, name, save, path):
    save(results[name], path)
    back, content = fg.load(path), path.read_bytes()
    assert type(back) is type(results[name])
    assert back.model == results[name].model
    same(results[name], back)
    assert (back.summary(), repr(back)) == (results[name].summary(), repr(results[name]))
    save(back, path)
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == ["kept.npz"]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_as_it_was(name, path):
    fg.save(MODELS[name], path)
    back, content = fg.load(path), path.read_bytes()
    assert (type(back), back) == (type(MODELS[name]), MODELS[name])
    fg.save(back, path)
    assert path.read_bytes() == content


def test_a_trained_machine_is_kept_and_goes_on(results, path):
    fg.save(results["train"].model, path)
    once, again = (fg.train(model, DATA, epochs=2, seed=2) for model in (results["train"].model, fg.load(path)))
    assert once.model == again.model


@LOOP
def test_pickles_and_copies_are_the_same(results, name):
    if "observe" not in name:
        same(results[name], pickle.loads(pickle.dumps(results[name])))
    same(results[name], copy.deepcopy(results[name]))


def test_a_file_that_says_nothing_of_clamps_and_chosen_sweeps_is_of_a_run_without(results, path):
    """Those that were written before these were told."""
    results["sample"].save(path)
    kind, arrays, header, _ = read_archive(path)
    assert arrays.pop("clamped").size == arrays.pop("at").size == 0
    write_archive(path, kind, arrays, header)
    same(results["sample"], fg.load(path))


def test_a_file_that_says_nothing_of_waves_of_overlaps_is_of_none(results, path):
    results["temper"].save(path)
    kind, arrays, header, _ = read_archive(path)
    assert arrays.pop("overlap.qk2").shape[2] == 2
    write_archive(path, kind, arrays, header)
    again = fg.load(path).overlap
    assert again.qk2.size == 0 and np.array_equal(again.q2, results["temper"].overlap.q2)


WRONG = {  # by type: what no number or text of a result is
    bool: [3, "x", None, []],
    int: [2.5, "x", None, [], -7, True],
    float: ["x", None, [], "nan"],
    str: [3, None, "x", []],
    list: [3, "x", None, [3], [[]], [None] * 4, ["x"] * 4],
}


SHARED = (  # arrays whose first axis others have too
    *("energy", "magnetization", "beta", "states", "last_states", "read", "ground_counts", "kept_energy"),
    *("kept_states", "trace_min", "trace_mean", "sweeps", "done", "flow", "restarts", "round_trips", "overlap.q"),
    *("overlap.histogram", "overlaps", "converged", "sweeps_needed", "history.epoch", "history.log_likelihood_error"),
)


def doctored(arrays, header):
    """Yield (what was done, arrays, header)."""
    for name, array in arrays.items():
        free = name.startswith("observables.")  # what functions return may be any numbers
        changed = {"complex": array.astype(complex), "text": array.astype(str)} if array.size else {}
        if not free:
            changed["one more axis"] = array[..., None]
        if array.dtype.kind == "f" and array.size and not free:
            changed["-inf"] = np.where(np.arange(array.size).reshape(array.shape) == array.size - 1, -np.inf, array)
        if name in SHARED and len(array):
            changed["one more"] = np.concatenate([array, array[-1:]])
        if array.dtype == np.uint8 and array.size:
            changed["more sites"] = np.concatenate([array, array], axis=-1)
        for what, wrong in changed.items():
            yield f"{name}: {what}", arrays | {name: wrong}, header
        if name not in ("clamped", "at", "overlap.qk2", "gammas") and not free:
            yield f"{name} is gone", {other: mine for other, mine in arrays.items() if other != name}, header
    for name, value in header.items():
        for wrong in WRONG[float if value == "inf" else type(value)]:
            yield f"{name} = {wrong}", arrays, header | {name: wrong}
        if name not in ("start", "together"):  # older files are without
            yield f"{name} is gone", arrays, {other: mine for other, mine in header.items() if other != name}
    yield "no model", arrays, header | {"models": []}
    several = {
        f"model{k}.{name[7:]}": array for k in range(7) for name, array in arrays.items() if name[:6] == "model0"
    }
    yield "7 models", arrays | several, header | {"models": header["models"][:1] * 7}


@LOOP
def test_doctored_results_are_refused(results, name, path):
    results[name].save(path)
    kind, arrays, header, _ = read_archive(path)
    tried = 0
    for what, changed, told in doctored(arrays, header):
        write_archive(path, kind, changed, told)
        with pytest.raises(ValueError, match=rf"kept\.npz holds a {kind} that no run returns"):
            print(what, fg.load(path))
        tried += 1
    assert tried > 50


@pytest.mark.parametrize("name", MODELS)
def test_doctored_models_are_refused(name, path):
    fg.save(MODELS[name], path)
    _, arrays, header, _ = read_archive(path)
    for what, changed, told in doctored(arrays, header):
        write_archive(path, "model", changed, told)
        with pytest.raises(ValueError, match=r"kept\.npz holds a model that nobody saved"):
            print(what, fg.load(path))


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("recall", {"overlaps": np.full((6, 5, 3), 1.5)}, "beyond 1"),
        ("recall", {"model": fg.Ising(np.zeros((20, 20)))}, "give a Hopfield model|patterns"),
        ("train", {"model": fg.Ising(np.zeros((8, 8)))}, "give an RBM"),
        ("train", {"epochs": 3}, "other epochs than 1 to 3"),
        ("temper", {"acceptance": np.zeros(5)}, "5 rungs - 1"),
        ("sample", {"at": np.array([1, 2, 2, 3])}, r"at is \[1, 2, 2, 3\], of 4 draws"),
        ("sample", {"at": np.array([1, 2])}, r"at is \[1, 2\], of 4 draws"),
        ("sample clamped", {"clamped": np.array([7, 2])}, "give some of 0 to 11, ascending"),
        ("anneal", {"clamped": np.array([3, 3])}, "give some of 0 to 11, ascending"),
        ("temper", {"clamped": np.array([-1])}, "give some of 0 to 11, ascending"),
        ("temper", {"clamped": np.array([12])}, "give some of 0 to 11, ascending"),
    ],
)
def test_what_does_not_belong_together_is_refused(results, name, change, words, path):
    dataclasses.replace(results[name], **change).save(path)
    with pytest.raises(ValueError, match=words):
        fg.load(path)


@pytest.mark.parametrize(
    "more", [{"arrays": {"more": np.zeros(3)}}, {"header": {"more": 3}}, {"arrays": {"model0.more": np.ones(2)}}]
)
@pytest.mark.parametrize("name", ["sample", "anneal", "temper", "recall", "train", "a model"])
def test_what_no_such_thing_has_is_refused(results, name, more, path):
    fg.save(GLASS if name == "a model" else results[name], path)
    kind, arrays, header, _ = read_archive(path)
    write_archive(path, kind, arrays | more.get("arrays", {}), header | more.get("header", {}))
    with pytest.raises(ValueError, match=rf"kept\.npz holds a {kind} that no"):
        fg.load(path)


@LOOP
def test_results_compare_and_hash_without_raising(results, name):
    result, other = results[name], results["recall warm"]
    assert result == result
    assert (result == copy.copy(result)) is False
    assert (result == other) is (name == "recall warm")
    assert (result != 3) is True
    assert len({result, result, copy.copy(result)}) == 2
    for part in (getattr(result, field.name) for field in fields(type(result))):
        if hasattr(part, "_fields"):
            assert part == copy.deepcopy(part)
            assert hash(part) == hash(copy.deepcopy(part))


@pytest.mark.parametrize(
    "made",
    [
        lambda results, k: results["anneal"].lowest(2 + k),
        lambda results, k: results["anneal"].success(-1.0 - 100 * k),
        lambda results, k: results["temper"].barrier._replace(total=k),
        lambda results, k: results["temper"].log_z._replace(bar_error=np.full(3, k)),
        lambda results, k: results["temper"].equilibration._replace(reached=bool(k)),
        lambda results, k: fg.exact.hopfield(fg.Hopfield(MEMORY.patterns), 0.1 + k),
        lambda results, k: fg.exact.torus((4, 4), [0.1, 0.2 + k]),
    ],
)
def test_what_results_give_compares_and_hashes_by_what_it_holds(results, made):
    assert made(results, 0) == made(results, 0)
    assert hash(made(results, 0)) == hash(made(results, 0))
    assert (made(results, 0) != made(results, 1)) is True


@pytest.mark.parametrize("name", ["sample", "temper", "anneal", "recall", "train"])
def test_a_result_is_known_by_what_it_can_do_and_not_by_its_name(results, name, path):
    cls = type(results[name])
    values = {field.name: getattr(results[name], field.name) for field in dataclasses.fields(cls)}
    other = type("Other", (cls,), {})(**values)
    assert analysis.summary(other) == results[name].summary()
    assert table(other).variables.keys() == table(results[name]).variables.keys()
    if name in ("sample", "temper"):
        assert len(by_beta(other)) == len(by_beta(results[name]))
    other.save(path)
    same(fg.load(path), results[name])
