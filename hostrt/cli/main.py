"""Entry point of the `hostrt` command.

Only the verb that is asked for is imported, so that help and version come at once. Every failure
ends here: one line, a hint, an exit code per kind (`hostrt explain exit-codes`).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import tempfile
import threading
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

    from hostrt.errors import HostrtError

VERBS: dict[str, tuple[str, str]] = {
    "run": ("hostrt.cli.run", "run frames or audio through a model on one or more runners"),
    "stream": ("hostrt.cli.stream", "play sound or frames through a model in real time"),
    "compare": ("hostrt.cli.compare", "say whether runs, arrays, sounds or recordings agree"),
    "ab": ("hostrt.cli.ab", "say whether one run is faster than another"),
    "reproduce": ("hostrt.cli.reproduce", "run a recorded result again: is it the same"),
    "flash": ("hostrt.cli.flash", "put a program on a board, or on an SD card for it"),
    "budget": ("hostrt.cli.budget", "say how many frames per second a link to a board carries"),
    "inspect": ("hostrt.cli.inspect", "show what is in a program file, bundle or FQIR model"),
    "convert": ("hostrt.cli.convert", "convert a program file to another format"),
    "diff": ("hostrt.cli.diff", "say where two programs differ"),
    "export": ("hostrt.cli.export", "write the program files of a model"),
    "compile": ("hostrt.cli.compile", "compile an FQIR model for simulated boards"),
    "disasm": ("hostrt.cli.disasm", "show a program of the open instruction set as assembly"),
    "replay": ("hostrt.cli.replay", "send a recording to a board and compare the answers"),
    "devices": ("hostrt.cli.devices", "list boards: USB, serial ports, simulated ones"),
    "reset": ("hostrt.cli.reset", "hard reset a board and show who answers"),
    "selftest": ("hostrt.cli.selftest", "test a board's memories with patterns"),
    "docker": ("hostrt.cli.docker", "stop containers of the vendor's compile service"),
    "sim": ("hostrt.cli.sim", "serve simulated boards to any client"),
    "udev": ("hostrt.cli.udev", "show or install the rules that let users open USB boards"),
    "config": ("hostrt.cli.config", "show settings and where each comes from"),
    "explain": ("hostrt.cli.explain", "explain an error code, an exit code or a topic"),
}
"""Verbs in the order help shows them: (module, one line)."""

EXIT_BUG = 70
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
EXIT_BROKEN_PIPE = 141


def entry() -> NoReturn:
    """Run the command line and leave with its exit code."""
    code = main(sys.argv[1:])
    if code == EXIT_INTERRUPTED:
        # An interrupt that struck while a module was being built by exec (every dataclass is) makes
        # the interpreter die of SIGINT at its end, although it was handled and cleaned up after.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def main(argv: Sequence[str]) -> int:
    """Run one command and give its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a name that this terminal cannot spell must not end the command
            stream.reconfigure(errors="backslashreplace")
    try:
        return _main(argv)
    except KeyboardInterrupt:
        print("hostrt: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _main(argv: Sequence[str]) -> int:
    arguments = _parse(argv)
    if isinstance(arguments, int):
        return arguments
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)
    if arguments.verbose or arguments.quiet:
        from hostrt.log import configure

        configure(-1 if arguments.quiet else arguments.verbose)
    return _call(arguments)


def _parse(argv: Sequence[str]) -> argparse.Namespace | int:
    wanted = next((word for word in argv if not word.startswith("-")), None)
    if wanted is not None and wanted not in VERBS:
        return _no_such_verb(wanted)
    parser = _Parser(
        prog="hostrt",
        description="Host runtime for small AI accelerators.",
        epilog="Every verb has --help. `hostrt explain` lists topics that can be read offline.",
        formatter_class=_VerbFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    common = _common_options()
    for name, (module, line) in VERBS.items():
        if wanted is None:
            verbs.add_parser(name, help=line)
        elif name == wanted:
            # whole flags only, so that a new flag never changes what a script means
            verb = verbs.add_parser(
                name, help=line, description=f"{line}.", parents=[common], allow_abbrev=False
            )
            import_module(module).configure(verb)
    arguments = parser.parse_args(argv)
    if arguments.version:
        from importlib.metadata import version

        print(f"hostrt {version('hostrt')}")
        return 0
    if arguments.verb is None:
        parser.print_help()
        return 2
    return arguments


class _VerbFormatter(argparse.HelpFormatter):
    """Keeps every verb and its line together: argparse does not count how far verbs stand in."""

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if action.choices is not None:
            self._action_max_length += self._indent_increment


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as every other failure is said: one line and a hint."""

    def error(self, message: str) -> NoReturn:
        print(f"hostrt: error: {message}\nhint: see {self.prog} --help", file=sys.stderr)
        self.exit(2)


def _no_such_verb(word: str) -> int:
    from difflib import get_close_matches

    from hostrt.errors import UsageError

    close = get_close_matches(word, VERBS, 2)
    hint = f"did you mean {' or '.join(close)}?" if close else "`hostrt --help` lists all verbs"
    return _report(UsageError(f"no verb {word!r}", hint=hint), as_json=False)


def _common_options() -> _Parser:
    common = _Parser(add_help=False)
    group = common.add_argument_group("common")
    group.add_argument("--debug", action="store_true", help="show a traceback when it fails")
    group.add_argument(
        "-v", "--verbose", action="count", default=0, help="more logging (-vvv: packets)"
    )
    group.add_argument("-q", "--quiet", action="store_true", help="log errors only, no progress")
    return common


def _call(arguments: argparse.Namespace) -> int:
    from hostrt.errors import HostrtError

    module, _ = VERBS[arguments.verb]
    try:
        code: int = import_module(module).run(arguments)
        sys.stdout.flush()
    except HostrtError as error:
        if arguments.debug:
            traceback.print_exc()
        return _report(error, as_json=getattr(arguments, "json", False))
    except BrokenPipeError:
        # whoever read our output has left; the rest has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the one top-level handler: a bug becomes a report
        return _report_bug(error, arguments)
    return code


def _report(error: HostrtError, *, as_json: bool) -> int:
    from hostrt.cli.output import note

    if as_json:
        _print_error(error.code, error.exit_code, error.message, error.hint, error.context)
    note(f"hostrt: error: {' '.join(error.message.split())}")
    if error.hint:
        note(f"hint: {error.hint}")
    note(f"(hostrt explain {error.code})")
    return error.exit_code


def _print_error(
    code: str, exit_code: int, message: str, hint: str, context: Mapping[str, object]
) -> None:
    from hostrt.cli.output import print_json

    tree = {
        "code": code,
        "exit_code": exit_code,
        "message": message,
        "hint": hint,
        "context": {key: str(value) for key, value in context.items()},
    }
    print_json({"error": tree})


def _report_bug(error: Exception, arguments: argparse.Namespace) -> int:
    if arguments.debug:
        traceback.print_exc()
    with tempfile.NamedTemporaryFile(
        "w", prefix="hostrt-bug-", suffix=".txt", delete=False, encoding="utf-8"
    ) as report:
        report.write("".join(traceback.format_exception(error)))
    if getattr(arguments, "json", False):
        _print_error("bug", EXIT_BUG, str(error), f"report it with {report.name}", {})
    print(
        f"hostrt: internal error: {type(error).__name__}: {' '.join(str(error).split())}\n"
        f"hint: this is a bug in hostrt; please report it with {report.name}",
        file=sys.stderr,
    )
    return EXIT_BUG


def _terminate(signal_number: int, frame: FrameType | None) -> NoReturn:
    del signal_number, frame
    sys.exit(EXIT_TERMINATED)


if __name__ == "__main__":
    entry()
