"""The installed plugins, whose clients reach doubles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from architect.testing.errors import NoServiceDoubleError
from architect_core.contract.client import ClientFactory
from architect_core.contract.provided import Provided
from architect_core.plugins.registry import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from architect_core.contract.client import Target
    from architect_core.contract.double import Double

Kind = TypeVar("Kind", bound=Provided)


class DoublePlugins(Plugins):
    """The same plugins; a protocol's clients are given by the doubles of the services they are for."""

    def __init__(self, doubles: Mapping[str, Double]) -> None:
        super().__init__()
        self._doubles = doubles

    def find(self, kind: type[Kind], name: str, asked_by: str) -> Kind | None:
        """As of the installed plugins."""
        provided = super().find(kind, name, asked_by)
        if isinstance(provided, ClientFactory):
            doubled: Any = _doubled(provided, self._doubles)
            return cast("Kind", doubled)
        return provided


def _doubled(real: ClientFactory, doubles: Mapping[str, Double]) -> ClientFactory:
    """`real`, with every client given by the double of its service, which may have `real` make it."""

    class Doubled(ClientFactory):
        Options = real.Options
        fork_safe = real.fork_safe

        def __init__(self) -> None:
            self._made: dict[int, list[Any]] = {}

        def client(self, target: Target) -> Any:
            return self._given(_double(target).client, real.client, target)

        def aio_client(self, target: Target) -> Any:
            return self._given(_double(target).aio_client, real.aio_client, target)

        def _given(
            self, give: Callable[[Callable[[], Any]], Any], make: Callable[[Target], Any], target: Target
        ) -> Any:
            made: list[Any] = []

            def make_one() -> Any:
                made.append(make(target))
                return made[-1]

            client = give(make_one)
            self._made[id(client)] = made
            return client

        def definitions(self, target: Target) -> Any:
            return real.definitions(target)

        def servicer(self, target: Target) -> Any:
            return real.servicer(target)

        def add_servicer(self, target: Target, servicer: Any, server: Any) -> None:
            real.add_servicer(target, servicer, server)

        def close(self, client: Any) -> None:
            # what the double gave may be of another kind, which `real` cannot close
            for each in self._made.pop(id(client), []):
                real.close(each)

        def aio_is_closed(self, client: Any) -> bool:
            return any(map(real.aio_is_closed, self._made.get(id(client), [])))

        async def aio_close(self, client: Any) -> None:
            for each in self._made.pop(id(client), []):
                await real.aio_close(each)

    def _double(target: Target) -> Double:
        if target.name not in doubles:  # the tested service itself, whose entry is there without a double
            raise NoServiceDoubleError(target.name, doubles)
        return doubles[target.name]

    return Doubled()
