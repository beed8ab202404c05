"""Couplings as sparse matrices of SciPy. Needs SciPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastgibbs.io.problems import problem
from fastgibbs.models.energy import as_energy
from fastgibbs.types import Problem

if TYPE_CHECKING:
    import scipy.sparse


def to_scipy(model: Problem) -> scipy.sparse.csr_array:
    """J of the Ising form of the model, E = -1/2 s.J.s - h.s + offset, as a `scipy.sparse.csr_array` (n, n) of float64.

    Symmetric; h and the offset are `fields` and `offset` of `model.to_ising()`, and `Ising(J, fields, offset)` is the
    way back. ImportError if SciPy is missing; ValueError if there is no Ising form.

    >>> import fastgibbs as fg
    >>> fg.to_scipy(fg.lattice((3,))).toarray().tolist()
    [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    """
    try:
        import scipy.sparse
    except ImportError as error:
        raise ImportError("to_scipy needs SciPy: pip install scipy") from error
    ising = as_energy(problem("model", model)).to_ising()
    parts = ising.couplings.copy(), ising.indices.copy(), ising.indptr.copy()
    found: scipy.sparse.csr_array = scipy.sparse.csr_array(parts, shape=(ising.n, ising.n))
    return found
