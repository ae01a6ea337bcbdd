"""The messages made at run time are those of `femtocrux.proto`, byte for byte."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hostrt.compiler import messages
from hostrt.compiler.messages import MESSAGES, message_types
from tests.compiler.conftest import PEER_PYTHON
from tests.peer.calls import VARIABLE

PROTO = Path(messages.__file__).with_name("femtocrux.proto")
_MESSAGE = re.compile(r"message (\w+) \{\n(.*?)\n\}", re.DOTALL)
_ONEOF = re.compile(r"oneof (\w+) \{(.*?)\}", re.DOTALL)
_FIELD = re.compile(r"(?:(optional|repeated) )?([\w.]+|map<string, (\w+)>) (\w+) = (\d+);")


def _entries(text: str, group: str = "") -> list[str]:
    """Write the fields of a message's text as the table writes them."""
    found = []
    for label, kind, of_map, name, number in _FIELD.findall(text):
        words = [label] if label else []
        words += ["map", of_map] if of_map else [f"{group}:{kind}" if group else kind]
        found.append(" ".join([number, *words, name]))
    return found


def test_the_table_says_what_the_proto_file_says() -> None:
    written = {}
    for name, body in _MESSAGE.findall(PROTO.read_text()):
        fields = [
            entry for group, inner in _ONEOF.findall(body) for entry in _entries(inner, group)
        ]
        fields += _entries(_ONEOF.sub("", body))
        written[name] = sorted(fields, key=lambda entry: int(entry.split()[0]))
    assert written == {name: text.split("; ") for name, text in MESSAGES.items()}


def _sample() -> Any:
    """Give a message that uses every kind of field."""
    types = message_types()
    message = types["simulation_input"]()
    model = message.model
    model.fqir.model, model.fqir.batch_dim, model.fqir.sequence_dim = b"\x80\x04N.", 0, 1
    model.iospec, model.opt_profile = "inputs: {}\n", "fast"
    model.user_configuration.update({"a": 1, "b": [True, None, "x"], "c": {"d": 2.5}})
    return message


def test_an_optional_field_that_is_zero_is_sent() -> None:
    fqir = message_types()["fqir"]
    assert not fqir().HasField("batch_dim")
    assert fqir(batch_dim=0).SerializeToString() == b"\x10\x00"


def test_one_member_of_a_oneof_replaces_the_other() -> None:
    message = _sample()
    message.data.input_period = 0.5
    assert message.WhichOneof("model_or_data") == "data"
    assert message.SerializeToString() == b"\x12\x05\x25\x00\x00\x00\x3f"


def _descriptors(folder: Path) -> bytes:
    """Have the proto file compiled by protoc, where it is installed."""
    include = "import grpc_tools, os; print(os.path.join(grpc_tools.__path__[0], '_proto'))"
    for python in (sys.executable, PEER_PYTHON):
        if not python:
            continue
        found = subprocess.run([python, "-c", include], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            target = folder / "descriptors"
            command = [python, "-m", "grpc_tools.protoc", f"-I{found.stdout.strip()}"]
            command += [f"-I{PROTO.parent}", f"--descriptor_set_out={target}", PROTO.name]
            subprocess.run(command, check=True, cwd=PROTO.parent, timeout=30)
            return target.read_bytes()
    pytest.skip(f"grpcio-tools is not installed here nor where {VARIABLE} points")


def test_protoc_makes_the_same_messages_of_the_proto_file(tmp_path: Path) -> None:
    from google.protobuf import (
        descriptor_pb2,
        descriptor_pool,
        empty_pb2,
        message_factory,
        struct_pb2,
    )

    file_set = descriptor_pb2.FileDescriptorSet.FromString(_descriptors(tmp_path))
    (file,) = file_set.file
    pool = descriptor_pool.DescriptorPool()
    for known in (struct_pb2, empty_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    theirs = {
        item.name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{file.package}.{item.name}")
        )
        for item in file.message_type
    }

    assert set(theirs) == set(message_types())
    for name, cls in message_types().items():
        assert _fields(cls.DESCRIPTOR) == _fields(theirs[name].DESCRIPTOR), name
    data = _sample().SerializeToString(deterministic=True)
    parsed = theirs["simulation_input"].FromString(data)
    assert parsed.SerializeToString(deterministic=True) == data
    assert [(item.name, [call.name for call in item.method]) for item in file.service] == [
        ("Compile", ["compile", "ping", "simulate", "version"])
    ]


def _fields(descriptor: Any) -> list[tuple[object, ...]]:
    from google.protobuf.descriptor_pb2 import DescriptorProto

    proto = DescriptorProto()
    descriptor.CopyToProto(proto)
    groups = [item.name for item in proto.oneof_decl]
    return [
        (
            field.name,
            field.number,
            field.type,
            field.label,
            field.type_name,
            field.proto3_optional,
            groups[field.oneof_index] if field.HasField("oneof_index") else "",
        )
        for field in proto.field
    ]
