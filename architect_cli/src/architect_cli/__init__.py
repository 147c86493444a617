"""The `architect` command."""
