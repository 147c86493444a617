"""Makes the Python classes of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message
from google.protobuf.reflection import GeneratedProtocolMessageType

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FileDescriptor


def make_classes(file: FileDescriptor, module: str) -> None:
    """Make the classes of all messages of a file, as its generated module does when it is imported.

    The pure-Python protobuf needs those of extensions before it reads another file that uses them.

    Args:
        file: the descriptor.
        module: the `__module__` of the classes.
    """
    for message in file.message_types_by_name.values():
        _message_class(message, module, "")


def _message_class(message: Descriptor, module: str, outer: str) -> Any:
    # like protoc's, but not registered with the default pool, which may have another message of that name
    name = f"{outer}{message.name}"
    content = {each.name: _message_class(each, module, f"{name}.") for each in message.nested_types}
    content |= {"DESCRIPTOR": message, "__module__": module, "__qualname__": name}
    return GeneratedProtocolMessageType(message.name, (Message,), content)
