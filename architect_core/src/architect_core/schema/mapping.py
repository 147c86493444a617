"""What keeps programs written for architect.sdk 0.2.1 running: its dictionaries, and `subscriptions()` as a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    _Model = BaseModel
else:
    _Model = object


class MappingAccess(_Model):
    """Reads a pydantic model as the dictionary it came from: `config["port"]`, `dict(config)`, `"api" in config`.

    The keys are those that were given, defaults are not among them.
    """

    def _given(self) -> dict[str, Any]:
        extra = self.__pydantic_extra__ or {}
        fields = type(self).model_fields
        return {name: getattr(self, name) for name in fields if name in self.model_fields_set} | dict(extra)

    def __getitem__(self, key: str) -> Any:
        """The value given under `key`; KeyError where there is none."""
        return self._given()[key]

    def __iter__(self) -> Iterator[str]:  # type: ignore[override] # a mapping's iterator, not pydantic's pairs
        return iter(self._given())

    def __len__(self) -> int:
        return len(self._given())

    def __bool__(self) -> bool:
        return True

    def __contains__(self, key: object) -> bool:
        return key in self._given()

    def keys(self) -> Any:
        """The keys that were given."""
        return self._given().keys()

    def values(self) -> Any:
        """Their values."""
        return self._given().values()

    def items(self) -> Any:
        """`(key, value)` pairs."""
        return self._given().items()

    def get(self, key: str, default: Any = None) -> Any:
        """The value given under `key`, or `default`."""
        return self._given().get(key, default)
