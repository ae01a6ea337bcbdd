"""`hostrt inspect FILE`: what is in a program file, a bundle or an FQIR model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.inspect_model import (
    add_model_options,
    is_model,
    refuse_model_options,
    show_model,
)
from hostrt.cli.output import print_fields, print_json, print_table, say
from hostrt.cli.program_options import add_program_options, load_program

if TYPE_CHECKING:
    import argparse

    from hostrt.program.bundle import Bundle

_GZIP_MAGIC = b"\x1f\x8b"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "file", nargs="+", help="program file, PROG pair, folder, .tar.gz bundle or FQIR model"
    )
    parser.add_argument("--clock-mhz", type=float, help="clock of a bundle's chip, for times")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_program_options(parser)
    add_model_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show one file."""
    if is_model(arguments.file):
        return show_model(arguments)
    refuse_model_options(arguments)
    if len(arguments.file) == 1 and _is_gzip(Path(arguments.file[0])):
        return _bundle(arguments)
    from hostrt.program.describe import describe_program

    tree = describe_program(load_program(arguments, arguments.file))
    if arguments.json:
        print_json(tree)
    else:
        _print_program(tree)
    return 0


def _is_gzip(path: Path) -> bool:
    try:
        # opening a FIFO would wait for someone to write into it
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(2) == _GZIP_MAGIC
    except OSError:
        return False


def _print_program(tree: dict[str, object]) -> None:
    key = tree["encryption_key_index"]
    encryption = f"key {key}, salt {tree['encryption_salt']}" if tree["encrypted"] else "none"
    sets = {"open": "open (runs on simulated boards)", "vendor": "vendor (runs on real boards)"}
    fields = {
        "source": f"{tree['source']} ({tree['format']})",
        "name": f"{tree['name'] or '-'} {tree['version'] or ''}".strip(),
        "made by": tree["tool_version"] or "-",
        "chip": tree["chip_title"],
        "instructions": sets[str(tree["instruction_set"])],
        "encryption": encryption,
        "cores used": tree["cores"],
        "size": f"{tree['bytes']} bytes in {tree['words']} words",
        "clock": f"{tree['clock_mhz']} MHz" if tree["clock_mhz"] else "-",
        "user data": f"{tree['userdata_bytes']} bytes",
        "content hash": tree["sha256"],
    }
    print_fields(fields)
    _print_memories(tree)
    _print_io(tree)
    files = tree["files"]
    if isinstance(files, dict):
        for name, digest in files.items():
            say(f"sha256 {digest}  {name}")
    notes = tree["notes"]
    for note in notes if isinstance(notes, list) else []:
        say(f"note: {note}")


def _print_memories(tree: dict[str, object]) -> None:
    memories = tree["memories"]
    if isinstance(memories, list):
        rows = [
            [row["core"], row["bank"], row["words"], row["of"], f"{100 * row['fill']:.1f} %"]
            for row in memories
        ]
        say()
        print_table(["core", "bank", "words", "of", "full"], rows, "memories (64-bit words)")


def _print_io(tree: dict[str, object]) -> None:
    for side in ("inputs", "outputs"):
        vectors = tree[side]
        if not isinstance(vectors, list):
            say(f"\n{side}: not said by this file (give --iospec)")
            continue
        rows = [
            [
                vector["name"],
                vector["length"],
                vector["padded_length"] or "-",
                vector["precision"],
                f"core {vector['core']} pc {vector['pc']}"
                if "pc" in vector
                else f"mailbox {vector.get('mailbox', '-')}",
            ]
            for vector in vectors
        ]
        say()
        print_table(["name", "length", "padded", "bits", "place"], rows, side)
    sequences = tree["sequences"]
    if isinstance(sequences, list):
        say()
        for item in sequences:
            say(f"sequence {item['name']}: {_counts(item['inputs'])} -> {_counts(item['outputs'])}")
    latched = tree["latched"]
    if isinstance(latched, list) and latched:
        say(f"latched: {', '.join(latched)}")


def _counts(counts: dict[str, int]) -> str:
    names = [name if n == 1 else f"{n} x {name}" for name, n in counts.items()]
    return ", ".join(names) or "nothing"


def _bundle(arguments: argparse.Namespace) -> int:
    from hostrt.program.bundle import load_bundle

    bundle = load_bundle(arguments.file[0])
    tree = bundle.to_json()
    if arguments.clock_mhz is not None:
        times = bundle.layer_times(arguments.clock_mhz * 1e6)
        tree["layer_times"] = [asdict(item) for item in times]
    if arguments.json:
        print_json(tree)
    else:
        _print_bundle(bundle, tree, arguments.clock_mhz)
    return 0


def _print_bundle(bundle: Bundle, tree: dict[str, object], clock_mhz: float | None) -> None:
    say(f"{tree['model']}: bundle for an MLA accelerator")
    batch = tree["batch"]
    if isinstance(batch, dict):
        say(f"batch: {batch['desired']} desired, {batch['actual']} actual")
    say(f"fully on the accelerator: {'yes' if tree['fully_on_mla'] else 'no'}")
    digests = tree["sha256"]
    if isinstance(digests, dict):
        say()
        rows = [[name, len(bundle.archive[name]), digests[name][:16]] for name in digests]
        print_table(["member", "bytes", "sha256"], rows)
    stages = tree["stages"]
    if isinstance(stages, list):
        say()
        print_table(["stage", "name", "processor", "kernel or program"], stages)
    layers = tree["layers"]
    if isinstance(layers, list):
        say()
        rows = [
            [item["index"], item["name"], item["start_cycle"], item["end_cycle"], item["cycles"]]
            + ([f"{item['cycles'] / clock_mhz / 1e3:.4f}"] if clock_mhz else [])
            for item in layers
        ]
        header = ["layer", "name", "start", "end", "cycles"] + (["ms"] if clock_mhz else [])
        print_table(header, rows)
        say(f"total: {tree['mla_cycles']} cycles, span {tree['mla_span_cycles']} cycles")
    for warning in bundle.warnings:
        say(f"warning: {warning}")
