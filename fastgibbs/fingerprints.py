"""What a function does, as a digest: somebody else's functions are compiled into kernels that are cached by it."""

import dis
import hashlib
import os
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numba
import numpy as np

_NAMED = {"builtins", "math", "numba", "numpy", "operator"}  # packages whose functions are known by their names
_PLAIN = int, float, complex, str, bytes, frozenset, type(None), np.generic, np.dtype, np.ufunc, numba.types.Type


def fingerprint(function: FunctionType) -> str:
    """SHA-256 of what a function does: its code, that of all it calls, and the values that they read from outside.

    What is compiled of somebody else's function is cached under it. It is the same in every process, but where a
    function reads a value that is of no type known here: that could change unseen. TypeError if it calls a function
    that is not compiled, which Numba could not, or has another body for somewhere.
    """
    found = Fingerprint(hashlib.sha256(), {})
    found.add_function(function)
    return found.digest.hexdigest()


class Fingerprint(NamedTuple):
    """What was noted of functions, and which."""

    digest: Any  # of hashlib
    seen: dict[FunctionType, int]  # functions, and in which order

    def note(self, *words: object) -> None:
        """Words, in order."""
        self.digest.update("\0".join(map(str, (*words, ""))).encode())

    def add_function(self, function: FunctionType) -> None:
        """What a function does, or that it is one of those before."""
        if function in self.seen:
            self.note("function", self.seen[function])
            return
        self.seen[function] = len(self.seen)
        self.note(function.__globals__.get("__name__"))  # Numba imports that module with what the cache has of it
        self.add_code(function.__code__, function.__globals__)
        self.add((*(cell.cell_contents for cell in function.__closure__ or ()), function.__defaults__))

    def add(self, value: Any) -> None:
        """A value that a function reads, or a function that it calls."""
        value = getattr(value, "_dispatcher", value)  # of a ufunc
        compiled = hasattr(value, "py_func")
        if hasattr(value, "given"):  # a stub
            for body in (value, *(body for body, _ in value.given.values())):
                self.note(value.__module__, value.__qualname__)
                if not inside(body):
                    self.add_function(body)
        elif hasattr(value, "__qualname__") and (_root(value) in _NAMED or (inside(value) and not compiled)):
            self.note(value.__module__, value.__qualname__)
        elif compiled:
            self.add_function(value.py_func)
        elif isinstance(value, FunctionType):
            raise TypeError(f"{value.__qualname__} is called by what is compiled: decorate it with numba.njit")
        elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
            self.note(value.dtype, value.shape, hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest())
        elif isinstance(value, tuple | list):
            self.note(type(value).__name__, len(value))
            for one in value:
                self.add(one)
        else:
            self.note(type(value), repr(value) if isinstance(value, _PLAIN) else os.urandom(16).hex())

    def add_code(self, code: CodeType, outside: dict[str, Any]) -> None:
        """The code of a function, and what it reads from outside, also from modules."""
        self.note(code.co_code.hex(), code.co_names, code.co_varnames, code.co_freevars)
        for value in code.co_consts:
            if isinstance(value, CodeType):
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
            module = value if isinstance(value, ModuleType) else None
            if module is None:
                self.add(value)
            elif module.__name__.partition(".")[0] in _NAMED:
                module = None


def _root(value: object) -> str:
    """The package that a value says it is from."""
    return str(getattr(value, "__module__", None)).partition(".")[0]


def inside(value: object) -> bool:
    """Whether a class or function is of this package, whose sources name the cache."""
    return _root(value) == __package__
