"""`python -m architect_cli`: the `architect` command with this interpreter."""

import gc

_OBJECTS = 100_000  # made before garbage is looked for; most of those that imports make live on


def start() -> None:
    """Run the command."""
    gc.set_threshold(_OBJECTS)
    from architect_cli.main import main

    main(prog_name="architect")


if __name__ == "__main__":
    start()
