"""How a run of the command line is configured and carried out: TOML -> Config -> Findings -> a folder of results.

A shipped run is a module with a frozen dataclass `Config` and a function `run(config, progress, checkpoint) ->
Findings`, where `checkpoint(part)` is the file that a part of the run is saved to.
"""

import dataclasses
import importlib
import json
import platform
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, get_args, get_origin

from fastgibbs.analysis.reports import Report
from fastgibbs.io import VERSION, held, replace_file, writable
from fastgibbs.io.descriptions import parsed, require_names
from fastgibbs.models import checks
from fastgibbs.pages.page import Picture, code, gallery
from fastgibbs.pages.reporting import of_result, of_run
from fastgibbs.types import Progress

Content = bytes | Callable[[Path], object]  # of a file, or what writes it
SavedAs = Callable[[str], Path]  # the file that a part of a run is saved to
HERE = Path(__file__).parent
CONFIGURATION = "configuration.toml"  # the last that a run writes
PAGE = "report.html"
BUILT_IN = sorted(path.stem for path in HERE.glob("*.toml"))


class Findings(NamedTuple):
    """What a run found: a text to print and the files to write, by name; and whether it was stopped early."""

    text: str
    files: Mapping[str, Content]
    interrupted: bool = False
    result: Any = None  # what a verb returned, if there is nothing to show but its report

    def with_pictures(self, draw: Callable[[], Mapping[str, bytes]]) -> "Findings":
        """These and the pictures that `draw` makes, by the names of their files, or why there are none."""
        try:
            return self._replace(files={**self.files, **draw()})
        except ImportError as missing:
            return self._replace(text=f"{self.text}\nno picture: {missing}")


class Ready(NamedTuple):
    """A run that is ready to be carried out."""

    command: str  # of the command line, that a configuration is given to
    title: str  # of the page that is written of it
    run: Callable[[Progress, SavedAs], Findings]
    folder: Path  # to write to, if the user names no other
    configuration: bytes  # TOML, without the versions it runs on


class Interrupted(ValueError):
    """The run was stopped before there was anything to report; what it had saved, if anything, is there to resume."""


def description(name: str) -> str:
    """The first comment of a built-in run's TOML file."""
    return (HERE / f"{name}.toml").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def configure(source: str, **overrides: Any) -> tuple[ModuleType, Any]:
    """The run module and Config of a built-in run's name or a TOML file; overrides that are not None replace keys.

    Raises ValueError for an unknown run or key, naming the nearest valid one, a missing key, a value of the wrong type
    or one that is not finite; FileNotFoundError if there is no such file.
    """
    path = Path(source) if source.endswith(".toml") else HERE / f"{checks.choice('run', source, BUILT_IN)}.toml"
    values = parsed(path)[0]
    for verb in {"sample", "temper", "anneal"} & values.keys() - {"run"}:
        raise ValueError(f"{path} describes no shipped run: python -m fastgibbs {verb} {path} carries it out")
    name = values.pop("run", None)
    checks.choice(f"{path}: run", name, BUILT_IN)
    module = importlib.import_module(f"fastgibbs.gallery.{name}")
    fields = {field.name: field.type for field in dataclasses.fields(module.Config)}
    values |= {key: value for key, value in overrides.items() if value is not None}
    for key, kind in fields.items():
        if key in values and not _fits(values[key], kind):
            raise ValueError(f"{path}: {key} is {values[key]!r}: give {_KINDS.get(kind, kind)}")
    require_names(f"{path}", values, fields, fields)
    return module, module.Config(**values)


def require_sizes(config: Any, *keys: str) -> None:
    """ValueError unless the sizes of a run ascend, and each of these keys has a number for each of them."""
    sizes = config.sizes
    if len(sizes) < 2 or sorted(set(sizes)) != sizes:
        raise ValueError(f"sizes is {sizes}: give two or more, ascending")
    for key in keys:
        if len(getattr(config, key)) != len(sizes):
            raise ValueError(f"{key} is {getattr(config, key)}: give a number for each of the sizes {sizes}")


_KINDS: dict[Any, str] = {str: "a printable str", int: "int", float: "a finite number"}


def _fits(value: Any, kind: Any) -> bool:
    if get_origin(kind) is list:
        return isinstance(value, list) and bool(value) and all(_fits(v, get_args(kind)[0]) for v in value)
    if kind is str:
        return isinstance(value, str) and value.isprintable()  # so that it can be written to a file again
    if kind is float and isinstance(value, int | float):
        return not isinstance(value, bool) and abs(value) <= sys.float_info.max  # no NaN either
    return isinstance(value, kind) and not isinstance(value, bool)


def shipped(source: str, **overrides: Any) -> Ready:
    """A shipped run, with the configuration that `configure` makes; it goes to results/NAME."""
    module, config = configure(source, **overrides)
    name = module.__name__.rsplit(".", 1)[1]
    title = f"fastgibbs run {name}: {description(name)}"
    return Ready("run", title, partial(module.run, config), Path("results") / name, _resolved(name, config))


def carry_out(
    ready: Ready, output: str | None = None, progress: Progress = True, resume: bool = False, restart: bool = False
) -> Findings:
    """Carry out a run and write its files and configuration to `output`; its findings with all that is to be printed.

    `output` is by default the folder of the run. Each file is written whole or not at all, by one run at a time. A run
    that is stopped leaves its checkpoints there, and the same call goes on from them; `resume` demands that there are
    some. Nothing is lost without `restart`, which begins anew: ValueError if the folder holds the results of a run, or
    checkpoints of another one. OSError or ValueError, before the run begins, if nothing can be written there.
    """
    folder = Path(output or ready.folder).absolute()
    unfinished = any(folder.glob("*.checkpoint.npz"))
    if resume and restart:
        raise ValueError("--resume goes on with a run, --restart begins it anew: give one of them")
    if resume and not unfinished:
        raise ValueError(f"{folder} holds no checkpoint: there is nothing to resume")
    if not restart and not unfinished and (folder / CONFIGURATION).exists():
        raise ValueError(f"{folder} holds the results of an earlier run: give another --output, or --restart")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: give the folder to write to")
    saved: set[Path] = set()
    new: set[Path] = set()

    def checkpoint(part: str) -> Path:
        path = folder / f"{part}.checkpoint.npz"
        if restart and path not in saved and path.exists():
            with held(path):
                path.unlink()
        new.update({path} - saved if not path.exists() else ())
        saved.add(path)
        return path

    folder.mkdir(parents=True, exist_ok=True)
    try:
        writable(folder / CONFIGURATION)
        with held(folder / CONFIGURATION):
            found = _found(ready, progress, checkpoint, saved, new)
            files = _written(ready, found, folder)
    finally:
        with suppress(OSError):  # it is there, or holds something
            folder.rmdir()
    text = f"{found.text}\nwritten to {folder}: {', '.join(sorted(files))}"
    if found.interrupted and saved:
        return found._replace(text=f"{text}\nstopped early: the same command goes on")
    for path in saved:
        path.unlink(missing_ok=True)
    return found._replace(text=text)


def _found(ready: Ready, progress: Progress, checkpoint: SavedAs, saved: set[Path], new: set[Path]) -> Findings:
    """What a run finds; `saved`: the checkpoints that it has asked for, of which `new` ones were not there."""
    try:
        return ready.run(progress, checkpoint)
    except Interrupted:
        raise
    except ValueError as error:
        for path in new:  # what cannot be reported on is not gone on with
            with suppress(ValueError), held(path):  # another run's is left alone
                path.unlink(missing_ok=True)
        if any(str(path) in str(error) for path in saved - new):
            raise ValueError(f"{error}, or --restart") from error
        raise


def _written(ready: Ready, found: Findings, folder: Path) -> Mapping[str, Content]:
    """All files of a run, the configuration the last of them, each written whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    head = ", ".join(f"{name} {version}" for name, version in versions().items())
    resolved = f"# {head}\n".encode() + ready.configuration
    files = {**found.files, PAGE: _page(ready, found, resolved), CONFIGURATION: resolved}
    for file, content in files.items():
        if isinstance(content, bytes):
            replace_file(folder / file, content)
        else:
            content(folder / file)
    return files


def _page(ready: Ready, found: Findings, resolved: bytes) -> bytes:
    """What was found, with its pictures, how to repeat it and on what it ran, in one file to send."""
    repeat = f"# python -m fastgibbs {ready.command} {CONFIGURATION}, a file of these lines\n{resolved.decode()}"
    if found.result is not None:
        return of_result(ready.title, found.result, repeat)
    pictures = [Picture(name, png) for name, png in found.files.items() if name.endswith(".png") and type(png) is bytes]
    warnings = ["WARNING: the run was stopped early."] if found.interrupted else []
    shown = Report([], {}, {}, warnings).html() + code(found.text) + gallery(pictures, wide=True)
    return of_run(ready.title, shown, repeat)


def _resolved(name: str, config: Any) -> bytes:
    """The configuration as TOML that `configure` reads again."""
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in dataclasses.asdict(config).items()]
    return "\n".join([f'run = "{name}"', *lines, ""]).encode()


def versions() -> dict[str, str]:
    """The versions that a run depends on, by name."""
    of_packages = {package: metadata.version(package) for package in ("numba", "numpy")}
    return {"fastgibbs": VERSION, **of_packages, "Python": platform.python_version()}
