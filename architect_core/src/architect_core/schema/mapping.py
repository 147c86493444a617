"""Models that can be read as mappings, as in architect.sdk 0.2.1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

    class _Base(BaseModel, Mapping[str, Any]):  # type: ignore[misc] # what both define, this module defines
        pass

else:
    _Base = Mapping


class MappingAccess(_Base):
    """Reads a pydantic model as the dictionary it came from: `config["port"]`, `dict(config)`, `"api" in config`.

    The keys are those that were given, without defaults.
    """

    def _given(self) -> dict[str, Any]:
        fields = type(self).model_fields
        given = {name: getattr(self, name) for name in fields if name in self.model_fields_set}
        return given | (self.__pydantic_extra__ or {})

    def __getitem__(self, key: str) -> Any:
        return self._given()[key]

    def __iter__(self) -> Iterator[str]:  # type: ignore[override] # a mapping's iterator, not pydantic's pairs
        return iter(self._given())

    def __len__(self) -> int:
        return len(self._given())

    def __bool__(self) -> bool:
        return True
