"""The examples in docstrings: each runs and gives what it shows, and no public name is without one."""

import ast
import doctest
import functools
import importlib.util
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import fastgibbs as fg
from fastgibbs import integrations

PACKAGE = Path(fg.__file__).parent
NEEDS = {f".{name}.": name for name in ("dimod", "networkx", "pandas", "scipy", "sklearn", "xarray")}
NEEDS |= {".bqm.": "dimod", ".plots.": "matplotlib"}
NEEDS |= {".to_sampleset": "dimod", ".to_dataframe": "pandas", ".to_xarray": "xarray"}  # of results


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


def shown_by(cls):
    """Public methods and properties of a class of ours, its bases' included, and whether an example of it uses each."""
    bases = [base for base in cls.__mro__ if base.__module__.startswith("fastgibbs.")]
    defined = {name: found for base in reversed(bases) for name, found in vars(base).items()}
    texts = [base.__doc__ for base in bases] + [found.__doc__ for base in bases for found in vars(base).values()]
    lines = re.findall(r"^ *(?:>>>|\.\.\.) (.*)", "\n".join(filter(None, texts)), re.MULTILINE)
    for name, found in defined.items():
        is_called = inspect.isroutine(found) or isinstance(found, property | functools.cached_property | classmethod)
        if is_called and name[0] != "_":
            yield name, any(re.search(rf"\.{name}\b", line) for line in lines)


def test_every_public_method_and_property_is_in_an_example_of_its_class():
    offered = dict([*public(fg), *public(integrations)])
    for module in ("dimod", "sklearn"):
        if importlib.util.find_spec(module):
            found = vars(importlib.import_module(f"fastgibbs.integrations.{module}"))
            offered |= {name: value for name, value in found.items() if inspect.isclass(value)}
    missing = {
        f"{cls.__module__}.{cls.__qualname__}.{name}"
        for cls in set(offered.values())
        if inspect.isclass(cls) and cls.__module__.startswith("fastgibbs.")
        for name, shown in shown_by(cls)
        if not shown
    }
    assert not missing


def test_a_method_without_an_example_is_found():
    class Shown:
        """>>> Shown().seen"""

        __module__ = "fastgibbs.nowhere"
        seen = property(lambda self: 1)

        def unseen(self):
            """Not `.unseen`."""

    assert dict(shown_by(Shown)) == {"seen": True, "unseen": False}
