"""Functions of somebody else in our kernels: what a flip costs, compiled into drivers, and cached by what it does.

A plan that holds a `Code` has its fingerprint (jit.py) in its Numba type, and so has every kernel that is compiled for
it: an edited function is another type, an unedited one is found in the cache, wherever it is written.
"""

import inspect

import numpy as np
from llvmlite import ir
from numba import errors, types
from numba.extending import NativeValue, models, register_model, unbox

from fastgibbs.fingerprints import fingerprint
from fastgibbs.jit import by_types, inlined
from fastgibbs.models import checks
from fastgibbs.models.energy import Flips

_known = {}  # fingerprint: the functions of a Code


class CodeType(types.Type):
    """The Numba type of a `Code`."""

    def __init__(self, mark, sums):
        self.mark, self.sums = mark, sums
        super().__init__(name=f"Code({mark}, {sums})")


class Code:
    """The functions of a `Flips`, as a value of no content in a plan."""

    def __init__(self, flips: Flips):
        functions = [getattr(one, "py_func", one) for one in (flips.cost, flips.turn) if one is not None]
        mark = " ".join(map(fingerprint, functions))
        if mark not in _known:
            _known[mark] = [inlined(one) for one in functions]
        self._numba_type_ = CodeType(mark, len(functions) == 2)


@register_model(CodeType)
class _CodeModel(models.PrimitiveModel):
    def __init__(self, dmm, code):
        super().__init__(dmm, code, ir.IntType(8))


@unbox(CodeType)
def _unbox(code, value, context):
    return NativeValue(ir.Constant(ir.IntType(8), 0))


def _compiled(code, name, arguments):
    """A function of a `Code`, compiled for these Numba types; TypeError says what in it cannot be."""
    function = _known[code.mark][name == "turn"]
    try:
        function.compile(arguments)
    except errors.NumbaError as error:
        advice = "no arrays can be allocated in it, write loops"
        raise TypeError(f"flips().{name} cannot be compiled ({advice}): {error}") from None
    return function


@by_types
def cost(code, spins, site, sums, parameters):
    """E(s with s_site turned) - E(s), float64, of `spins` (n,) whose running sums are `sums`."""
    if code.sums:
        function = _compiled(code, "cost", (spins, site, sums, *parameters))
        return lambda code, spins, site, sums, parameters: np.float64(function(spins, site, sums, *parameters))
    function = _compiled(code, "cost", (spins, site, *parameters))
    return lambda code, spins, site, sums, parameters: np.float64(function(spins, site, *parameters))


@by_types
def turn(code, spins, site, sums, parameters):
    """Change the running sums to what they are when s_site, which is still as it was, has turned."""
    if not code.sums:
        return lambda code, spins, site, sums, parameters: None
    function = _compiled(code, "turn", (spins, site, sums, *parameters))
    return lambda code, spins, site, sums, parameters: function(spins, site, sums, *parameters)


def checked(flips) -> tuple[tuple, np.ndarray]:
    """The parameters of a `Flips` as kernels take them, and its sums, float64, read-only; TypeError says what is wrong.

    Integers become int64 and other numbers float64, so that one compilation serves all.
    """
    if not isinstance(flips, Flips):
        raise TypeError(f"flips() returned {checks.shown(flips)}: give a fastgibbs.Flips")
    for name in ("cost", "turn"):
        function = getattr(flips, name)
        plain = inspect.isfunction(getattr(function, "py_func", function))
        if not plain and (name == "cost" or function is not None):
            raise TypeError(f"flips().{name} is {checks.shown(function)}: give a function")
    if (flips.turn is None) != (flips.sums is None):
        raise TypeError("flips() has turn or sums alone: give both, or neither")
    if not isinstance(flips.parameters, tuple):
        raise TypeError(f"flips().parameters is {checks.shown(flips.parameters)}: give a tuple")
    parameters = []
    for k, value in enumerate(flips.parameters):
        array = checks.real_array(f"flips().parameters[{k}]", value)
        if array.dtype.kind == "f":
            array = checks.finite_array(f"flips().parameters[{k}]", array)
        else:
            array = np.ascontiguousarray(array, np.int64).reshape(array.shape)
        parameters.append(_shared(array) if array.ndim else array.item())
    sums = np.zeros(0) if flips.sums is None else checks.finite_array("flips().sums", flips.sums)
    if sums.ndim != 1:
        raise ValueError(f"flips().sums has shape {sums.shape}: give (m,)")
    return tuple(parameters), _shared(sums)


def _shared(array):
    """The array read-only, as a model's arrays are, so that one compilation serves all."""
    array = array.view()
    array.flags.writeable = False
    return array
