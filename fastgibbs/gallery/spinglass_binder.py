"""The freezing of the +-J Edwards-Anderson glass in three dimensions, from crossings of g and of xi / L."""

from fastgibbs.gallery.glasses import Config, locate
from fastgibbs.gallery.runs import Findings, SavedAs
from fastgibbs.types import Progress

CRITICAL = 1.1019, 0.0029  # Baity-Jesi et al., Phys. Rev. B 88, 224416 (2013)


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Temper the samples of all sizes, and compare where their averages cross with Tc = 1.1019(29)."""
    return locate(config, 3, CRITICAL, "spinglass_binder", progress, checkpoint)
