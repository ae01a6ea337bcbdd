"""What surrounds the pickle: zip and legacy containers, sound, damaged and hostile."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import ProgramCorrupt, ProgramError, ProgramUnsafe, ProgramUnsupported
from hostrt.fqir.container import looks_like_fqir
from hostrt.fqir.limits import Limits
from hostrt.fqir.load import is_fqir_file, load_model, parse_model
from tests.fqir.assemble import call, dump, op
from tests.fqir.tiny_model import main_graph, pickled
from tests.fqir.write_container import legacy_container, zip_container, zip_members
from tests.fqir.write_pickle import Emitter

if TYPE_CHECKING:
    from hostrt.fqir.graph import Model

DATA = Path(__file__).parents[1] / "data"
GOLDEN = DATA / "fqir"
IDENTITY = (GOLDEN / "identity32" / "model.pt").read_bytes()
LEGACY = (GOLDEN / "mlp_int4" / "model_legacy.pt").read_bytes()
PICKLE = pickled(main_graph())
CENTRAL, LOCAL, LAST = b"PK\1\2", b"PK\3\4", b"PK\5\6"

pytestmark = pytest.mark.fault


def refusal(data: bytes, kind: type[ProgramError] | None = None, **limits: int) -> str:
    with pytest.raises(ProgramError) as caught:
        parse_model(data, "model.pt", limits=Limits(**limits))
    assert kind is None or type(caught.value) is kind
    assert caught.value.hint
    assert caught.value.message.isprintable()
    return caught.value.message


def plain_zip(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def patched(data: bytes, mark: bytes, offset: int, form: str, value: int) -> bytes:
    """Overwrite one field of the first record that begins with `mark`."""
    changed = bytearray(data)
    struct.pack_into("<" + form, changed, data.index(mark) + offset, value)
    return bytes(changed)


def read(data: bytes) -> Model:
    return parse_model(data, "model.pt")


@pytest.mark.parametrize("root", ["archive", "model", "identity_hop_64", "ü", "a b", "data.pkl"])
def test_the_root_folder_may_have_any_name(root: str) -> None:
    assert read(zip_container(PICKLE, root)).arith.nodes


def test_only_the_pickle_is_needed() -> None:
    assert read(plain_zip(("x/data.pkl", PICKLE))).arith.nodes
    assert read(zip_container(PICKLE, "x", early=True)).arith.nodes
    assert read(PICKLE).arith.nodes
    assert read(legacy_container(PICKLE, 2)).arith.nodes


def test_a_zip_without_the_pickle_or_with_several_is_refused() -> None:
    assert "1 members and no <name>/data.pkl" in refusal(
        plain_zip(("data.pkl", PICKLE)), ProgramUnsupported
    )
    assert "no <name>/data.pkl" in refusal(plain_zip(("a/b/data.pkl", PICKLE)), ProgramUnsupported)
    two = plain_zip(("a/data.pkl", PICKLE), ("b/data.pkl", PICKLE))
    assert "found 2 members named data.pkl" in refusal(two, ProgramUnsafe)
    images = DATA / "spu" / "programs" / "p001_a" / "images.zip"
    refusal(images.read_bytes(), ProgramUnsupported)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("other", ["a/data.pkl", "A/DATA.PKL", "a//data.pkl", "a/./data.pkl"])
def test_a_second_member_of_the_same_name_is_refused(other: str) -> None:
    refusal(plain_zip(("a/data.pkl", PICKLE), (other, PICKLE)), ProgramUnsafe)


@pytest.mark.parametrize("name", ["../data.pkl", "/data.pkl", "a\\b/data.pkl", "C:/data.pkl"])
def test_hostile_member_names_are_refused(name: str) -> None:
    assert "member" in refusal(plain_zip(("a/data.pkl", PICKLE), (name, b"")), ProgramUnsafe)


def test_a_compressed_member_is_refused_without_inflating_it() -> None:
    bomb = plain_zip(
        ("a/data.pkl", bytes(64 << 20)), ("a/version", b"3\n"), method=zipfile.ZIP_DEFLATED
    )
    assert "a/data.pkl is compressed" in refusal(bomb, ProgramUnsupported)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        refusal(plain_zip(("a/data.pkl", PICKLE), method=method), ProgramUnsupported)


FIELDS = {
    "CRC in the directory": (CENTRAL, 16, "I", 1),
    "size in the directory": (CENTRAL, 24, "I", 1),
    "stored size in the directory": (CENTRAL, 20, "I", 0x7FFFFFFF),
    "both sizes beyond the file": (CENTRAL, 20, "Q", 0x7FFFFFFF_7FFFFFFF),
    "offset of the header": (CENTRAL, 42, "I", 1),
    "compression method": (CENTRAL, 10, "H", 8),
    "encryption": (CENTRAL, 8, "H", 0x0809),
    "local compression method": (LOCAL, 8, "H", 8),
    "local name length": (LOCAL, 26, "H", 3),
    "local extra length": (LOCAL, 28, "H", 0xFFFF),
    "number of members": (LAST, 10, "H", 5),
    "number of members on this disk": (LAST, 8, "H", 5),
    "offset of the directory": (LAST, 16, "I", 0),
    "size of the directory": (LAST, 12, "I", 0xFFFFFFFF),
    "comment": (LAST, 20, "H", 1),
    "size in the ZIP64 record": (b"PK\6\6", 40, "Q", 1),
    "start in the ZIP64 record": (b"PK\6\6", 48, "Q", 0),
    "members in the ZIP64 record": (b"PK\6\6", 32, "Q", 1 << 40),
    "length of the ZIP64 record": (b"PK\6\6", 4, "Q", 1 << 40),
    "disk in the ZIP64 record": (b"PK\6\6", 16, "I", 1),
    "ZIP64 record in the locator": (b"PK\6\7", 8, "Q", 0),
    "disks in the locator": (b"PK\6\7", 16, "I", 2),
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_zip_that_contradicts_itself_is_refused(field: str) -> None:
    mark, offset, form, value = FIELDS[field]
    refusal(patched(IDENTITY, mark, offset, form, value))


def test_members_that_overlap_are_refused() -> None:
    whole = zip_members({"a/data.pkl": PICKLE, "a/version": PICKLE})
    second = whole.index(CENTRAL, whole.index(CENTRAL) + 1)
    changed = bytearray(whole)
    struct.pack_into("<I", changed, second + 42, 0)
    assert "without gap or overlap" in refusal(bytes(changed), ProgramCorrupt)


def test_bytes_before_between_and_after_the_members_are_refused() -> None:
    sound = zip_container(PICKLE, "a", early=True)
    assert read(sound).arith.nodes
    refusal(sound + b"\0", ProgramCorrupt)
    refusal(LOCAL + bytes(60) + sound, ProgramCorrupt)


def test_more_members_than_the_budget_are_refused() -> None:
    many = zip_members({"a/data.pkl": PICKLE} | {f"a/data/{i}": b"" for i in range(300)})
    assert "301 members" in refusal(many, ProgramUnsafe)


def test_a_wrong_checksum_is_said_with_its_place() -> None:
    sound = zip_container(PICKLE, "a")
    for name, at in {"data.pkl": sound.index(PICKLE), "version": sound.index(b"3\nPK")}.items():
        changed = bytearray(sound)
        changed[at] ^= 1
        message = refusal(bytes(changed), ProgramCorrupt)
        assert f"member a/{name}, expected" in message
        assert f"model.pt, byte 0x{at:x}: found CRC" in message


@pytest.mark.parametrize("data", [IDENTITY, LEGACY, PICKLE], ids=["zip", "legacy", "bare"])
def test_a_file_cut_anywhere_is_refused(data: bytes) -> None:
    for part in range(50):
        refusal(data[: len(data) * part // 50])
    refusal(data[:-1])


@pytest.mark.parametrize("data", [IDENTITY, LEGACY], ids=["zip", "legacy"])
def test_a_file_that_goes_on_after_its_end_is_refused(data: bytes) -> None:
    refusal(data + b"\0")
    refusal(data + data)
    refusal(PICKLE + b"\0", ProgramCorrupt)
    refusal(zip_container(PICKLE + b"\0", "a"), ProgramCorrupt)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(IDENTITY) - 1), st.integers(0, 7))
def test_a_flipped_bit_in_a_zip_is_noticed_or_without_effect(at: int, bit: int) -> None:
    """Dates, padding and the like are neither used nor covered by a checksum."""
    changed = bytearray(IDENTITY)
    changed[at] ^= 1 << bit
    try:
        model = read(bytes(changed))
    except ProgramError:
        return
    assert model.arith.parameters[0].value is not None
    assert (
        model.arith.parameters[0].value.diagonal() == model.arith.parameters[0].value[0, 0]
    ).all()


def header(**more: object) -> bytes:
    """Give the first three pickles of a legacy container."""
    sizes = {"short": 2, "int": 4, "long": 4}
    state = {"protocol_version": 1001, "little_endian": True, "type_sizes": sizes} | more
    return b"".join(Emitter(2).dump(item) for item in (0x1950A86A20F9469CFC6C, 1001, state))


NOTHING = dump(op("EMPTY_LIST"))
KEYS = Emitter(2).dump(["140"])


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (header() + PICKLE, ProgramCorrupt, "found b''"),
        (header() + PICKLE + NOTHING + b"\0", ProgramCorrupt, "1 bytes after the pickle"),
        (header() + PICKLE + dump(op("NONE")), ProgramCorrupt, "a NoneType after the graph"),
        (header() + PICKLE + KEYS + bytes(9), ProgramUnsupported, "torch tensors after the graph"),
        (header(little_endian=1) + PICKLE + NOTHING, ProgramCorrupt, "without byte order"),
        (header()[:15] + Emitter(2).dump(1002) + PICKLE, ProgramCorrupt, ""),
        (header()[:15] + b"\x80\6N.", ProgramCorrupt, "pickle protocol 6"),
        (header()[:15] * 3 + PICKLE, ProgramCorrupt, "another header"),
        (header() + dump(call("os", "system")) + NOTHING, ProgramUnsafe, "'os system'"),
        (header() + KEYS + NOTHING, ProgramUnsupported, "a pickled list"),
    ],
)
def test_a_legacy_container_in_another_form_is_refused(
    data: bytes, kind: type[ProgramError], words: str
) -> None:
    assert words in refusal(data, kind)


def test_a_torch_tensor_is_refused_with_what_to_do() -> None:
    """FQIR reference 1.6: storage outside the pickle, named by a persistent id."""
    storage = op("MARK") + call("torch", "FloatStorage") + op("TUPLE") + op("BINPERSID")
    tensor = call("torch._utils", "_rebuild_tensor_v2", storage)
    message = refusal(zip_container(dump(tensor), "archive"), ProgramUnsupported)
    assert "a torch tensor" in message


def test_a_file_larger_than_the_budget_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.pt"
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(ProgramUnsafe, match="a larger file, expected at most 50331648 bytes"):
        load_model(path)
    assert "9 bytes, expected at most 8" in refusal(bytes(9), ProgramUnsafe, file_bytes=8)


def test_every_golden_file_and_only_those_are_taken_for_fqir(tmp_path: Path) -> None:
    assert all(is_fqir_file(path) for path in GOLDEN.glob("*/*.pt"))
    others = [*GOLDEN.glob("*/*.npz"), *GOLDEN.glob("*/*.yaml"), *DATA.glob("spu/programs/*/*.*")]
    assert len(others) > 20
    assert not any(is_fqir_file(path) for path in others)
    bare = tmp_path / "bare"
    for content, expected in (
        (PICKLE, True),
        (legacy_container(PICKLE, 4), True),
        (b"\x80\x01.", False),
        (b"\x80\x06.", False),
        (b"PK\3\4" + bytes(99), False),
        (b"", False),
        (plain_zip(("a/data.pkl", PICKLE)), True),
        (plain_zip(("data.pkl", PICKLE)), False),
        (plain_zip(("a/b/data.pkl", PICKLE)), False),
        (plain_zip(("a/data.pkl.txt", PICKLE)), False),
        (plain_zip(("a/b", b"PK\1\2/data.pkl")), False),
        (zip_members({"a/data.pkl": PICKLE} | {f"a/{i}": bytes(64) for i in range(900)}), True),
    ):
        assert looks_like_fqir(content) is expected
        bare.write_bytes(content)
        assert is_fqir_file(bare) is expected, content[:20]


def test_looking_at_a_file_never_fails(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not is_fqir_file(tmp_path / "pipe")
    assert not is_fqir_file("a\0b")
    assert not is_fqir_file(tmp_path / ("x" * 300))
