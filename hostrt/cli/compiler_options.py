"""Options of every verb that compiles a model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hostrt.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from firmware_protocol.iospec import IOSpec
    from hostrt.compiler.base import CompiledModel, CompileOptions, Compiler
    from hostrt.fqir.graph import Model

OPEN, FEMTOCRUX = "open", "femtocrux"
DEFAULT_CHIP = "spu001"


def add_compiler_options(parser: argparse.ArgumentParser) -> None:
    """Declare which compiler works, and how."""
    group = parser.add_argument_group("compiler")
    group.add_argument(
        "--compiler", default=OPEN, metavar="NAME", help="open (default), femtocrux, ..."
    )
    group.add_argument(
        "--compiler-address", metavar="HOST:PORT", help="femtocrux: a running service"
    )
    group.add_argument(
        "--compiler-image", metavar="IMAGE", help="femtocrux: image of the container to start"
    )
    group.add_argument(
        "--compiler-version", metavar="V", help="femtocrux: version that the service must have"
    )
    group.add_argument(
        "--compiler-timeout", type=float, metavar="SECONDS", help="femtocrux: longest wait (600)"
    )
    group.add_argument(
        "--opt-profile", metavar="NAME", help="femtocrux: efficient, fast or conservative"
    )
    group.add_argument(
        "--compiler-setting",
        action="append",
        metavar="KEY=VALUE",
        help="femtocrux: a setting of the compiler, its value in JSON or as plain text",
    )


def make_compiler(arguments: argparse.Namespace) -> Compiler:
    """Make the compiler that the arguments and the settings name.

    Raises:
        UsageError: no such compiler, or a flag that it does not take.
        ExtraMissing: a package that it needs is not installed.
    """
    from hostrt.compiler.base import get_compiler
    from hostrt.config import resolve

    name: str = arguments.compiler
    flags = {
        "address": arguments.compiler_address,
        "image": arguments.compiler_image,
        "version": arguments.compiler_version,
        "timeout_s": arguments.compiler_timeout,
    }
    if name == OPEN:
        _require_none(flags)
    elif name == FEMTOCRUX:
        flags["timeout_s"] = resolve("compiler_timeout", arguments.compiler_timeout).value
        if arguments.compiler_image is None:
            flags["address"] = resolve("compiler_address", arguments.compiler_address).value
    given = {key: value for key, value in flags.items() if value is not None}
    return get_compiler(name, **given)


def compile_options(arguments: argparse.Namespace, model: Model, iospec: IOSpec) -> CompileOptions:
    """Collect what the arguments say about compiling a model.

    Raises:
        UsageError: a variable that does not exist, or a flag that only another compiler takes.
    """
    from hostrt.compiler.base import CompileOptions
    from hostrt.fqir.variables import choose_variables

    settings = compiler_settings(arguments)
    if arguments.compiler == OPEN:
        named = [item for item in (arguments.debug_vars or "").split(",") if item]
        settings |= {"cores": arguments.cores, "watch": choose_variables(model, named)}
    elif arguments.cores is not None:
        raise UsageError("--cores is for the open compiler only", hint="leave it away")
    profile = arguments.opt_profile or ""
    return CompileOptions(
        arguments.chip or DEFAULT_CHIP, iospec, profile=profile, settings=settings
    )


def compile_with(arguments: argparse.Namespace, model: Model, iospec: IOSpec) -> CompiledModel:
    """Compile a model as the arguments say, and let go of the compiler."""
    with make_compiler(arguments) as compiler:
        return compiler.compile(model, compile_options(arguments, model, iospec))


def compiler_settings(arguments: argparse.Namespace) -> dict[str, object]:
    """Give the settings of `--compiler-setting`.

    Raises:
        UsageError: one that is not KEY=VALUE.
    """
    settings: dict[str, object] = {}
    for text in arguments.compiler_setting or ():
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UsageError(f"--compiler-setting {text!r}, expected KEY=VALUE")
        try:
            settings[key] = json.loads(value)
        except ValueError:
            settings[key] = value
    return settings


def _require_none(flags: Mapping[str, object]) -> None:
    for key, value in flags.items():
        if value is not None:
            raise UsageError(
                f"--compiler-{key.removesuffix('_s')} is for compile services, not for the open "
                "compiler",
                hint="add --compiler femtocrux",
            )
