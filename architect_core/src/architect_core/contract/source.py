"""A source of configuration, the configuration that it returns, and the export in the form that it reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from architect_core.contract.credentials import Credentials
from architect_core.contract.hooks import Provided
from architect_core.schema.config import DatastoreConfig, ServiceConfig

SOURCE_VARIABLE = "ARCHITECT_SOURCE"
SERVICES_VARIABLE = "ARCHITECT"
FILE_VARIABLE = "ARCHITECT_FILE"
CURRENT_SERVICE_VARIABLE = "ARCHITECT_CURRENT_SERVICE"

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Configuration:
    """The configuration of one source.

    Attributes:
        services: service name -> its checked entry. A look-up may find names that iteration does not list.
        current_service: the name of the running service, or None if the source does not know it.
        where: what was read, for error messages: "the environment variable ARCHITECT".
        datastores: name -> checked entry, if the name of their service is not known; else they are in its entry.
        files: the files that were read, or would be read if they existed; `watch()` reloads when one changes.
        place_of: given "services" or "datastores" and a name, returns where that entry was read from; None for `where`.
        keys_of: given "services" or "datastores" and a name, returns a field of that entry, or "options." and an option
            -> the key that it was read from, for error messages: {"host": "X_HOST"}. Others have their own names.
        keep_unknown_options: whether an option that a datastore's engine does not have becomes an attribute of its
            credentials, instead of an error. For platforms that add files, such as a `ca.crt`, to every entry.
    """

    services: Mapping[str, ServiceConfig]
    current_service: str | None
    where: str
    datastores: Mapping[str, DatastoreConfig] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    place_of: Callable[[str, str], str] | None = field(default=None, repr=False)
    keep_unknown_options: bool = False
    keys_of: Callable[[str, str], Mapping[str, str]] | None = field(default=None, repr=False)

    def place(self, kind: str, name: str) -> str:
        """Returns where an entry of `kind`, "services" or "datastores", was read from: "the variable BILLING_URL"."""
        return self.where if self.place_of is None else self.place_of(kind, name)


class Source(Provided):
    """Something that a configuration can be read from.

    Its `name`, in `architect env` and in messages, should equal the name of its entry point, by which a plugin's source
    is selected; the class's name is used if it is empty. Unless it `knows_current_service`, it is not read to find out
    which service is running.
    """

    hook: ClassVar[str] = "architect_source"
    name: ClassVar[str] = ""
    knows_current_service: ClassVar[bool] = True

    @abstractmethod
    def load(self) -> Configuration:
        """Reads the source now; returns an empty configuration if it holds none.

        Raises ConfigError if it is malformed; the message names the path of every wrong field, and shows no value.
        """

    def exporter(self) -> Exporter | None:
        """Returns what exports a configuration in the form that this source reads; by default None, nothing does."""
        return None


class Entries(Mapping[str, Entry]):
    """Entries that are read and checked when they are looked up, so that a malformed one affects no other.

    A look-up may find a name that is not listed, because a service's name cannot always be derived from a variable's.
    """

    def __init__(self, names: Iterable[str], read: Callable[[str], Entry | None]) -> None:
        """`names` are listed; `read` returns the entry of any name, or None if there is none, or raises ConfigError."""
        self._names = tuple(dict.fromkeys(names))
        self._read = read
        self._cache: dict[str, Entry] = {}

    def __getitem__(self, name: str) -> Entry:
        if name not in self._cache:
            entry = self._read(name)
            if entry is None:
                raise KeyError(name)
            self._cache[name] = entry
        return self._cache[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True)
class ExportTarget:
    """A service or a datastore to export, with its secrets.

    Attributes:
        entry: its entry in the configuration.
        urls: of a service, those of its instances; of a datastore, URLs that mean the same. The preferred one is first;
            empty if the address is no URL.
        credentials: what an application gets for a datastore; None for a service.
    """

    name: str
    entry: Mapping[str, Any] = field(repr=False)
    urls: Sequence[str] = field(repr=False)
    credentials: Credentials | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Form:
    """A service or a datastore in the form of a platform.

    Attributes:
        values: its variables, or its files by their paths: name -> content, secrets included.
        source: reads the values as an application would; a form that is read as something else is not exported.
        kept: the fields and options of the entry that the form has beside the address and the login; "instances" if it
            has them all, and "instances.weight" if it has their weights.
    """

    values: Mapping[str, str] = field(repr=False)
    source: Source = field(repr=False)
    kept: Collection[str] = ()


@dataclass(frozen=True)
class Exported:
    """What is printed, sentences about omitted secrets, and files to write: path -> content."""

    text: str = field(repr=False)
    notes: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict, repr=False)


class Exporter(ABC):
    """Exports services and datastores in the form that a source reads.

    Attributes:
        needs_folder: whether it has files, which `architect env` writes into the folder that `--folder` names.
    """

    needs_folder: ClassVar[bool] = False

    @abstractmethod
    def holder(self, target: ExportTarget) -> str:
        """Returns the variable or folder of `target`, for messages; it is an error if two targets have the same."""

    @abstractmethod
    def forms(self, target: ExportTarget) -> Iterable[Form]:
        """Returns the possible forms, the preferred one first; the first that is read back as the same is exported."""

    @abstractmethod
    def export(self, forms: Sequence[Form], folder: Path | None, *, secrets: bool) -> Exported:
        """Returns the export of all targets; without `secrets`, none is in it, and `notes` say how to provide them."""
