"""Learning a model from data: `train`, the exact gradient its estimates are measured against, filling in, dreaming."""

from fastgibbs.learning.dreaming import dream
from fastgibbs.learning.exact import gradient
from fastgibbs.learning.filling import fill_in
from fastgibbs.learning.training import train

__all__ = ["dream", "fill_in", "gradient", "train"]
