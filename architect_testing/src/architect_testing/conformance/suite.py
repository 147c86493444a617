"""What all suites share: which attributes a subclass must define, which checks it has, and helpers for the checks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, NoReturn, TypeVar

from architect_core.contract import hooks
from architect_core.exceptions import ConfigError
from architect_core.plugins import Plugins, loading
from architect_testing.tools.imports import foreign_imports

Check = TypeVar("Check", bound="Callable[..., None]")

ASKED_BY = "the conformance suite"
UNKNOWN = "no_such_key"
WRONG_PORTS: tuple[object, ...] = (0, 65536, -1, "no port", 80.5, True)


def needs(condition: Callable[[Any], bool]) -> Callable[[Check], Check]:
    """Marks a check that only applies to subclasses for which `condition` is true."""

    def mark(check: Check) -> Check:
        vars(check)["_condition"] = condition
        return check

    return mark


class Suite:
    """Base of the suites.

    A subclass that lacks a required attribute raises TypeError. Checks that do not apply to a subclass are set to None,
    which pytest does not collect. Neither happens to a class made with `abstract=True`.
    """

    _kind: ClassVar[type[Any]]
    _named_by: ClassVar[str]
    _required: ClassVar[tuple[str, ...]] = ()

    @cached_property
    def _plugins(self) -> Plugins:
        return Plugins()  # one for each check, because pytest makes an instance of the class for each

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        super().__init_subclass__()
        if abstract:
            return
        missing = [name for name in cls._required if _is_missing(cls, name)]
        if missing:
            raise TypeError(f"{cls.__name__} must define {', '.join(missing)}; see the docstring of its suite")
        for name in dir(cls):
            condition = getattr(getattr(cls, name), "_condition", None)
            if condition is not None and not condition(cls):
                setattr(cls, name, None)

    def test_the_plugin_is_found_and_its_hooks_work(self) -> None:
        """The plugin is found by its name, can be imported, and none of its hooks fails."""
        self._provided()
        entry = next(entry for entry in loading.installed(self._name()) if not loading.is_disabled(entry))
        try:
            manager = loading.load(entry)
            for kind in hooks.kinds():
                loading.call(manager, kind)
        except loading.BrokenError as problem:
            raise AssertionError(f"every hook of the plugin must work, but it {problem}") from problem

    def _name(self) -> str:
        return str(getattr(self, self._named_by))

    def _provided(self) -> Any:
        """What the plugin's hook returns: the factory, parser, source or channel."""
        return self._plugins.get(self._kind, self._name(), ASKED_BY)

    def _assert_own_imports(self, program: str, **asked: object) -> None:
        found = foreign_imports(self._name(), program, asked)
        assert not found, (
            f"the plugin imports modules of other plugins: {found}. Require their distribution, or do without"
        )


def _is_missing(suite: type[Suite], name: str) -> bool:
    return bool(getattr(getattr(suite, name, None), "__isabstractmethod__", not hasattr(suite, name)))


def fail(message: str, cause: BaseException | None = None) -> NoReturn:
    """Raise an AssertionError with its cause."""
    __tracebackhide__ = True  # pytest shows the check instead
    raise AssertionError(message) from cause


def error_of(call: Callable[..., object], *args: object) -> Exception | None:
    """The exception that `call(*args)` raises, or None."""
    try:
        call(*args)
    except Exception as problem:  # noqa: BLE001 - the caller checks it
        return problem
    return None


def config_error(what: str, path: str, call: Callable[..., object], *args: object) -> ConfigError:
    """The ConfigError about the field at `path` that `call(*args)` raises because of `what`.

    Raises:
        AssertionError: it raises nothing, another exception, or a ConfigError about other fields.
    """
    remedy = f"It must raise a ConfigError about {path!r}: raise target.error(field, reason)"
    error = error_of(call, *args)
    if not isinstance(error, ConfigError):
        fail(f"{what} {'was accepted' if error is None else f'raised a {type(error).__name__}'}. {remedy}", error)
    paths = [where for where, _ in error.problems]
    if path not in paths:
        fail(f"{what} raised a ConfigError about {paths}. {remedy}", error)
    return error
