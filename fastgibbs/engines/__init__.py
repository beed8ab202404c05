"""How an energy is advanced: Numba kernels, arrays in, arrays out."""

from fastgibbs.engines import dense_kernels, multispin_kernels  # noqa: F401 - they give the contract its bodies
from fastgibbs.engines.coloured import Coloured
from fastgibbs.engines.contract import ENGINES as ENGINES
from fastgibbs.engines.contract import register
from fastgibbs.engines.dense import Dense
from fastgibbs.engines.layered import Layered
from fastgibbs.engines.multispin import Multispin
from fastgibbs.engines.overlap import Overlap
from fastgibbs.engines.polynomial import Polynomials
from fastgibbs.engines.sparse import Sparse
from fastgibbs.engines.sparse64 import Sparse64
from fastgibbs.engines.terms import Terms
from fastgibbs.engines.worldline import Worldline

ORDER = (  # as "auto" asks them
    *(Layered(), Overlap(), Polynomials(), Dense(), Coloured(), Multispin(), Sparse(), Sparse64(), Terms()),
    Worldline(),
)
for engine in ORDER:
    register(engine)
