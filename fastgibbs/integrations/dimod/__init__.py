"""dimod's samplers by fastgibbs: annealing, tempering and quantum annealing of binary quadratic models. Needs dimod.

`from fastgibbs.integrations.dimod import AnnealingSampler` takes the place of dwave-samplers' annealer.
"""

try:
    import dimod  # noqa: F401  # or these are for nothing
except ImportError as error:
    raise ImportError("fastgibbs.integrations.dimod needs dimod: pip install 'fastgibbs[dimod]'") from error

from fastgibbs.integrations.dimod.annealing import AnnealingSampler
from fastgibbs.integrations.dimod.quantum import QuantumAnnealingSampler
from fastgibbs.integrations.dimod.ranges import _default_ising_beta_range, default_beta_range  # noqa: F401
from fastgibbs.integrations.dimod.tempering import TemperingSampler

__all__ = ["AnnealingSampler", "QuantumAnnealingSampler", "TemperingSampler", "default_beta_range"]
