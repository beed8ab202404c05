"""The critical point of the cubic lattice from the crossing of Binder cumulants, beside the best known one."""

from fastgibbs.gallery.crossings import Config, Critical, locate
from fastgibbs.gallery.runs import Findings, SavedAs
from fastgibbs.types import Progress

# Kc = 0.221654626(5): Ferrenberg, Xu and Landau, Phys. Rev. E 97, 043301 (2018)
# U = 1 - Q / 3 with Q = 1.6036(1): Hasenbusch, Phys. Rev. B 82, 174433 (2010)
CRITICAL = Critical(1 / 0.221654626, 0.46548)


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Sample, reweight, and compare the crossings with Tc = 4.511523 and U = 0.46548."""
    return locate(config, 3, CRITICAL, "ising3d", progress, checkpoint)
