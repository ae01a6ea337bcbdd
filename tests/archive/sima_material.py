"""The golden SiMa bundles, and ways to change them."""

from __future__ import annotations

import copy
import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "data" / "sima"
EXPECTED = json.loads((DATA / "expected.json").read_text())
TINY, WIDE, BOX = (f"{name}_mpk.tar.gz" for name in ("tinynet", "widenet_b16", "boxnet_bf16"))


def members_of(name: str) -> dict[str, bytes]:
    with tarfile.open(DATA / name) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]


def packed(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), 1)


def contract_of(name: str) -> dict[str, Any]:
    return json.loads(members_of(name)[EXPECTED[name]["contract"]])  # type: ignore[no-any-return]


CONTRACTS = {name: contract_of(name) for name in EXPECTED}


def edited(name: str, path: str, value: object) -> dict[str, Any]:
    """The contract with one field set; value `...` removes it."""
    tree = copy.deepcopy(CONTRACTS[name])
    *parents, last = [int(key) if key.isdecimal() else key for key in path.split(".")]
    at: Any = tree
    for key in parents:
        at = at[key]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return tree
