"""The messages and enums of definitions, by module and by name."""

from __future__ import annotations

from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from architect_core.contract import did_you_mean, listing
from architect_grpc.descriptors import full_name, module_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    from architect_grpc.pool import Pools


def contents(file: FileDescriptorProto, pools: Pools) -> dict[str, Any]:
    """The content of a generated module: messages, enums, their values, extensions, and the file's DESCRIPTOR.

    What is called like a keyword, such as None, is also there as None_.
    """
    found: dict[str, Any] = {"DESCRIPTOR": pools.descriptor(file)}
    for enum in file.enum_type:
        name = full_name(file, enum.name)
        found[enum.name] = EnumTypeWrapper(pools.pool_of(name).FindEnumTypeByName(name))
        found |= {value.name: value.number for value in enum.value}
    for extension in file.extension:
        name = full_name(file, extension.name)
        found[extension.name] = pools.pool_of(name).FindExtensionByName(name)
        found[_number_name(extension.name)] = extension.number
    for message in file.message_type:
        found[message.name] = pools.message_class(full_name(file, message.name))
    return {f"{name}_": value for name, value in found.items() if iskeyword(name)} | found


def _names(file: FileDescriptorProto) -> set[str]:
    values = [value.name for enum in file.enum_type for value in enum.value]
    groups = (file.message_type, file.enum_type, file.extension)
    named = [each.name for group in groups for each in group]
    return {*named, *values, *(_number_name(each.name) for each in file.extension)}


def _number_name(extension: str) -> str:
    return f"{extension.upper()}_FIELD_NUMBER"


class Messages:
    """All messages, enums and enum values of a service's definitions, and of the files these import.

        defs.PayRequest(amount=10)
        defs["acme.v1.Money"]           # by full name, which is never ambiguous
        defs.service_pb2.PayRequest     # by file

    Of equal names, the definitions' own wins over those of the files they import, these over protobuf's own, and these
    over a module's. Equal names of one rank are ambiguous, and available by full name or by file.
    """

    def __init__(self, service: str, ranks: Sequence[Iterable[tuple[FileDescriptorProto, ModuleType]]]) -> None:
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
                    self.__by_full_name[full_name(file, name)] = vars(module)[name]
                    found.setdefault(name, []).append((full_name(file, name), vars(module)[name]))
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
