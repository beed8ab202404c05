"""The Numba decorators: GIL released, IEEE-exact, cached on disk under a digest of the engines' sources.

Kernels allocate nothing and own nothing, so they are compiled without Numba's reference counts (`_nrt=False`): counting
the arrays of a plan at every use made the multi-spin kernel ten times slower.
"""

import copy
import ctypes
import functools
import hashlib
import inspect
import os
import pickle
import signal
import sys
import threading
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path

import numba
from llvmlite import binding
from numba.core import event
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.codegen import JITCodeLibrary, get_host_cpu_features
from numba.core.compiler import Compiler
from numba.extending import overload

from fastgibbs.fingerprints import Fingerprint, inside

_DIGEST = 32  # bytes of a SHA-256


def _cache_folder() -> Path | None:
    """Folder for compiled kernels, or None where no folder is named and this user has no home.

    Numba notices an edit in the kernel's own file alone; a folder named by a digest of all sources that hold kernels,
    those of engines/, serves none that is stale, and an edit anywhere else compiles nothing again.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for source in [Path(__file__), *sorted(Path(__file__).parent.glob("engines/**/*.py"))]:
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

    What an engine outside the package makes of it is in files of its own, named by what that engine does: no edit of
    it meets a kernel that was compiled before, and no process without it reads their index.
    """

    _impl_class = _Implementation

    def __init__(self, function):
        super().__init__(function)
        self._function, self._stamp = function, self._cache_file._source_stamp
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, self._stamp)

    def _of(self, sig):
        """The cache of this kernel for these types, or None if no other process could know them again."""
        mark = _mark(self._function, getattr(sig, "args", sig))
        cache = None if mark is None else copy.copy(self)
        if mark:
            cache._cache_file = _Files(self._cache_path, f"{self._impl.filename_base}-{mark}", self._stamp)
        return cache

    def load_overload(self, sig, target_context):
        cache = self._of(sig)
        return cache and cache._load(sig, target_context)

    def _load(self, sig, target_context):
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
        cache = self._of(sig)
        if cache:
            cache._save(sig, data)

    def _save(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception as error:
            reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            _tell(f"cannot be written ({reason}): every process compiles; NUMBA_CACHE_DIR names another folder")


def _mark(function, kinds) -> str | None:
    """What a kernel for these types is cached under, beside the sources of the package: "" if it is of these alone.

    Else a digest of the function, of the fields of the classes that the types are of, and of the bodies that `gives`
    has for them, whatever of it is outside the package; or None if no other process could know all of it again.
    """
    found, classes = Fingerprint(hashlib.sha256(), {}), list(dict.fromkeys(_outside(kinds)))
    if inside(function) and not classes:
        return ""
    try:
        if not inside(function):
            found.add_function(function)
        for of_class in classes:
            found.note(of_class.__module__, of_class.__qualname__, *of_class._fields)
            path = of_class.__qualname__.split(".")
            if functools.reduce(getattr, path, sys.modules[of_class.__module__]) is not of_class:
                return None
            for one in _stubs:
                if of_class in one.given:
                    body, by_type = one.given[of_class]
                    found.note(one.__module__, one.__qualname__, by_type)
                    found.add_function(body)
    except (TypeError, AttributeError, KeyError):  # a function that is not compiled; a class that nobody finds
        return None
    return found.digest.hexdigest()[:16]


def _outside(kinds):
    """The classes outside this package whose tuples types hold, in order."""
    for kind in kinds:
        of_class = getattr(kind, "instance_class", None)
        if of_class is not None and not inside(of_class):
            yield of_class
        yield from _outside(getattr(kind, "types", ()))


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


class NotCompiled(Exception):
    """A kernel is not compiled yet, where it was not to be."""


_here = threading.local()  # .compiles: whether kernels may be compiled in this thread, or read from the cache


@contextmanager
def compiled_only():
    """In this thread kernels that are not compiled yet raise NotCompiled meanwhile."""
    _here.compiles = False
    try:
        yield
    finally:
        _here.compiles = True


class _Part(JITCodeLibrary):
    """What a kernel is made of: optimised and made machine code with it, not before, once instead of once a level."""

    @property
    def codegen(self):
        return self

    def set_env(self, name, environment):
        """There is no code that could look for it."""

    def get_pointer_to_function(self, name):
        return 0

    def _optimize_final_module(self):
        """The kernel does."""

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._finalized = True


class _PartCompiler(Compiler):
    """Numba's compiler of a function that only kernels call."""

    def __init__(self, typing, target, library, *rest):
        super().__init__(typing, target, _Part(target.codegen(), "part"), *rest)


_OF_KERNELS = dict(no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=_PartCompiler)
_INLINED = _OF_KERNELS | dict(forceinline=True)  # a call would copy the hundreds of words of a plan and a state


def njit(function):
    """Compile a kernel that Python calls: at its first call, or from the cache in later processes."""
    dispatcher = _compiled(function, nogil=True)
    if CACHE_FOLDER:
        with _set(CACHE_DIR=str(CACHE_FOLDER)):
            dispatcher._cache = _Cache(function)
    compile_ = dispatcher.compile

    def compiling(signature):
        if not getattr(_here, "compiles", True):
            raise NotCompiled
        give_back()  # of what set-up has freed: compiling takes the most memory of all
        try:
            with _unbroken():
                return compile_(signature)
        finally:
            give_back()  # of tens of MB that LLVM has

    dispatcher.compile = compiling
    return dispatcher


@contextmanager
def _unbroken():
    """A Ctrl-C that comes meanwhile takes its course afterwards: Numba's tables would stay half filled for ever."""
    course = signal.getsignal(signal.SIGINT)
    if not callable(course) or threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = []
    signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, course)
        if heard:
            signal.raise_signal(signal.SIGINT)


def give_back() -> None:
    """Give the system back what is free in this process."""
    with suppress(AttributeError, OSError, TypeError):  # no glibc
        ctypes.CDLL(None).malloc_trim(0)


def called(function):
    """Compile a function that only kernels call, in places that are not hot: it needs no cache of its own."""
    return _compiled(function, **_OF_KERNELS)


def inlined(function):
    """Compile a function that only kernels call, where every instruction counts: it becomes part of them, always."""
    return _compiled(function, **_INLINED)


def by_types(choose):
    """A function that kernels call: the decorated one is called with the Numba types of arguments, and returns a body.

    It becomes part of the kernels, always.
    """

    @functools.wraps(choose)
    def function(*arguments):
        raise NotImplementedError("only compiled kernels call this")

    overload(function, jit_options=_INLINED)(choose)
    return function


_stubs = []


def stub(function):
    """A function that kernels call and whose body the class of its first argument decides, as `gives` says.

    Its own body is that of all other classes.
    """
    function.given = {}
    _stubs.append(function)

    @overload(function, jit_options=_INLINED)
    @functools.wraps(function)
    def body(*kinds):
        own = getattr(kinds[0], "instance_class", None)
        given, by_type = function.given.get(own, (function, False))
        return given(*kinds) if by_type else given

    return function


def gives(stub, of_class, by_type=False):
    """Give a stub its body for first arguments of a class of named tuples: it becomes part of the kernels, always.

    The decorated function is that body; `by_type` it returns it, being called with the Numba types of all arguments.
    """

    def give(function):
        expected, found = (tuple(inspect.signature(one).parameters) for one in (stub, function))
        if found != expected:
            raise TypeError(f"{function.__qualname__}({', '.join(found)}): {stub.__name__} has ({', '.join(expected)})")
        stub.given[of_class] = function, by_type
        return function

    return give


@contextmanager
def compilations(heard):
    """Call `heard()` before the first kernel that is compiled in here, whichever thread does; of the cache is none."""

    class Listener(event.Listener):
        def on_start(self, _):
            if not told:
                told.append(heard())

        def on_end(self, _):
            pass

    told = []
    with event.install_listener("numba:compile", Listener()):
        yield


def target() -> tuple[str, int]:
    """The processor that kernels are compiled for, as LLVM calls it, and the bits of its widest vector registers."""
    features = get_host_cpu_features() if numba.config.CPU_FEATURES is None else numba.config.CPU_FEATURES
    width = 512 if "+avx512f" in features else 256 if "+avx2" in features else 128  # of ARM's, too
    return numba.config.CPU_NAME or binding.get_host_cpu_name(), width
