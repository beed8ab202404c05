"""Learning a model from data: `train`, and the exact gradient that its estimates are measured against."""

from fastgibbs.learning.exact import gradient
from fastgibbs.learning.training import TrainResult, train

__all__ = ["TrainResult", "gradient", "train"]
