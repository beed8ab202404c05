"""What chains have drawn: energies, magnetizations and observables of every draw, and states."""

from __future__ import annotations

from dataclasses import field
from functools import cached_property
from typing import Annotated, Any, NamedTuple, Self

import numpy as np

from fastgibbs import analysis
from fastgibbs.analysis.ageing import by_sweep
from fastgibbs.analysis.bins import Bins
from fastgibbs.analysis.disorder import Replicas, of_chains
from fastgibbs.analysis.records import Group, first_model
from fastgibbs.analysis.reports import Report
from fastgibbs.analysis.summaries import by_temperature
from fastgibbs.engines import ENGINES
from fastgibbs.engines.clusters import Clusters
from fastgibbs.engines.drivers import Record
from fastgibbs.engines.spiking import MOST
from fastgibbs.fields import Field
from fastgibbs.integrations.tables import Coordinates, Table
from fastgibbs.models import checks
from fastgibbs.results.base import BEGUN, CHOSEN, SITES, Timing, no_sites, run_result
from fastgibbs.results.drawn import KEPT, Drawn
from fastgibbs.results.lanes import Left, by_lane, joined, unpacked
from fastgibbs.types import AnyArray, FloatArray, IntArray, Mask, ModelLike, States


class ChainBlock(NamedTuple):
    """Lanes that are advanced together, with room for what they record."""

    chains: int  # that were asked for
    plan: tuple[Any, ...]
    state: tuple[Any, ...]
    rungs: IntArray  # int64 (lanes,)
    record: Record
    left: Left | None = None
    clusters: Clusters | None = None


def states_alone(record: Record, keep: bool) -> Record:
    """A record with the states of its draws, or none, and nothing else."""
    samples = record.samples if keep else record.samples[:0].copy()
    nothing: Any = None
    return record._replace(energies=nothing, magnetizations=nothing, observables=nothing, samples=samples, bins=nothing)


@run_result
class SampleResult(Drawn):
    """What `sample` returns. A draw is recorded after every thin-th sweep past burn_in, or at the sweeps `at`.

    Besides the fields: `states`, `samples`, `spikes`, `drawn_at` and `model_number`.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, sweeps=10, seed=1)
    >>> run, run.states.shape
    (SampleResult(Ising(n=64, bonds=128, fields=0), chains=64, draws=10, engine='multispin'), (64, 64))
    """

    KIND = "sample"
    model: Annotated[ModelLike | tuple[ModelLike, ...], "The model, or a tuple of models."]
    energy: Annotated[
        FloatArray,
        "float64 (chains, draws)",
        "E of every draw, in the units of J and h: `model.energy` of the state, but for rounding in the last digits; "
        "on the layered engine within (V + H) 2^-24 (sum |W_ij| + sum |a_i| + sum |b_j|), of random weights within "
        "1e-7 of these sums.",
    ]
    magnetization: Annotated[
        FloatArray, "float64 (chains, draws)", "Mean spin of every draw, in [-1, 1]; of an RBM, the mean of 2 x - 1."
    ]
    observables: Annotated[
        dict[str, FloatArray], "float64 (chains, draws, ...)", "What was observed, by name; more axes are a function's."
    ]
    beta: Annotated[
        FloatArray,
        "float64 (chains,) or (period of beta, chains), or inf",
        "Inverse temperature of each chain, inf at T = 0; of a protocol that of each sweep.",
    ]
    seed: Annotated[int, "Pass it as `seed` to get the same bytes again."]
    engine: Annotated[str, "The engine that ran it."]
    strips: Annotated[
        int, "Strips that each lattice was cut into; the same seed gives the same bytes only at the same number."
    ]
    rule: Annotated[str, '"gibbs", "metropolis" or "spiking".']
    scan: Annotated[str, '"sequential" or "random".']
    burn_in: Annotated[int, "Sweeps made first and not recorded."]
    thin: Annotated[int, "Sweeps from one draw to the next."]
    timing: Annotated[Timing, "Seconds, and attempts per second."]
    interrupted: Annotated[bool, "True if the run was stopped: the draws are those that every chain had done."]
    _blocks: list[ChainBlock]
    clamped: Annotated[IntArray, *SITES] = field(default_factory=no_sites)
    bins: Annotated[Bins | None, KEPT] = None
    at: Annotated[IntArray, *CHOSEN] = field(default_factory=no_sites)
    clusters: Annotated[str | None, 'Cluster moves that chains made, "swendsen-wang" or "wolff", or None.'] = None
    cluster_every: Annotated[int | None, "Sweeps from one to the next; 0 if there were no others, None without."] = None
    field: Annotated[
        FloatArray | None,
        "float64 (chains,) or (period of field, chains)",
        "The field beside the model's own, which `energy` is without, or None; of a protocol that of each sweep.",
    ] = None
    refractory: Annotated[int | None, 'Sweeps that a spike lasts, by rule="spiking", or None.'] = None
    start: Annotated[str | None, BEGUN] = None

    @cached_property
    def states(self) -> States:
        """The states at the end, int8 (chains, n), in the model's own units.

        >>> import fastgibbs as fg
        >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.2, 0.4], sweeps=50, seed=1)
        >>> run.states.shape, run.temperature.tolist()
        ((2, 64), [5.0, 2.5])
        """
        lanes = [ENGINES[self.engine].spins(block.plan, block.state) for block in self._blocks]
        return self._in_units(by_lane(lanes, self.beta.shape[-1] * self.strips), ())

    @property
    def samples(self) -> States:
        """The states of every draw, int8 (chains, draws, n), unpacked from one bit a spin at each call.

        >>> import fastgibbs as fg
        >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, chains=4, sweeps=50, seed=1, keep_states=True)
        >>> run.samples.shape, run.packed.shape, run.packed.dtype.name
        ((4, 50, 64), (4, 50, 1), 'uint64')
        """
        return self._in_units(self._lanes(self._words()), (self.energy.shape[1],))

    def _lanes(self, words: list[AnyArray]) -> States:
        """Packed spins of draws as int8 (lanes, draws x sites of a lane)."""
        (chains, draws), sites = self.energy.shape, words[0].shape[1]
        checks.require_memory(2 * chains * draws * sites * self.strips, "samples unpacked to int8")
        return unpacked(words, chains * self.strips)

    @property
    def packed(self) -> AnyArray:
        """The spins of every draw, 64 a word, uint64 (chains, draws, words): site i is up if bit i % 64 of i // 64 is.

        What `samples` unpacks, in the order of sites and chains, made at each call.
        """
        (chains, draws), words = self.energy.shape, self._words()
        n = words[0].shape[1] * self.strips
        checks.require_memory(8 * chains * draws * -(-n // 64) + 3 * chains * n, "samples packed by chain")
        found = np.zeros((chains, draws, 8 * -(-n // 64)), np.uint8)
        for draw in range(draws):
            lanes = unpacked([of[draw : draw + 1] for of in words], chains * self.strips)
            ups = joined(lanes, chains, self.strips) > 0
            found[:, draw, : -(-n // 8)] = np.packbits(ups, axis=1, bitorder="little")
        return found.view(np.dtype(np.uint64).newbyteorder("<")).astype(np.uint64, copy=False)

    @property
    def spikes(self) -> Mask:
        """Which neurons spiked in the sweep of every draw, bool (chains, draws, n), unpacked at each call.

        Of a run by rule="spiking" that kept its states, in sequence; clamped neurons do not spike. A neuron that spikes
        is on, in `samples`, for `refractory` sweeps, that one included, and may spike again in the next.
        ValueError of other runs.

        >>> import fastgibbs as fg
        >>> neuron = fg.RBM([[0.0]])
        >>> options = dict(rule="spiking", refractory=3, keep_states=True, seed=7)
        >>> run = fg.sample(neuron, beta=1.0, sweeps=12, chains=1, **options)
        >>> run.spikes[0, :, 0].astype(int).tolist()
        [0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0]
        >>> run.samples[0, :, 0].tolist()
        [1, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0]
        """
        if self.rule != "spiking" or self.scan != "sequential":
            raise ValueError(f"rule is {self.rule!r}, scan {self.scan!r}: give a run by rule='spiking' in sequence")
        spiked = joined(self._lanes(self._words(spikes=True)), len(self.energy), 1, (self.energy.shape[1],)) > 0
        spiked[..., self.clamped] = False
        return spiked

    def _words(self, spikes: bool = False) -> list[AnyArray]:
        """The packed spins of the draws of each block, or which have spiked; ValueError if they were not kept."""
        draws = self.energy.shape[1]
        words = [block.record.samples[:draws] for block in self._blocks]
        if words[0].shape[0] < draws:
            raise ValueError("samples were not kept: call sample(..., keep_states=True)")
        sites = words[0].shape[1] // (1 if self.refractory is None else 2)
        return [of[:, sites:] if spikes else of[:, :sites] for of in words]

    @property
    def drawn_at(self) -> IntArray:
        """The sweeps after which draws were made, int64 (draws,)."""
        return self.at if self.at.size else super().drawn_at

    @property
    def model_number(self) -> IntArray:
        """Which of several models each chain runs, from 0, int64 (chains,).

        >>> import fastgibbs as fg
        >>> glasses = [fg.edwards_anderson((4, 4), seed=seed) for seed in (1, 2)]
        >>> run = fg.sample(glasses, beta=0.5, sweeps=10, chains=2, seed=1)
        >>> run.model_number.tolist()
        [0, 1]
        """
        models = len(self.model) if isinstance(self.model, tuple) else 1
        return np.arange(self.beta.shape[-1]) * models // self.beta.shape[-1]

    @property
    def order(self) -> AnyArray:
        """The sites in the order in which sweeps visited them, (free sites,); ValueError if that was random.

        What `fastgibbs.exact.driven` takes. Of sites decided at once the order does not matter.

        >>> import fastgibbs as fg
        >>> run = fg.sample(fg.lattice((4, 4)), beta=0.4, sweeps=10, seed=1)
        >>> sorted(run.order.tolist()) == list(range(16)), run.driven
        (True, False)
        """
        if self.scan != "sequential":
            raise ValueError(f"scan is {self.scan!r}: each sweep has visited sites in an order of its own")
        first, engine = first_model(self), ENGINES[self.engine]
        free = np.setdiff1d(np.arange(first.n), self.clamped) if self.clamped.size else None
        return engine.order(first if engine.native else first.to_ising(), self.strips, free)

    @property
    def driven(self) -> bool:
        """Whether beta or the field followed a protocol: draws then have no law but that of their sweep."""
        return self.beta.ndim > 1 or (self.field is not None and self.field.ndim > 1)

    @property
    def temperature(self) -> FloatArray:
        """T = 1 / beta of each chain, float64 (chains,), inf at beta = 0 (see `fastgibbs.analysis.temperature`)."""
        return analysis.temperature(self.beta)

    def by_beta(self) -> list[Group]:
        """The chains of each beta, ascending, of each field beside the model's, and of each model.

        ValueError of a driven run.

        >>> import fastgibbs as fg
        >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.4, 0.2, 0.4], sweeps=10, seed=1)
        >>> [(group.beta, group.energy.shape) for group in run.by_beta()]
        [(0.2, (1, 10)), (0.4, (2, 10))]
        """
        if self.driven:
            raise ValueError(
                "result is of a driven run: no law at one beta has made its draws, but each phase of the protocol has "
                "one; see fastgibbs.analysis.response"
            )
        field = np.zeros(self.beta.size) if self.field is None else self.field
        each = list(zip(self.beta.tolist(), field.tolist(), self.model_number.tolist(), strict=True))
        chains = {key: np.array([one == key for one in each]) for key in sorted(set(each))}
        return [
            self._group(beta, model, mine)._replace(field=b, chains=mine) for (beta, b, model), mine in chains.items()
        ]

    def replicas(self) -> list[Replicas]:
        """What pairs of chains at one beta tell of each model, for `analysis.disorder_average`.

        ValueError if chains cannot be paired, or states were not kept.

        >>> import fastgibbs as fg
        >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, chains=4, sweeps=50, seed=1, keep_states=True)
        >>> len(run.replicas()), run.replicas()[0].betas.tolist()
        (1, [0.4])
        """
        if self.driven or self.field is not None:
            raise ValueError("result is in fields beside the model's, or driven: give a run in the model's own field")
        models = self.model if isinstance(self.model, tuple) else (self.model,)
        if getattr(models[0], "by_worldlines", False):
            raise TypeError(f"result is of {checks.shown(models[0])}, whose law is not exp(-beta E)")
        betas, numbers, samples = np.unique(self.beta), self.model_number, self.samples
        found = []
        for k, model in enumerate(models):
            chains = [np.flatnonzero((self.beta == beta) & (numbers == k)) for beta in betas]
            told = [(self.energy[mine], model.to_spins(samples[mine])) for mine in chains]
            found.append(of_chains(model, betas, told))
        return found

    def report(self) -> Report:
        """A table by temperature with errors, and warnings; by sweep too, where these were chosen.

        >>> import fastgibbs as fg
        >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.2, 0.4], sweeps=50, seed=1)
        >>> list(run.report().table), sorted(run.table().variables)
        (['beta', 'T', 'chains', 'tau', 'ESS', 'R-hat', 'E/N', '|m|', 'C/N', 'chi', 'U'], ['energy', 'magnetization'])
        """
        return by_sweep(self) if self.at.size and not self.driven else by_temperature(self)

    def table(self) -> Table:
        """Its records as named arrays, (chain, draw), or the means of bins, (chain, bin).

        beta, and the model if there are several, belong to chains.
        """
        given = {"beta": self.beta, "field": self.field}  # of protocols it has none
        places: Coordinates = {
            name: ("chain", values) for name, values in given.items() if values is not None and values.ndim == 1
        }
        if isinstance(self.model, tuple):
            places["model"] = "chain", self.model_number
        return self._drawn(("chain", "draw"), lambda record: record, places)

    def to_u_kn(self) -> tuple[FloatArray, IntArray]:
        """u_kn and N_k of nearly independent draws, for pymbar (see `fastgibbs.analysis.to_u_kn`).

        >>> import fastgibbs as fg
        >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.2, 0.4], sweeps=50, seed=1)
        >>> u_kn, N_k = run.to_u_kn()
        >>> u_kn.shape == (2, N_k.sum())
        True
        """
        return analysis.to_u_kn(self)

    def _in_units(self, lanes: AnyArray, draws: tuple[int, ...]) -> States:
        """Spins (lanes, draws x sites of a lane) as states (chains, *draws, n) in the model's units."""
        spins = joined(lanes, self.beta.shape[-1], self.strips, draws)
        return first_model(self).from_spins(spins)

    def _values(self) -> dict[str, Any]:
        words = np.concatenate([block.record.samples[: self.energy.shape[1]] for block in self._blocks], axis=2)
        return super()._values() | {"states": self.states, "samples": words}

    @classmethod
    def _stored(cls) -> list[Field]:
        words = Field("samples", np.ndarray, "uint16 (kept, sites of a lane, lanes // 16)", "The states kept.")
        return [*super()._stored(), Field("states", np.ndarray, "int8 (chains, n)", "The states at the end."), words]

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Self:
        values = cls._with_records(values)
        states, words = values.pop("states"), values.pop("samples")
        record = values["energy"] if values.get("bins") is None else values["bins"].energy
        (chains, draws), (kept, sites, groups) = record.shape, words.shape
        strips, needed = values["strips"], chains * values["strips"]
        bits = 1 if values.get("refractory") is None else 2
        if kept not in (0, draws) or sites * strips != bits * states.shape[1] or not needed <= 16 * groups < 2**31:
            raise ValueError(f"samples have shape {words.shape}, of {chains} chains, {draws} draws and {strips} strips")
        if (values.get("clusters") is None) != (values.get("cluster_every") is None):
            raise ValueError(f"clusters is {values.get('clusters')}, cluster_every {values.get('cluster_every')}")
        spikes, refractory = values["rule"] == "spiking", values.get("refractory")
        if spikes != (refractory is not None) or not 1 <= (refractory or 1) <= MOST:
            raise ValueError(f"refractory is {refractory}, and rule {values['rule']!r}")
        if (at := values.get("at", no_sites())).size and (at.size != draws or (np.diff(at, prepend=0) < 1).any()):
            raise ValueError(f"at is {at.tolist()}, of {draws} draws: give as many sweeps, from 1, ascending")
        if isinstance(values["model"], tuple) and chains % len(values["model"]):
            raise ValueError(f"{chains} chains are no multiple of {len(values['model'])} models")
        return cls._without_streams(states, words, **values)

    @classmethod
    def _without_streams(cls, states: States, words: AnyArray, **values: Any) -> Self:
        """The result of a run that none can go on from; `states` at its end, and `words` as of `_stored`."""
        nothing: Any = None  # what a run works with is gone
        record = Record(nothing, nothing, nothing, nothing, words, nothing)
        result = super()._of(values | {"_blocks": [ChainBlock(len(states), (), (), nothing, record)]})
        vars(result)["states"] = states  # what the cached property would ask the engine for
        return result

    def __repr__(self) -> str:
        chains, draws = self.energy.shape
        size = f"chains={chains}, draws={draws}{self._kept()}"
        return f"SampleResult({self.model!r}, {size}, engine={self.engine!r}{self._ends()})"
