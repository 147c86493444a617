"""What a protobuf file defines at its top level, and whether two definitions of one name fit together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)

from architect_grpc.descriptors import full_name, json_name, messages_within

if TYPE_CHECKING:
    from collections.abc import Iterator

    Content = DescriptorProto | EnumDescriptorProto | FieldDescriptorProto | ServiceDescriptorProto


@dataclass(frozen=True, eq=False)
class Definition:
    """A message, enum, extension or service at the top level of `file`.

    Attributes:
        name: the full name.
        content: as protobuf describes it.
        file: the file that defines it.
    """

    name: str
    content: Content
    file: FileDescriptorProto

    @property
    def symbols(self) -> list[str]:
        """The full names that a descriptor pool holds once, except for those below `name`."""
        if not isinstance(self.content, EnumDescriptorProto):
            return [self.name]
        # the scope of an enum's values is, as in C++, that of the enum itself
        return [self.name, *(full_name(self.file, value.name) for value in self.content.value)]

    @property
    def extensions(self) -> list[FieldDescriptorProto]:
        """The extension that it is, or those within the message."""
        if isinstance(self.content, FieldDescriptorProto):
            return [self.content]
        if isinstance(self.content, DescriptorProto):
            return [each for _, message in messages_within(self.content) for each in message.extension]
        return []

    @property
    def keys(self) -> list[str]:
        """What a descriptor pool holds once: the symbols, and the numbers of extensions."""
        return [*self.symbols, *(f"extension {each.number} of {each.extendee[1:]}" for each in self.extensions)]

    @property
    def extends_options(self) -> bool:
        """Whether it is a custom option, such as `extend google.protobuf.FieldOptions`."""
        content = self.content
        return isinstance(content, FieldDescriptorProto) and content.extendee.startswith(".google.protobuf.")

    @property
    def is_service(self) -> bool:
        """Whether it is a service."""
        return isinstance(self.content, ServiceDescriptorProto)

    def within(self) -> Iterator[str]:
        """Its full name, and those of the messages and enums within it."""
        if not isinstance(self.content, DescriptorProto):
            yield self.name
            return
        for name, message in messages_within(self.content):
            inner = full_name(self.file, name)
            yield inner
            yield from (f"{inner}.{enum.name}" for enum in message.enum_type)

    def references(self) -> Iterator[str]:
        """The full names of the messages and enums it refers to."""
        if isinstance(self.content, ServiceDescriptorProto):
            yield from (name[1:] for rpc in self.content.method for name in (rpc.input_type, rpc.output_type))
        fields = list(self.extensions)
        if isinstance(self.content, DescriptorProto):
            fields += [field for _, message in messages_within(self.content) for field in message.field]
        yield from (name[1:] for field in fields for name in (field.type_name, field.extendee) if name)

    def digest(self) -> str:
        """A hash of the definition, its options included; what it refers to counts by name."""
        content = self.content.SerializeToString(deterministic=True)
        return hashlib.sha256(repr((*_language(self.file), content)).encode()).hexdigest()

    def is_part_of(self, other: Definition) -> bool:
        """Whether `other`, perhaps of a later version, has all that this has, with equal names, numbers and types.

        Options that change nothing in what is read and written are ignored.
        """
        if type(self.content) is not type(other.content) or _language(self.file) != _language(other.file):
            return False
        return set(_facts(self.content)) <= set(_facts(other.content))


def definitions_of(file: FileDescriptorProto) -> list[Definition]:
    """All definitions at the top level of a file."""
    groups = (file.message_type, file.enum_type, file.service, file.extension)
    return [Definition(full_name(file, each.name), each, file) for group in groups for each in group]


def _language(file: FileDescriptorProto) -> tuple[object, ...]:
    return file.syntax or "proto2", file.edition, _features(file)


def _features(described: Any) -> bytes:
    features: bytes = described.options.features.SerializeToString(deterministic=True)
    return features


def _facts(content: Content) -> Iterator[tuple[object, ...]]:
    if isinstance(content, EnumDescriptorProto):
        yield "enum", _features(content)
        yield from (("value", value.name, value.number) for value in content.value)
    elif isinstance(content, ServiceDescriptorProto):
        for rpc in content.method:
            yield rpc.name, rpc.input_type, rpc.output_type, rpc.client_streaming, rpc.server_streaming
    elif isinstance(content, FieldDescriptorProto):
        yield _field(content, "")
    else:
        for name, message in messages_within(content):
            yield (
                "message",
                name,
                message.options.map_entry,
                message.options.message_set_wire_format,
                _features(message),
            )
            yield from (("range", name, each.start, each.end) for each in message.extension_range)
            yield from (("enum", name, enum.name, *fact) for enum in message.enum_type for fact in _facts(enum))
            for field in message.field:
                oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
                yield "field", name, *_field(field, oneof)
            yield from (("extension", name, *_field(each, "")) for each in message.extension)


def _field(field: FieldDescriptorProto, oneof: str) -> tuple[object, ...]:
    options = field.options
    packed = options.packed if options.HasField("packed") else None
    spelled = field.json_name or json_name(field.name)
    kind = field.type, field.type_name, field.label, field.extendee, field.proto3_optional
    return field.name, field.number, *kind, field.default_value, spelled, oneof, packed, _features(field)
