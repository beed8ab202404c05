"""Every public name says the types of what it takes and gives, and these names mean something."""

import inspect
import types
import typing
from importlib import resources

import pytest

import fastgibbs
from fastgibbs import analysis, exact, integrations, io, learning, models, plots, testing

PUBLIC = [
    getattr(module, name)
    for module in (fastgibbs, analysis, exact, integrations, io, learning, models, plots, testing)
    for name in module.__all__
]
# What optional packages call their own, which signatures name and nothing imports.
FOREIGN = {
    "Axes": object,
    "dimod": types.SimpleNamespace(BinaryQuadraticModel=object, SampleSet=object),
    "networkx": types.SimpleNamespace(Graph=object),
    "scipy": types.SimpleNamespace(sparse=types.SimpleNamespace(csr_array=object)),
    "Figure": object,
    "pandas": types.SimpleNamespace(DataFrame=object),
    "xarray": types.SimpleNamespace(Dataset=object),
}


def functions():
    """Public functions, and the constructors, methods and properties of public classes, by name."""
    for thing in PUBLIC:
        if inspect.isfunction(thing):
            yield thing.__qualname__, thing
        elif inspect.isclass(thing):
            for cls in thing.__mro__:
                for name, member in vars(cls).items():
                    member = getattr(member, "fget", None) or getattr(member, "func", None) or member
                    member = getattr(member, "__func__", member)
                    own = inspect.isfunction(member) and member.__module__.startswith("fastgibbs.")
                    if own and (name == "__init__" or not name.startswith("_")) and "<locals>" not in str(member):
                        yield f"{thing.__qualname__}.{name}", member


FUNCTIONS = dict(functions())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_argument_and_what_comes_back_has_a_type(name):
    function = FUNCTIONS[name]
    hints = typing.get_type_hints(function, localns=FOREIGN)
    arguments = [argument for argument in inspect.signature(function).parameters if argument not in ("self", "cls")]
    missing = [argument for argument in (*arguments, "return") if argument not in hints]
    assert not missing, f"{name} does not say the types of {missing}"


def test_attributes_of_models_and_fields_of_results_have_types():
    for thing in PUBLIC:
        if inspect.isclass(thing):
            typing.get_type_hints(thing)
    for model in (fastgibbs.lattice((3, 3)), fastgibbs.Hopfield([[1, -1]]), fastgibbs.RBM([[1.0]])):
        known = set(typing.get_type_hints(type(model)))
        assert vars(model).keys() <= known, f"{type(model).__name__} holds {vars(model).keys() - known} besides"


def test_the_names_that_are_looked_at_are_not_few():
    assert len(FUNCTIONS) > 150


def test_checkers_are_told_that_there_are_types():
    assert (resources.files(fastgibbs) / "py.typed").is_file()
