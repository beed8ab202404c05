"""What chains have drawn: energies, magnetizations and observables of every draw, and states."""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from fastgibbs import analysis
from fastgibbs.engines import ENGINES
from fastgibbs.engines.observables import Observables
from fastgibbs.models import checks
from fastgibbs.results.base import Result, Timing, run_result
from fastgibbs.results.lanes import by_lane, joined, unpacked


class Block(NamedTuple):
    """Lanes that are advanced together, with room for what they record."""

    chains: int  # that were asked for
    plan: tuple
    state: tuple
    rungs: np.ndarray  # int64 (lanes,)
    energies: np.ndarray  # float64 (draws, chains)
    magnetizations: np.ndarray  # float64 (draws, chains)
    observables: Observables
    samples: np.ndarray  # uint16 (draws or 0, sites of a lane, lanes // 16)


@run_result
class SampleResult(Result):
    """What `sample` returns. A draw is recorded after every thin-th sweep past burn_in."""

    model: object
    """The model, or a tuple of models."""
    energy: np.ndarray
    """E of every draw, float64 (chains, draws)."""
    magnetization: np.ndarray
    """Mean spin of every draw, in [-1, 1], float64 (chains, draws); of an RBM, the mean of 2 x - 1."""
    observables: dict[str, np.ndarray]
    """What was observed, by name: float64 (chains, draws), of a function (chains, draws, ...)."""
    beta: np.ndarray
    """Inverse temperature of each chain, inf at T = 0, float64 (chains,)."""
    seed: int
    """Pass it as `seed` to get the same bytes again."""
    engine: str
    strips: int
    """Strips that each lattice was cut into; the same seed gives the same bytes only at the same number."""
    rule: str
    scan: str
    burn_in: int
    thin: int
    timing: Timing
    interrupted: bool
    """True if the run was stopped: the draws are those that every chain had done."""
    _blocks: list[Block]

    @cached_property
    def states(self) -> np.ndarray:
        """The states at the end, int8 (chains, n), in the model's own units."""
        lanes = [ENGINES[self.engine].spins(block.plan, block.state) for block in self._blocks]
        return self._in_units(by_lane(lanes, self.beta.size * self.strips), ())

    @property
    def samples(self) -> np.ndarray:
        """The states of every draw, int8 (chains, draws, n), unpacked from one bit a spin at each call."""
        chains, draws = self.energy.shape
        packed = [block.samples[:draws] for block in self._blocks]
        if packed[0].shape[0] < draws:
            raise ValueError("samples were not kept: call sample(..., keep_states=True)")
        sites = packed[0].shape[1]
        checks.require_memory(2 * chains * draws * sites * self.strips, "samples unpacked to int8")
        return self._in_units(unpacked(packed, chains * self.strips), (draws,))

    @property
    def model_number(self) -> np.ndarray:
        """Which of several models each chain runs, from 0, int64 (chains,)."""
        models = len(self.model) if isinstance(self.model, tuple) else 1
        return np.arange(self.beta.size) * models // self.beta.size

    def summary(self) -> str:
        """A table by temperature with errors, and warnings (see `fastgibbs.analysis.summary`)."""
        return analysis.summary(self)

    def to_u_kn(self) -> tuple[np.ndarray, np.ndarray]:
        """u_kn and N_k of nearly independent draws, for pymbar (see `fastgibbs.analysis.to_u_kn`)."""
        return analysis.to_u_kn(self)

    def _in_units(self, lanes, draws):
        """Spins (lanes, draws x sites of a lane) as states (chains, *draws, n) in the model's units."""
        spins = joined(lanes, self.beta.size, self.strips, draws)
        return (self.model[0] if isinstance(self.model, tuple) else self.model).from_spins(spins)

    def __repr__(self):
        chains, draws = self.energy.shape
        stopped = ", interrupted" if self.interrupted else ""
        return f"SampleResult({self.model!r}, chains={chains}, draws={draws}, engine={self.engine!r}{stopped})"
