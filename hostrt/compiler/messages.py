"""The messages of the vendor's compile service, made at run time from a table.

The table says what `femtocrux.proto` says (femtocrux service reference 1). Making the types at run
time keeps generated code out of the project; `google.protobuf` does the encoding.
"""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hostrt.errors import ExtraMissing

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = "fscompiler"
SERVICE = f"{PACKAGE}.Compile"
_STRUCT = "google.protobuf.Struct"

MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "fqir": "1 bytes model; 2 optional int64 batch_dim; 3 optional int64 sequence_dim",
        "tflite": "1 bytes model; 2 optional string signature_name",
        "model_and_metadata": (
            "1 ir:fqir fqir; 2 ir:tflite tflite; 3 optional string iospec; "
            "4 optional string opt_profile; "
            f"5 optional {_STRUCT} user_configuration; 6 optional {_STRUCT} memory_reservations"
        ),
        "status": "1 bool success; 2 string msg",
        "compiled_artifacts": (
            "1 bytes bitfile; 2 optional string iospec; "
            f"3 optional {_STRUCT} memory_reservations; 4 status status"
        ),
        "ndarray": "1 bytes data; 2 repeated int64 shape; 3 string dtype",
        "data": "1 bytes data",
        "str_array_map": "1 map ndarray data",
        "list_str_array_map": "1 repeated str_array_map maps",
        "simulation_data": (
            "1 input_data:str_array_map inputs; 2 input_data:list_str_array_map list_inputs; "
            "3 optional float sim_duration; 4 optional float input_period"
        ),
        "simulation_input": (
            "1 model_or_data:model_and_metadata model; 2 model_or_data:simulation_data data"
        ),
        "simulation_output": (
            "1 output_data:str_array_map outputs; 2 output_data:list_str_array_map list_outputs; "
            "3 string report; 4 status status"
        ),
        "version_info": "1 string version",
    }
)
"""Message -> its fields: number, kind or `oneof:type`, name."""

_SCALARS = MappingProxyType({"bytes": 12, "string": 9, "int64": 3, "bool": 8, "float": 2})
"""Type names and their numbers in FieldDescriptorProto."""
_MESSAGE_TYPE, _LABEL_OPTIONAL, _LABEL_REPEATED = 11, 1, 3


@cache
def message_types() -> Mapping[str, Any]:
    """Give the message classes by name.

    Raises:
        ExtraMissing: `google.protobuf` is not installed.
    """
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2
    except ImportError as error:
        raise extra_missing(error) from error
    file = descriptor_pb2.FileDescriptorProto(
        name="hostrt/femtocrux.proto", package=PACKAGE, syntax="proto3"
    )
    file.dependency.append(struct_pb2.DESCRIPTOR.name)
    for name, text in MESSAGES.items():
        _describe(file.message_type.add(name=name), text)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return MappingProxyType(
        {
            name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
            for name in MESSAGES
        }
    )


def extra_missing(error: ImportError) -> ExtraMissing:
    """Make the error for a package of the extra that is not installed."""
    return ExtraMissing(
        f"the vendor's compile service needs the package {error.name}, which is not installed",
        hint="pip install 'hostrt[femtocrux]'",
    )


def _describe(message: Any, text: str) -> None:
    oneofs: list[str] = []
    hidden: list[tuple[Any, str]] = []
    for entry in text.split("; "):
        number, *words, name = entry.split(" ")
        field = message.field.add(name=name, number=int(number), label=_LABEL_OPTIONAL)
        kind = words[-1]
        group, _, inner = kind.partition(":")
        if inner:
            kind = inner
            if group not in oneofs:
                oneofs.append(group)
                message.oneof_decl.add(name=group)
            field.oneof_index = oneofs.index(group)
        elif words[0] == "optional":
            hidden.append((field, f"_{name}"))
        elif words[0] == "repeated":
            field.label = _LABEL_REPEATED
        elif words[0] == "map":
            _describe_map(message, field, kind)
            continue
        _set_type(field, kind)
    # what proto3 calls optional is a oneof of one, after all real ones
    for field, group in hidden:
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=group)


def _describe_map(message: Any, field: Any, kind: str) -> None:
    entry_name = f"{field.name.capitalize()}Entry"
    entry = message.nested_type.add(name=entry_name)
    entry.options.map_entry = True
    for number, name, type_name in ((1, "key", "string"), (2, "value", kind)):
        _set_type(entry.field.add(name=name, number=number, label=_LABEL_OPTIONAL), type_name)
    field.label = _LABEL_REPEATED
    field.type = _MESSAGE_TYPE
    field.type_name = f".{PACKAGE}.{message.name}.{entry_name}"


def _set_type(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
        return
    field.type = _MESSAGE_TYPE
    field.type_name = f".{kind}" if "." in kind else f".{PACKAGE}.{kind}"
