"""What each operation does, in plain Python integers: see `isa_oracle`."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.isa_oracle import Oracle, OracleCore, Running

Fields = dict[str, int]

VECTOR_NAMES = (
    *("ADD", "SUB", "MUL", "GT", "GE", "LT", "LE", "EQ"),
    *("AND", "OR", "XOR", "MAX", "MIN", "MAC", "SELECT"),
)
NAMES = {
    **{0x01: "HALT", 0x02: "RECV", 0x03: "COPY", 0x04: "SEND", 0x05: "JUMP", 0x06: "JZERO"},
    **{0x07: "LOOP", 0x08: "SIGNAL", 0x41: "POST", 0x42: "LUT", 0x43: "COUNT", 0x45: "SUM"},
    **{0x80: "MATVEC", 0x81: "MOVE", 0xC0: "MOVEL"},
    **{0x50 + i: name for i, name in enumerate(VECTOR_NAMES)},
}
LAYOUT = {
    "HALT": "",
    "RECV": "n a",
    "COPY": "n a b",
    "SEND": "n a b",
    "JUMP": "b",
    "JZERO": "a b xt",
    "LOOP": "n b reg@48.2",
    "SIGNAL": "b",
    "POST": "n a b core=c",
    "LUT": "n a b xt zt wide@54.1 table=c lo=d* hi=e* sx@112.8*",
    "COUNT": "n a b xt zt k=c",
    "SUM": "n a b xt zt k=c shift@96.8* rounded@104.1 bits@112.8",
    "MATVEC": "n a b xt yt zt has_init@54.1 w=c k=d stride=e init=f it@128.2 xo@144.16 "
    "shift@160.8* rounded@168.1 bits@176.8",
    "MOVE": "n a b xt zt outer=c xo=d zo=e xi@128.16* zi@144.16* xs@160.16* zs@176.16*",
    "MOVEL": "n a b xt zt outer=c xo=d zo=e xi@128.16* zi@144.16* xs@160.16* zs@176.16* "
    "reg@50.2 xl@192.16* zl@208.16*",
    "vector": "n a b xt yt zt mode@54.2 y=c sx@80.8* sy@88.8* shift@96.8* rounded@104.1 bits@112.8",
}
"""name, or name@lowest bit.width over all words of an instruction, * for signed."""
SHORT = {
    **{"n": "n@32.16", "a": "a@16.16", "b": "b@0.16", "xt": "xt@48.2", "yt": "yt@50.2"},
    **{"zt": "zt@52.2", "c": "@64.16", "d": "@80.16", "e": "@96.16", "f": "@112.16"},
}
BITS = (8, 16, 32, 64)
LANES = (8, 4, 2, 1)
BAD_ADDRESS, BANK_OFF, BAD_MESSAGE = 0x81, 0x82, 0x83


class Stop(Exception):
    """A thread is stopped with a status."""

    def __init__(self, status: int) -> None:
        super().__init__(hex(status))
        self.status = status


# -- decoding --------------------------------------------------------------------------------------


def decode(words: list[int]) -> tuple[str, Fields] | None:
    """Give name and fields; None for what is illegal."""
    name = NAMES.get(words[0] >> 56)
    if name is None:
        return None
    whole = sum(word << 64 * i for i, word in enumerate(words))
    used = 0xFF << 56
    f: Fields = {}
    for item in LAYOUT["vector" if name in VECTOR_NAMES else name].split():
        label, low, width, is_signed = place_of(item)
        mask = (1 << width) - 1
        value = whole >> low & mask
        f[label] = signed(value, width) if is_signed else value
        used |= mask << low
    if whole & ~used:
        return None
    if f.get("mode") == 2:
        f["y"] = signed(f["y"], 16)
    return None if illegal(name, f) else (name, f)


def place_of(item: str) -> tuple[str, int, int, bool]:
    is_signed = item.endswith("*")
    item = item.rstrip("*")
    if "=" in item:
        label, slot = item.split("=")
        item = label + SHORT[slot]
    elif "@" not in item:
        item = SHORT[item]
    label, numbers = item.split("@")
    low, width = numbers.split(".")
    return label, int(low), int(width), is_signed


def illegal(name: str, f: Fields) -> bool:
    return (
        (name in ("LOOP", "COUNT") and f["n"] == 0)
        or (name == "SIGNAL" and f["b"] > 63)
        or (name == "LUT" and f["hi"] < f["lo"])
        or (name == "MATVEC" and f["has_init"] == 0 and (f["init"] != 0 or f["it"] != 0))
        or (f.get("mode") == 2 and f["yt"] != 0)
        or any(not -63 <= f.get(shift, 0) <= 63 for shift in ("sx", "sy", "shift"))
        or (f.get("rounded", 0) == 1 and f["shift"] >= 0)
        or f.get("bits", 0) > 63
    )


# -- numbers and memories --------------------------------------------------------------------------


def signed(value: int, bits: int = 64) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def sh(v: int, s: int) -> int:
    return signed(v * 2**s) if s >= 0 else v // 2**-s


def narrow(v: int, f: Fields) -> int:
    r = 2 ** (-f["shift"] - 1) if f["rounded"] else 0
    v = sh(signed(v + r), f["shift"])
    if f["bits"]:
        v = min(max(v, -(2 ** (f["bits"] - 1))), 2 ** (f["bits"] - 1) - 1)
    return v


def words_of(n: int, code: int) -> int:
    return ceil(n / LANES[code])


def get(dm: list[int], p: int, i: int, code: int) -> int:
    return signed(dm[p + i // LANES[code]] >> BITS[code] * (i % LANES[code]), BITS[code])


def put(dm: list[int], p: int, i: int, code: int, value: int) -> None:
    low, mask = BITS[code] * (i % LANES[code]), (1 << BITS[code]) - 1
    word = p + i // LANES[code]
    dm[word] = dm[word] & ~(mask << low) | (value & mask) << low


def check(on: list[bool], first: int, count: int) -> None:
    if first + count > len(on):
        raise Stop(BAD_ADDRESS)
    if not all(on[first : first + count]):
        raise Stop(BANK_OFF)


# -- effects ---------------------------------------------------------------------------------------


def carry_out(name: str, f: Fields, core: OracleCore, thread: Running, chip: Oracle) -> int | None:
    """Do what an instruction does; gives the next pc if it is not the following one."""
    if name in VECTOR_NAMES:
        do_vector(name, f, core)
    elif name in ("MOVE", "MOVEL"):
        do_move(f, core, thread.loops[f["reg"]] if name == "MOVEL" else 0)
    elif name in ("MATVEC", "SUM", "LUT", "COUNT"):
        {"MATVEC": do_matvec, "SUM": do_sum, "LUT": do_lut, "COUNT": do_count}[name](f, core)
    elif name in ("RECV", "SEND", "POST", "COPY"):
        do_words(name, f, core, thread, chip)
    else:
        return do_control(name, f, core, thread, chip)
    return None


def do_control(name: str, f: Fields, core: OracleCore, thread: Running, chip: Oracle) -> int | None:
    if name == "HALT":
        if thread.payload:
            raise Stop(BAD_MESSAGE)
        return -1
    if name == "JUMP":
        return f["b"]
    if name == "JZERO":
        check(core.dm_on, f["a"], 1)
        return f["b"] if get(core.dm, f["a"], 0, f["xt"]) == 0 else None
    if name == "LOOP":
        thread.loops[f["reg"]] += 1
        if thread.loops[f["reg"]] < f["n"]:
            return f["b"]
        thread.loops[f["reg"]] = 0
    if name == "SIGNAL":
        chip.signal(thread, f["b"])
    return None


def do_words(name: str, f: Fields, core: OracleCore, thread: Running, chip: Oracle) -> None:
    n, a, b = f["n"], f["a"], f.get("b", 0)
    if name == "RECV" and len(thread.payload) < n:
        raise Stop(BAD_MESSAGE)
    check(core.dm_on, a, n)
    if name == "RECV":
        core.dm[a : a + n] = thread.payload[:n]
        thread.payload = thread.payload[n:]
    elif name == "SEND":
        chip.send(b, core.dm[a : a + n])
    elif name == "POST":
        chip.post(thread, f["core"], b, core.dm[a : a + n])
    else:
        check(core.dm_on, b, n)
        core.dm[b : b + n] = core.dm[a : a + n]


def do_move(f: Fields, core: OracleCore, loop: int) -> None:
    pairs = []
    for o in range(f["outer"]):
        for i in range(f["n"]):
            x = f["xo"] + o * f["xs"] + i * f["xi"] + loop * f.get("xl", 0)
            z = f["zo"] + o * f["zs"] + i * f["zi"] + loop * f.get("zl", 0)
            pairs.append((x, z))
    if not pairs:
        return
    for side, base, code in ((0, f["a"], f["xt"]), (1, f["b"], f["zt"])):
        low, high = min(pair[side] for pair in pairs), max(pair[side] for pair in pairs)
        if low < 0:
            raise Stop(BAD_ADDRESS)
        first, last = low // LANES[code], high // LANES[code]
        check(core.dm_on, base + first, last - first + 1)
    values = [get(core.dm, f["a"], x, f["xt"]) for x, _ in pairs]
    for (_, z), value in zip(pairs, values, strict=True):
        put(core.dm, f["b"], z, f["zt"], value)


def do_vector(name: str, f: Fields, core: OracleCore) -> None:
    n, mode = f["n"], f["mode"]
    check(core.dm_on, f["a"], min(n, 1) if mode == 3 else words_of(n, f["xt"]))
    if mode != 2:
        check(core.dm_on, f["y"], min(n, 1) if mode == 1 else words_of(n, f["yt"]))
    check(core.dm_on, f["b"], words_of(n, f["zt"]))
    results = []
    for i in range(n):
        x = get(core.dm, f["a"], 0 if mode == 3 else i, f["xt"])
        y = f["y"] if mode == 2 else get(core.dm, f["y"], 0 if mode == 1 else i, f["yt"])
        z = get(core.dm, f["b"], i, f["zt"])
        results.append(narrow(signed(combine(name, sh(x, f["sx"]), sh(y, f["sy"]), z)), f))
    for i, value in enumerate(results):
        put(core.dm, f["b"], i, f["zt"], value)


def combine(name: str, x: int, y: int, z: int) -> int:
    return {
        "ADD": x + y,
        "SUB": x - y,
        "MUL": x * y,
        "GT": int(x > y),
        "GE": int(x >= y),
        "LT": int(x < y),
        "LE": int(x <= y),
        "EQ": int(x == y),
        "AND": int(x != 0 and y != 0),
        "OR": int(x != 0 or y != 0),
        "XOR": int((x != 0) != (y != 0)),
        "MAX": max(x, y),
        "MIN": min(x, y),
        "MAC": z + x * y,
        "SELECT": x if y != 0 else z,
    }[name]


def do_matvec(f: Fields, core: OracleCore) -> None:
    n, k, xt, yt = f["n"], f["k"], f["xt"], f["yt"]
    first, last = f["xo"] // LANES[xt], (f["xo"] + k - 1) // LANES[xt]
    check(core.dm_on, f["a"] + first, last - first + 1 if k else 0)
    check(core.dm_on, f["w"], (n - 1) * f["stride"] + words_of(k, yt) if n and k else 0)
    if f["has_init"]:
        check(core.dm_on, f["init"], words_of(n, f["it"]))
    check(core.dm_on, f["b"], words_of(n, f["zt"]))
    results = []
    for j in range(n):
        v = get(core.dm, f["init"], j, f["it"]) if f["has_init"] else 0
        for i in range(k):
            x = get(core.dm, f["a"], f["xo"] + i, xt)
            v += x * get(core.dm, f["w"] + j * f["stride"], i, yt)
        results.append(narrow(signed(v), f))
    for j, value in enumerate(results):
        put(core.dm, f["b"], j, f["zt"], value)


def do_sum(f: Fields, core: OracleCore) -> None:
    n, k = f["n"], f["k"]
    check(core.dm_on, f["a"], words_of(n * k, f["xt"]))
    check(core.dm_on, f["b"], words_of(n, f["zt"]))
    results = []
    for j in range(n):
        parts = [get(core.dm, f["a"], j * k + i, f["xt"]) for i in range(k)]
        results.append(narrow(signed(sum(parts)), f))
    for j, value in enumerate(results):
        put(core.dm, f["b"], j, f["zt"], value)


def do_lut(f: Fields, core: OracleCore) -> None:
    n, lo, hi = f["n"], f["lo"], f["hi"]
    check(core.dm_on, f["a"], words_of(n, f["xt"]))
    check(core.tm_on, f["table"], (hi - lo + 1) * (2 if f["wide"] else 1))
    check(core.dm_on, f["b"], words_of(n, f["zt"]))
    results = []
    for i in range(n):
        t = min(max(sh(get(core.dm, f["a"], i, f["xt"]), f["sx"]), lo), hi) - lo
        if f["wide"]:
            low, high = (core.tm[f["table"] + 2 * t + half] & 0xFFFF for half in (0, 1))
            results.append(signed(high << 16 | low, 32))
        else:
            results.append(signed(core.tm[f["table"] + t], 16))
    for i, value in enumerate(results):
        put(core.dm, f["b"], i, f["zt"], value)


def do_count(f: Fields, core: OracleCore) -> None:
    check(core.dm_on, f["a"], 1)
    check(core.dm_on, f["b"], 1)
    r = get(core.dm, f["a"], 0, f["xt"]) % f["n"]
    put(core.dm, f["b"], 0, f["zt"], int(r == f["k"]))
    put(core.dm, f["a"], 0, f["xt"], (r + 1) % f["n"])
