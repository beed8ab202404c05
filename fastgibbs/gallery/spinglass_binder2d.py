"""The +-J Edwards-Anderson glass in two dimensions, which does not freeze: curves of g and xi / L that do not cross."""

from dataclasses import dataclass

from fastgibbs.gallery.glasses import locate
from fastgibbs.gallery.runs import Findings, SavedAs
from fastgibbs.types import Progress


@dataclass(frozen=True)
class Config:
    """What the run is told; see spinglass_binder2d.toml."""

    sizes: list[int]
    samples: list[int]
    sweeps: list[int]
    hottest: float
    coldest: float
    rungs: int
    seed: int


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Temper the samples of all sizes, and report where their averages cross: nowhere above T = 0."""
    return locate(config, 2, None, "spinglass_binder2d", progress, checkpoint)
