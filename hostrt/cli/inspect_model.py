"""`hostrt inspect MODEL`: what is in an FQIR model, as facts, as a listing, as a drawing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.output import print_fields, print_json, print_table, say
from hostrt.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from hostrt.fqir.describe import ModelFacts, VectorFacts
    from hostrt.fqir.graph import Model

_PROGRAM_ONLY = ("clock_mhz", "chip", "iospec", "metadata", "key_index", "salt")
_MODEL_ONLY = ("text", "sources", "dot", "onnx")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Declare what can be asked of an FQIR model only."""
    group = parser.add_argument_group("FQIR models")
    group.add_argument("--text", action="store_true", help="print the graph, one line per node")
    group.add_argument(
        "--sources",
        action="store_true",
        help="with --text: show where each node was written; may hold source text and file names",
    )
    group.add_argument("--dot", metavar="FILE", help="write the graph for Graphviz")
    group.add_argument("--onnx", metavar="FILE", help="write the graph for Netron, to be looked at")


def is_model(paths: Sequence[str]) -> bool:
    """Say whether the arguments of the verb name one FQIR model."""
    if len(paths) != 1:
        return False
    from hostrt.fqir.container import is_fqir_file

    return is_fqir_file(paths[0])


def refuse_model_options(arguments: argparse.Namespace) -> None:
    """Refuse options that a program or bundle has no use for.

    Raises:
        UsageError: there is one.
    """
    _refuse(arguments, _MODEL_ONLY, "an FQIR model")


def show_model(arguments: argparse.Namespace) -> int:
    """Show one FQIR model."""
    _refuse(arguments, _PROGRAM_ONLY, "a program or bundle")
    if arguments.sources and not arguments.text:
        raise UsageError("--sources without --text", hint="give both")
    if arguments.text and arguments.json:
        raise UsageError("--text together with --json, expected one of them")
    from hostrt.fqir.load import load_model

    model = load_model(arguments.file[0])
    written = _write(model, arguments)
    if arguments.text:
        from hostrt.fqir.text import iterate_lines

        for line in iterate_lines(model, sources=arguments.sources):
            say(line)
    elif arguments.json or not written:
        from hostrt.fqir.describe import describe_model

        tree = describe_model(model)
        if arguments.json:
            print_json(tree)
        else:
            _print_model(tree)
    if not arguments.json:
        for path in written:
            say(f"wrote {path}")
    return 0


def _refuse(arguments: argparse.Namespace, names: Sequence[str], what: str) -> None:
    given = [name for name in names if getattr(arguments, name) not in (None, False)]
    if given:
        raise UsageError(
            f"--{given[0].replace('_', '-')} is for {what}, and {arguments.file[0]} is none"
        )


def _write(model: Model, arguments: argparse.Namespace) -> list[str]:
    from hostrt.files import write_file

    if arguments.dot is not None:
        from hostrt.fqir.export import format_dot

        write_file(Path(arguments.dot), format_dot(model).encode("utf-8", "backslashreplace"))
    if arguments.onnx is not None:
        from hostrt.fqir.onnx import onnx_bytes

        write_file(Path(arguments.onnx), onnx_bytes(model))
    return [path for path in (arguments.dot, arguments.onnx) if path is not None]


def _print_model(facts: ModelFacts) -> None:
    unknown, stuck = facts["unknown"], facts["not_executable"]
    rows = (facts["parameters"] or {}).values()
    values, size = (sum(row["values"] for row in rows), sum(row["bytes"] for row in rows))
    memory = facts["footprint"] or {}
    sizes = [f"{what} {memory.get(what)}" for what in ("parameters", "activations")]
    fields = {
        "parameters": f"{values} values, {size} bytes",
        "state": f"{facts['state_bytes']} bytes in {len(facts['state'])} tensors",
        "memory": f"{memory.get('total')} bytes: {', '.join(sizes)}",
    }
    for key, field in (
        ("parameters", "parameters"),
        ("state_bytes", "state"),
        ("footprint", "memory"),
    ):
        if key in unknown:
            fields[field] = f"not known: {unknown[key]}"
    print_fields(
        {
            "source": f"{facts['source']} (FQIR model)",
            "sha256": facts["sha256"],
            "time axis": "-" if facts["time_axis"] is None else facts["time_axis"],
            "nodes": f"{facts['nodes']} in ARITH and the graphs inside it",
            "can be run": f"no, because of {', '.join(stuck)}" if stuck else "yes",
            **fields,
        }
    )
    _print_vectors("inputs", facts["inputs"])
    _print_vectors("outputs", facts["outputs"])
    _print_vectors("state", facts["state"])
    _print_work(facts)
    _print_contents(facts)
    for note in facts["notes"]:
        say(f"note: {note}")


def _print_vectors(title: str, vectors: Sequence[VectorFacts]) -> None:
    from hostrt.fqir.spelling import spell_name, spell_shape

    rows = [
        [
            spell_name(vector["name"]),
            spell_name(vector["dtype"]),
            spell_shape(tuple(vector["shape"])),
            "-" if vector["scale"] is None else f"{vector['scale']:g} (2^{vector['quanta']})",
        ]
        for vector in vectors
    ]
    if rows:
        say()
        print_table(["name", "type", "shape", "real value of 1"], rows, title)


def _print_work(facts: ModelFacts) -> None:
    work, counts = facts["work"] or {}, facts["counts"] or {}
    names = {
        "macs": "multiply-accumulates",
        "additions": "additions",
        "multiplies": "multiplications",
        "luts": "look-ups",
        "other_logic": "comparisons and logic",
    }
    rows = [[name, _shown(work.get(key)), _shown(counts.get(key))] for key, name in names.items()]
    say()
    print_table(["", "computed", "reference's count"], rows, "operations per frame")
    if work and work["macs_at_most"] != work["macs"]:
        say(f"  at most {_shown(work['macs_at_most'])} multiply-accumulates in one frame")
    for key, what in (("work", "a count of what is computed"), ("counts", "the reference's count")):
        if key in facts["unknown"]:
            say(f"  {what} does not exist: {facts['unknown'][key]}")
    if counts:
        _print_moved(counts)


def _print_moved(counts: Mapping[str, float | None]) -> None:
    columns = {
        "mem_read_bytes": "bytes read",
        "mem_write_bytes": "written",
        "acc_read_numel": "accumulators read",
        "acc_write_numel": "written",
        "table_read_bytes": "bytes of tables read",
    }
    say()
    row = [_shown(counts[key]) for key in columns]
    print_table(list(columns.values()), [row], "memory per frame by the reference's count")


def _print_contents(facts: ModelFacts) -> None:
    from hostrt.fqir.spelling import spell_name

    if facts["parameters"]:
        say()
        kinds: list[list[object]] = [
            [spell_name(name), row["tensors"], row["values"], row["bytes"]]
            for name, row in facts["parameters"].items()
        ]
        print_table(["type", "tensors", "values", "bytes"], kinds, "parameters")
    stuck = facts["not_executable"]
    say()
    used: list[list[object]] = [
        [name, count, "cannot be run" if name in stuck else ""]
        for name, count in facts["operators"].items()
    ]
    print_table(["operator", "nodes", ""], used, "operators")
    say()
    graphs: list[list[object]] = [
        [
            spell_name(graph["name"]),
            spell_name(graph["within"] or "-"),
            graph["nodes"],
            graph["inputs"],
            graph["outputs"],
        ]
        for graph in facts["subgraphs"]
    ]
    print_table(["graph", "within", "nodes", "inputs", "outputs"], graphs, "graphs")


def _shown(value: object) -> object:
    if value is None:
        return "-"
    return round(value, 2) if isinstance(value, float) else value
