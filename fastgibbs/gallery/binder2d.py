"""The critical point of the square lattice from the crossing of Binder cumulants, beside the exact one."""

from fastgibbs.exact.torus import CRITICAL_BETA
from fastgibbs.gallery.crossings import Config, Critical, locate
from fastgibbs.gallery.runs import Findings, SavedAs
from fastgibbs.types import Progress

# U = 1 - Q / 3 with Q = 1.1679229(47): Salas and Sokal, J. Stat. Phys. 98, 551 (2000)
CRITICAL = Critical(1 / CRITICAL_BETA, 0.61069)


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Sample, reweight, and compare the crossings with Tc = 2 / ln(1 + sqrt 2) and U = 0.61069."""
    return locate(config, 2, CRITICAL, "binder2d", progress, checkpoint)
