"""The +-J Edwards-Anderson glass in two dimensions, which does not freeze: curves of g and xi / L that do not cross."""

from fastgibbs.gallery.glasses import Config, locate
from fastgibbs.gallery.runs import Findings, SavedAs
from fastgibbs.types import Progress


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Temper the samples of all sizes, and report where their averages cross: nowhere above T = 0."""
    return locate(config, 2, None, "spinglass_binder2d", progress, checkpoint)
