"""The least ratios that contests must reach, by the bits of a vector register: 256 is AVX2, 512 AVX-512.

Each is a ratio of two contenders of one contest, taken round by round in the same process, so it asks nothing of the
speed of a machine. Measured were those of an AMD EPYC (Zen 4), with its own kernels and with kernels for Zen 3, while
others were at work on it; the comments have them, from the least of the contests that a row is of to the most. A third
of them is left as room, for processors with other caches and clocks and for other versions of the peers; less where
both sides are ours. A floor that fails again when its contest is run alone is a fault, or a peer that has become
faster. Nothing is asked where a peer is missing, where `None` stands, and of registers of 128 bits.
"""

from fnmatch import fnmatchcase

TWO_THREADS = 0.85  # of what two threads of arithmetic alone gain in the same rounds
FREE = 1.6  # what those gain where the second core is free

FLOORS = (  # contest, whose rate over whose; at least, with 256 and 512 bits; measured in comments: 256, 512
    # Ten spins, many small models, one chain, one read: whole calls
    ("n=10 gaussian, sample 64 x 100", "fastgibbs", "plain loop", 1, 1.1),  # 1.6, 1.7
    ("n=10 bimodal, sample 64 x 100", "fastgibbs", "plain loop", 0.65, 0.68),  # 1, 1.1
    ("n=10 *, anneal 64 x 100", "fastgibbs", "dwave-samplers", 0.43, 0.4),  # 0.66 to 0.91, 0.62 to 0.95
    ("200 models of n=20, *", "fastgibbs", "dwave-samplers", 2, 2.1),  # 3.1, 3.3
    ("200 models of n=20, *", "fastgibbs, a call each", "dwave-samplers", 0.29, 0.31),  # 0.44, 0.48
    ("small 2D L=*", "fastgibbs", "mcising", 0.5, 0.54),  # 0.76 to 1.1, 0.84 to 1
    ("small 2D L=*", "fastgibbs", "plain loop", 1.8, 2),  # 2.8 to 4, 3.1 to 3.6
    ("EA Gaussian L=10, *", "fastgibbs", "dwave-samplers", 1.8, 2.1),  # 2.8 to 4.4, 3.2 to 4.5
    ("EA Gaussian L=10, *", "fastgibbs", "plain loop", 2.2, 2.4),  # 3.4 to 6.8, 3.6 to 7.1
    ("3-regular *, 10^4 sites, one chain", "fastgibbs", "dwave-samplers", 4.2, 4.3),  # 6.5 to 7.2, 6.6 to 7
    ("3-regular *, 10^4 sites, one chain", "fastgibbs", "plain loop", 1.3, 1.5),  # 2 to 2.1, 2.3
    ("3-regular *, 10^4 sites, annealing of *", "fastgibbs", "dwave-samplers", 3.2, 3.2),  # 5 to 7, 5 to 8.9
    ("3-regular *, 10^4 sites, annealing of *", "fastgibbs", "plain loop", 1.1, 1.1),  # 1.7 to 8, 1.6 to 9
    ("SK Gaussian N=1024, *", "fastgibbs", "dwave-samplers", 4.2, 4.6),  # 6.5 to 17, 7.1 to 17
    # Couplings +-J
    ("2D L=* at Tc, one chain", "fastgibbs", "mcising", 24, 40),  # 37 to 42, 62
    ("2D L=64 at Tc", "fastgibbs 512 chains", "plain loop", 103, 135),  # 159, 208
    ("2D L=64 at Tc", "fastgibbs 64 chains", "plain loop", 111, 149),  # 170, 229
    ("2D at Tc, one chain of 10^9", "fastgibbs L=32768", "fastgibbs L=1024", 0.83, 0.73),  # 1.3, 1.1
    ("3D EA +-J L=*, beta = 0.?", "fastgibbs 512 chains", "dwave-samplers", 56, 76),  # 86 to 134, 117 to 186
    ("3D EA +-J L=*, beta = 0.?", "fastgibbs 64 chains", "dwave-samplers", 38, 70),  # 59 to 92, 107 to 171
    ("3D EA +-J L=10, beta = 1.6", "fastgibbs 512 chains", "dwave-samplers", 83, 92),  # 127, 142
    ("3D EA +-J L=10, beta = 2.0", "fastgibbs 512 chains", "dwave-samplers", 169, 178),  # 260, 274
    ("3D EA +-J L=10, beta = 3.0", "fastgibbs 512 chains", "dwave-samplers", 203, 243),  # 312, 374
    ("3D EA +-J L=*, beta = 0.?", "*, measured each sweep", "*", 0.7, 0.7),  # 0.86 to 1, 0.89 to 0.95
    ("3D EA +-J L=10, beta = [123].?", "*, measured each sweep", "*", 0.36, 0.45),  # 0.55 to 0.82, 0.69 to 0.86
    ("3D EA +-J L=10, beta = [123].?", "fastgibbs 64 chains", "dwave-samplers", 71, 75),  # 109 to 207, 115 to 247
    ("3-regular +-J, 10^5 sites", "fastgibbs 512 chains", "plain loop", 97, 163),  # 150, 250
    ("6-regular +-J, 10^5 sites", "fastgibbs 512 chains", "plain loop", 60, 120),  # 93, 184
    ("6-regular +-J, 10^6 sites", "fastgibbs 10^6 sites", "plain loop", 90, 113),  # 139, 174
    ("tempering, 3D EA +-J L=10, 24 rungs", "fastgibbs 20 ladders", "peapods", 61, 84),  # 94, 129
    ("tempering, 3D EA +-J L=10, 24 rungs", "fastgibbs 2 ladders", "peapods", 39, 58),  # 60, 89
    (
        "tempering, 3D EA +-J L=10, 24 rungs",
        "fastgibbs 20 ladders",
        "fastgibbs 20 ladders, sweeps alone",
        0.6,
        0.6,
    ),  # 0.85, 0.78
    ("annealing, 3D EA +-J L=10", "fastgibbs 512 reads", "dwave-samplers", 70, 98),  # 107, 150
    ("annealing, 3D EA +-J L=10", "fastgibbs 64 reads", "dwave-samplers", 51, 92),  # 78, 141
    ("annealing, max-cut, 6-regular, *", "fastgibbs", "dwave-samplers", 30, 47),  # 46, 72
    # Any couplings
    ("3D EA Gaussian L=10, 64 chains", "fastgibbs", "dwave-samplers", 8.5, 11),  # 13, 17
    ("3D EA Gaussian L=10, 64 chains", "fastgibbs", "peapods", 9.6, 12),  # 15, 19
    ("3D EA Gaussian L=10, 64 chains", "fastgibbs", "plain loop", 15, 19),  # 23, 30
    ("3D EA Gaussian L=10, 64 chains", "*, measured each sweep", "*", 0.5, 0.6),  # 0.65, 0.9
    ("3-regular Gaussian, 10^4 sites, 64 chains, sparse", "fastgibbs", "plain loop", 10, 20),  # 16, 31
    ("6-regular Gaussian, 10^6 sites, 64 chains", "fastgibbs 10^6 sites", "plain loop", 20, 26),  # 31, 40
    ("tempering, 3D EA Gaussian L=10, 24 rungs", "fastgibbs 2 ladders", "peapods", 8.1, 11),  # 12, 16
    ("annealing, max-cut, 20-regular, *", "fastgibbs", "dwave-samplers", 6, 8),  # 9.2, 12
    ("annealing, max-cut, 48-regular, *", "fastgibbs", "dwave-samplers", 4.6, 6.2),  # 7.1, 9.5
    ("annealing, small integers, 6-regular, *", "fastgibbs", "dwave-samplers", 6.2, 8.6),  # 9.6, 13
    ("annealing, small integers, 20-regular, *", "fastgibbs", "dwave-samplers", 5.6, 7.3),  # 8.6, 11
    ("annealing, small integers, 48-regular, *", "fastgibbs", "dwave-samplers", 4, 5.5),  # 6.2, 8.4
    ("annealing, Gaussian, 6-regular, *", "fastgibbs", "dwave-samplers", 4.9, 7.6),  # 7.5, 12
    ("annealing, Gaussian, 20-regular, *", "fastgibbs", "dwave-samplers", 4.4, 5.9),  # 6.8, 9
    ("annealing, Gaussian, 48-regular, *", "fastgibbs", "dwave-samplers", 2.9, 3.7),  # 4.5, 5.6
    # Most pairs coupled, memories, machines
    ("annealing, SK Gaussian N=1024", "fastgibbs", "openjij", 3.2, 3.5),  # 4.9, 5.4
    ("annealing, SK Gaussian N=1024", "fastgibbs", "dwave-samplers", 9.1, 9.4),  # 14, 14
    ("annealing, SK +-J N=1024", "fastgibbs bimodal", "fastgibbs gaussian", 2.4, 2.2),  # 3.6, 3.4
    ("dense or sparse: *", "dense", "sparse", 1, 1),  # 1.2 to 21, 1.1 to 24
    ("Hopfield N=*", "overlap", "kept fields", 6.4, 5.4),  # 9.9 to 58, 8.2 to 73
    ("Hopfield, auto: *", "auto", "overlap", 0.9, 0.9),  # 0.99 to 7.2, 0.98 to 7.2
    ("Hopfield, auto: *", "auto", "dense", 0.9, 0.9),  # 0.94 to 1.4, 1 to 1.4
    ("Hopfield, auto: *", "auto", "sparse", 0.9, 0.9),  # 1 to 20, 1 to 20
    ("RBM 784 x 500, 512 chains", "fastgibbs", "the two products alone", 0.3, 0.66),  # 0.46, 1
    ("RBM 784 x 500, 512 chains", "fastgibbs", "numpy", 0.38, 0.83),  # 0.58, 1.3
    ("RBM 784 x 500, 512 chains", "fastgibbs", "scikit-learn", 0.53, 1.2),  # 0.82, 1.8
    ("RBM 784 x *, recording", "recorded each sweep", "recorded once", 0.75, 0.75),  # 0.94 to 1, 0.86 to 1
    ("layered or sparse: *", "layered", "sparse", 0.48, 0.59),  # 0.74 to 2.5, 0.91 to 3
    ("CD-1, RBM 784 x 500, batches of 128, *", "fastgibbs", "scikit-learn, float32", 0.41, 1.3),  # 0.63, 2
    ("CD-1, RBM 784 x 500, batches of 128, *", "fastgibbs", "NumPy, float32", 0.3, 0.99),  # 0.46, 1.5
    ("CD-1, RBM 784 x 500, batches of 128, *", "fastgibbs", "NumPy, float64", 0.61, 2),  # 0.94, 3.1
    ("CD-1, RBM 784 x 500, batches of 10, *", "fastgibbs", "scikit-learn, float32", 1.3, 3),  # 2, 4.7
    ("CD-1, RBM 784 x 500, batches of 10, *", "fastgibbs", "NumPy, float32", 0.76, 1.7),  # 1.2, 2.7
    ("CD-1, RBM 784 x 500, batches of 10, *", "fastgibbs", "NumPy, float64", 1.6, 3.1),  # 2.4, 4.7
    ("textbook: *", "fastgibbs, no history", "NumPy, as in textbooks", 0.77, 0.84),  # 1.2, 1.3
    ("digits: *", "fastgibbs, no history", "NumPy, as in textbooks", 1.1, 1.4),  # 1.8, 2.2
    # Statistics
    ("statistics of *", "mean, error, tau, ESS and R-hat", "transforms alone", 0.19, 0.18),  # 0.3, 0.27
    ("lowest states kept: *", "keep=20", "keep=0", 0.32, 0.31),  # 0.49 to 1, 0.47 to 0.97
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
