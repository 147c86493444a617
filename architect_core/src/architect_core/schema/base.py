"""The two bases of the schemas: `Config` keeps keys that it does not know, `Strict` refuses them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from architect_core._base.json_text import showable


class Strict(BaseModel):
    """A frozen model: an unknown key is an error, and no error repeats the input."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class _Masked:
    def __repr__(self) -> str:
        return "***"


class Config(Mapping[str, Any], BaseModel):
    """A frozen model that is also a mapping, as in architect.sdk 0.2.1: `config["port"]`, `dict(config)`.

    The mapping has the configured keys, unknown ones included, and no defaults. A repr shows no value that may be a
    secret.
    """

    # defer_build: the models are built together for the first configuration, not one by one on import
    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True, defer_build=True)

    # keys whose values a repr shows, because they are no secrets
    _SHOWN: ClassVar = frozenset({"port", "api", "type"})

    def __repr_args__(self) -> list[tuple[str, object]]:
        # used by repr, str, rich and devtools; a key that does not look like a name may be a misplaced secret
        return [(showable(key), value if key in self._SHOWN else _Masked()) for key, value in self.items()]

    def _configured(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}
        return fields | (self.__pydantic_extra__ or {})

    def __getitem__(self, key: str) -> Any:
        return self._configured()[key]

    def __iter__(self) -> Iterator[str]:  # type: ignore[override] # a mapping's iterator, not pydantic's pairs
        return iter(self._configured())

    def __len__(self) -> int:
        return len(self._configured())

    def __bool__(self) -> bool:
        return True  # even without keys, as any other model
