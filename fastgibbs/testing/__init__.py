"""What proves engines and energies, for those of this package and for anybody's own."""

from fastgibbs.testing.energies import check_energy
from fastgibbs.testing.engines import MODELS, Case, cases, check_case, check_engine

__all__ = ["MODELS", "Case", "cases", "check_case", "check_energy", "check_engine"]
