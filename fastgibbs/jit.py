"""The Numba decorators: GIL released, IEEE-exact, cached on disk under a digest of the engines' sources.

Kernels allocate nothing and own nothing, so they are compiled without Numba's reference counts (`_nrt=False`): counting
the arrays of a plan at every use made the multi-spin kernel ten times slower.
"""

import ctypes
import dis
import hashlib
import os
import pickle
import sys
import types
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
from llvmlite import binding
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.codegen import get_host_cpu_features
from numba.extending import overload

_DIGEST = 32  # bytes of a SHA-256
_WIDTHS, _LEAST_WIDTH = {"avx512f": 512, "avx2": 256}, 128  # bits of vector registers, also of ARM's


def _cache_folder() -> Path | None:
    """Folder for compiled kernels, or None where no folder is named and this user has no home.

    Numba notices an edit only in the kernel's own file and serves a stale kernel when a callee in another
    file changed; a folder named by a digest of every source makes that impossible. Kernels are in engines/ alone, which
    a test holds: an edit anywhere else compiles nothing again.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for source in [Path(__file__), *sorted((Path(__file__).parent / "engines").rglob("*.py"))]:
        digest.update(source.read_bytes())
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    if not base:
        try:
            base = Path.home() / ".cache"
        except RuntimeError:
            return None
    return Path(base).absolute() / "fastgibbs" / f"{sys.implementation.cache_tag}-{digest.hexdigest()[:16]}"


CACHE_FOLDER = _cache_folder()
_told = set()


def _tell(problem):
    """Warn, once a process, of what is wrong with the cache."""
    if problem not in _told:
        _told.add(problem)
        warnings.warn(f"the cache of compiled kernels in {CACHE_FOLDER} {problem}", RuntimeWarning, stacklevel=2)


class _Locator(FunctionCache._impl_class._locator_classes[0]):
    """Where kernels are: a folder that cannot be written may still hold some."""

    def ensure_cache_path(self):
        with suppress(OSError):  # saving says so
            os.makedirs(self.get_cache_path(), exist_ok=True)


class _Implementation(FunctionCache._impl_class):
    _locator_classes = (_Locator,)


class _Files(IndexDataCacheFile):
    """Numba's index and data, each with its digest, and the data with their key.

    Two processes that save at once may give two kernels the same file.
    """

    def save(self, key, data):
        super().save(key, (key, data))

    def load(self, key):
        found = super().load(key)
        return found[1] if found is not None and found[0] == key else None

    def _dump(self, obj):
        content = super()._dump(obj)
        return content + hashlib.sha256(content).digest()  # a pickle says itself where it ends

    def _load_index(self):
        with suppress(FileNotFoundError), open(self._index_path, "rb") as file:
            pickle.load(file)  # the version
            _verify(file.read())
        return super()._load_index()

    def _load_data(self, name):
        _verify(Path(self._data_path(name)).read_bytes())
        return super()._load_data(name)


def _verify(content):
    if hashlib.sha256(content[:-_DIGEST]).digest() != content[-_DIGEST:]:
        raise ValueError("the content does not fit its checksum")


class _Cache(FunctionCache):
    """Numba's cache of a kernel: what is damaged is compiled again, and what cannot be saved is not.

    Nor are kernels for an engine outside the package: each process compiles them.
    """

    _impl_class = _Implementation

    def __init__(self, function):
        super().__init__(function)
        files = self._cache_file
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, files._source_stamp)

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except MemoryError:
            raise
        except ImportError:  # of a function that no file holds, as one that was given to exec
            return None
        except Exception:  # pickle alone raises ten kinds on damaged bytes
            _tell("is damaged: kernels are compiled again")
            with suppress(OSError):
                os.unlink(self._cache_file._index_path)
            return None

    def save_overload(self, sig, data):
        if any(map(_foreign, data.signature.args)):
            return
        try:
            super().save_overload(sig, data)
        except Exception as error:
            reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            _tell(f"cannot be written ({reason}): every process compiles; NUMBA_CACHE_DIR names another folder")


def _foreign(kind) -> bool:
    """Whether a type holds tuples of a class outside this package: an engine's, whose edits the digest does not see.

    Nor could a process without that class read the index.
    """
    of_class = getattr(kind, "instance_class", None)
    outside = of_class is not None and of_class.__module__.partition(".")[0] != __package__
    return outside or any(map(_foreign, getattr(kind, "types", ())))


@contextmanager
def _set(**values):
    """Numba's configuration changed for a moment."""
    before = {name: getattr(numba.config, name) for name in values}
    vars(numba.config).update(values)
    try:
        yield
    finally:
        vars(numba.config).update(before)


def _compiled(function, **options):
    """Numba's dispatcher of a function, also under NUMBA_DISABLE_JIT=1: kernels have no other form."""
    with _set(DISABLE_JIT=0):
        dispatcher = numba.njit(_nrt=False, **options)(function)
    compile_ = dispatcher.compile

    def compiling(signature):
        with _set(DISABLE_JIT=0):  # Numba asks again for every body that a stub is given
            return compile_(signature)

    dispatcher.compile = compiling
    return dispatcher


def njit(function):
    """Compile a kernel that Python calls: at its first call, or from the cache in later processes."""
    dispatcher = _compiled(function, nogil=True)
    if CACHE_FOLDER:
        with _set(CACHE_DIR=str(CACHE_FOLDER)):
            dispatcher._cache = _Cache(function)
    compile_ = dispatcher.compile

    def compiling(signature):
        try:
            return compile_(signature)
        finally:  # tens of MB that LLVM has freed would stay with this process
            with suppress(AttributeError, OSError, TypeError):  # no glibc
                ctypes.CDLL(None).malloc_trim(0)

    dispatcher.compile = compiling
    return dispatcher


def called(function):
    """Compile a function that only kernels call, in places that are not hot: it needs no cache of its own."""
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def inlined(function):
    """Compile a function that only kernels call, where every instruction counts: it becomes part of them, always."""
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)


def implements(stub):
    """Give a function of the engines' contract one engine's body: it becomes part of the drivers, always.

    A call would copy the hundreds of words of a plan and a state.
    """
    return overload(stub, jit_options={"forceinline": True})


_NAMED = {"builtins", "math", "numba", "numpy", "operator"}  # packages whose functions are known by their names
_PLAIN = int, float, complex, str, bytes, frozenset, type(None), np.generic, np.dtype, np.ufunc, numba.types.Type


def fingerprint(function) -> str:
    """SHA-256 of what a function does: its code, that of all it calls, and the values that they read from outside.

    What is compiled of somebody else's function is cached under it. It is the same in every process, but where a
    function reads a value that is of no type known here: that could change unseen. TypeError if it calls a function
    that is not compiled, which Numba could not, or has another body for somewhere.
    """
    found = _Fingerprint(hashlib.sha256(), {})
    found.add(function)
    return found.digest.hexdigest()


class _Fingerprint(NamedTuple):
    digest: object
    seen: dict  # functions, and in which order

    def note(self, *words):
        self.digest.update("\0".join(map(str, (*words, ""))).encode())

    def add(self, value):
        """A function, or a value that one reads."""
        if _root(value) in _NAMED and hasattr(value, "__qualname__"):
            self.note(value.__module__, value.__qualname__)
            return
        if isinstance(value, types.FunctionType) and self.seen:
            raise TypeError(f"{value.__qualname__} is called by what is compiled: decorate it with numba.njit")
        value = getattr(value, "_dispatcher", value)  # of a ufunc
        value = getattr(value, "py_func", value)
        if isinstance(value, types.FunctionType) and value in self.seen:
            self.note("function", self.seen[value])
        elif isinstance(value, types.FunctionType):
            self.seen[value] = len(self.seen)
            self.note(value.__globals__.get("__name__"))  # Numba imports that module with what the cache has of it
            self.add_code(value.__code__, value.__globals__)
            self.add((*(cell.cell_contents for cell in value.__closure__ or ()), value.__defaults__))
        elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
            self.note(value.dtype, value.shape, hashlib.sha256(np.ascontiguousarray(value)).hexdigest())
        elif isinstance(value, tuple | list):
            self.note(type(value).__name__, len(value))
            for one in value:
                self.add(one)
        else:
            self.note(type(value), repr(value) if isinstance(value, _PLAIN) else os.urandom(16).hex())

    def add_code(self, code, outside):
        """The code of a function, and what it reads from outside, also from modules."""
        self.note(code.co_code.hex(), code.co_names, code.co_varnames, code.co_freevars)
        for value in code.co_consts:
            if isinstance(value, types.CodeType):
                self.add_code(value, outside)
            else:
                self.add(value)
        module = None
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and step.argval in outside:
                value = outside[step.argval]
            elif module and step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                value = getattr(module, step.argval)
            else:
                module = None
                continue
            module = value if isinstance(value, types.ModuleType) else None
            if module is None:
                self.add(value)
            elif module.__name__.partition(".")[0] in _NAMED:
                module = None


def _root(value) -> str:
    """The package that a value says it is from."""
    return str(getattr(value, "__module__", None)).partition(".")[0]


def must_compile(kernel) -> bool:
    """Whether the next call of `kernel` compiles, because neither this process nor the cache has it."""
    name = kernel.py_func.__name__
    return not kernel.signatures and not (CACHE_FOLDER and any(CACHE_FOLDER.rglob(f"*.{name}-*.nbi")))


def target() -> tuple[str, int]:
    """The processor that kernels are compiled for, as LLVM calls it, and the bits of its widest vector registers."""
    name, features = numba.config.CPU_NAME, numba.config.CPU_FEATURES
    features = (get_host_cpu_features() if features is None else features).split(",")
    widths = [width for feature, width in _WIDTHS.items() if f"+{feature}" in features]
    return name or binding.get_host_cpu_name(), max(widths, default=_LEAST_WIDTH)
