"""What each operation costs and makes happen, from the document alone: see `isa_oracle`."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from tests.sim.isa_oracle_ops import LANES, VECTOR_NAMES, words_of

if TYPE_CHECKING:
    from tests.sim.isa_oracle_ops import Fields


def cost(name: str, f: Fields) -> int:
    """Cycles of an execution."""
    n, k = f.get("n", 0), f.get("k", 0)
    if name in VECTOR_NAMES:
        whole = [f["zt"]]
        whole += [f["xt"]] if f["mode"] != 3 else []
        whole += [f["yt"]] if f["mode"] in (0, 3) else []
        return 3 + ceil(n / min(LANES[code] for code in whole))
    if name in ("MOVE", "MOVEL"):
        return 3 + (words_of(n, f["xt"]) if by_words(f) else n * f["outer"])
    return {
        "HALT": 1,
        "JUMP": 1,
        "JZERO": 2,
        "LOOP": 1,
        "SIGNAL": 2,
        "RECV": 2 + n,
        "SEND": 3 + n,
        "POST": 3 + n,
        "COPY": 2 + n,
        "COUNT": 6,
        "LUT": 3 + n * (2 if f.get("wide") else 1),
        "SUM": 3 + n * words_of(k, f.get("xt", 0)),
        "MATVEC": 4 + words_of(k, f.get("xt", 0)) + n * words_of(k, f.get("yt", 0)),
    }[name]


def by_words(f: Fields) -> bool:
    places = (f["xo"], f["zo"], f.get("xl", 0), f.get("zl", 0))
    whole = all(place % LANES[f["xt"]] == 0 for place in places)
    return whole and f["outer"] == 1 and f["xt"] == f["zt"] and f["xi"] == 1 and f["zi"] == 1


def events(name: str, f: Fields) -> dict[str, int]:
    """Events of an execution, apart from the fetch."""
    n, k = f.get("n", 0), f.get("k", 0)
    x, z = words_of(n, f.get("xt", 0)), words_of(n, f.get("zt", 0))
    if name in VECTOR_NAMES:
        one = min(n, 1)
        y = {0: words_of(n, f["yt"]), 1: one, 2: 0, 3: words_of(n, f["yt"])}[f["mode"]]
        reads = (one if f["mode"] == 3 else x) + y + (z if name in ("MAC", "SELECT") else 0)
        work = "products" if name in ("MUL", "MAC") else "lane_ops"
        return {"dm_reads": reads, "dm_writes": z, work: n}
    if name in ("MOVE", "MOVEL"):
        count = x if by_words(f) else n * f["outer"]
        return {"dm_reads": count, "dm_writes": count}
    if name == "MATVEC":
        init = words_of(n, f["it"]) if f["has_init"] else 0
        reads = words_of(k, f["xt"]) + n * words_of(k, f["yt"]) + init
        return {"dm_reads": reads, "dm_writes": z, "products": n * k}
    if name == "SUM":
        return {"dm_reads": n * words_of(k, f["xt"]), "dm_writes": z, "lane_ops": n * k}
    if name == "LUT":
        entries = 2 * n if f["wide"] else n
        return {"dm_reads": x, "dm_writes": z, "tm_reads": entries, "lane_ops": n}
    return {
        "RECV": {"dm_writes": n, "stream_words": n},
        "SEND": {"dm_reads": n, "stream_words": n + 1},
        "POST": {"dm_reads": n, "link_words": n + 1},
        "COPY": {"dm_reads": n, "dm_writes": n},
        "COUNT": {"dm_reads": 1, "dm_writes": 2, "lane_ops": 1},
        "JZERO": {"dm_reads": 1},
    }.get(name, {})
