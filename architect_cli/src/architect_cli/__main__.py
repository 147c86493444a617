"""`python -m architect_cli`: the `architect` command with this interpreter."""

from architect_cli.main import main

main(prog_name="architect")
