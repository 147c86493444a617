"""What the suites share: what must be stated, which checks exist, and the check that a plugin is found."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from architect_core.exceptions import ConfigError
from architect_core.plugins import loading
from architect_core.plugins.inventory import inspect
from architect_core.plugins.registry import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable

Check = TypeVar("Check", bound="Callable[..., None]")

ASKED_BY = "the conformance suite"
UNKNOWN = "no_such_key"
NO_PORTS: tuple[object, ...] = (0, 65536, -1, "no port", 80.5, True)


def needs(condition: Callable[[Any], bool]) -> Callable[[Check], Check]:
    """Marks a check that only those subclasses have for which `condition` holds."""

    def mark(check: Check) -> Check:
        vars(check)["_condition"] = condition
        return check

    return mark


class Suite:
    """Base of the suites.

    A subclass that does not state what it must is a TypeError. It loses the checks that do not apply to what it states.
    Neither is so for a class that is made with `abstract=True`, which has subclasses of its own.
    """

    _kind: ClassVar[type[Any]]
    _named_by: ClassVar[str]
    _stated: ClassVar[tuple[str, ...]] = ()

    @cached_property
    def _plugins(self) -> Plugins:
        return Plugins()  # one for each check, because pytest makes an instance for each

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        super().__init_subclass__()
        if abstract:
            return
        missing = [name for name in cls._stated if _is_missing(cls, name)]
        if missing:
            raise TypeError(f"{cls.__name__} does not state {', '.join(missing)}, which its suite's docstring asks for")
        for name in dir(cls):
            condition = getattr(getattr(cls, name), "_condition", None)
            if condition is not None and not condition(cls):
                setattr(cls, name, None)  # which pytest does not collect

    def test_the_plugin_is_found_and_its_hooks_give_what_the_contract_asks_for(self) -> None:
        """The plugin is found by its name and loads, and none of its hooks fails."""
        self._provided()
        entry = next(entry for entry in loading.installed(self._name()) if not loading.is_disabled(entry))
        report = inspect(entry)
        assert report.state == "ok", f"each hook that the plugin has must work, and it {report.reason}"

    def _name(self) -> str:
        return str(getattr(self, self._named_by))

    def _provided(self) -> Any:
        """What the plugin provides: the factory, parser, source or publisher."""
        return self._plugins.get(self._kind, self._name(), ASKED_BY)


def _is_missing(suite: type[Suite], name: str) -> bool:
    return bool(getattr(getattr(suite, name, None), "__isabstractmethod__", not hasattr(suite, name)))


def fail(message: str, cause: BaseException | None = None) -> NoReturn:
    """Raise an AssertionError that shows what caused it."""
    __tracebackhide__ = True  # pytest shows the check
    raise AssertionError(message) from cause


def error_of(call: Callable[..., object], *args: object) -> Exception | None:
    """What `call(*args)` raises, or None."""
    try:
        call(*args)
    except Exception as problem:  # noqa: BLE001 - any may be right; what it shows is what matters
        return problem
    return None


def refusal(what: str, path: str, call: Callable[..., object], *args: object) -> ConfigError:
    """The ConfigError about the field at `path` that `call(*args)` raises.

    Args:
        what: what is wrong, for the message.
        path: the path of the wrong field.
        call: what must raise it.
        args: what it is called with.

    Raises:
        AssertionError: it raises nothing, something else, or a ConfigError about other fields.
    """
    remedy = f"It must be a ConfigError about {path!r}: raise target.error(field, reason)"
    error = error_of(call, *args)
    if not isinstance(error, ConfigError):
        fail(f"{what} {'was accepted' if error is None else f'raised a {type(error).__name__}'}. {remedy}", error)
    paths = [where for where, _ in error.problems]
    if path not in paths:
        fail(f"{what} was told as a problem of {paths}. {remedy}", error)
    return error
