"""The messages and enums of definitions, by module and by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
from google.protobuf.reflection import GeneratedProtocolMessageType

from architect_core.contract import did_you_mean, listing
from architect_grpc.descriptors import module_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    from google.protobuf.descriptor import Descriptor, FileDescriptor


def contents(file: FileDescriptor, module: str) -> dict[str, Any]:
    """The content of a generated module: messages, enums, their values, extensions, and the file's DESCRIPTOR.

    Args:
        file: the descriptor.
        module: the `__module__` of the classes.
    """
    found: dict[str, Any] = {"DESCRIPTOR": file}
    for name, enum in file.enum_types_by_name.items():
        found[name] = EnumTypeWrapper(enum)
        found |= {value.name: value.number for value in enum.values}
    for name, extension in file.extensions_by_name.items():
        found[name] = extension
        found[f"{name.upper()}_FIELD_NUMBER"] = extension.number
    for name, message in file.message_types_by_name.items():
        found[name] = _message_class(message, module, "")
    return found


def _message_class(message: Descriptor, module: str, outer: str) -> Any:
    # like protoc's, but not registered with the default pool, which may have another message of that name
    name = f"{outer}{message.name}"
    content = {each.name: _message_class(each, module, f"{name}.") for each in message.nested_types}
    content |= {"DESCRIPTOR": message, "__module__": module, "__qualname__": name}
    return GeneratedProtocolMessageType(message.name, (Message,), content)


def _names(file: FileDescriptor) -> set[str]:
    values = (value.name for enum in file.enum_types_by_name.values() for value in enum.values)
    numbers = (f"{name.upper()}_FIELD_NUMBER" for name in file.extensions_by_name)
    return {*file.message_types_by_name, *file.enum_types_by_name, *file.extensions_by_name, *values, *numbers}


class Messages:
    """All messages, enums and enum values of a service's definitions, and of the files these import.

        defs.PayRequest(amount=10)
        defs["acme.v1.Money"]           # by full name, which is never ambiguous
        defs.service_pb2.PayRequest     # by file

    Of equal names, the definitions' own wins over those of the files they import, these over protobuf's own, and these
    over a module's. Equal names of one rank are ambiguous, and available by full name or by file.
    """

    def __init__(self, service: str, ranks: Sequence[Iterable[tuple[FileDescriptor, ModuleType]]]) -> None:
        """Collect the content of the files and modules of `ranks`; the first rank wins."""
        # mangled, because a message may have any other name
        self.__service = service
        self.__by_full_name: dict[str, Any] = {}
        self.__ambiguous: dict[str, list[str]] = {}
        chosen: dict[str, list[tuple[str, Any]]] = {}
        modules: dict[str, list[tuple[str, Any]]] = {}
        for rank in ranks:
            found: dict[str, list[tuple[str, Any]]] = {}
            for file, module in rank:
                for name in _names(file):
                    full_name = f"{file.package}.{name}" if file.package else name
                    self.__by_full_name[full_name] = vars(module)[name]
                    found.setdefault(name, []).append((full_name, vars(module)[name]))
                last = module_name(file.name).rpartition(".")[2]
                modules.setdefault(last, []).append((file.name, module))
            chosen = found | chosen
        for name, candidates in (modules | chosen).items():
            if candidates[1:]:
                self.__ambiguous[name] = [origin for origin, _ in candidates]
            else:
                vars(self)[name] = candidates[0][1]
        self.__names = sorted(modules | chosen)

    def __getitem__(self, full_name: str) -> Any:
        """The object with a full name, such as "acme.v1.Money"; raises KeyError if there is none."""
        try:
            return self.__by_full_name[full_name]
        except KeyError:
            known = sorted(self.__by_full_name)
        hint = did_you_mean(full_name, known)
        raise KeyError(f"the definitions of {self.__service} have no {full_name!r}{hint}; {listing(known)}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # looked up by copy and pickle
            raise AttributeError(name)
        if origins := self.__ambiguous.get(name):
            raise AttributeError(
                f"{name!r} is ambiguous in the definitions of {self.__service}: {', '.join(origins)}; "
                f"use the full name, as in defs[{next(iter(self.__by_full_name))!r}]"
            )
        hint = did_you_mean(name, self.__names)
        raise AttributeError(f"the definitions of {self.__service} have no {name!r}{hint}; {listing(self.__names)}")

    def __repr__(self) -> str:
        return f"<definitions of {self.__service}>"
