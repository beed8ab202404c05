"""The multi-spin engine on named lattices in the disordered phase, beta J = 0.9 / degree, beside the cubic one.

    python -m pytest bench/bench_lattices.py -s

One chain of some 2^18 sites, cut into strips, and 512 chains of some 2^12 sites. Neighbours cost an adder each: a
lattice of degree d takes 14 words and d neighbours for 64 updates.
"""

import pytest
from bench_multispin import sampling, work
from contest import compete

import fastgibbs as fg

# name, sides of 2^18 and of 2^12 sites or so
LATTICES = [
    ("cubic", (64,) * 3, (16,) * 3),
    ("square", (512,) * 2, (64,) * 2),
    ("triangular", (512,) * 2, (64,) * 2),
    ("honeycomb", (384, 342), (46, 45)),
    ("kagome", (320, 273), (37, 37)),
    ("checkerboard", (384, 342), (46, 45)),
    ("bcc", (64, 64, 32), (12, 13, 13)),
    ("fcc", (64, 32, 32), (10,) * 3),
    ("diamond", (32,) * 3, (8,) * 3),
    ("pyrochlore", (32, 32, 16), (6, 6, 7)),
]


@pytest.mark.parametrize("chains", [1, 512])
def test_lattices_beside_the_cubic_one(chains):
    jobs = {}
    for name, one, many in LATTICES:
        shape = one if chains == 1 else many
        degree = fg.lattice(many, cell=name).degree
        build = lambda shape=shape, name=name: fg.lattice(shape, cell=name)  # noqa: E731
        jobs[f"fastgibbs {name}"] = sampling(build, 0.9 / degree, chains)
    compete(f"named lattices, {chains} chains", jobs, work=work(6))
