"""Imports only go down the floors of the package."""

import ast
import graphlib
from pathlib import Path

import pytest
from conftest import FIRST

PACKAGE = Path(__file__).parents[1] / "fastgibbs"
FLOORS = [
    ("types", "fingerprints", "markup"),
    ("jit", "threads", "fields", "models"),
    ("io",),
    ("exact", "engines", "reference", "analysis", "integrations", "info"),
    ("results",),
    ("methods", "plots"),
    ("learning", "testing", "pages"),
    ("integrations.dimod", "integrations.sklearn"),  # verbs under other libraries' names
    ("campaigns", "gallery", "benchmark", "verify", "warm", "docs"),
    ("commands",),
    ("__init__", "__main__"),
]
ENGINES = [  # each imports only earlier ones
    *("vectors", "layouts", "graphs", "bitslices", "bytespins", "contract", "gates", "arithmetic", "streams"),
    *(
        "shuffles",
        "precision",
        "entries",
        "spiking",
        "sparse_sums",
        "sparse_draws",
        "sparse",
        "sparse64",
        "flips",
        "terms",
    ),
    "polynomial",
    *("worldline_draws", "worldline"),
    *("dense", "dense_kernels", "rare", "multispin_counters", "multispin_neighbors", "multispin_rare", "multispin"),
    *("multispin_decisions", "multispin_kernels", "coloured", "memories", "overlap", "inputs", "layered", "waves"),
    "moves",
    *("replicas", "observables", "descents", "energies", "asking", "remembering", "lowest", "carrying", "binning"),
    *("bonds", "swendsen_wang", "replica_clusters", "wolff", "clusters", "drivers", "many", "phases", "gradients"),
    *("fours", "directed", "holding", "moments", "resampling"),
]
CORE = {"numpy", "numba", "llvmlite", "fastgibbs"}
OPTIONAL = {
    "PIL",
    "dimod",
    "matplotlib",
    "networkx",
    "pandas",
    "pdoc",
    "scipy",
    "sklearn",
    "tqdm",
    "xarray",
}  # imported inside the functions that need them

MODULES = [path for path in PACKAGE.rglob("*.py") if path.parent.name != "docs"]  # where scripts of users are

WRAPPERS = {("integrations", "dimod"), ("integrations", "sklearn.py")}  # of classes of a library


def imports(path, top_level_only=False):
    """Absolute names of everything a file imports."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def place(module):
    """The floor of a module, or else of the nearest part that has one: `module` is its path within the package."""
    parts = module.split(".")
    for name in (".".join(parts[:depth]) for depth in range(len(parts), 0, -1)):
        for level, floor in enumerate(FLOORS):
            if name in floor:
                return level
    raise AssertionError(f"{module} is on no floor")


def test_every_file_stands_on_a_floor_and_imports_only_from_its_own_part_or_below():
    for path in MODULES:
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for name in imports(path):
            if name.startswith("fastgibbs.") and name != "fastgibbs.__version__":
                other = name.removeprefix("fastgibbs.")
                beside = other.split(".")[0] == module.split(".")[0] and place(other) == place(module)
                assert beside or place(other) < place(module), f"{module} imports {name}"


def test_no_modules_import_each_other_in_a_circle():
    """Also not within functions. `from package import module` takes the module, not the package."""
    modules = {}
    for path in PACKAGE.rglob("*.py"):
        parts = ("fastgibbs", *path.relative_to(PACKAGE).with_suffix("").parts)
        modules[".".join(parts).removesuffix(".__init__")] = path
    graph = {module: set() for module in modules}
    for module, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module in modules:
                taken = {f"{node.module}.{alias.name}" for alias in node.names}
                graph[module] |= {name if name in modules else node.module for name in taken}
    assert tuple(graphlib.TopologicalSorter(graph).static_order())
    graph["fastgibbs.models.checks"].add("fastgibbs.results.saving")
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(graph).prepare()


def test_exact_answers_and_the_twin_never_see_an_engine():
    for part in ("exact", "reference"):
        for path in (PACKAGE / part).rglob("*.py"):
            assert not any("engines" in name for name in imports(path)), path


def test_engine_files_import_only_earlier_ones():
    for place_, name in enumerate(ENGINES):
        for imported in imports(PACKAGE / "engines" / f"{name}.py"):
            if imported.startswith("fastgibbs.engines."):
                assert imported.split(".")[2] in ENGINES[:place_], f"{name} imports {imported}"
    assert {path.stem for path in (PACKAGE / "engines").glob("*.py")} == {"__init__", *ENGINES}


def test_kernels_are_in_engines_alone_whose_sources_name_the_cache():
    compiles = {
        "fastgibbs.jit.njit",
        "fastgibbs.jit.called",
        "fastgibbs.jit.inlined",
        "fastgibbs.jit.by_types",
        "fastgibbs.jit.gives",
    }
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).parts
        if parts[0] != "engines" and parts not in {("jit.py",), ("fingerprints.py",)}:
            names = set(imports(path))
            assert not names & compiles and "numba" not in {name.split(".")[0] for name in names}, path


def test_models_and_the_twin_need_numpy_only():
    for part in ("models", "reference"):
        for path in (PACKAGE / part).rglob("*.py"):
            assert not any(name.split(".")[0] in {"numba", "llvmlite"} for name in imports(path)), path


def test_importing_the_package_needs_nothing_but_the_core():
    import sys

    for path in MODULES:
        roots = {name.split(".")[0] for name in imports(path)}
        assert roots <= CORE | OPTIONAL | set(sys.stdlib_module_names), path
        first = {name.split(".")[0] for name in imports(path, top_level_only=True)}
        assert not first & OPTIONAL or path.relative_to(PACKAGE).parts[:2] in WRAPPERS, path


def test_what_proves_engines_and_energies_holds_where_python_leaves_assertions_out():
    for path in (PACKAGE / "testing").glob("*.py"):
        assert not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(path.read_text()))), path


def test_no_module_is_longer_than_400_lines_nor_any_file_of_tests():
    for path in [*PACKAGE.rglob("*.py"), *Path(__file__).parent.rglob("*.py")]:
        assert len(path.read_text().splitlines()) <= 400, path


def test_the_picture_of_the_house_is_what_imports_make_it():
    import house

    assert house.PICTURE.read_text() == house.picture(), "python tests/house.py draws it anew"
    (arrows,) = [others for room, others in house.arrows().items() if room == "methods"]
    assert "results" in arrows and "models" not in arrows  # which `results` brings along


def test_files_that_begin_first_are_there():
    for name in FIRST:
        assert Path(__file__).with_name(f"test_{name}.py").exists(), name
    assert len(set(FIRST)) == len(FIRST)
