"""What every floor checks at its door (arrays, numbers, seeds, memory), and the frozen base of the models."""

from __future__ import annotations

import difflib
import math
import operator
import os
import reprlib
import sys
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from fastgibbs.models import resources
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, Mask, ModelLike, PathLike, Seed, Sites, States

T = TypeVar("T")

MOST = 2**53  # of what is counted: products of two counts and a size in bytes stay far below what a float holds
_LITTLE = 2**20  # bytes that every machine has
_SHOWN = 100  # characters of a value in a message
_MODEL = "n", "energy", "to_ising", "to_spins", "from_spins"  # what the verbs ask of a model


class Frozen:
    """Attributes set once, by `__setstate__`; their arrays are read-only, also in a copy or a pickle.

    Two are equal if they are of one class and hold equal numbers; equal ones have the same hash.
    """

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        for value in attributes.values():
            for array in value if isinstance(value, tuple) else (value,):
                if isinstance(array, np.ndarray):
                    array.flags.writeable = False
        self.__dict__.update(attributes)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be set, build a new model")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self is other or contents(self._made_of()) == contents(other._made_of())

    def __hash__(self) -> int:
        return hash((type(self), contents(self._made_of())))

    def _made_of(self) -> tuple[tuple[str, Any], ...]:
        """Its attributes, but for those that were built when they were asked for."""
        own = sorted(self.__dict__.items())
        return tuple(item for item in own if not isinstance(getattr(type(self), item[0], None), cached_property))

    @cached_property
    def _kept(self) -> dict[str, Any]:
        """What runs have made of it, for those that follow: `methods.keeping`. No copy or pickle has it."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_kept"}


def contents(value: Any) -> Any:
    """`value` as one that compares and hashes: arrays as bytes, without the sign of a zero, also within tuples."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.kind, (value + value.dtype.type(0)).tobytes()
    return tuple(map(contents, value)) if isinstance(value, tuple) else value


def by_contents(cls: type[T]) -> type[T]:
    """A NamedTuple of arrays that compares, always to a bool, and hashes by what it holds."""
    made: Any = cls  # a checker lets no method be set
    made.__eq__ = lambda self, other: self is other or (isinstance(other, tuple) and contents(self) == contents(other))
    made.__ne__ = lambda self, other: not made.__eq__(self, other)
    made.__hash__ = lambda self: hash(contents(self))
    return cls


def within(where: str, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """What a function returns; its errors name where the values that it was given stand, as a section of a file."""
    try:
        return function(*arguments, **named)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    except TypeError as error:
        raise TypeError(f"{where}: {error}") from error


def is_model(value: Any) -> bool:
    """Whether it has what the verbs ask of a model."""
    return not isinstance(value, type) and all(hasattr(value, attribute) for attribute in _MODEL)


def model(name: str, value: Any, place: str = "", worldlines: bool = False) -> ModelLike:
    """`value`, which has what the verbs ask of a model; TypeError otherwise, also of worldlines where not wanted."""
    if not is_model(value):
        raise TypeError(
            f"{name} is {shown(value)}{place}: give a model, a fastgibbs.Energy of your own, a dimod BQM or "
            "BinaryPolynomial, a dict {(i, j): w}, a networkx graph, the path of a file"
        )
    if not worldlines and getattr(value, "by_worldlines", False):
        raise TypeError(
            f"{name} is {shown(value)}{place}, whose law is not exp(-beta E): it goes to fastgibbs.sample, "
            "anneal, temper and exact.transverse"
        )
    found: ModelLike = value
    return found


def able(name: str, value: Any, method: str, right: str) -> Any:
    """`value`, an object that has this method; TypeError, saying what is right, otherwise."""
    if isinstance(value, type) or not hasattr(value, method):
        raise TypeError(f"{name} is {shown(value)}: give {right}")
    return value


def shown(value: object) -> str:
    """`value` in a message: its repr on one line, of at most 100 characters."""
    short = reprlib.Repr()
    short.maxother = short.maxstring = short.maxlong = _SHOWN
    try:
        text = " ".join(short.repr(value).split())
    except Exception:  # a repr, or an int of more digits than Python shows
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 4] + " ..."


def real_array(name: str, value: Any) -> AnyArray:
    """`value` as an array of any shape; TypeError if it does not hold real numbers, of which some may be NaN."""
    return _array(name, value, "biuf", "real numbers")


def integers(name: str, value: Any) -> AnyArray:
    """`value` as an array of any shape; TypeError if it does not hold integers."""
    array = _any_array(name, value, "integers")  # an empty list is float64 to NumPy
    return _array(name, value, "iu", "integers") if array.size else array.astype(np.int64)


def mask(name: str, value: Any, n: int) -> Mask:
    """`value` as a bool array (n,); TypeError if it does not hold bools, ValueError on another shape."""
    array = _array(name, value, "b", "bools")
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}: give ({n},)")
    return array


def finite_array(name: str, value: Any, shape: tuple[int, ...] | None = None) -> FloatArray:
    """`value` as a native, C-contiguous float64 array, not copied where it is one already.

    TypeError if it does not hold real numbers; ValueError on another shape than `shape`, a NaN or an
    infinity.
    """
    array = real_array(name, value)
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}: give shape {shape}")
    return _float64(name, array, False, "give finite numbers")


def inverse_temperatures(name: str, value: Any) -> FloatArray:
    """`value` as `finite_array` returns it, but that entries may be inf: temperature 0. Bools are a TypeError."""
    array = _array(name, value, "iuf", "real numbers")
    return _float64(name, array, array == np.inf, "give finite numbers, or inf")


def finite_number(name: str, value: Any) -> float:
    """`value` as a float; TypeError if it is not one real number, ValueError if it is NaN or infinite."""
    number = _array(name, value, "iuf", "a real number")
    if number.ndim:
        raise TypeError(f"{name} has shape {number.shape}: give one real number")
    if not math.isfinite(found := float(number)):
        raise ValueError(f"{name} is {found}: give finite numbers")
    return found


def integer(name: str, value: Any, minimum: float = 1, maximum: float = MOST) -> int:
    """`value` as an int; TypeError for a bool or a float (even 3.0), ValueError outside `minimum` ... `maximum`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or masked(value):
        raise TypeError(f"{name} is {shown(value)}: give an integer")
    if number < minimum:
        raise ValueError(f"{name} is {shown(number)}: give an integer of at least {minimum}")
    if number > maximum:
        raise ValueError(f"{name} is {shown(number)}: give an integer of at most {maximum}")
    return number


def flag(name: str, value: Any) -> bool:
    """`value` as a bool; TypeError if it is anything else."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} is {shown(value)}: give True or False")
    return bool(value)


def path(name: str, value: PathLike) -> PathLike:
    """`value`, the path of a file; TypeError unless it is a str or a PathLike, ValueError if no file can have it."""
    if not isinstance(value, str | os.PathLike):  # an integer would be taken for a file that is open already
        raise TypeError(f"{name} is {shown(value)}: give the path of a file")
    try:
        possible = value != "" and b"\0" not in os.fsencode(value)
    except UnicodeError:
        possible = False
    if not possible:
        raise ValueError(f"{name} is {shown(value)}: no file can have this name")
    return value


def thread_count(threads: int | None) -> int:
    """`threads` checked; None means as many as this process may use (see `models/resources.py`)."""
    return resources.cores() if threads is None else integer("threads", threads)


def progress(value: object) -> None:
    """TypeError unless `value` is a bool or a callable."""
    if not isinstance(value, bool) and not callable(value):
        raise TypeError(f"progress is {shown(value)}: give True, False or a callable of (done, total)")


def says_stop(value: object) -> bool:
    """Whether a callable that returned `value` stops a run: by a True; whatever else it returns loses no run."""
    return isinstance(value, bool | np.bool_) and bool(value)


def choice(name: str, value: Any, valid: Collection[str]) -> str:
    """`value`, one of the strings `valid`; ValueError names them all and the nearest otherwise."""
    if isinstance(value, str) and value in valid:
        return value
    nearest = difflib.get_close_matches(value[:_SHOWN], valid, n=1) if isinstance(value, str) else ()
    hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
    raise ValueError(f"{name} is {shown(value)}: give one of {', '.join(map(repr, valid))}{hint}")


def indices(name: str, value: Any, n: int) -> Sites:
    """`value` as a 1-D int32 array; TypeError if it does not hold integers, ValueError outside 0..n-1."""
    array = integers(name, value)
    refuse(name, array, (array < 0) | (array >= n), f"give site indices from 0 to {n - 1}")
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}: give a 1-D array of site indices")
    return array.astype(np.int32, copy=False)


def different(name: str, value: Any, n: int) -> Sites:
    """`indices`, a copy; ValueError too at one that is given twice."""
    array = indices(name, value, n).copy()
    values, counts = np.unique(array, return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"{name} holds {values[counts.argmax()]} more than once: give each unit once")
    return array


def spins(name: str, value: Any, n: int | None = None) -> States:
    """`value` (..., n), or of any shape, as C-contiguous int8 spins of -1 and +1.

    TypeError if it does not hold numbers, ValueError at one that is not -1 or +1.
    """
    array = _states(name, value, n, "iuf")
    if array.dtype != np.int8 or not array.all() or array.min(initial=1) < -1 or array.max(initial=1) > 1:
        bad = array != 1
        bad &= array != -1
        refuse(name, array, bad, "give spins of -1 and +1")
    return np.ascontiguousarray(array, dtype=np.int8)


def units(name: str, value: Any, n: int) -> States:
    """`value` (..., n) as C-contiguous int8 units of 0 and 1.

    TypeError if it does not hold numbers or bools, ValueError at one that is not 0 or 1.
    """
    array = _states(name, value, n, "biuf")
    bad = array != 0
    bad &= array != 1
    refuse(name, array, bad, "give units of 0 and 1")
    return np.ascontiguousarray(array, dtype=np.int8)


def grey(name: str, value: Any, n: int) -> FloatArray:
    """`value` (..., n) as float64 units of 0 and 1, or probabilities of 1.

    TypeError if it does not hold real numbers, ValueError at one that is not in [0, 1].
    """
    array = real_array(name, value)
    if array.ndim == 0 or array.shape[-1] != n:
        raise ValueError(f"{name} has shape {array.shape}: give (..., {n})")
    refuse(name, array, ~((array >= 0) & (array <= 1)), "give units of 0 and 1, or probabilities")
    return array.astype(np.float64)


def generator(seed: Seed) -> np.random.Generator:
    """The `numpy.random.Generator` of `seed`: None, an integer >= 0, a SeedSequence or a Generator."""
    if not (seed is None or isinstance(seed, np.random.SeedSequence | np.random.Generator)):
        seed = integer("seed", seed, minimum=0, maximum=math.inf)
    return np.random.default_rng(seed)


def require_memory(
    nbytes: float, what: str, instead: str = "build a smaller or a sparser model, or use a machine with more memory"
) -> None:
    """Raise ValueError if `nbytes` is more than this process can still allocate; `what` opens the message."""
    if nbytes <= _LITTLE:  # to look takes longer than small runs do
        return
    available = resources.memory()
    if nbytes > available:
        raise ValueError(
            f"{what} needs {nbytes / 2**30:.1f} GiB and {available / 2**30:.1f} GiB are available: {instead}"
        )


def rows(array: AnyArray) -> AnyArray:
    """An array (..., n) as (rows, n), also of n = 0."""
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


def largest(array: ArrayLike) -> float:
    """max |x| of an array or a number as a float, 0.0 of none; takes no memory."""
    return max(float(np.max(array, initial=0.0)), -float(np.min(array, initial=0.0)))


def require_range(largest: float, what: str) -> None:
    """Raise ValueError if `largest`, a bound on the energies of a model, is infinite; `what` opens the message."""
    if not math.isfinite(largest):
        raise ValueError(f"{what} may add up to more than {np.finfo(np.float64).max:.2g}: give smaller ones")


def refuse(name: str, array: AnyArray, bad: Mask, advice: str) -> None:
    """Raise ValueError at the first True of `bad`, naming the argument, the index and the value."""
    if bad.any():
        index = np.unravel_index(bad.argmax(), bad.shape)
        place = f"[{', '.join(map(str, index))}]" if index else ""
        raise ValueError(f"{name}{place} is {array[index]}: {advice}")


def _float64(name: str, array: AnyArray, allowed: Mask | bool, advice: str) -> FloatArray:
    """An array as native, C-contiguous float64; ValueError at a NaN or an infinity, but where it is `allowed`."""
    with np.errstate(over="ignore"):  # a long double may become infinite
        array = np.ascontiguousarray(array, dtype=np.float64).reshape(array.shape)
    refuse(name, array, ~(np.isfinite(array) | allowed), advice)
    return array


def _array(name: str, value: Any, kinds: str, what: str) -> AnyArray:
    """`value` as an array whose dtype is of one of `kinds`; TypeError otherwise, also for ragged lists."""
    array = _any_array(name, value, what)
    if array.dtype.kind not in kinds:
        single = f" ({shown(value)})" if array.ndim == 0 else ""
        raise TypeError(f"{name} has dtype {array.dtype}{single}: give {what}")
    return array


def _any_array(name: str, value: Any, what: str) -> AnyArray:
    if masked(value):
        raise TypeError(f"{name} has masked entries, whose mask would be lost: fill them or leave them out")
    try:
        return np.asarray(value)
    except MemoryError:
        raise
    except ValueError:
        raise TypeError(f"{name} is ragged: give an array of {what}") from None
    except Exception as error:  # of an object's own code
        raise TypeError(f"{name} is {shown(value)}, which becomes no array: give {what}") from error


def masked(value: object, depth: int = 4) -> bool:
    """Whether any entry is masked, of an array or of one in lists, which are looked through to this depth."""
    if isinstance(value, list | tuple):
        return depth > 0 and any(masked(one, depth - 1) for one in value)
    ma = sys.modules.get("numpy.ma")  # nobody has such an array who has not imported it, and it takes a megabyte
    return ma is not None and isinstance(value, ma.MaskedArray) and bool(ma.is_masked(value))


def _states(name: str, value: Any, n: int | None, kinds: str) -> AnyArray:
    array = _array(name, value, kinds, "numbers")
    if n is not None and array.shape[-1:] != (n,):
        raise ValueError(f"{name} has shape {array.shape}: the last axis must hold the {n} sites of the model")
    return array
