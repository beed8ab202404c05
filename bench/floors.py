"""The least ratios that contests must reach, by the bits of a vector register: 256 is AVX2, 512 AVX-512.

Each is a ratio of two contenders of one contest, taken round by round in the same process, so it asks nothing of the
speed of a machine. Measured were those of an AMD EPYC (Zen 4), with its own kernels and with kernels for Zen 3, while
little else ran; the comments have them, from the least of the contests that a row is of to the most. A third
of them is left as room, for processors with other caches and clocks and for other versions of the peers; less where
both sides are ours. A floor that fails again when its contest is run alone is a fault, or a peer that has become
faster. Nothing is asked where a peer is missing, where `None` stands, and of registers of 128 bits.
"""

from fnmatch import fnmatchcase

TWO_THREADS = 0.85  # of what two threads of arithmetic alone gain in the same rounds
FREE = 1.6  # what those gain where the second core is free

FLOORS = (  # contest, whose rate over whose; at least, with 256 and 512 bits; measured in comments: 256, 512
    # Ten spins, many small models, one chain, one read: whole calls
    ("n=10 gaussian, sample 64 x 100", "fastgibbs", "plain loop", 2.1, 1.2),  # 3.1, 1.9
    ("n=10 bimodal, sample 64 x 100", "fastgibbs", "plain loop", 1.2, 0.77),  # 1.8, 1.2
    ("n=10 *, anneal 64 x 100", "fastgibbs", "dwave-samplers", 0.64, 0.49),  # 0.97 to 1.5, 0.74 to 0.93
    ("200 models of n=20, *", "fastgibbs", "dwave-samplers", 2.1, 2.3),  # 3.1, 3.5
    ("200 models of n=20, *", "fastgibbs, a call each", "dwave-samplers", 0.44, 0.39),  # 0.66, 0.59
    ("small 2D L=*", "fastgibbs", "mcising", 0.66, 0.57),  # 0.99 to 1.4, 0.86 to 1.2
    ("small 2D L=*", "fastgibbs", "plain loop", 2.4, 2.1),  # 3.6 to 5.1, 3.2 to 4.2
    ("EA Gaussian L=10, *", "fastgibbs", "dwave-samplers", 2.2, 2.2),  # 3.3 to 5.6, 3.4 to 5.5
    ("EA Gaussian L=10, *", "fastgibbs", "plain loop", 2.6, 2.6),  # 3.8 to 9.1, 3.8 to 8.9
    ("3-regular *, 10^4 sites, one chain", "fastgibbs", "dwave-samplers", 4.2, 4.5),  # 5.6 to 6, 6.8 to 7
    ("3-regular *, 10^4 sites, one chain", "fastgibbs", "plain loop", 1.7, 1.6),  # 2.5, 2.4 to 2.5
    ("3-regular *, 10^4 sites, annealing of *", "fastgibbs", "dwave-samplers", 3.2, 3.6),  # 4.8 to 7.7, 5.5 to 10
    ("3-regular *, 10^4 sites, annealing of *", "fastgibbs", "plain loop", 1.4, 1.4),  # 2.1 to 9.1, 2 to 11
    ("SK Gaussian N=1024, *", "fastgibbs", "dwave-samplers", 8.4, 9.2),  # 13 to 16, 14 to 17
    # Couplings +-J
    ("2D L=* at Tc, one chain", "fastgibbs", "mcising", 34, 49),  # 52 to 60, 74 to 91
    ("2D L=64 at Tc", "fastgibbs 512 chains", "plain loop", 140, 200),  # 203, 302
    ("2D L=64 at Tc", "fastgibbs 64 chains", "plain loop", 130, 200),  # 194, 295
    ("2D at Tc, one chain of 10^9", "fastgibbs L=32768", "fastgibbs L=1024", 0.75, 0.73),  # 0.95, 0.92
    ("3D EA +-J L=*, beta = 0.?", "fastgibbs 512 chains", "dwave-samplers", 68, 95),  # 102 to 170, 142 to 236
    ("3D EA +-J L=*, beta = 0.?", "fastgibbs 64 chains", "dwave-samplers", 59, 89),  # 89 to 147, 134 to 205
    ("3D EA +-J L=10, beta = 1.6", "fastgibbs 512 chains", "dwave-samplers", 94, 120),  # 142, 182
    ("3D EA +-J L=10, beta = 2.0", "fastgibbs 512 chains", "dwave-samplers", 190, 250),  # 284, 375
    ("3D EA +-J L=10, beta = 3.0", "fastgibbs 512 chains", "dwave-samplers", 270, 460),  # 406, 688
    ("3D EA +-J L=*, beta = 0.?", "*, measured each sweep", "*", 0.7, 0.7),  # 0.86 to 0.91, 0.79 to 0.92
    ("3D EA +-J L=10, beta = [123].?", "*, measured each sweep", "*", 0.51, 0.45),  # 0.64 to 0.81, 0.5 to 0.84
    ("3D EA +-J L=10, beta = [123].?", "fastgibbs 64 chains", "dwave-samplers", 78, 90),  # 117 to 246, 136 to 268
    ("3-regular +-J, 10^5 sites", "fastgibbs 512 chains", "plain loop", 140, 180),  # 206, 263
    ("6-regular +-J, 10^5 sites", "fastgibbs 512 chains", "plain loop", 130, 180),  # 202, 271
    ("6-regular +-J, 10^6 sites", "fastgibbs 10^6 sites", "plain loop", 95, 120),  # 143, 415
    ("tempering, 3D EA +-J L=10, 24 rungs", "fastgibbs 20 ladders", "peapods", 68, 95),  # 103, 143
    ("tempering, 3D EA +-J L=10, 24 rungs", "fastgibbs 2 ladders", "peapods", 46, 67),  # 69, 101
    (
        "tempering, 3D EA +-J L=10, 24 rungs",
        "fastgibbs 20 ladders",
        "fastgibbs 20 ladders, sweeps alone",
        0.6,
        0.6,
    ),  # 0.85, 0.78
    ("annealing, 3D EA +-J L=10", "fastgibbs 512 reads", "dwave-samplers", 88, 130),  # 132, 192
    ("annealing, 3D EA +-J L=10", "fastgibbs 64 reads", "dwave-samplers", 71, 98),  # 106, 148
    ("annealing, max-cut, 6-regular, *", "fastgibbs", "dwave-samplers", 39, 59),  # 58, 88
    ("clusters, 2D L=*", "fastgibbs", "mcising", 3.3, 3.8),  # 4.9 to 9.8, 5.7 to 10
    ("clusters, 2D L=64 at Tc", "fastgibbs", "fastgibbs, single spins", 2.8, 1.8),  # 4.2, 2.8
    ("clusters, 2D L=256 at Tc", "fastgibbs", "fastgibbs, single spins", 36, 24),  # 55, 37
    # Any couplings
    ("3D EA Gaussian L=10, 64 chains", "fastgibbs", "dwave-samplers", 13, 13),  # 19, 20
    ("3D EA Gaussian L=10, 64 chains", "fastgibbs", "peapods", 14, 15),  # 22, 22
    ("3D EA Gaussian L=10, 64 chains", "fastgibbs", "plain loop", 22, 23),  # 33, 34
    ("3D EA Gaussian L=10, 64 chains", "*, measured each sweep", "*", 0.51, 0.62),  # 0.63, 0.77
    ("3-regular Gaussian, 10^4 sites, 64 chains, sparse", "fastgibbs", "plain loop", 17, 24),  # 26, 36
    ("6-regular Gaussian, 10^6 sites, 64 chains", "fastgibbs 10^6 sites", "plain loop", 15, 22),  # 22, 33
    ("tempering, 3D EA Gaussian L=10, 24 rungs", "fastgibbs 2 ladders", "peapods", 9, 11),  # 14, 16
    ("annealing, max-cut, 20-regular, *", "fastgibbs", "dwave-samplers", 9.3, 12),  # 14, 17
    ("annealing, max-cut, 48-regular, *", "fastgibbs", "dwave-samplers", 7.3, 9),  # 11, 13
    ("annealing, small integers, 6-regular, *", "fastgibbs", "dwave-samplers", 9.3, 11),  # 14, 17
    ("annealing, small integers, 20-regular, *", "fastgibbs", "dwave-samplers", 8.2, 10),  # 12, 15
    ("annealing, small integers, 48-regular, *", "fastgibbs", "dwave-samplers", 6.2, 7.8),  # 9.4, 12
    ("annealing, Gaussian, 6-regular, *", "fastgibbs", "dwave-samplers", 7.6, 11),  # 11, 16
    ("annealing, Gaussian, 20-regular, *", "fastgibbs", "dwave-samplers", 5.5, 7.9),  # 8.2, 12
    ("annealing, Gaussian, 48-regular, *", "fastgibbs", "dwave-samplers", 3.2, 4.2),  # 4.8, 6.3
    # Quantum spins
    ("transverse field, 3-regular +-J, 32 slices", "fastgibbs", "dwave-samplers", 17, 19),  # 26, 29
    ("transverse field, 3-regular +-J, 32 slices", "fastgibbs", "openjij", 13, 15),  # 20, 23
    ("transverse field, 3-regular +-J, 32 slices", "*, measured each sweep", "*", 0.7, 0.7),  # 0.86, 0.84
    # Terms of many
    ("2000 terms of 3 of 500 spins, 64 chains", "fastgibbs", "openjij", 13, 18),  # 20, 27
    # Most pairs coupled, memories, machines
    ("annealing, SK Gaussian N=1024", "fastgibbs", "openjij", 3.6, 4.3),  # 5.4, 6.5
    ("annealing, SK Gaussian N=1024", "fastgibbs", "dwave-samplers", 9.2, 10),  # 14, 15
    ("annealing, SK +-J N=1024", "fastgibbs bimodal", "fastgibbs gaussian", 2.4, 2.2),  # 2.8, 2.6
    ("dense or sparse: *", "dense", "sparse", 1.1, 1),  # 1.4 to 20, 1.3 to 22
    ("Hopfield N=*", "overlap", "kept fields", 6.7, 5.4),  # 10 to 58, 8.1 to 71
    ("Hopfield, auto: *", "auto", "overlap", 0.9, 0.9),  # 0.99 to 7.1, 1 to 7.1
    ("Hopfield, auto: *", "auto", "dense", 0.9, 0.9),  # 0.95 to 1.4, 1 to 1.4
    ("Hopfield, auto: *", "auto", "sparse", 0.9, 0.9),  # 1 to 19, 0.99 to 20
    ("RBM 784 x 500, 512 chains", "fastgibbs", "the two products alone", 0.96, 1),  # 1.4, 1.5
    ("RBM 784 x 500, 512 chains", "fastgibbs", "numpy", 1.2, 1.3),  # 1.8, 1.9
    ("RBM 784 x 500, 512 chains", "fastgibbs", "scikit-learn", 1.7, 1.8),  # 2.6, 2.8
    ("RBM 784 x *, recording", "recorded each sweep", "recorded once", 0.75, 0.75),  # 0.84 to 0.98, 0.9 to 0.99
    ("layered or sparse: *", "layered", "sparse", 0.5, 0.59),  # 0.63 to 3.3, 0.71 to 3.2
    ("CD-1, RBM 784 x 500, batches of 128, *", "fastgibbs", "scikit-learn, float32", 2.1, 2.3),  # 3.1, 3.4
    ("CD-1, RBM 784 x 500, batches of 128, *", "fastgibbs", "NumPy, float32", 1.5, 1.7),  # 2.3, 2.5
    ("CD-1, RBM 784 x 500, batches of 128, *", "fastgibbs", "NumPy, float64", 3, 3.4),  # 4.5, 5.1
    ("CD-1, RBM 784 x 500, batches of 10, *", "fastgibbs", "scikit-learn, float32", 2.9, 3.7),  # 4.3, 5.5
    ("CD-1, RBM 784 x 500, batches of 10, *", "fastgibbs", "NumPy, float32", 1.7, 2.2),  # 2.6, 3.4
    ("CD-1, RBM 784 x 500, batches of 10, *", "fastgibbs", "NumPy, float64", 3.5, 3.7),  # 5.2, 5.6
    ("wake and sleep, 784 - 200 - 50, batches of 100", "fastgibbs", "NumPy, float64", 3.4, 3.5),  # 5.2, 5.3
    ("wake and sleep, 64 - 32 - 8, batches of 100", "fastgibbs", "NumPy, float64", 2.8, 3),  # 4.3, 4.5
    ("BernoulliRBM of digits, 1347 rows", "fastgibbs", "scikit-learn", 1.7, 1.6),  # 2.6, 2.4
    ("textbook: *", "fastgibbs, no history", "NumPy, as in textbooks", 0.83, 0.95),  # 1.2, 1.4
    ("digits: *", "fastgibbs, no history", "NumPy, as in textbooks", 1.2, 1.4),  # 1.9, 2.1
    # Statistics
    ("statistics of *", "mean, error, tau, ESS and R-hat", "transforms alone", 0.2, 0.18),  # 0.3, 0.27
    ("lowest states kept: *", "keep=20", "keep=0", 0.32, 0.34),  # 0.46 to 1.1, 0.5 to 0.97
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
