"""Averages over samples of the disorder: what pairs of replicas of each sample tell, and errors over the samples.

<...> is the mean over the draws and pairs of one sample, [...] the mean over samples, of which each counts alike,
however long it ran. Errors are jackknifed, a sample left out at a time: they hold the noise of draws too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, NamedTuple

import numpy as np

from fastgibbs.analysis.bins import Binned
from fastgibbs.analysis.errors import FEWEST_DRAWS, agree, jackknifed
from fastgibbs.analysis.reports import Report, shown, with_error
from fastgibbs.analysis.thermodynamics import temperature
from fastgibbs.fields import described
from fastgibbs.models import checks
from fastgibbs.models.energy import as_energy
from fastgibbs.models.waves import is_lattice, places, smallest_waves, turns
from fastgibbs.types import AnyArray, FloatArray, IntArray, Mask, ModelLike, States

_FEWEST = 2  # samples that tell an error
_LISTED = 8  # samples that are named
_PART = 2**24  # products of spins at once
NO_PAIRS = "there are no overlaps: temper with ladders=2 or more and overlap_every above 0"
_SHOWN = dict(energy="E/N", heat_capacity="C/N", q_abs="|q|", q2="q^2", binder="g", link="q_l", susceptibility="chi_SG")

Statistic = Callable[..., FloatArray]  # of means over samples


class Replicas(NamedTuple):
    """What the pairs of replicas of one sample of the disorder tell at each beta: means over all of its draws.

    Energies are totals over n; `histogram` counts q in bins from -1 to 1, and -q too where E(-s) = E(s).
    """

    model: ModelLike
    betas: FloatArray  # float64 (rungs,), ascending
    energy: FloatArray  # float64 (rungs,)
    heat_capacity: FloatArray  # float64 (rungs,)
    q_abs: FloatArray  # float64 (rungs,)
    q2: FloatArray  # float64 (rungs,)
    q4: FloatArray  # float64 (rungs,)
    link: FloatArray  # float64 (rungs,)
    qk2: FloatArray  # float64 (rungs,): |q(k)|^2 at the smallest k, of the longest sides; or nan
    histogram: IntArray  # int64 (rungs, bins)
    equilibrated: bool

    @property
    def moments(self) -> dict[str, FloatArray]:
        """All."""
        return {name: getattr(self, name) for name in Moments._fields}


def replicas(
    model: ModelLike, betas: FloatArray, energies: Any, overlaps: dict[str, AnyArray], equilibrated: bool
) -> Replicas:
    """The `Replicas` of a sample, from `energies` (replicas, rungs, draws), of which 0 and 1, 2 and 3 ... are pairs.

    `energies` are an array or `Binned`. `overlaps`: means q_abs, q2, q4 and link, (pairs, rungs), qk2, (pairs, rungs,
    waves), and the histogram, (pairs, rungs, bins), as of `ReplicaOverlaps`. C = beta^2 <(E_a - E_b)^2> / 2 n of two
    replicas: no mean of few draws is taken off.
    """
    histogram, n = overlaps["histogram"].sum(axis=0), max(model.n, 1)
    energies = energies[: 2 * len(overlaps["q2"])]
    binned = isinstance(energies, Binned)
    means = energies.chain_means() if binned else energies.mean(axis=2)
    variances = energies.chain_variances() if binned else energies.var(axis=2)
    widths = variances.mean(axis=0) + ((means[::2] - means[1::2]) ** 2).mean(axis=0) / 2
    if as_energy(model).even:
        histogram = histogram + histogram[:, ::-1]
    told = {name: overlaps[name].mean(axis=0) for name in ("q_abs", "q2", "q4", "link")}
    return Replicas(
        model=model,
        betas=betas,
        energy=means.mean(axis=0) / n,
        heat_capacity=betas**2 * widths / n,
        **told,
        qk2=_at_smallest_k(model, betas.size, overlaps["qk2"]),
        histogram=histogram,
        equilibrated=equilibrated,
    )


def _at_smallest_k(model: ModelLike, rungs: int, qk2: FloatArray) -> FloatArray:
    """The mean over pairs and the waves of the longest sides, float64 (rungs,), of qk2; nan where there are none."""
    if not qk2.size:
        return np.full(rungs, np.nan)
    sides = np.array([side for side in places("model", model).sides if side > 1])
    return qk2[:, :, sides == sides.max()].mean(axis=(0, 2))


def of_chains(model: ModelLike, betas: FloatArray, chains: list[tuple[FloatArray, States]]) -> Replicas:
    """The `Replicas` of chains, by beta: energies (chains, draws), and spins int8 (chains, draws, n).

    They look equilibrated where chains `agree`. ValueError if chains are no pairs.
    """
    found, alike = [], True
    for beta, (energies, spins) in zip(betas.tolist(), chains, strict=True):
        count, draws = energies.shape
        if not np.isfinite(beta):
            raise ValueError(f"there are chains at beta = {beta}, which draw from no law: leave them out")
        if not count or count % 2 or draws < FEWEST_DRAWS:
            raise ValueError(
                f"there are {count} chains of {draws} draws at beta = {beta:g}: give pairs of at least {FEWEST_DRAWS}"
            )
        pairs = [_compared(model, *spins[first : first + 2]) for first in range(0, count, 2)]
        told = {name: np.array([pair[name] for pair in pairs])[:, None] for name in pairs[0]}
        found.append(replicas(model, np.array([beta]), energies[:, None], told, True))
        alike &= agree(energies)
    means = {name: np.concatenate([one.moments[name] for one in found]) for name in found[0].moments}
    histogram = np.concatenate([one.histogram for one in found])
    return Replicas(model=model, betas=betas, **means, histogram=histogram, equilibrated=alike)


def _compared(model: ModelLike, one: States, other: States) -> dict[str, AnyArray]:
    """Overlaps of draws `one` and `other`, spins int8 (draws, n): means, and a histogram of all values of q."""
    n = model.n
    products = one * other
    equal = (n + products.sum(axis=1, dtype=np.int64)) // 2
    q = (2 * equal - n) / max(n, 1)
    histogram = np.bincount(equal, minlength=n + 1)
    angles = 2 * np.pi * turns(model, smallest_waves(model)) if is_lattice(model) else np.empty((0, n))
    qk2 = abs(products @ np.exp(-1j * angles.T) / max(n, 1)) ** 2
    means = dict(q_abs=abs(q).mean(), q2=(q**2).mean(), q4=(q**4).mean(), link=_links(model, products).mean())
    return means | dict(qk2=qk2.mean(axis=0), histogram=histogram)


def _links(model: ModelLike, products: States) -> FloatArray:
    """The mean over bonds of the products of s_i^a s_i^b at their ends, float64 (draws,)."""
    energy, n = as_energy(model), model.n
    if energy.fully_connected:
        return (products.sum(axis=1, dtype=np.float64) ** 2 - n) / max(n * (n - 1), 1)
    i, j, _ = energy.to_ising().bonds
    rows = max(1, _PART // max(i.size, 1))
    parts = [products[first : first + rows] for first in range(0, len(products), rows)]
    sums = [(part[:, i] * part[:, j]).sum(axis=1, dtype=np.int64) for part in parts]
    return np.concatenate(sums) / max(i.size, 1)


@checks.by_contents
@described
class Moments(NamedTuple):
    """Means over the draws of each sample."""

    energy: Annotated[FloatArray, "float64 (samples, rungs)", "<E> / n."]
    heat_capacity: Annotated[FloatArray, "float64 (samples, rungs)", "beta^2 (<E^2> - <E>^2) / n."]
    q_abs: Annotated[FloatArray, "float64 (samples, rungs)", "<|q|>."]
    q2: Annotated[FloatArray, "float64 (samples, rungs)", "<q^2>."]
    q4: Annotated[FloatArray, "float64 (samples, rungs)", "<q^4>."]
    link: Annotated[FloatArray, "float64 (samples, rungs)", "<q_l>."]
    qk2: Annotated[FloatArray, "float64 (samples, rungs), or nan", "<|q(k)|^2>, nan of what is no lattice."]


@checks.by_contents
@described
class DisorderAverage(NamedTuple):
    """Means over samples of the disorder at each beta and their standard errors, in the units of J, with k_B = 1.

    q = (1/n) sum_i s_i^a s_i^b of two replicas a and b, q_l the mean of s_i^a s_j^a s_i^b s_j^b over bonds, q(k) =
    (1/n) sum_i s_i^a s_i^b exp(-i k.r_i) at k = 2 pi / L along an axis, averaged over the axes of the longest side L.

    >>> import fastgibbs as fg
    >>> glasses = [fg.edwards_anderson((4, 4), seed=k) for k in range(8)]
    >>> runs = fg.temper(glasses, betas=[0.5, 1.0], sweeps=2000, seed=1)
    >>> average = fg.analysis.disorder_average(runs)
    >>> average.samples, average.binder.round(2).tolist()
    (8, [0.31, 0.71])
    """

    n: Annotated[int, "Sites of a sample."]
    side: Annotated[int | None, "L, the longest side of the lattice; None of what is none."]
    samples: Annotated[int, "Their number; all count alike."]
    betas: Annotated[FloatArray, "float64 (rungs,)", "Inverse temperatures, ascending."]
    energy: Annotated[FloatArray, "float64 (rungs,)", "[<E>] / n."]
    energy_error: Annotated[FloatArray, "float64 (rungs,)", "Its error."]
    heat_capacity: Annotated[FloatArray, "float64 (rungs,)", "beta^2 [<E^2> - <E>^2] / n."]
    heat_capacity_error: Annotated[FloatArray, "float64 (rungs,)", "Its error."]
    q_abs: Annotated[FloatArray, "float64 (rungs,)", "[<|q|>]."]
    q_abs_error: Annotated[FloatArray, "float64 (rungs,)", "Its error."]
    q2: Annotated[FloatArray, "float64 (rungs,)", "[<q^2>]."]
    q2_error: Annotated[FloatArray, "float64 (rungs,)", "Its error."]
    q4: Annotated[FloatArray, "float64 (rungs,)", "[<q^4>]."]
    q4_error: Annotated[FloatArray, "float64 (rungs,)", "Its error."]
    binder: Annotated[
        FloatArray, "float64 (rungs,)", "g = (3 - [<q^4>] / [<q^2>]^2) / 2: means over samples come before the ratio."
    ]
    binder_error: Annotated[FloatArray, "float64 (rungs,)", "Its error."]
    link: Annotated[FloatArray, "float64 (rungs,)", "[<q_l>]."]
    link_error: Annotated[FloatArray, "float64 (rungs,)", "Its error."]
    susceptibility: Annotated[FloatArray, "float64 (rungs,)", "chi_SG = n [<q^2>]."]
    susceptibility_error: Annotated[FloatArray, "float64 (rungs,)", "Its error."]
    qk2: Annotated[
        FloatArray, "float64 (rungs,), or nan", "[<|q(k)|^2>], 1/n times chi_SG at k; nan of what is no lattice."
    ]
    qk2_error: Annotated[FloatArray, "float64 (rungs,), or nan", "Its error."]
    xi: Annotated[
        FloatArray,
        "float64 (rungs,), or nan",
        "xi_L = sqrt([<q^2>] / [<|q(k)|^2>] - 1) / (2 sin(pi / L)), in bonds, 0 where that is no number.",
    ]
    xi_error: Annotated[FloatArray, "float64 (rungs,), or nan", "Its error."]
    xi_ratio: Annotated[FloatArray, "float64 (rungs,), or nan", "xi_L / L."]
    xi_ratio_error: Annotated[FloatArray, "float64 (rungs,), or nan", "Its error."]
    relation: Annotated[
        FloatArray | None,
        "float64 (rungs,)",
        "[<E> + beta width^2 bonds (1 - <q_l>)] / n, 0 of Gaussian couplings at equilibrium; None without width.",
    ]
    relation_error: Annotated[FloatArray | None, "float64 (rungs,)", "Its error."]
    q: Annotated[FloatArray, "float64 (bins,)", "Values of q from -1 to 1, or the centres of bins of it."]
    distribution: Annotated[
        FloatArray, "float64 (rungs, bins)", "P(q), of integral 1, even where the samples are in no field."
    ]
    distribution_error: Annotated[FloatArray, "float64 (rungs, bins)", "Its error."]
    equilibrated: Annotated[Mask, "bool (samples,)", "Where no sign was found that a sample is not at equilibrium."]
    of_samples: Annotated[Moments, "The means of each sample."]

    def resampled(self, name: str, weights: FloatArray) -> FloatArray:
        """A ratio of means in which samples count by `weights`, (..., samples) of sum 1: float64 (..., rungs)."""
        ratio, names = _RATIOS[name]
        return ratio(*(weights @ getattr(self.of_samples, of) for of in names), self.side)

    def summary(self) -> str:
        """A table by temperature with errors, and whether to believe it.

        >>> import fastgibbs as fg
        >>> glasses = [fg.edwards_anderson((4, 4), seed=k) for k in range(8)]
        >>> runs = fg.temper(glasses, betas=[0.5, 1.0], sweeps=2000, seed=1)
        >>> average = fg.analysis.disorder_average(runs)
        >>> print(average.summary().splitlines()[0])
        8 samples of 16 sites, all without a sign of disequilibrium
        >>> average.resampled("binder", [1 / 8] * 8).shape, list(average.report().table)[:3]
        ((2,), ['beta', 'T', 'E/N'])
        """
        return str(self.report())

    def _repr_html_(self) -> str:
        return shown(self)

    def report(self) -> Report:
        """The same as a report."""
        bad = np.flatnonzero(~self.equilibrated)
        state = "all without a sign of disequilibrium" if not bad.size else f"{bad.size} of them not at equilibrium"
        headings = _SHOWN | ({"xi": "xi", "xi_ratio": "xi/L"} if self.side is not None else {})
        headings |= {"relation": "relation"} if self.relation is not None else {}
        columns = {
            "beta": [f"{beta:.6g}" for beta in self.betas],
            "T": [f"{T:.5g}" for T in temperature(self.betas)],
        }
        for name, heading in headings.items():
            columns[heading] = list(map(with_error, getattr(self, name), getattr(self, f"{name}_error")))
        names = ", ".join([*map(str, bad[:_LISTED]), *["..."] * (bad.size > _LISTED)])
        notes = [
            f"WARNING: samples {names} show signs of disequilibrium: run all longer. Hard samples are not like the "
            "others, so that averages without them are biased."
        ]
        return Report(
            [
                f"{self.samples} samples of {self.n} sites, {state}",
                "means over samples, then ratios; (12) is the error of the last digits, over samples",
            ],
            {},
            columns,
            notes if bad.size else [],
        )


def disorder_average(results: Any, *, width: float | None = None) -> DisorderAverage:
    """Averages over samples of the disorder, of which `results` holds a result each: a `DisorderAverage`.

    `results`: a list of what `temper` returned, of two ladders or more, with overlaps, at the same betas; or of what
    `sample` returned with keep_states=True, of an even number of chains at each beta, of which neighbours are pairs; or
    one result of `sample` of several models. Or a `fastgibbs.Campaign` of such, read one by one. Of every sample
    all pairs count alike, and so do all samples: none is left out, `equilibrated` tells which to distrust
    (`equilibration` of ladders; of chains, where they do not disagree). Errors are jackknifed over samples, so
    there must be two or more; those of g are of the ratio of means. Gaussian couplings of mean 0 and standard
    deviation `width`, in no field, have [<E>] = -beta width^2 [bonds (1 - <q_l>)] at equilibrium, and above it
    before: E and q_l come there from opposite sides, so that `relation` tells how far it is.

    TypeError or ValueError names the result that cannot be averaged, and why.
    Sources: Katzgraber, Palassini and Young, Phys. Rev. B 63, 184422 (2001), the relation; Bhatt and Young, Phys. Rev.
    B 37, 5606 (1988), g; Palassini and Caracciolo, Phys. Rev. Lett. 82, 5128 (1999), xi_L; Efron, The Jackknife, 1982,
    eq. 3.1.

    >>> import fastgibbs as fg
    >>> glasses = [fg.edwards_anderson((4, 4), "gaussian", seed=k) for k in range(8)]
    >>> runs = fg.temper(glasses, betas=[0.5, 1.0], sweeps=2000, seed=1)
    >>> average = fg.analysis.disorder_average(runs, width=1.0)
    >>> average.energy.round(2).tolist(), bool((abs(average.relation) < 3 * average.relation_error).all())
    ([-0.78, -1.07], True)
    """
    found, called = _samples(results)
    values = {name: np.array([one.moments[name] for one in found]) for name in found[0].moments}
    n, betas = found[0].model.n, found[0].betas
    histograms = np.array([one.histogram for one in found], float)
    bins = histograms.shape[2]
    densities = histograms / histograms.sum(axis=2, keepdims=True) * (bins - 1) / 2 if bins > 1 else histograms
    told: dict[str, Any] = {}
    for name in values:
        told[name], told[f"{name}_error"] = jackknifed(np.asarray, values[name])
    told["susceptibility"], told["susceptibility_error"] = n * told["q2"], n * told["q2_error"]
    side = None if np.isnan(values["qk2"]).any() else max(places("model", found[0].model).sides)
    for name, (ratio, names) in _RATIOS.items():
        own = partial(ratio, side=side)
        told[name], told[f"{name}_error"] = jackknifed(own, *(values[of] for of in names))
    told["xi"], told["xi_error"] = ((side or 1) * told[name] for name in ("xi_ratio", "xi_ratio_error"))
    told["distribution"], told["distribution_error"] = jackknifed(np.asarray, densities)
    told["relation"], told["relation_error"] = (None, None) if width is None else _relation(found, called, width)
    return DisorderAverage(
        n=n,
        side=side,
        samples=len(found),
        betas=betas,
        **told,
        q=np.linspace(-1, 1, bins),
        equilibrated=np.array([one.equilibrated for one in found]),
        of_samples=Moments(**values),
    )


def _binder(q2: FloatArray, q4: FloatArray, side: int | None) -> FloatArray:
    """g of means of q^2 and q^4; 0 where q is always 0."""
    return (3 - np.divide(q4, q2**2, out=np.full_like(q4, 3.0), where=q2 > 0)) / 2


def _xi_ratio(q2: FloatArray, qk2: FloatArray, side: int | None) -> FloatArray:
    """xi_L / L of means of q^2 and |q(k)|^2."""
    if side is None:
        return np.full_like(q2, np.nan)
    return np.sqrt(np.maximum(q2 / qk2 - 1, 0)) / (2 * side * np.sin(np.pi / side))


_RATIOS: dict[str, tuple[Statistic, tuple[str, ...]]] = {
    "binder": (_binder, ("q2", "q4")),
    "xi_ratio": (_xi_ratio, ("q2", "qk2")),
}
"""Ratios of means over samples, by name, and of which means they are."""


def _relation(found: list[Replicas], called: list[str], width: float) -> tuple[FloatArray, FloatArray]:
    """Energies less what link overlaps ask for, at couplings of this standard deviation."""
    width = checks.finite_number("width", width)
    if width <= 0:
        raise ValueError(f"width is {width}: give the standard deviation of the couplings, above 0")
    differences = []
    for name, one in zip(called, found, strict=True):
        model = as_energy(one.model).to_ising() if as_energy(one.model).has_ising_form else None
        if model is None or model.field != 0:
            raise ValueError(f"width is {width}, and the model of {name} has fields, or no couplings: leave it out")
        asked = one.betas * width**2 * model.bond_count * (1 - one.link)
        differences.append(one.energy + (asked - model.offset) / max(model.n, 1))
    return jackknifed(np.asarray, np.array(differences))


def _samples(results: Any) -> tuple[list[Replicas], list[str]]:
    """What each sample tells, and what errors call it; TypeError or ValueError where they cannot be averaged."""
    several = results if isinstance(results, Sequence) else [results]
    what = "what temper or sample returned of a list of models"
    found: list[Replicas] = []
    called: list[str] = []
    for k, result in enumerate(several):
        name = f"results[{k}]" if several is results else "results"
        able = checks.able(name, result, "replicas", what)
        try:
            told = able.replicas()
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        found += told
        called += [name] if len(told) == 1 else [f"{name}.model[{number}]" for number in range(len(told))]
    if len(found) < _FEWEST:
        raise ValueError(
            f"results has {len(found)} samples of the disorder: give {_FEWEST} or more, errors are over them"
        )
    first = found[0]
    for name, one in zip(called, found, strict=True):
        shapes = [getattr(own.model, "shape", None) for own in (one, first)]
        if one.model.n != first.model.n or shapes[0] != shapes[1]:
            raise ValueError(
                f"{name} is of {one.model.n} sites, shape {shapes[0]}, {called[0]} of {first.model.n}, shape "
                f"{shapes[1]}: give samples of one size"
            )
        if not np.array_equal(one.betas, first.betas):
            raise ValueError(
                f"{name} is at other betas than {called[0]}: averages need common temperatures, temper all with "
                "the same betas, or in one call"
            )
        if one.histogram.shape != first.histogram.shape:
            raise ValueError(
                f"{name} has P(q) in {one.histogram.shape[1]} bins, {called[0]} in "
                f"{first.histogram.shape[1]}: use the same record in all"
            )
    return found, called
