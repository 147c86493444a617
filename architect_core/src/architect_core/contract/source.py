"""A source of configuration, and what it returns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from architect_core.contract.provided import Provided

if TYPE_CHECKING:
    from architect_core.schema.config import DatastoreConfig, ServiceConfig

SOURCE_VARIABLE = "ARCHITECT_SOURCE"
SERVICES_VARIABLE = "ARCHITECT"
FILE_VARIABLE = "ARCHITECT_FILE"
CURRENT_SERVICE_VARIABLE = "ARCHITECT_CURRENT_SERVICE"

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Configuration:
    """What a source holds.

    Attributes:
        services: service name -> its checked entry. A mapping may know more names than it lists.
        current_service: the name of the running service, or None if the source does not know it.
        where: what was read, for error messages: "the environment variable ARCHITECT".
        datastores: datastores of the running service, whichever that is: name -> checked entry. Those that belong to a
            named service are in its entry in `services`.
        files: the files that were read, or would be read if they existed; `watch()` reloads when one changes.
        place_of: returns where one entry was read from, by "services" or "datastores" and its name; `where` by default.
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

    def place(self, kind: str, name: str) -> str:
        """Returns where an entry was read from: "the environment variable BILLING_URL".

        Args:
            kind: "services" or "datastores".
            name: the entry's name.
        """
        return self.where if self.place_of is None else self.place_of(kind, name)


class Source(Provided):
    """Something that a configuration can be read from.

    Attributes:
        name: what `architect env` and messages call it; the class's name if it is empty. A plugin's source is called by
            the name of its entry point, which should be the same.
        knows_current_service: whether it can name the running service; one that cannot is not read for that.
    """

    hook: ClassVar[str] = "architect_source"
    name: ClassVar[str] = ""
    knows_current_service: ClassVar[bool] = True

    @abstractmethod
    def load(self) -> Configuration:
        """Reads it now; a source that holds nothing returns an empty configuration.

        Raises:
            ConfigError: it is malformed; the message has the path of every wrong field, and no value.
        """


class Entries(Mapping[str, Entry], Generic[Entry]):
    """Entries that are read and checked when they are looked up, so that a malformed one affects no other.

    A look-up may find a name that is not listed, because a service's name cannot be derived from a variable's.
    """

    def __init__(self, names: Iterable[str], read: Callable[[str], Entry | None]) -> None:
        """Make them.

        Args:
            names: those that are listed.
            read: returns the entry of a name, listed or not, or None if it has none. Raises ConfigError.
        """
        self._names = tuple(dict.fromkeys(names))
        self._read = read
        self._found: dict[str, Entry] = {}

    def __getitem__(self, name: str) -> Entry:
        if name not in self._found:
            entry = self._read(name)
            if entry is None:
                raise KeyError(name)
            self._found[name] = entry
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
