"""A parser that is a plugin by itself."""

from __future__ import annotations

from typing import ClassVar

from architect_core.contract import CredentialParser, hookimpl


class EngineParser(CredentialParser):
    """A parser that an entry point names, instead of a module with the hook `architect_credential_parser`.

    An engine is one module with one parser, and one line for each of its names in its distribution's `pyproject.toml`:

        # nest.py
        PARSER = NetworkParser("nest", 4150, schemes={"nest": "nest"})

        [project.entry-points.architect]
        nest = "nest:PARSER"

    A plugin with further hooks is a module: `nest = "nest"`, with a function for each hook.
    """

    ARCHITECT_CONTRACT: ClassVar[int] = 2
    """The version of the plugin contract that the kit is written for; a subclass may state its own."""

    @hookimpl
    def architect_credential_parser(self) -> CredentialParser:
        """Returns this parser."""
        return self
