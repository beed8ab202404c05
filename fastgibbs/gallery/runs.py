"""How a shipped run is configured and carried out: TOML -> Config -> Report -> a folder of results.

A run is a module with a frozen dataclass `Config` and a function `run(config, progress) -> Report`.
"""

import dataclasses
import importlib
import json
import platform
import tomllib
from importlib import metadata
from pathlib import Path
from typing import NamedTuple, get_args, get_origin

from fastgibbs.io import replace_file
from fastgibbs.models import checks

HERE = Path(__file__).parent
BUILT_IN = sorted(path.stem for path in HERE.glob("*.toml"))


class Report(NamedTuple):
    """What a run found: a text to print and the files to write, name -> bytes."""

    text: str
    files: dict[str, bytes]


def description(name: str) -> str:
    """The first comment of a built-in run's TOML file."""
    return (HERE / f"{name}.toml").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def configure(source: str, **overrides):
    """The run module and Config of a built-in run's name or a TOML file; overrides that are not None replace keys.

    Raises ValueError for an unknown run or key, naming the nearest valid one, a missing key or a value of the wrong
    type; FileNotFoundError if there is no such file.
    """
    path = Path(source) if source.endswith(".toml") else HERE / f"{checks.choice('run', source, BUILT_IN)}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not valid TOML: {error}") from None
    name = values.pop("run", None)
    checks.choice(f"{path}: run", name, BUILT_IN)
    module = importlib.import_module(f"fastgibbs.gallery.{name}")
    fields = {field.name: field.type for field in dataclasses.fields(module.Config)}
    values |= {key: value for key, value in overrides.items() if value is not None}
    for key, value in values.items():
        checks.choice(f"{path}: a key", key, fields)
        if not _fits(value, fields[key]):
            raise ValueError(f"{path}: {key} is {value!r}: give {getattr(fields[key], '__name__', fields[key])}")
    missing = fields.keys() - values.keys()
    if missing:
        raise ValueError(f"{path}: missing key {min(missing)!r}")
    return module, module.Config(**values)


def _fits(value, kind) -> bool:
    if get_origin(kind) is list:
        return isinstance(value, list) and bool(value) and all(_fits(v, get_args(kind)[0]) for v in value)
    return isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)


def carry_out(source: str, output: str | None = None, progress=True, **overrides) -> str:
    """Configure a run, run it and write its files and resolved configuration to `output`; returns the text to print.

    `output` is results/NAME by default. Each file is written whole or not at all.
    """
    module, config = configure(source, **overrides)
    name = module.__name__.rsplit(".", 1)[1]
    report = module.run(config, progress)
    folder = Path(output or Path("results") / name)
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in {**report.files, "configuration.toml": _resolved(name, config)}.items():
        replace_file(folder / file, content)
    return f"{report.text}\nwritten to {folder}: {', '.join(sorted([*report.files, 'configuration.toml']))}"


def _resolved(name: str, config) -> bytes:
    """The configuration as TOML that `configure` reads again, with the versions it ran on as comments."""
    versions = [f"{package} {metadata.version(package)}" for package in ("fastgibbs", "numba", "numpy")]
    lines = [f"# {', '.join(versions)}, Python {platform.python_version()}", f'run = "{name}"']
    lines += [f"{key} = {json.dumps(value)}" for key, value in dataclasses.asdict(config).items()]
    return "\n".join([*lines, ""]).encode()
