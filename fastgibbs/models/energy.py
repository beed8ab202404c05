"""What a model is: an energy of n binary variables, and what compiled code may be told of it.

The verbs ask of a model for `n`, `energy(states)`, `to_spins(states)` and `from_spins(spins)`, and for one of two ways
to run it: `to_ising()`, which all engines but those of one class know, or `flips()`, for the engine "terms". `Energy`
has all but `energy`; a class that is not derived from it has `to_ising`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterable
from html import escape
from typing import Any, NamedTuple, Self

import numpy as np

from fastgibbs import markup
from fastgibbs.models import checks
from fastgibbs.models.checks import Frozen
from fastgibbs.types import ArrayLike, FloatArray, IntArray, ModelLike, Sites, States


class Flips(NamedTuple):
    """What a flip costs, in plain functions that Numba compiles: they loop, and call no method, nor allocate.

    `cost(spins, site, *parameters)` returns E(s with s_site turned) - E(s). `spins`: the s_i, -1 and 1, (n,), also
    of models whose units are 0 and 1, and not to be written.
    `parameters`: numbers and arrays of numbers; integers come as int64, others as float64.
    `sums`: numbers that depend on the state, (m,), as they are where all spins are -1; then the functions are
    `cost(spins, site, sums, *parameters)` and `turn(spins, site, sums, *parameters)`, which changes the sums, float64,
    to what they are when s_site turns, and is called before it does.

    What they read from outside becomes part of compiled code: a function that they call is one of Numba's `njit`.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> flips = fg.Flips(lambda spins, site, h: 2 * spins[site] * h[site], (np.array([1.0, 2.0]),))  # E(s) = -h.s
    >>> print(flips.cost(np.array([1, -1]), 1, *flips.parameters))
    -4.0
    """

    cost: Callable[..., float]
    parameters: tuple[Any, ...] = ()
    turn: Callable[..., None] | None = None
    sums: ArrayLike | None = None


class Quadratic(NamedTuple):
    """E(x) = -1/2 x.J.x - h.x + offset of variables x that are `low` or 1, row by row of J."""

    indptr: IntArray  # int64 (n + 1,)
    indices: Sites  # int32 (nnz,)
    couplings: FloatArray  # float64 (nnz,)
    fields: FloatArray  # float64 (n,)
    offset: float
    low: int


class Energy(Frozen):
    """E(s) of n variables that are `low` or 1: the base of all models, frozen data that compare by what they hold.

    A class of your own gives `energy`, and `flips` or `to_ising`, or neither: then it is enumerated and nothing else.
    To be saved it keeps the arguments of its constructor as attributes of the same names.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> def cost(spins, site, J):
    ...     a, b, d, e = spins[site - 2], spins[site - 1], spins[(site + 1) % J.size], spins[(site + 2) % J.size]
    ...     return 2 * spins[site] * (J[site - 2] * a * b + J[site - 1] * b * d + J[site] * d * e)
    >>> class Ring(fg.Energy):  # E(s) = -sum_i J_i s_i s_{i+1} s_{i+2}
    ...     def __init__(self, J):
    ...         super().__init__(len(J), J=np.array(J, float))
    ...     def energy(self, states):
    ...         s = self.to_spins(states)
    ...         return -(s * np.roll(s, -1, -1) * np.roll(s, -2, -1)) @ self.J
    ...     def flips(self):
    ...         return fg.Flips(cost, (self.J,))
    >>> ring = Ring([1, -2, 1, 1, 2, 1])
    >>> fg.testing.check_energy(ring)
    >>> float(fg.anneal(ring, seed=1).energy[0]), fg.exact.spectrum(ring).ground_energy
    (-4.0, -4.0)
    """

    n: int
    low: int = -1  # what a variable is that is not 1: -1, a spin, or 0, a unit
    batch_invariant: bool = False  # whether energy(states) of each is known to have the same bits whatever is with it
    labels: tuple[Hashable, ...] | None = None  # what its variables are called elsewhere, if not by their numbers
    normalized: bool = False  # whether sum_s exp(-E(s)) is 1 whatever its parameters are, and it is drawn from as it is
    by_worldlines: bool = False  # whether its law is that of `TransverseIsing`, not exp(-beta E) of its energy

    @property
    def by_overlaps(self) -> bool:
        """Whether E is one of fields and overlaps with `patterns`, as of `Hopfield`.

        >>> import fastgibbs as fg
        >>> fg.lattice((4,)).by_overlaps, fg.Hopfield([[1, -1, 1]]).by_overlaps
        (False, True)
        """
        return False

    def __init__(self, n: int, **attributes: Any) -> None:
        """A model of n variables with these attributes; arrays are copied, and read-only from then on."""
        n = checks.integer("n", n, minimum=0)
        for name in attributes:
            if isinstance(getattr(type(self), name, None), property):
                raise AttributeError(f"{name!r} is a property of {type(self).__name__}: call the attribute otherwise")
        copies = {k: value.copy() if isinstance(value, np.ndarray) else value for k, value in attributes.items()}
        self.__setstate__({"n": n} | copies)

    def __setattr__(self, name: str, value: object) -> None:
        if not vars(self):
            raise AttributeError(f"{type(self).__name__} is frozen: give {name!r} to super().__init__(n, {name}=...)")
        super().__setattr__(name, value)

    def energy(self, states: ArrayLike) -> FloatArray:
        """E(s) of `states` (..., n), of variables that are `low` or 1: float64 in the shape of the leading axes."""
        raise NotImplementedError(f"{type(self).__name__} has no method energy(states)")

    def flips(self) -> Flips | None:
        """What a flip costs, for the engine "terms", or None.

        >>> import fastgibbs as fg
        >>> fg.lattice((4,)).flips() is None, type(fg.p_spin(4, 3).flips()).__name__
        (True, 'Flips')
        """
        return None

    def to_ising(self) -> Any:  # Ising, which is derived from this class
        """The same energy of spins -1 and 1 as an `Ising` model; ValueError if there is none.

        >>> import fastgibbs as fg
        >>> machine = fg.RBM([[2.0]])
        >>> ising = machine.to_ising()
        >>> float(ising.energy(machine.to_spins([1, 1]))), float(machine.energy([1, 1]))
        (-2.0, -2.0)
        >>> ising.has_ising_form, fg.p_spin(5, 3).has_ising_form
        (True, False)
        """
        raise ValueError(f"{checks.shown(self)} has no Ising form")

    @property
    def has_ising_form(self) -> bool:
        """Whether `to_ising` gives one."""
        return type(self).to_ising is not Energy.to_ising

    @property
    def fully_connected(self) -> bool:
        """Whether all pairs of variables count as coupled, of which none is listed: no Ising form says which are.

        >>> import fastgibbs as fg
        >>> fg.lattice((4,)).fully_connected, fg.Hopfield([[1, -1, 1]]).fully_connected
        (False, True)
        """
        return not self.has_ising_form

    @property
    def n_visible(self) -> int:
        """Variables that data tell, V: all, but for the hidden units of machines."""
        return self.n

    @property
    def n_hidden(self) -> int:
        """Variables that are summed out of probabilities of data, H."""
        return self.n - self.n_visible

    @property
    def n_enumerated(self) -> int:
        """Variables whose states must be enumerated to sum over all: given these the others are independent.

        >>> import fastgibbs as fg
        >>> machine = fg.RBM.random(6, 3, seed=1)
        >>> machine.n, machine.n_visible, machine.n_hidden, machine.n_enumerated
        (9, 6, 3, 3)
        """
        return self.n

    @property
    def even(self) -> bool:
        """Whether E(-s) = E(s), as far as is known: no spin is in a field.

        >>> import fastgibbs as fg
        >>> fg.lattice((4,)).even, fg.Ising([[0, 1], [1, 0]], [0.5, 0]).even
        (True, False)
        """
        return self.has_ising_form and self.to_ising().field == 0

    @property
    def field_bound(self) -> float | None:
        """A bound on |h_i| + sum_j |J_ij| of all spins, or None where there are other terms.

        >>> import fastgibbs as fg
        >>> fg.lattice((4, 4), J=0.5).field_bound  # four neighbours
        2.0
        """
        return self.to_ising().field_bound if self.has_ising_form else None

    def log_marginal(self, v: ArrayLike, beta: float = 1.0) -> FloatArray:
        """log sum_h exp(-beta E(v, h)), unnormalised log-probabilities of visible states `v` (..., V): float64 (...).

        Without hidden variables -beta E(v). Errors as for `energy`.

        >>> import fastgibbs as fg
        >>> machine = fg.RBM([[2.0], [-1.0]])
        >>> machine.log_marginal([[0, 0], [1, 0]]).round(3).tolist()  # log(1 + 1), log(1 + exp(2))
        [0.693, 2.127]
        """
        return -beta * self.energy(v)

    def quadratic(self) -> Quadratic:
        """The energy by rows, of spins or, where they are what a model is made of, of units; ValueError as `to_ising`.

        The arrays are read-only.

        >>> import fastgibbs as fg
        >>> rows = fg.BoltzmannMachine([[0, 2], [2, 0]], [1, 0]).quadratic()
        >>> rows.low, rows.couplings.tolist(), rows.fields.tolist()
        (0, [2.0, 2.0], [1.0, 0.0])
        """
        ising = self.to_ising()
        return Quadratic(ising.indptr, ising.indices, ising.couplings, ising.fields, ising.offset, -1)

    def to_spins(self, states: ArrayLike) -> States:
        """The spins -1 and 1, int8, of `states` (..., n).

        TypeError if these are not numbers, ValueError at one that is not `low` or 1, or on a wrong last axis.

        >>> import fastgibbs as fg
        >>> units = fg.RBM([[2.0]])
        >>> units.to_spins([[0, 1], [1, 1]]).tolist()
        [[-1, 1], [1, 1]]
        """
        return checks.spins("states", states, self.n) if self.low else 2 * checks.units("states", states, self.n) - 1

    def from_spins(self, spins: ArrayLike) -> States:
        """The states, int8, of `spins` (..., n) of -1 and 1; errors as for `to_spins`.

        >>> import fastgibbs as fg
        >>> units = fg.RBM([[2.0]])
        >>> units.from_spins([[-1, 1], [1, 1]]).tolist()
        [[0, 1], [1, 1]]
        """
        spins = checks.spins("spins", spins, self.n)
        return spins if self.low else (spins + 1) // 2

    def with_labels(self, labels: Iterable[Hashable]) -> Self:
        """The same model with names of its variables, (n,): `labels`, by which `labelled` tells states.

        Sums, draws and states do not depend on them. ValueError unless there are n that differ, and at a NaN; TypeError
        at one that is not hashable.

        >>> import fastgibbs as fg
        >>> fg.lattice((2,)).with_labels(["left", "right"]).labels
        ('left', 'right')
        """
        names = tuple(labels)
        if len(names) != self.n:
            raise ValueError(f"labels has {len(names)} entries: the model has {self.n} variables")
        seen: dict[Hashable, int] = {}
        for site, name in enumerate(names):
            try:
                first = seen.setdefault(name, site)
            except TypeError:
                raise TypeError(f"labels[{site}] is {checks.shown(name)}: give what can be a key of a dict") from None
            if name != name:
                raise ValueError(f"labels[{site}] is {checks.shown(name)}, which differs from itself: give it a name")
            if first != site:
                raise ValueError(
                    f"labels[{first}] is {checks.shown(names[first])} and labels[{site}] is {checks.shown(name)}, "
                    "which are one: give each variable its own"
                )
        twin = object.__new__(type(self))
        twin.__setstate__(self.__getstate__() | {"labels": names})
        return twin

    def labelled(self, states: ArrayLike) -> Any:
        """The dict from labels to values, ints, of a state (n,), or a list of such of states (k, n), and so on.

        Variables without labels go by their numbers. Errors as for `to_spins`.

        >>> import fastgibbs as fg
        >>> problem = fg.as_model({("x", "x"): 1, ("x", "y"): -3, ("y", "y"): 1})
        >>> problem.labelled(fg.anneal(problem, seed=1).states[0])
        {'x': 1, 'y': 1}
        """
        values = self.from_spins(self.to_spins(states))
        if values.ndim > 1:
            return [self.labelled(state) for state in values]
        return dict(zip(range(self.n) if self.labels is None else self.labels, values.tolist(), strict=True))

    def arguments(self) -> dict[str, Any]:
        """The arguments of its constructor, by name, that build it again. TypeError at one that is not kept.

        >>> import fastgibbs as fg
        >>> sorted(fg.RBM([[2.0]]).arguments())
        ['hidden_bias', 'visible', 'visible_bias', 'weights']
        """
        names = list(inspect.signature(type(self)).parameters)
        for name in names:
            if not hasattr(self, name):
                raise TypeError(f"{checks.shown(self)} keeps no attribute {name!r}, an argument of its constructor")
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n={self.n})"

    def _repr_html_(self) -> str:
        """What it is, and its attributes in short, but for indices."""
        formula = (inspect.getdoc(type(self)) or "").partition("\n")[0]
        told = [(name, markup.short(value)) for name, value in vars(self).items() if _tells(name, value)]
        return f"<div><code>{escape(repr(self))}</code><div>{escape(formula)}</div>{markup.facts(told)}</div>"


def _tells(name: str, value: Any) -> bool:
    """Whether an attribute is worth a line to a reader."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f" or value.dtype == np.int8
    return not name.startswith("_") and type(value) in (int, float, str, list, tuple)


class _Borrowed(Energy):
    """A model of somebody else's class, which has an Ising form, as one of ours."""

    low: Any = None  # its states are whatever `to_spins` takes
    has_ising_form = True

    def __init__(self, model: ModelLike) -> None:
        names = "energy", "to_ising", "to_spins", "from_spins"
        super().__init__(model.n, **{name: getattr(model, name) for name in names})


def require_flips(model: Energy) -> None:
    """ValueError unless something tells what a flip of its variables costs."""
    if not (model.has_ising_form or model.by_overlaps or model.by_worldlines or model.flips()):
        raise ValueError(f"{checks.shown(model)} has no Ising form, nor says what a flip costs, by a method flips()")


def as_energy(model: ModelLike) -> Energy:
    """The model itself, or one of another base with all that `Energy` says of models."""
    return model if isinstance(model, Energy) else _Borrowed(model)
