"""What a report should say of a machine: of a run, and of a fault, for `python -m fastgibbs info`."""

import platform
from importlib import metadata

from fastgibbs.io import VERSION
from fastgibbs.jit import CACHE_FOLDER, target
from fastgibbs.models import resources

EXTRAS = {  # those of pyproject.toml that users install, and what else is used where it is there
    "plot": ("matplotlib",),
    "tqdm": ("tqdm",),
    "xarray": ("xarray",),
    "sklearn": ("scikit-learn",),
    "free-energy": ("pymbar",),
    "dimod": ("dimod",),
    "networkx": ("networkx",),
    "dask": ("distributed",),
    "docs": ("pdoc",),
    "no extra": ("pandas", "scipy"),
}


def machine() -> dict[str, str]:
    """Versions, and the machine as runs see it, by name: nothing that tells whose it is."""
    cpu, width = target()
    return {
        "fastgibbs": VERSION,
        **{package: _version(package) for package in ("numba", "numpy", "llvmlite")},
        "Python": f"{platform.python_version()} ({platform.python_implementation()}, {platform.platform()})",
        "cores": f"{resources.cores()} that runs may use",
        "memory": f"{resources.memory() / 2**30:.1f} GiB that runs may use",
        "kernels for": f"{cpu}, vectors of {width} bits",
    }


def report() -> str:
    """Versions, the machine as runs see it, the cache of kernels and the optional packages, a line each."""
    extras = {extra: ", ".join(map(_named, packages)) for extra, packages in EXTRAS.items()}
    lines = {**machine(), "cache": _cache(), **extras}
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
