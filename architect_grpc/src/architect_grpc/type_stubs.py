"""The type stubs of generated modules, as editors and type checkers read them."""

from __future__ import annotations

import re
from collections import Counter
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from architect_grpc import source
from architect_grpc.descriptors import full_name, is_well_known, messages_of, module_name
from architect_grpc.protoc import compile_types

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from google.protobuf.descriptor_pb2 import EnumDescriptorProto

_BUILTINS = {"bool", "bytes", "float", "int", "str"}
_IMPORTED = re.compile(r"^(\w+) = importlib\.import_module\(.*\n", re.MULTILINE)
_FROM_IMPORT = re.compile(r"^from (\S+) import .*\n", re.MULTILINE)
_IMPORT_AS = re.compile(r"^(?:from \S+ )?import \S+ as (_\w+)\n", re.MULTILINE)
_KEYWORD_LINE = re.compile(r"^\s*(\w+): .*\n", re.MULTILINE)
_FIELD = re.compile(r"^\s+(\w+): ", re.MULTILINE)

_SERVICES = """\
from abc import ABCMeta
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any, Self, TypeVar, overload

import grpc
import grpc.aio
{imports}

_Message = TypeVar("_Message")

class _Context(grpc.ServicerContext, grpc.aio.ServicerContext[Any, Any]): ...  # type: ignore[misc]
class _Requests(Iterator[_Message], AsyncIterator[_Message], metaclass=ABCMeta): ...
"""
_SERVICE = """
class {name}Stub:
    @overload
    def __new__(cls, channel: grpc.Channel) -> Self: ...
    @overload
    def __new__(cls, channel: grpc.aio.Channel) -> {name}AsyncStub: ...
{calls}
class {name}AsyncStub({name}Stub):
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
{async_calls}
class {name}Servicer:
{methods}
def add_{name}Servicer_to_server(servicer: {name}Servicer, server: grpc.Server | grpc.aio.Server) -> None: ...
"""


def type_stubs(files: Iterable[FileDescriptorProto]) -> dict[str, str]:
    """Module -> its type stubs, for all `files` but protobuf's own."""
    named = list(_with_valid_names(files))
    own = [file for file in named if not is_well_known(file.name)]
    content = FileDescriptorSet(file=named).SerializeToString()
    texts = compile_types(content, [file.name for file in own])
    found = {module: source.with_relative_imports(_messages(text), module, texts) for module, text in texts.items()}
    classes = {f".{full_name(file, name)}": (file.name, name) for file in named for name, _ in messages_of(file)}
    return found | {f"{module_name(file.name)}_grpc": _services(file, classes) for file in own if file.service}


def _with_valid_names(files: Iterable[FileDescriptorProto]) -> Iterator[FileDescriptorProto]:
    """The files with an underscore after the names of messages and enums that are keywords of Python."""
    renamed: dict[str, str] = {}
    for file in files:
        copy = FileDescriptorProto()
        copy.CopyFrom(file)
        copy.options.ClearField("py_generic_services")  # protobuf has no such services any more
        package = f".{file.package}" if file.package else ""
        _rename((*copy.message_type, *copy.enum_type), package, package, renamed)
        references: list[tuple[Any, str]] = [(each, "extendee") for each in copy.extension]
        references += [(each, "type_name") for each in copy.extension]
        for _, message in messages_of(copy):
            references += [(each, "type_name") for each in (*message.field, *message.extension)]
            references += [(each, "extendee") for each in message.extension]
        for service in copy.service:
            references += [(rpc, name) for rpc in service.method for name in ("input_type", "output_type")]
        for holder, attribute in references:
            if (name := renamed.get(getattr(holder, attribute))) is not None:
                setattr(holder, attribute, name)
        yield copy


def _rename(
    siblings: Sequence[DescriptorProto | EnumDescriptorProto], above: str, new_above: str, renamed: dict[str, str]
) -> None:
    taken = {each.name for each in siblings}
    for each in siblings:
        name = f"{above}.{each.name}"
        if iskeyword(each.name):
            each.name = next(free for count in range(1, 99) if (free := each.name + "_" * count) not in taken)
        new = f"{new_above}.{each.name}"
        if new != name:
            renamed[name] = new
        if isinstance(each, DescriptorProto):
            _rename((*each.nested_type, *each.enum_type), name, new, renamed)


def _messages(text: str) -> str:
    """The compiler's type stubs, as type checkers accept them."""
    text = _KEYWORD_LINE.sub(lambda line: "" if iskeyword(line[1]) else line[0], text)  # values of enums
    # folders called like a keyword are those of no import statement
    text = _FROM_IMPORT.sub(lambda line: "" if _has_keyword(line[1]) else line[0], text)
    if unknown := _IMPORTED.findall(text):
        text = _IMPORTED.sub("", text).replace("import importlib\n", "")
        text = re.sub(rf"\b({'|'.join(unknown)})\.[\w.]+", "_Any", text)
    text = text.replace("**kwargs)", "**kwargs: _Any)")  # for fields whose names are keywords
    text = re.sub(r"\b_Mapping\]", "_Mapping[str, _Any]]", text)
    text = re.sub(r"^(\w+): _ClassVar\[int\]", r"\1: int", text, flags=re.MULTILINE)  # of extensions outside of classes
    # what the name of a field would hide
    text = re.sub(r"^import datetime$", "import datetime as _datetime", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=[\[ ])datetime\.(?=datetime|timedelta)", "_datetime.", text)
    lines = ["from typing import Any as _Any"] if "_Any" in text else []
    for name in sorted(_BUILTINS.intersection(_FIELD.findall(text))):
        text, count = re.subn(rf"(?<![\w.\"'*]){name}(?=[\],)]|$)", f"_{name}", text, flags=re.MULTILINE)
        lines += [f"from builtins import {name} as _{name}"] if count else []
    words = Counter(re.findall(r"\w+", text))
    text = _IMPORT_AS.sub(lambda line: "" if words[line[1]] == 1 else line[0], text)  # of files imported for options
    return "\n".join([*lines, text])


def _services(file: FileDescriptorProto, classes: Mapping[str, tuple[str, str]]) -> str:
    """The types of the module `x_pb2_grpc`: each service's stub, also on grpc.aio, base class and registration.

    Args:
        file: the definitions of the services.
        classes: a message's full name after a dot, as rpcs refer to it -> its file, and its name there.
    """
    used: set[str] = set()
    texts = []

    def spelled(file_name: str, message: str) -> str:
        if _has_keyword(module_name(file_name)):  # no import statement can name the module
            return "Any"
        used.add(file_name)
        return f"{_alias(file_name)}.{message}"

    for service in file.service:
        calls, async_calls, methods = "", "", ""
        for rpc in service.method:
            if iskeyword(rpc.name):
                continue
            request, response = (spelled(*classes[name]) for name in (rpc.input_type, rpc.output_type))
            kind = "".join("Stream" if streams else "Unary" for streams in (rpc.client_streaming, rpc.server_streaming))
            call = f"{kind}MultiCallable[{request}, {response}]"
            calls += f"    {rpc.name}: grpc.{call}\n"
            async_calls += f"    {rpc.name}: grpc.aio.{call}  # type: ignore[assignment]\n"
            argument = f"request_iterator: _Requests[{request}]" if rpc.client_streaming else f"request: {request}"
            returned = f"{response} | Awaitable[{response}]"
            if rpc.server_streaming:
                returned = f"Iterator[{response}] | AsyncIterator[{response}] | Awaitable[None]"
            methods += f"    def {rpc.name}(self, {argument}, context: _Context) -> {returned}: ...\n"
        parts = {"calls": calls, "async_calls": async_calls, "methods": methods or "    ...\n"}
        texts.append(_SERVICE.format(name=service.name, **parts))
    imports = "\n".join(_import(name, module_name(file.name)) for name in sorted(used))
    return "".join([_SERVICES.format(imports=imports), *texts])


def _has_keyword(module: str) -> bool:
    return any(map(iskeyword, module.split(".")))


def _import(file: str, module: str) -> str:
    imported = module_name(file)
    package, _, name = imported.rpartition(".")
    line = f"{f'from {package} ' if package else ''}import {name} as {_alias(file)}"
    return source.with_relative_imports(line, module, [] if is_well_known(file) else [imported])


def _alias(file: str) -> str:
    return "_" + module_name(file).replace(".", "_")
