"""The examples in docstrings: each runs and gives what it shows, and no public name is without one."""

import ast
import doctest
import sys
from pathlib import Path
from types import ModuleType

import pytest

import fastgibbs as fg
from fastgibbs import integrations

PACKAGE = Path(fg.__file__).parent
NEEDS = {f".{name}.": name for name in ("dimod", "networkx", "pandas", "scipy", "sklearn", "xarray")}
NEEDS |= {".bqm.": "dimod", ".plots.": "matplotlib"}


def docstrings(node, name):
    """Names and docstrings of a module, and of all that it defines, as they are in the source."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
        yield name, ast.get_docstring(node) or ""
    for child in ast.iter_child_nodes(node):
        yield from docstrings(child, f"{name}.{child.name}" if hasattr(child, "name") else name)


def examples():
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for name, text in docstrings(ast.parse(path.read_text()), module):
            if ">>>" in text:
                yield name, text


def public(module):
    """Names and values of the functions and classes that a module offers, and those in modules that it does."""
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, ModuleType):
            yield from public(value)
        elif callable(value):
            yield f"{module.__name__}.{name}", value


def failures(name, text):
    """What an example gives where it shows something else."""
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    said = []
    doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    return "".join(said)


@pytest.mark.parametrize(("name", "text"), [pytest.param(*found, id=found[0]) for found in examples()])
def test_an_example_gives_what_it_shows(name, text, tmp_path, monkeypatch):
    for part, library in NEEDS.items():
        if part in name:
            pytest.importorskip(library, reason=f"the example needs {library}")
    monkeypatch.chdir(tmp_path)
    try:
        assert not failures(name, text)
    finally:
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")


def test_an_example_that_shows_something_else_is_found():
    assert not failures("right", ">>> 1 + 1\n2")
    assert "Expected" in failures("wrong", ">>> 1 + 1\n3")
    assert "NameError" in failures("broken", ">>> lattice\n2")


def test_every_public_function_and_class_has_an_example():
    offered = dict([*public(fg), *public(integrations)])
    assert {"fastgibbs.sample", "fastgibbs.analysis.barrier", "fastgibbs.Ising"} <= set(offered)
    assert not [name for name, value in offered.items() if ">>>" not in value.__doc__]
