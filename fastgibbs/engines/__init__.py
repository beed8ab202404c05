"""How an energy is advanced: Numba kernels, arrays in, arrays out."""

from fastgibbs.engines import dense, layered, multispin, overlap, sparse, sparse64, terms

# by name; "auto" tries them in this order
ENGINES = {"layered": layered, "overlap": overlap, "multispin": multispin, "dense": dense, "sparse": sparse}
ENGINES |= {"sparse64": sparse64, "terms": terms}
