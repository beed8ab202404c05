"""Learning a model from data: `train`, the exact gradient its estimates are measured against, filling in, dreaming.

And what the layers of a machine know of each other, and of data: `information`.
"""

from fastgibbs.learning.dreaming import dream
from fastgibbs.learning.entropies import Entropies, Information, information
from fastgibbs.learning.exact import gradient
from fastgibbs.learning.filling import fill_in
from fastgibbs.learning.training import train

__all__ = ["Entropies", "Information", "dream", "fill_in", "gradient", "information", "train"]
