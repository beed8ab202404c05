"""The Ising energy on any graph: symmetric couplings as a CSR matrix, fields and an offset."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastgibbs.models import checks
from fastgibbs.models.cells import Geometry
from fastgibbs.models.csr import check_size, edges_csr, symmetric_csr
from fastgibbs.models.energy import Energy
from fastgibbs.types import ArrayLike, FloatArray, IntArray, Matrix, Shape, Sites, States

_CHUNK = 2**16  # bonds, or spins times bonds, handled at once: bounds the temporary memory of energy()


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
        check_size(n)
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
        model._fill(*edges_csr(n, i, j, J), fields, offset, shape, geometry)
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

        >>> import fastgibbs as fg
        >>> fg.lattice((4, 6)).periods.tolist(), fg.Ising([[0, 1], [1, 0]]).periods
        ([[4.0, 0.0], [0.0, 6.0]], None)
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
        """(i, j, J): the bonds with i < j, row by row with j ascending; int32, int32 and float64 (bonds,).

        >>> import fastgibbs as fg
        >>> [part.tolist() for part in fg.lattice((3,), J=2.0).bonds]
        [[0, 0, 1], [1, 2, 2], [2.0, 2.0, 2.0]]
        >>> glass = fg.edwards_anderson((3, 3), seed=1)
        >>> glass.coupling_unit, glass.field_unit
        (1.0, 1.0)
        """
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
        """The model of energy (1 - t) E + t E_other, of the bonds of both.

        >>> import fastgibbs as fg
        >>> chain = fg.lattice((3,))
        >>> chain.uncoupled().interpolated(chain, 0.25).bonds[2].tolist()
        [0.25, 0.25, 0.25]
        """
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
