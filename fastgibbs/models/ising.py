"""The Ising energy on any graph: symmetric couplings as a CSR matrix, fields and an offset."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from numbers import Number
from typing import Any, NoReturn

import numpy as np

from fastgibbs.models import checks
from fastgibbs.models.cells import Geometry
from fastgibbs.models.energy import Energy
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, IntArray, Mask, Matrix, Shape, Sites, States

_CHUNK = 2**16  # bonds, or spins times bonds, handled at once: bounds the temporary memory of energy()
_SYMBOLS = {"couplings": "J", "weights": "W"}
MAX_SITES = 2**31 - 1  # site indices are int32
Csr = tuple[IntArray, Sites, FloatArray]
DENSE_BYTES = 24  # per entry of a dense J: the matrix, masks and a CSR form of 12


class Ising(Energy):
    """E(s) = -1/2 s.J.s - h.s + offset, with J symmetric of zero diagonal and s in {-1, +1}^n.

    `couplings` is J, exactly symmetric: a dense (n, n) array, or a SciPy-like sparse matrix (whatever has
    `.tocoo()`; duplicates add up). `fields` is h, (n,), zero by default. J, h and `offset` share one unit.

    Attributes, all read-only: `n`; `indptr` int64 (n+1,), `indices` int32 (nnz,) and `couplings` float64
    (nnz,), the CSR form of J with both directions stored, columns ascending, zeros left out; `fields`
    float64 (n,); `offset`; `shape`, the sides of the lattice, and the number of sites in its cell if there are
    several, or None; `positions`, float64 (n, dimensions), where the sites of a lattice are, in units of the distance
    of nearest neighbours or of the `Cell` that was given, and `periods`, float64 (axes, dimensions), the vectors by
    which it repeats, each None of other models; `coupling`, the |J| of all bonds, and `field`, the h of all sites,
    each None if there are several, 1 without bonds and 0 without sites; `degree`, the largest number of neighbours;
    `bond_count`.

    TypeError on anything that is not real numbers; ValueError on a NaN or infinity, a wrong shape, a nonzero
    diagonal or an asymmetric J, or where energies might overflow.

    >>> import fastgibbs as fg
    >>> triangle = fg.Ising([[0, -1, -1], [-1, 0, -1], [-1, -1, 0]], fields=[0.5, 0, 0])
    >>> triangle.energy([[1, 1, 1], [1, -1, -1]]).tolist()
    [2.5, -1.5]
    """

    batch_invariant = True

    indptr: IntArray
    indices: Sites
    couplings: FloatArray
    fields: FloatArray
    offset: float
    shape: tuple[int, ...] | None
    geometry: Geometry | None
    coupling: float | None
    field: float | None
    degree: int
    bond_count: int

    def __init__(self, couplings: Matrix, fields: ArrayLike | None = None, offset: float = 0.0) -> None:
        advice = "since s_i s_i = 1 it only shifts the energy: put -J_ii/2 in the offset"
        self._fill(*symmetric_csr("couplings", couplings, advice), fields, offset, None, None)

    @staticmethod
    def from_edges(
        n: int,
        i: ArrayLike,
        j: ArrayLike,
        J: ArrayLike,
        fields: ArrayLike | None = None,
        offset: float = 0.0,
        shape: Shape | None = None,
        geometry: Geometry | None = None,
    ) -> Ising:
        """The model of n >= 0 spins with bonds -J_k s_i(k) s_j(k), k = 0, 1, ...; repeated bonds add up.

        `i`, `j`: (edges,) site indices from 0, in either order. `J`: a number or (edges,). `shape`: the
        sides of the lattice whose sites, in C order, these are; `geometry`: where they are, as another model has it.
        ValueError at the first i == j or index out
        of range, TypeError if the indices are not integers.

        >>> import fastgibbs as fg
        >>> chain = fg.Ising.from_edges(4, [0, 1, 2], [1, 2, 3], J=[1.0, -2.0, 1.0])
        >>> print(chain.energy([1, 1, -1, -1]))
        -4.0
        """
        n = checks.integer("n", n, minimum=0)
        _check_size(n)
        i, j = checks.indices("i", i, n), checks.indices("j", j, n)
        if i.shape != j.shape:
            raise ValueError(f"i has {i.size} sites and j has {j.size}: give one of each per edge")
        if (i == j).any():
            edge = (i == j).argmax()
            raise ValueError(f"i[{edge}] and j[{edge}] are both {i[edge]}: put -J of a self-bond in the offset")
        J = checks.finite_array("J", J)
        if J.shape not in ((), i.shape):
            raise ValueError(f"J has shape {J.shape}: give a number or one per edge, {i.shape}")
        J = np.broadcast_to(J, i.shape)
        if shape is not None:
            if not isinstance(shape, tuple | list):
                raise TypeError(f"shape is {checks.shown(shape)}: give a tuple of sides")
            shape = tuple(checks.integer("shape", side) for side in shape)
            if math.prod(shape) != n:
                sites = checks.shown(math.prod(shape))
                raise ValueError(f"shape is {checks.shown(shape)}, {sites} sites: the model has {n}")
        checks.require_memory(40 * n + 50 * i.size, f"a model of n = {n} sites and {i.size} edges")
        model = Ising.__new__(Ising)
        model._fill(*_edges_csr(n, i, j, J), fields, offset, shape, geometry)
        return model

    def _fill(
        self,
        indptr: IntArray,
        indices: Sites,
        couplings: FloatArray,
        fields: ArrayLike | None,
        offset: float,
        shape: tuple[int, ...] | None,
        geometry: Geometry | None,
    ) -> None:
        n = indptr.size - 1
        fields = np.zeros(n) if fields is None else checks.finite_array("fields", fields, (n,)).copy()
        offset = checks.finite_number("offset", offset)
        most = checks.largest(couplings) * couplings.size + checks.largest(fields) * n + abs(offset)
        checks.require_range(4 * most, "couplings, fields and offset")
        J, h = abs(couplings[0]) if couplings.size else 1.0, fields[0] if n else 0.0
        self.__setstate__(
            {
                "n": n,
                "indptr": indptr,
                "indices": indices,
                "couplings": couplings,
                "fields": fields,
                "offset": offset,
                "shape": shape,
                "geometry": geometry,
                "coupling": float(J) if ((couplings == J) | (couplings == -J)).all() else None,
                "field": float(h) if (fields == h).all() else None,
                "degree": int(np.diff(indptr).max(initial=0)),
                "bond_count": couplings.size // 2,
            }
        )

    @property
    def positions(self) -> FloatArray | None:
        """Where the sites are, float64 (n, dimensions), made anew each time; None of models without.

        >>> import fastgibbs as fg
        >>> fg.lattice((2, 2), cell="honeycomb").positions.round(3)[:3].tolist()
        [[0.0, 0.0], [0.866, 0.5], [-0.866, 1.5]]
        """
        return None if self.geometry is None else self.geometry.positions()

    @property
    def periods(self) -> FloatArray | None:
        """The vectors by which the lattice repeats, one for each axis, float64 (axes, dimensions); None without.

        Wave vectors k of a periodic lattice have k . period = 2 pi m with whole m; of an open axis it is the edge.
        """
        return None if self.geometry is None else np.array(self.geometry.periods)

    @property
    def coupling_unit(self) -> float:
        """`coupling`, or 1 if it is None: what energies are counted in."""
        return 1.0 if self.coupling is None else self.coupling

    @property
    def field_unit(self) -> float:
        """`field`, or 1 if it is None or zero: what field energies are counted in."""
        return self.field or 1.0

    @property
    def field_bound(self) -> float:
        """A bound on |h_i| + sum_j |J_ij| of all spins."""
        J = checks.largest(self.couplings) if self.coupling is None else self.coupling
        h = checks.largest(self.fields) if self.field is None else abs(self.field)
        return J * self.degree + h

    @property
    def bonds(self) -> tuple[Sites, Sites, FloatArray]:
        """(i, j, J): the bonds with i < j, row by row with j ascending; int32, int32 and float64 (bonds,)."""
        chunks = list(self._bond_chunks())
        empty = (np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0))
        i, j, J = (np.concatenate(parts) for parts in zip(empty, *chunks, strict=True))
        return i, j, J

    def energy(self, states: ArrayLike) -> FloatArray:
        """E(s) = (offset - J sum_{i<j} (J_ij / J) s_i s_j) - h sum_i (h_i / h) s_i, float64; J and h are the units.

        `states`: (..., n) spins of -1 and +1, any number type; the result has the shape of the leading
        axes. Each sum starts at 0.0 and adds one term after the other, bonds in the order of `bonds`, so that a
        compiled loop gives the same bits; with one |J| and one field the sums are exact integers. TypeError if the
        states are not numbers, ValueError at a spin that is not +-1.

        >>> import numpy as np
        >>> import fastgibbs as fg
        >>> fg.lattice((4, 4)).energy(np.ones((2, 16))).tolist()
        [-32.0, -32.0]
        """
        states = checks.spins("states", states, self.n)
        spins = states.reshape(math.prod(states.shape[:-1]), self.n)
        bond_sum = np.zeros(len(spins))
        for i, j, J in self._bond_chunks():
            for rows in _slices(len(spins), _CHUNK // i.size):
                _add_terms(
                    bond_sum[rows], J / self.coupling_unit * (spins[rows].take(i, axis=1) * spins[rows].take(j, axis=1))
                )
        energy = (self.offset - self.coupling_unit * bond_sum) - self.field_unit * field_sums(self, spins)
        return energy.reshape(states.shape[:-1])[()]

    def to_ising(self) -> Ising:
        """The model itself."""
        return self

    def uncoupled(self) -> Ising:
        """The model of the same fields and offset without couplings."""
        return Ising.from_edges(self.n, [], [], [], self.fields, self.offset)

    def interpolated(self, other: Ising, t: float) -> Ising:
        """The model of energy (1 - t) E + t E_other, of the bonds of both."""
        (i, j, J), (i2, j2, J2) = self.bonds, other.bonds
        bonds = np.concatenate([i, i2]), np.concatenate([j, j2]), np.concatenate([(1 - t) * J, t * J2])
        offset = (1 - t) * self.offset + t * other.offset
        return Ising.from_edges(self.n, *bonds, (1 - t) * self.fields + t * other.fields, offset)

    def __repr__(self) -> str:
        fields = np.count_nonzero(self.fields) if self.field is None else self.n * (self.field != 0)
        return f"Ising(n={self.n}, bonds={self.bond_count}, fields={fields})"

    def _bond_chunks(self) -> Iterator[tuple[Sites, Sites, FloatArray]]:
        """Yield the bonds (i, j, J) of whole rows, about _CHUNK at a time."""
        row = 0
        while row < self.n:
            end = max(row + 1, np.searchsorted(self.indptr, self.indptr[row] + _CHUNK, "right") - 1)
            entries = slice(self.indptr[row], self.indptr[end])
            i = np.repeat(np.arange(row, end, dtype=np.int32), np.diff(self.indptr[row : end + 1]))
            j = self.indices[entries]
            upper = j > i
            if upper.any():
                yield i[upper], j[upper], self.couplings[entries][upper]
            row = end


def field_sums(model: Any, spins: States) -> FloatArray:
    """sum_i (h_i / h) s_i with h the field unit of an Ising or Hopfield model, float64 (rows,), of spins (rows, n).

    It starts at 0.0 and adds one term after the other.
    """
    sums = np.zeros(len(spins))
    if model.field != 0:
        fields = model.fields if model.field is None else np.broadcast_to(model.field, model.n)
        for sites in _slices(model.n, _CHUNK):
            for rows in _slices(len(spins), _CHUNK // model.n):
                _add_terms(sums[rows], fields[sites] / model.field_unit * spins[rows, sites])
    return sums


def _slices(total: int, step: int) -> Iterator[slice]:
    step = max(step, 1)
    return (slice(start, start + step) for start in range(0, total, step))


def _add_terms(sums: FloatArray, terms: FloatArray) -> None:
    """Add each row of `terms` (rows, terms) to its entry of `sums`, strictly one term after the other."""
    terms[:, 0] += sums
    sums[:] = np.add.accumulate(terms, axis=1)[:, -1]


def _check_size(n: int) -> None:
    if n > MAX_SITES:
        raise ValueError(f"n is {n}: site indices are 32-bit, give at most {MAX_SITES} sites")


def symmetric_csr(name: str, matrix: Any, diagonal: str) -> Csr:
    """indptr, indices and values of a dense or SciPy-like symmetric matrix of zero diagonal, columns ascending.

    Errors call it `name`, and say by `diagonal` where diagonal entries belong.
    """
    if hasattr(matrix, "tocoo"):
        return _sparse_csr(name, matrix, diagonal)
    if not (isinstance(matrix, np.ndarray | list | tuple | Number) or hasattr(matrix, "__array__")):
        raise TypeError(
            f"{name} is {checks.shown(matrix)}: give a symmetric matrix (n, n), dense or SciPy-like; from_edges takes "
            "a graph as its edges i, j and a number for each"
        )
    return _dense_csr(name, matrix, diagonal)


def square(name: str, matrix: Any) -> int:
    """n, once `matrix` is known to be (n, n)."""
    try:
        shape = tuple(map(operator.index, matrix.shape))
    except (TypeError, AttributeError):
        raise TypeError(f"{name} is {checks.shown(matrix)}, without a shape: give a square matrix (n, n)") from None
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 0:
        raise ValueError(f"{name} has shape {shape}: give a square matrix (n, n)")
    _check_size(shape[0])
    return shape[0]


def _refuse_diagonal(name: str, site: int, value: float, advice: str) -> NoReturn:
    raise ValueError(f"{name}[{site}, {site}] is {value}: the diagonal must be zero, {advice}")


def _refuse_asymmetry(name: str, i: int, j: int, value: float, mirrored: float) -> NoReturn:
    A = _SYMBOLS[name]
    one_half = not (value and mirrored)
    advice = f"an upper-triangular {A} must be symmetrised first ({A} + {A}.T)" if one_half else f"({A} + {A}.T) / 2 is"
    raise ValueError(f"{name}[{i}, {j}] is {value} but {name}[{j}, {i}] is {mirrored}: {A} must be symmetric; {advice}")


def _dense_csr(name: str, matrix: Any, diagonal: str) -> Csr:
    size = matrix.size if isinstance(matrix, np.ndarray) else 0  # a list is in memory already
    checks.require_memory(DENSE_BYTES * size, f"a dense coupling matrix of {size} entries")
    J = checks.finite_array(name, matrix)
    n = square(name, J)
    if J.diagonal().any():
        site = (J.diagonal() != 0).argmax()
        _refuse_diagonal(name, site, J[site, site], diagonal)
    asymmetric = J != J.T
    if asymmetric.any():
        i, j = divmod(asymmetric.argmax(), n)
        _refuse_asymmetry(name, i, j, J[i, j], J[j, i])
    bonds = J != 0
    indices = np.broadcast_to(np.arange(n, dtype=np.int32), (n, n))[bonds]
    return _row_starts(np.count_nonzero(bonds, axis=1)), indices, J[bonds]


def _sparse_csr(name: str, matrix: Any, diagonal: str) -> Csr:
    n = square(name, matrix)
    entries = matrix.tocoo()
    row = checks.indices(f"{name}.row", entries.row, n).astype(np.int64)
    column = checks.indices(f"{name}.col", entries.col, n)
    if column.shape != row.shape:
        raise ValueError(f"{name}.row has {row.size} entries and {name}.col has {column.size}")
    key, J = _summed(row * n + column, checks.finite_array(f"{name}.data", entries.data, row.shape), n**2)
    row, column = np.divmod(key, n)
    if (row == column).any():
        entry = (row == column).argmax()
        _refuse_diagonal(name, row[entry], J[entry], diagonal)
    mirror = np.minimum(np.searchsorted(key, column * n + row), key.size - 1)
    mirrored = np.where(key[mirror] == column * n + row, J[mirror], 0.0)
    if (mirrored != J).any():
        entry = (mirrored != J).argmax()
        _refuse_asymmetry(name, row[entry], column[entry], J[entry], mirrored[entry])
    return _row_starts(np.bincount(row, minlength=n)), column.astype(np.int32), J


def _edges_csr(n: int, i: Sites, j: Sites, J: FloatArray) -> Csr:
    key, J = _summed(np.minimum(i, j).astype(np.int64) * n + np.maximum(i, j), J, n**2)
    low, high = (key // n).astype(np.int32), (key % n).astype(np.int32)
    counts = np.stack([np.bincount(high, minlength=n), np.bincount(low, minlength=n)], axis=1)
    indptr = _row_starts(counts.sum(axis=1))
    # A row holds its columns below the diagonal, then those above; both come out in the order of the rows.
    is_above = np.repeat(np.tile([False, True], n), counts.ravel())
    del key, counts  # freed early: the edges of a big lattice take more memory than the model
    transposed = _order(high, n)
    low, J_below = low[transposed], J[transposed]
    del transposed
    couplings = _interleave(is_above, J, J_below)
    del J, J_below
    return indptr, _interleave(is_above, high, low), couplings


def _order(key: AnyArray, end: int) -> IntArray:
    """`np.argsort(key, kind="stable")` of keys 0 ... end - 1: by 16 bits after 16, which NumPy counts, not compares."""
    little = key.astype(key.dtype.newbyteorder("<"), copy=False)
    parts = little.view("<u2").reshape(key.size, key.itemsize // 2).T  # the lowest first
    order = np.argsort(parts[0], kind="stable").astype(np.min_scalar_type(key.size))
    for part in parts[1 : -(-(end - 1).bit_length() // 16)]:
        order = order[np.argsort(part[order], kind="stable")]
    return order.astype(np.int64)


def _summed(key: IntArray, values: FloatArray, end: int) -> tuple[IntArray, FloatArray]:
    """The distinct keys 0 ... end - 1, ascending, and the sum of the values of each, added in order; zeros left out."""
    order = _order(key, end)
    key, values = key[order], values[order]
    repeated = key[1:] == key[:-1]
    if repeated.any():
        first = np.flatnonzero(np.append(True, ~repeated))
        with np.errstate(over="ignore", invalid="ignore"):  # refused with the model
            key, values = key[first], np.add.reduceat(values, first)
    nonzero = values != 0
    return (key, values) if nonzero.all() else (key[nonzero], values[nonzero])


def _interleave(is_first: Mask, first: AnyArray, second: AnyArray) -> AnyArray:
    merged = np.empty(is_first.size, first.dtype)
    merged[is_first] = first
    merged[~is_first] = second
    return merged


def _row_starts(lengths: AnyArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
