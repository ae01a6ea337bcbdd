"""What a simulated chip's events cost in energy: coefficients with their sources.

energy of a frame = sum of events * energy per event
                  + busy core seconds * (active - idle) + cores * idle * seconds
                  + (powered banks * leakage of a bank + base leakage) * seconds

where `seconds` is the input period, or the latency when that is longer (then the chip is late and
never idle). All figures are simulated; hostrt/docs/explanation/simulated-spu.md says how far they
can be trusted.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_protocol.errors import FormatError
from firmware_protocol.open_isa_cost import EVENT_NAMES
from firmware_protocol.trees import as_map, as_named, as_text
from hostrt.program.intake import Budgets, format_faults, read_source
from hostrt.program.yamldoc import load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firmware_protocol.open_isa_cost import Events

POWERS = ("active_core", "idle_core", "leakage_per_bank", "leakage_base")
_FAMILY = {"spu001": "spu001", "spu150tc1": "spu150", "spu150": "spu150"}


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One figure.

    Attributes:
        value: in joules or watts.
        source: where it comes from; begins with "assumed" when nobody measured it.
    """

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class SpuModel:
    """Energy and power coefficients of one chip.

    Attributes:
        name: of the chip they were made for.
        energy_per_event_j: event of `Events` -> joules.
        power_w: "active_core", "idle_core", "leakage_per_bank", "leakage_base" -> watts.
    """

    name: str
    energy_per_event_j: Mapping[str, Coefficient]
    power_w: Mapping[str, Coefficient]

    def event_energy_j(self, events: Events) -> float:
        """Give the energy of events, in joules."""
        counts = asdict(events)
        return float(sum(n * self.energy_per_event_j[name].value for name, n in counts.items()))

    def frame_energy_j(
        self, events: Events, *, busy_s: float, seconds: float, n_cores: int, n_banks: int
    ) -> float:
        """Give the energy of one frame, in joules.

        Args:
            events: of all cores.
            busy_s: sum over cores of the time in which threads ran.
            seconds: time from this frame to the next.
            n_cores: cores that are powered.
            n_banks: memory banks that are powered.
        """
        power = {name: item.value for name, item in self.power_w.items()}
        idle_s = n_cores * seconds - busy_s
        leakage_w = n_banks * power["leakage_per_bank"] + power["leakage_base"]
        return (
            self.event_energy_j(events)
            + busy_s * power["active_core"]
            + max(idle_s, 0.0) * power["idle_core"]
            + leakage_w * seconds
        )


def load_spu_model(chip: str, path: str | Path | None = None) -> SpuModel:
    """Load coefficients.

    Args:
        chip: whose own coefficients are taken when no file is named.
        path: a YAML file like the shipped ones.

    Raises:
        ProgramNotFound: no such file.
        ProgramCorrupt: not a table of coefficients.
    """
    if path is None:
        source = files("hostrt.fasmir") / f"{_FAMILY[chip]}.yaml"
        data, name = source.read_bytes(), source.name
    else:
        data, name = read_source(Path(path), Budgets())
    with format_faults(name):
        tree = as_named(load_yaml(data, name), "top level", name)
        return SpuModel(
            as_text(tree.get("name"), "name", name),
            _read_table(tree, "energy_per_event_j", EVENT_NAMES, name),
            _read_table(tree, "power_w", POWERS, name),
        )


def _read_table(
    tree: Mapping[str, object], key: str, names: tuple[str, ...], file: str
) -> dict[str, Coefficient]:
    table = as_map(tree.get(key), key, file)
    unknown = sorted(str(name) for name in table if name not in names)
    missing = [name for name in names if name not in table]
    if unknown or missing:
        found = f"unknown {unknown[0]!r}" if unknown else f"no {missing[0]!r}"
        raise FormatError(file, None, f"{found} in {key}", f"exactly {', '.join(names)}")
    found_all = {}
    for name in names:
        entry = as_named(table[name], f"{key}.{name}", file)
        value = entry.get("value")
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_cost(value):
            raise FormatError(file, None, f"{key}.{name}.value {value!r}", "a number from 0")
        text = as_text(entry.get("source", ""), f"{key}.{name}.source", file)
        if not text:
            raise FormatError(file, None, f"{key}.{name} without a source", "where it comes from")
        found_all[name] = Coefficient(float(value), text)
    return found_all


def _is_cost(value: float) -> bool:
    return math.isfinite(value) and value >= 0
