"""Settings in layers: keyword, flag, HOSTRT_* variable, project file, user file, default.

Files are TOML: the nearest `hostrt.toml` from the working directory upward, then
`$XDG_CONFIG_HOME/hostrt/config.toml`. Options stand at the top; the section `[board."SERIAL"]`
holds those of one board and beats the top of the same file. The default board is `board = "..."`,
or `address = "..."` inside `[board]` when there are sections of boards, because TOML does not let
`board` be both. Everything is read when it is asked for, nothing at import.
"""

from __future__ import annotations

import difflib
import math
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | int | float | bool | Path | None

PROJECT_FILE = "hostrt.toml"
USER_FILE = "hostrt/config.toml"


@dataclass(frozen=True, slots=True)
class Option:
    """One setting.

    Attributes:
        name: key in files; the variable is HOSTRT_ plus the name in capitals.
        kind: type of the value.
        default: value when nobody says anything.
        unit: "s", "Hz", ... or "".
        help: one line.
        minimum: smallest number allowed.
        is_above_minimum: the minimum itself is not allowed.
        choices: values allowed, empty for any.
    """

    name: str
    kind: type
    default: Value
    unit: str
    help: str
    minimum: float | None = None
    is_above_minimum: bool = False
    choices: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """Name of the environment variable."""
        return f"HOSTRT_{self.name.upper()}"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and who said so.

    Attributes:
        name: the option.
        value: of the option's type, or None when it has no default.
        origin: "keyword", "flag", name of the variable, path of the file (and section), "default".
    """

    name: str
    value: Value
    origin: str


_STYLES = ("sawtooth", "random", "sine")

OPTIONS: tuple[Option, ...] = (
    Option("board", str, None, "", "address of the board; default: the only one connected"),
    Option("chip", str, None, "", "chip to expect; default: what the program was made for"),
    Option("input_period", float, 0.016, "s", "time from one frame to the next", 0, True),
    Option("sample_rate", int, 16000, "Hz", "rate that the model expects of audio", 1),
    Option("channel", str, "mono-mix", "", "channel of audio files: a number, or mono-mix"),
    Option("n_frames", int, 2, "", "generated frames", 0),
    Option("input_style", str, "sawtooth", "", "generated inputs", choices=_STYLES),
    Option("input_seed", int, 0, "", "seed of random inputs", 0),
    Option("output_dir", Path, Path("model_datas"), "", "folder for results"),
    Option("tolerance", int, 0, "", "largest difference that a comparison accepts", 0),
    Option("warm_up", int, 0, "", "frames left out of statistics at the beginning", 0),
    Option("timeout", float, 3.0, "s", "longest wait for one answer of a board", 0, True),
    Option("compiler_address", str, None, "", "running compile service; default: a container"),
    Option("compiler_timeout", float, 600.0, "s", "longest wait for a compile service", 0, True),
    Option("window", int, None, "", "reports in flight to an EVK2; default: what is safe", 1),
)

_BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}


@dataclass(frozen=True, slots=True)
class _File:
    """One configuration file: options at the top and per board."""

    path: Path
    top: Mapping[str, object]
    boards: Mapping[str, Mapping[str, object]]

    def find(self, name: str, serial: str | None) -> tuple[object, str] | None:
        section = self.boards.get(serial, {}) if serial else {}
        if name in section:
            return section[name], f'{self.path} [board."{serial}"]'
        if name in self.top:
            return self.top[name], str(self.path)
        return None


def option(name: str) -> Option:
    """Find one option.

    Raises:
        UsageError: no such option; the message suggests the nearest name.
    """
    if name not in _BY_NAME:
        raise UsageError(f"unknown setting {name!r}{_suggest(name, list(_BY_NAME))}")
    return _BY_NAME[name]


def resolve(
    name: str,
    flag: Value = None,
    *,
    keyword: Value = None,
    serial: str | None = None,
    folder: Path | None = None,
) -> Setting:
    """Find the value of one option, and who said so.

    Args:
        name: the option.
        flag: value from the command line, None when not given; text is converted.
        keyword: value from a caller in Python, None when not given.
        serial: serial number or address of the board, for its sections in the files.
        folder: where to begin looking for hostrt.toml; default: the working directory.

    Raises:
        UsageError: unknown option or key, value of the wrong type or out of range, damaged file.
    """
    wanted = option(name)
    for given, origin in ((keyword, "keyword"), (flag, "flag")):
        if given is not None:
            return Setting(name, _convert(wanted, given, origin), origin)
    text = os.environ.get(wanted.variable, "")
    if text:
        return Setting(name, _convert(wanted, text, wanted.variable), wanted.variable)
    for path in config_files(folder):
        found = _read(path).find(name, serial)
        if found is not None:
            value, origin = found
            return Setting(name, _from_file(wanted, value, path, origin), origin)
    return Setting(name, wanted.default, "default")


def resolve_all(*, serial: str | None = None, folder: Path | None = None) -> tuple[Setting, ...]:
    """Find every option's value without flags; for showing the configuration.

    Raises:
        UsageError: as `resolve`, and for HOSTRT_* variables that name no option.
    """
    check_environment()
    return tuple(resolve(one.name, serial=serial, folder=folder) for one in OPTIONS)


def check_environment(also_known: tuple[str, ...] = ()) -> None:
    """Refuse HOSTRT_* variables that name no option, so that a typing error is not silent.

    Args:
        also_known: further variables that have a meaning elsewhere.

    Raises:
        UsageError: such a variable; the message suggests the nearest name.
    """
    known = [one.variable for one in OPTIONS] + list(also_known)
    for name in sorted(os.environ):
        if name.startswith("HOSTRT_") and name not in known:
            raise UsageError(f"unknown variable {name}{_suggest(name, known)}")


def config_files(folder: Path | None = None) -> tuple[Path, ...]:
    """List the configuration files that exist, the most specific first."""
    start = (folder or Path.cwd()).resolve()
    project = next(
        (
            place / PROJECT_FILE
            for place in (start, *start.parents)
            if (place / PROJECT_FILE).is_file()
        ),
        None,
    )
    home = os.environ.get("XDG_CONFIG_HOME", "")
    # the XDG specification says that a relative path there is to be ignored
    base = Path(home) if home.startswith("/") else Path.home() / ".config"
    user = base / USER_FILE
    found = [project] if project else []
    if user.is_file():
        found.append(user)
    return tuple(found)


def _read(path: Path) -> _File:
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not TOML: {next(iter(str(error).splitlines()), '')}") from error
    top: dict[str, object] = {}
    boards: dict[str, Mapping[str, object]] = {}
    for key, value in tree.items():
        if key == "board" and isinstance(value, dict):
            _read_boards(path, value, top, boards)
        else:
            _check_key(path, "", key, (*_BY_NAME,))
            top[key] = value
    return _File(path, top, boards)


def _read_boards(
    path: Path,
    table: Mapping[str, object],
    top: dict[str, object],
    boards: dict[str, Mapping[str, object]],
) -> None:
    for key, value in table.items():
        if isinstance(value, dict):
            for inner in value:
                allowed = tuple(name for name in _BY_NAME if name != "board")
                _check_key(path, f'[board."{key}"] ', inner, allowed)
            boards[key] = value
        else:
            _check_key(path, "[board] ", key, ("address",))
            top["board"] = value


def _check_key(path: Path, section: str, key: str, allowed: tuple[str, ...]) -> None:
    if key not in allowed:
        raise UsageError(f"{path}: unknown key {section}{key}{_suggest(key, list(allowed))}")


def _suggest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {near[0]}?" if near else f", expected one of {', '.join(known)}"


def _from_file(wanted: Option, value: object, path: Path, origin: str) -> Value:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = is_number if wanted.kind in (int, float) else isinstance(value, str)
    if not fits:
        raise _wrong(wanted, value, origin)
    converted = _convert(wanted, value, origin)
    # a relative path in a file is meant from where the file lies, not from where we run
    return path.parent / converted if isinstance(converted, Path) else converted


def _convert(wanted: Option, value: object, origin: str) -> Value:
    if wanted.kind is Path:
        try:
            return Path(str(value)).expanduser()
        except RuntimeError as error:
            # a user of that name is not known here
            raise _wrong(wanted, value, origin) from error
    if wanted.kind is str:
        return _one_of(wanted, str(value), origin)
    if isinstance(value, bool):
        raise _wrong(wanted, value, origin)
    try:
        number = _number(wanted, value)
    except (ValueError, OverflowError) as error:
        raise _wrong(wanted, value, origin) from error
    low = wanted.minimum
    if low is not None and (number < low or (wanted.is_above_minimum and number == low)):
        raise _wrong(wanted, value, origin)
    return number


def _number(wanted: Option, value: object) -> int | float:
    if wanted.kind is int:
        if isinstance(value, float) and not value.is_integer():
            raise ValueError(value)
        return int(value, 0) if isinstance(value, str) else int(str(value).removesuffix(".0"))
    number = float(str(value))
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _one_of(wanted: Option, value: str, origin: str) -> str:
    if wanted.choices and value not in wanted.choices:
        raise _wrong(wanted, value, origin)
    return value


def _wrong(wanted: Option, value: object, origin: str) -> UsageError:
    if wanted.choices:
        expected = f"one of {', '.join(wanted.choices)}"
    else:
        kinds = {
            int: "a whole number",
            float: "a number",
            str: "text",
            Path: "a path, with nobody or a user after ~",
        }
        expected = kinds[wanted.kind]
        if wanted.minimum is not None:
            bound = "above" if wanted.is_above_minimum else "of at least"
            expected += f" {bound} {wanted.minimum:g}"
        expected += f" in {wanted.unit}" if wanted.unit else ""
    return UsageError(f"{wanted.name} = {value!r} ({origin}), expected {expected}")
