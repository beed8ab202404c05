"""The tables of speed, made from the runs kept in bench/results, and written where they are shown.

    python -m pytest bench --save bench/results/avx512.json && python bench/report.py

The README has the rows of FIRST, end to end, and every contest that another wins; fastgibbs/docs/benchmarks.md has all
ROWS. Needs nothing but the standard library.
"""

import json
import re
from pathlib import Path

HERE = Path(__file__).parent
SHOWN = (HERE.parent / "README.md", HERE.parent / "fastgibbs" / "docs" / "benchmarks.md")
MARKS = re.compile(r"(<!-- (\w+), made by bench/report.py -->\n).*?(<!-- end -->\n)", re.DOTALL)

ROWS = (  # what the table says, contest, peers of its first contender
    *(
        (f"square lattice L={side} at Tc, independent m^2 per s", f"clusters, 2D L={side} at Tc", ("mcising",))
        for side in (1024, 256, 64)
    ),
    ("square lattice L=1024 at Tc, one chain, single spins", "2D L=1024 at Tc, one chain", ("mcising",)),
    *(
        (f"3D +-J spin glass L=10, 512 chains, beta = {beta}", f"3D EA +-J L=10, beta = {beta}", ("dwave-samplers",))
        for beta in (0.3, 0.9, 2.0, 3.0)
    ),
    ("6-regular +-J, 10^6 sites, 512 chains", "6-regular +-J, 10^6 sites", ("plain loop",)),
    (
        "3D Gaussian spin glass L=10, 64 chains",
        "3D EA Gaussian L=10, 64 chains",
        ("dwave-samplers", "peapods"),
    ),
    ("tempering, 3D +-J L=10, 20 ladders of 24 rungs", "tempering, 3D EA +-J L=10, 24 rungs", ("peapods",)),
    ("annealing, 3D +-J L=10, 512 reads", "annealing, 3D EA +-J L=10", ("dwave-samplers",)),
    *(
        (
            f"annealing, Gaussian, degree {degree}, 64 reads",
            f"annealing, Gaussian, {degree}-regular, {n} sites",
            ("dwave-samplers",),
        )
        for n, degree in ((2000, 6), (1000, 20), (800, 48))
    ),
    (
        "annealing, SK Gaussian N=1024, 64 reads",
        "annealing, SK Gaussian N=1024",
        ("openjij", "dwave-samplers"),
    ),
    (
        "Gibbs steps, RBM 784 x 500, 512 chains",
        "RBM 784 x 500, 512 chains",
        ("the two products alone", "numpy", "torch, rand < p", "scikit-learn"),
    ),
    *(
        (
            f"CD-1 of that RBM, batches of {size}, rows per us",
            f"CD-1, RBM 784 x 500, batches of {size}, random rows",
            ("NumPy, float32", "scikit-learn, float32"),
        )
        for size in (128, 10)
    ),
    *(
        (f"wake-sleep, {of}, rows per us", f"wake and sleep, {of}", ("NumPy, float32", "NumPy, float64"))
        for of in ("784 - 200 - 50, batches of 100", "64 - 32 - 8, batches of 100")
    ),
    ("scikit-learn's digits, `BernoulliRBM` of 100 units", "BernoulliRBM of digits, 1347 rows", ("scikit-learn",)),
    (
        "quantum spins, 3-regular +-J, 32 slices",
        "transverse field, 3-regular +-J, 32 slices",
        ("dwave-samplers", "openjij"),
    ),
    ("2000 terms of 3 of 500 spins, 64 chains", "2000 terms of 3 of 500 spins, 64 chains", ("openjij",)),
    ("10 spins +-J, `anneal` 64 x 100", "n=10 bimodal, anneal 64 x 100", ("dwave-samplers", "plain loop")),
    ("10 spins +-J, `sample` 64 x 100", "n=10 bimodal, sample 64 x 100", ("plain loop",)),
    ("200 models of 20 spins, `anneal` 10 x 100", "200 models of n=20, anneal 10 x 100 each", ("dwave-samplers",)),
    ("square lattice L=32, one chain, 5 10^5 updates", "small 2D L=32, one chain, 5e5 updates", ("mcising",)),
    (
        "3D Gaussian L=10, one read of 1000 sweeps",
        "EA Gaussian L=10, annealing of 1",
        ("dwave-samplers", "plain loop"),
    ),
    ("SK Gaussian N=1024, one chain", "SK Gaussian N=1024, one chain", ("dwave-samplers", "plain loop")),
)
FIRST = (  # contests of the README's rows
    "clusters, 2D L=256 at Tc",
    "2D L=1024 at Tc, one chain",
    "3D EA +-J L=10, beta = 0.9",
    "tempering, 3D EA +-J L=10, 24 rungs",
    "annealing, 3D EA +-J L=10",
    "annealing, Gaussian, 6-regular, 2000 sites",
    "annealing, SK Gaussian N=1024",
    "RBM 784 x 500, 512 chains",
    "CD-1, RBM 784 x 500, batches of 128, random rows",
    "BernoulliRBM of digits, 1347 rows",
)


def results():
    """Machine and contests of every run kept, widest registers first."""
    runs = [json.loads(path.read_text()) for path in sorted((HERE / "results").glob("*.json"))]
    return sorted(runs, key=lambda run: -run["machine"]["registers"])


def first(runs):
    """The README's rows in Markdown: how many times as much as its peers, end to end."""
    rows = [row for row in ROWS if row[1] in FIRST]
    names = [text.removesuffix(", rows per us") for text, *_ in rows]
    cells = [[_ratios(run, contest, peers) for run in runs] for _, contest, peers in rows]
    return _table(runs, zip(names, cells, strict=True))


def whole(runs):
    """All rows, with rates and the machine's limits, and the machines under them."""
    lines = _table(runs, ((text, [_cell(run, *row) for run in runs]) for text, *row in ROWS))
    return lines + "\n" + "".join(f"{_head(run['machine'])}: {_machine(run['machine'])}\n" for run in runs)


def slower(runs):
    """The contests, of all that are kept, that another wins on one of the machines."""
    faster = {}
    for run in runs:
        for contest, record in run["contests"].items():
            ours, *others = record["rows"]
            for other in others if ours.startswith("fastgibbs") else ():
                if not other.startswith("fastgibbs") and record["rows"][other]["ratio_end_to_end"] < 1:
                    faster.setdefault(contest, {})[other] = None  # in order, once
    return _table(runs, ((contest, [_ratios(run, contest, faster[contest]) for run in runs]) for contest in faster))


def _table(runs, rows):
    lines = ["| run | " + " | ".join(_head(run["machine"]) for run in runs) + " |", "|---|" + "---|" * len(runs)]
    return "".join(f"{line}\n" for line in [*lines, *(f"| {text} | {' | '.join(cells)} |" for text, cells in rows)])


def _head(machine):
    return {512: "AVX-512", 256: "AVX2"}.get(machine["registers"], f"{machine['registers']} bits")


def _machine(machine):
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    kind = "of its own kind" if machine["native"] else "an older one"
    return f"{machine['processor']}, kernels compiled for {machine['compiled_for']}, {kind}; {versions}."


def _ratios(run, contest, peers):
    """Ratios end to end."""
    rows = run["contests"].get(contest, {"rows": {}})["rows"]
    return ", ".join(f"{_number(rows[peer]['ratio_end_to_end'])} x {peer}" for peer in peers if peer in rows) or "-"


def _cell(run, contest, peers):
    """Rate, limit of the machine, and ratios in kernels (end to end where that is another)."""
    found = run["contests"].get(contest)
    if found is None:
        return "-"
    rows = found["rows"]
    first = next(iter(rows.values()))
    rate = f"{_number(1 / first['rate'])} ms" if found["unit"] == "calls per ms" else _number(first["rate"])
    limit = f" of {_number(found['limit'])}" if found["limit"] else ""
    ratios = []
    for peer in (peer for peer in peers if peer in rows):
        kernel, whole = (rows[peer][key] for key in ("ratio", "ratio_end_to_end"))
        other = f" ({_number(whole)})" if _number(whole) != _number(kernel) else ""
        ratios.append(f"{_number(kernel)}{other} x {peer}")
    return f"{rate}{limit}: {', '.join(ratios)}"


def _number(value):
    return f"{value:.0f}" if value >= 9.95 else f"{value:.2g}"


def written(page, runs):
    """The text of a page with its tables made anew, each between its marks."""
    tables = {table.__name__: table for table in (first, whole, slower)}
    return MARKS.sub(lambda found: found[1] + tables[found[2]](runs) + found[3], page)


def main():
    """Write the tables where they are shown."""
    runs = results()
    for path in SHOWN:
        path.write_text(written(path.read_text(), runs))


if __name__ == "__main__":
    main()
