"""The Numba decorators: GIL released, IEEE-exact, cached on disk under a digest of the engines' sources.

Kernels allocate nothing and own nothing, so they are compiled without Numba's reference counts (`_nrt=False`): counting
the arrays of a plan at every use made the multi-spin kernel ten times slower.
"""

import hashlib
import os
import sys
from pathlib import Path

import numba
from numba.extending import overload


def _cache_folder() -> Path | None:
    """Folder for compiled kernels, or None where nothing can be written.

    Numba notices an edit only in the kernel's own file and serves a stale kernel when a callee in another
    file changed; a folder named by a digest of every source makes that impossible. Kernels are in engines/ alone, which
    a test holds: an edit anywhere else compiles nothing again.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for source in [Path(__file__), *sorted((Path(__file__).parent / "engines").rglob("*.py"))]:
        digest.update(source.read_bytes())
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "fastgibbs" / f"{sys.implementation.cache_tag}-{digest.hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


CACHE_FOLDER = _cache_folder()


def njit(function):
    """Compile a kernel that Python calls: at its first call, or from the cache in later processes."""
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(CACHE_FOLDER or "")
    try:
        return numba.njit(nogil=True, _nrt=False, cache=CACHE_FOLDER is not None)(function)
    finally:
        numba.config.CACHE_DIR = before


def called(function):
    """Compile a function that only kernels call, in places that are not hot: it needs no cache of its own."""
    return numba.njit(_nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def inlined(function):
    """Compile a function that only kernels call, where every instruction counts: it becomes part of them, always."""
    return numba.njit(_nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)(function)


def implements(stub):
    """Give a function of the engines' contract one engine's body: it becomes part of the drivers, always.

    A call would copy the hundreds of words of a plan and a state.
    """
    return overload(stub, jit_options={"forceinline": True})


def must_compile(kernel) -> bool:
    """Whether the next call of `kernel` compiles, because neither this process nor the cache has it."""
    name = kernel.py_func.__name__
    return not kernel.signatures and not (CACHE_FOLDER and any(CACHE_FOLDER.rglob(f"*.{name}-*.nbi")))
