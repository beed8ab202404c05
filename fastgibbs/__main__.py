"""The command line: `python -m fastgibbs run NAME_OR_FILE.toml`, and the commands that `--help` lists."""

import argparse
import sys

from fastgibbs import benchmark, info, verify, warm
from fastgibbs.gallery import runs
from fastgibbs.io import VERSION


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status, 1 if `verify` found a fault, 2 if the user's input was wrong."""
    parser = argparse.ArgumentParser(prog="fastgibbs", description="Monte Carlo runs that ship with fastgibbs.")
    parser.add_argument("--version", action="version", version=f"fastgibbs {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name the built-in runs")
    commands.add_parser("bench", help="time every engine on this machine, in about 20 s")
    commands.add_parser("verify", help="prove every engine on this machine, in under a minute once it has compiled")
    commands.add_parser("warm", help="compile all kernels once, so that no later call waits")
    commands.add_parser("info", help="versions, cores, memory, vector registers and the cache of kernels")
    run = commands.add_parser("run", help="carry out a built-in run or a TOML file")
    run.add_argument("source", metavar="NAME_OR_FILE", help="a built-in run, or a file that ends in .toml")
    run.add_argument("--input", help="the input file of runs that read one")
    run.add_argument("--output", help="the folder to write to; results/NAME by default")
    run.add_argument("--resume", action="store_true", help="go on from a checkpoint, which must be there")
    run.add_argument("--restart", action="store_true", help="begin anew, whatever the folder holds of this run")
    run.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    if options.command == "list":
        width = max(map(len, runs.BUILT_IN))
        print("\n".join(f"{name:{width}}  {runs.description(name)}" for name in runs.BUILT_IN))
        return 0
    if options.command == "bench":
        print(benchmark.run())
        return 0
    if options.command == "warm":
        warm.run()
        return 0
    if options.command == "info":
        print(info.report())
        return 0
    if options.command == "verify":
        return 0 if verify.run() else 1
    try:
        how = dict(progress=not options.quiet, resume=options.resume, restart=options.restart)
        print(runs.carry_out(options.source, options.output, **how, input=options.input))
    except (ValueError, TypeError, OSError) as error:
        print(f"fastgibbs: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
