"""The command line: `python -m fastgibbs solve FILE`, `run NAME`, and the commands that `--help` lists."""

import argparse
import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from fastgibbs import benchmark, info, verify, warm
from fastgibbs.commands import campaign, verbs
from fastgibbs.commands.solve import solve
from fastgibbs.gallery import runs
from fastgibbs.io import VERSION
from fastgibbs.io.formats import NAMES
from fastgibbs.models.recipes import RECIPES

Options = argparse.Namespace
INTERRUPTED, UNREAD = 130, 141  # as shells say it of Ctrl-C, and of a pipe that nobody reads
STATUS = """\
exit status: 0 done, 1 a fault (of `verify`, or in fastgibbs), 2 wrong input or a file that cannot be read or written,
130 interrupted by Ctrl-C: what was found by then is there, 141 nobody read what was printed.
"""
SOLVE = """\
examples:
  python -m fastgibbs solve G1.txt --time 60 --output sol.json
  zcat G1.gz | python -m fastgibbs solve - --format rudy --target 11624

The best energy is shown while it runs; Ctrl-C ends the search with the best so far. Max-cut graphs (format rudy) are
judged by their cut. sol.json holds energy, cut, labels, state, and in "provenance" what gives the state again;
sol.html, beside it, is a report to send, with a picture of the best against seconds.
"""
DESCRIBED = """\
A file to begin with:

{example}
Recipes: {recipes}.
help(fastgibbs.{verb}), help(fastgibbs.lattice) ... tell their arguments; of these a seed must be given. In a file
  temperatures = [2.2, 2.3]       stands for beta, or betas: T = 1 / beta
  start = "up"                    or "down", or "FOLDER/result.npz": where another run ended; not of temper
  clamp = {{1 = 1, 5 = -1}}         sites by their labels, or as the file of the model numbers them
  observe = "smallest_waves"      of a lattice, as help(fastgibbs.smallest_waves) tells; or {{name = [weights]}}
The folder receives result.npz, draws.csv, summary.txt, report.html and configuration.toml. A run that is stopped, by
Ctrl-C, SIGTERM or a crash, leaves a checkpoint there, and the same command goes on from it.
"""
CAMPAIGN = """\
The folder receives a file for each task, report.html, and what the calls were. What is there is not computed again: a
file with more samples, values or sweeps costs what is new. A call that is stopped, by Ctrl-C, SIGTERM, SIGUSR1 or a
crash, is gone on with by the same command; a task that failed, with its traceback in the folder, is tried again.
Parts of an array of jobs, as --part $SLURM_ARRAY_TASK_ID/100, share one folder. A file to begin with:

"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status, as `--help` tells it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be no text, or none of its encoding
    options, status = _parser().parse_args(arguments), 0
    try:
        status = _done(options)
        print(end="", flush=True)
        return status
    except OSError as error:  # nobody reads what is printed, or there is no room for it
        if options.debug:
            raise
        unread = isinstance(error, BrokenPipeError)
        with suppress(OSError, AttributeError):  # standard error may be gone, too
            if not unread and status == 0:
                print(f"fastgibbs: {error.strerror}", file=sys.stderr, flush=True)
        with suppress(OSError, ValueError):  # what is left would be tried again at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return status or (UNREAD if unread else 2)


def _done(options: Options) -> int:
    """The exit status of a command, of which errors are told in one line; BrokenPipeError if nobody reads on."""
    try:
        return options.command(options)
    except BrokenPipeError:
        raise
    except Exception as error:
        if options.debug:
            raise
        told = " ".join(str(error).split("\n"))
        if isinstance(error, OSError) and error.strerror:
            told = f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
        if isinstance(error, runs.Interrupted):
            status = INTERRUPTED
        elif isinstance(error, ValueError | TypeError | OSError | ImportError):
            status = 2
        else:
            told, status = f"{type(error).__name__}: {told}; --debug shows where", 1
        print(f"fastgibbs: {told}", file=sys.stderr)
        return status
    except KeyboardInterrupt:
        if options.debug:
            raise
        print("fastgibbs: interrupted", file=sys.stderr)
        return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; {self.prog} --help tells more\n")


def _parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    told = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog="fastgibbs",
        description="Monte Carlo for energies of binary variables.",
        epilog=f"`COMMAND --help` tells more of each.\n\n{STATUS}",
        formatter_class=told,
    )
    parser.add_argument("--version", action="version", version=f"fastgibbs {VERSION}")
    everywhere = _Parser(add_help=False)
    everywhere.add_argument("--debug", action="store_true", help="show where in fastgibbs an error came up")
    commands = parser.add_subparsers(required=True, title="commands", metavar="COMMAND")

    def command(name: str, does: Callable[[Options], int], about: str, epilog: str = "") -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=about,
            description=f"{about[0].upper()}{about[1:]}.",
            epilog=epilog,
            formatter_class=told,
            parents=[everywhere],
        )
        added.set_defaults(command=does)
        return added

    solving = command("solve", _solve, "find the lowest energy, or the largest cut, of a problem in a file", SOLVE)
    solving.add_argument("file", metavar="FILE", help="a max-cut graph, QUBO or spin glass, gzipped or not; - is stdin")
    solving.add_argument("--format", choices=NAMES, help="what FILE is, if neither its head nor its name tells")
    solving.add_argument("--time", metavar="S", type=float, default=10.0, help="seconds to search, 10 by default")
    solving.add_argument("--target", metavar="E", type=float, help="stop at an energy this low, or a cut this large")
    solving.add_argument("--reads", metavar="N", type=int, default=64, help="annealing runs at a time, 64 by default")
    solving.add_argument("--seed", metavar="N", type=int, help="of the random numbers; by default another every time")
    solving.add_argument("--threads", metavar="N", type=int, help="by default all cores that this process may use")
    solving.add_argument("--output", metavar="FILE", help="a JSON file for the answer, and a report beside it")
    solving.add_argument("--restart", action="store_true", help="replace what is there already")
    solving.add_argument("--quiet", action="store_true", help="show nothing until the end")
    described = {
        "sample": "draw at given temperatures",
        "temper": "draw along a ladder of temperatures",
        "anneal": "cool to the lowest energy",
    }
    for verb, about in described.items():
        example = (verbs.HERE / f"{verb}.toml").read_text(encoding="utf-8")
        epilog = DESCRIBED.format(verb=verb, example=example, recipes=", ".join(RECIPES))
        of_verb = command(verb, _verb, f"{about}, of a model that a TOML file describes", epilog)
        of_verb.add_argument("source", metavar="FILE.toml", help="the model, the arguments and what is written")
        of_verb.set_defaults(verb=verb)
        _of_folder(of_verb, "as the file says, or results/FILE")
    example = (verbs.HERE / "campaign.toml").read_text(encoding="utf-8")
    many = command("campaign", _campaign, "run all tasks of a grid that a TOML file describes", CAMPAIGN + example)
    many.add_argument("source", metavar="FILE.toml", help="the model, the verb, its arguments and the grid")
    many.add_argument("--output", metavar="FOLDER", help="the folder to write to, by default as the file says")
    many.add_argument("--part", metavar="K/N", help="the K-th of N parts, as for an array of jobs")
    many.add_argument("--dry-run", action="store_true", help="say what it is and what it costs, and run nothing")
    many.add_argument("--quiet", action="store_true", help="no progress bar")
    run = command("run", _run, "carry out a run that ships with fastgibbs, with its own or other numbers")
    run.add_argument("source", metavar="NAME_OR_FILE", help="a built-in run, or a file that ends in .toml")
    run.add_argument("--input", help="the input file of runs that read one")
    _of_folder(run, "results/NAME")
    command("list", _list, "name the built-in runs")
    command("verify", _verify, "prove every engine on this machine, in about a minute")
    command("bench", _bench, "time every engine on this machine, in about 20 s")
    command("warm", _warm, "compile all kernels once, so that no later call waits")
    command("info", _info, "versions, cores, memory, vector registers, cache of kernels")
    return parser


def _of_folder(parser: argparse.ArgumentParser, default: str) -> None:
    """The options of a run that writes to a folder."""
    parser.add_argument("--output", metavar="FOLDER", help=f"the folder to write to; by default {default}")
    parser.add_argument("--resume", action="store_true", help="go on from a checkpoint, which must be there")
    parser.add_argument("--restart", action="store_true", help="begin anew, whatever the folder holds of this run")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _solve(options: Options) -> int:
    stopped = solve(
        options.file,
        options.format,
        seconds=options.time,
        target=options.target,
        reads=options.reads,
        seed=options.seed,
        threads=options.threads,
        output=options.output,
        replace=options.restart,
        progress=not options.quiet,
    )
    return INTERRUPTED if stopped else 0


def _run(options: Options) -> int:
    return _carried_out(runs.shipped(options.source, input=options.input), options)


def _verb(options: Options) -> int:
    return _carried_out(verbs.described(options.verb, Path(options.source)), options)


def _campaign(options: Options) -> int:
    found = campaign.carry_out(
        Path(options.source), options.output, options.part, options.dry_run, progress=not options.quiet
    )
    print(found.text)
    return INTERRUPTED if found.interrupted else int(found.failed)


def _carried_out(ready: runs.Ready, options: Options) -> int:
    found = runs.carry_out(ready, options.output, not options.quiet, options.resume, options.restart)
    print(found.text)
    return INTERRUPTED if found.interrupted else 0


def _list(options: Options) -> int:
    width = max(map(len, runs.BUILT_IN))
    print("\n".join(f"{name:{width}}  {runs.description(name)}" for name in runs.BUILT_IN))
    return 0


def _verify(options: Options) -> int:
    return 0 if verify.run() else 1


def _bench(options: Options) -> int:
    print(benchmark.run())
    return 0


def _warm(options: Options) -> int:
    warm.run()
    return 0


def _info(options: Options) -> int:
    print(info.report())
    return 0


if __name__ == "__main__":
    sys.exit(main())
