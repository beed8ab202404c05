"""The least ratios that contests must reach, by the bits of a vector register: 256 is AVX2, 512 AVX-512.

Each is a ratio of two contenders of one contest, taken round by round in the same process, so it asks nothing of the
speed of a machine. They leave a third of what was measured as room, for other processors and busy ones; a floor that
fails again when its contest is run alone is a fault. Where `None` stands, and at 128 bits, nothing is asked.
"""

from fnmatch import fnmatchcase

TWO_THREADS = 0.85  # of what two threads of arithmetic alone gain in the same rounds

FLOORS = (  # contest, whose rate over whose; at least, with 256 and 512 bits; measured in comments: 256, 512
    ("2D L=* at Tc, one chain", "fastgibbs", "mcising", 25, 50),
)


def of(title, names, registers):
    """(whose, over whose, at least) of all floors that a contest has; contests and names may hold wildcards.

    A `*` at the start of a name stands for the same in both.
    """
    column = {256: 3, 512: 4}.get(registers)
    for floor in FLOORS if column else ():
        if fnmatchcase(title, floor[0]) and floor[column] is not None:
            for name in (name for name in names if fnmatchcase(name, floor[1])):
                other = name.removesuffix(floor[1].lstrip("*")) if floor[2] == "*" else floor[2]
                if other in names:
                    yield name, other, floor[column]
