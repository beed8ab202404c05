"""Broken plans that the grid must find."""

import numpy as np
import pytest
from test_grid import MODELS, OPTIONS, check
from test_strips import quotient

from fastgibbs.engines import contract, graphs, multispin
from fastgibbs.methods import settings
from fastgibbs.methods.settings import ENGINES


def updates_itself(patch):
    colour = graphs.colours
    patch.setattr(ENGINES["multispin"], "refusal", lambda *_: None)
    patch.setattr(multispin, "cells", quotient)
    patch.setattr(graphs, "colours", lambda *arguments: min(colour(*arguments), -1))


def one_offset(patch):
    plan = multispin._plan
    patch.setattr(multispin, "_plan", lambda *a: (p := plan(*a))._replace(offsets=np.zeros_like(p.offsets)))


def sweeps_what_is_clamped(patch):
    layout = multispin.layout
    patch.setattr(multispin, "layout", lambda *a: (place := layout(*a))._replace(swept=place.swept + 1))


def signs_of_whole_graphs(patch):
    def joined(models, strips):
        negative = np.array([np.append(model.couplings < 0, False) for model in models])
        return graphs.cells(models, strips)._replace(negative=negative)

    patch.setattr(multispin, "cells", joined)


def parity_of_triangles(patch):
    def of(cls, model, strips):
        return cls(model, strips, np.repeat(np.int8([1, 0]), [len(model.sides), len(model.cell.basis)]))

    patch.setattr(graphs.Box, "of", classmethod(of))


def two_colours(patch):
    patch.setattr(graphs.Cells, "colours", lambda graph: np.arange(graph.indptr.size - 1, dtype=np.int8) % 2)


def all_of_the_largest_degree(patch):
    patch.setattr(
        graphs.Cells, "degrees", lambda graph: np.full(graph.indptr.size - 1, np.diff(graph.indptr).max(), np.int8)
    )


def ghosts_from_the_other_side(patch):
    layout = multispin.layout

    def turned(graph, strips, free):
        place = layout(graph, strips, free)
        place.ghosts[:, 1] = strips - place.ghosts[:, 1]
        return place

    patch.setattr(multispin, "layout", turned)


def signs_of_the_next_lane(patch):
    signs = multispin.signs
    patch.setattr(multispin, "signs", lambda place, lanes: signs(place, range(lanes.start + 1, lanes.stop + 1)))


def moves_every_site(patch):
    every = contract.free_sites
    patch.setattr(contract, "free_sites", lambda n, free: every(n, None))


def hotter(module):
    def broken(patch):
        start = module.start
        patch.setattr(module, "start", lambda *a: start(*a[:4], 0.8 * a[4], *a[5:]))

    return broken


def weaker(module):
    def broken(patch):
        start = module.start
        patch.setattr(module, "start", lambda *a: start(*a[:6], 0.5 * a[6]))

    return broken


def case(name, **options):
    defaults = {option: values[0] for option, values in OPTIONS.items()} | {"chains": 66}
    return [name, *(defaults | options).values()]


BROKEN = [
    (updates_itself, "multispin", case("ring", strips=8)),
    (updates_itself, "multispin", case("+-J", strips=4, rule="metropolis")),
    (updates_itself, "multispin", case("steps 1 and 2", strips=8)),
    (one_offset, "multispin", case("several +-J")),
    (one_offset, "multispin", case("several +-J", strips=2)),
    (sweeps_what_is_clamped, "multispin", case("torus", clamp="a colour")),
    (sweeps_what_is_clamped, "multispin", case("triangular", clamp="a colour", rule="metropolis")),
    (signs_of_whole_graphs, "multispin", case("several +-J", strips=2)),
    (parity_of_triangles, "multispin", case("triangular even")),
    (parity_of_triangles, "multispin", case("torus odd")),
    (two_colours, "multispin", case("triangular")),
    (two_colours, "multispin", case("complete", rule="metropolis")),
    (all_of_the_largest_degree, "multispin", case("cylinder")),
    (ghosts_from_the_other_side, "multispin", case("steps 1 and 2", strips=4)),
    (signs_of_the_next_lane, "multispin", case("+-J", strips=2)),
    (moves_every_site, "sparse", case("+-J", clamp="a colour")),
    (moves_every_site, "dense", case("real", clamp="a site", scan="random")),
    (moves_every_site, "layered", case("7 and 4", clamp="a colour")),
    *((hotter(ENGINES[engine]), engine, case(next(iter(MODELS[engine])))) for engine in MODELS),
    *(
        (weaker(ENGINES[engine]), engine, case(next(iter(MODELS[engine])), betas="in fields", chains=576))
        for engine in MODELS
        if ENGINES[engine].field_bits
    ),
]


@pytest.mark.parametrize(("broken", "engine", "case"), BROKEN, ids=[f"{b.__name__}-{c[0]}" for b, _, c in BROKEN])
def test_a_broken_plan_is_found(broken, engine, case, monkeypatch):
    monkeypatch.setattr(
        settings, "kept", lambda model, kind, key, make: make(model)
    )  # a right one is kept with the model
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        check(engine, case)
