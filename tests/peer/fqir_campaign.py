"""Compare engines with the reference toolkit on as many random models as there is time for.

    python -m tests.peer.fqir_campaign FIRST LAST [--engines NAME ...] [--kinds NAME ...]

Seeds FIRST to LAST - 1 of every kind; a kind is an operator, "inline", "chain", "feedback" or
"mixture". Prints a line per kind and one per difference; ends with 1 when there was one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.peer.fqir_calls import serve_fqir
from tests.peer.fqir_cases import DRAWS, ask, mixture, single
from tests.peer.fqir_compare import differences, engines

if TYPE_CHECKING:
    from tests.peer.fqir_sketch import Case

MIXTURE, INLINE = "mixture", "inline"


def draw(kind: str, seed: int) -> Case:
    """Draw a model of a kind."""
    if kind == MIXTURE:
        return mixture(seed)
    return single("" if kind == INLINE else kind, seed)


def main() -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--engines", nargs="+", default=list(engines()), metavar="NAME")
    kinds = [*(name or INLINE for name in DRAWS), MIXTURE]
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=kinds, metavar="NAME")
    arguments = parser.parse_args()
    n_different = 0
    with tempfile.TemporaryDirectory() as name, serve_fqir(Path(name)) as peer:
        for kind in arguments.kinds:
            cases = [draw(kind, seed) for seed in range(arguments.first, arguments.last)]
            answers = ask(peer, cases, Path(name))
            found = [text for engine in arguments.engines for text in differences(answers, engine)]
            n_failing = sum(bool(answer.error) for answer in answers)
            counts = f"{len(cases)} models, {n_failing} fail there, {len(found)} differences"
            sys.stdout.write("\n  ".join([f"{kind}: {counts}", *found]) + "\n")
            sys.stdout.flush()
            n_different += len(found)
    return int(n_different > 0)


if __name__ == "__main__":
    sys.exit(main())
