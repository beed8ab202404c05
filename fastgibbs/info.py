"""What a report of a fault should say of a machine, for `python -m fastgibbs info`."""

import platform
from importlib import metadata

from fastgibbs.io import VERSION
from fastgibbs.jit import CACHE_FOLDER, target
from fastgibbs.models import resources

EXTRAS = {  # those of pyproject.toml, and what else is used where it is there
    "plot": ("matplotlib", "tqdm"),
    "xarray": ("xarray",),
    "free-energy": ("pymbar",),
    "to_dataframe": ("pandas",),
    "digits": ("scikit-learn",),
}


def report() -> str:
    """Versions, the machine as runs see it, the cache of kernels and the optional packages, a line each."""
    cpu, width = target()
    lines = {
        "fastgibbs": VERSION,
        **{package: _version(package) for package in ("numba", "numpy", "llvmlite")},
        "Python": f"{platform.python_version()} ({platform.python_implementation()}, {platform.platform()})",
        "cores": f"{resources.cores()} that runs may use",
        "memory": f"{resources.memory() / 2**30:.1f} GiB that runs may use",
        "kernels for": f"{cpu}, vectors of {width} bits",
        "cache": _cache(),
        **{extra: ", ".join(map(_named, packages)) for extra, packages in EXTRAS.items()},
    }
    return "\n".join(f"{name:13} {value}" for name, value in lines.items())


def _cache() -> str:
    if CACHE_FOLDER is None:
        return "none: NUMBA_CACHE_DIR names a folder"
    sizes = [path.stat().st_size for path in CACHE_FOLDER.rglob("*.nb?")]
    return f"{CACHE_FOLDER}, {sum(sizes) / 2**20:.1f} MiB"


def _named(package: str) -> str:
    return f"{package} {_version(package)}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not found"
