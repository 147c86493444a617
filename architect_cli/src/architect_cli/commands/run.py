"""`architect run`."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import click

from architect_cli.main import ClickCommand


class _Seconds(click.FloatRange):
    """A time in seconds: a number above 0, and neither "nan" nor "inf"."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns the number; fails with the usage if it is none."""
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is no number of seconds.", param, ctx)
        return seconds


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A JSON file with overrides of hosts, ports, parameters and datastores.",
)
@click.option(
    "--events",
    metavar="BROKER",
    envvar="ARCHITECT_EVENTS",
    show_envvar=True,
    help="The broker of events: one to start, such as rabbitmq, sqs or sqlite, or the URL of one that runs.",
)
@click.option(
    "--timeout",
    type=_Seconds(min=0, min_open=True),
    metavar="SECONDS",
    default=30.0,
    show_default=True,
    help="How long each service and database may take until it is ready, and a script until it has ended.",
)
@click.option(
    "--only",
    metavar="NAME",
    multiple=True,
    help="Start this service and what it depends on, instead of all; may be repeated.",
)
@click.option(
    "--without",
    metavar="NAME",
    multiple=True,
    help="Do not start this service, which you start yourself; may be repeated.",
)
@click.option(
    "-d", "--detach", is_flag=True, help="Run in the background, and return once all is ready; see architect stop."
)
@click.option("--fail-fast", is_flag=True, help="End the run when any part of it ends, instead of starting that again.")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Variables that are not set here, as NAME=value.  [default: .env in PATH, else in the working directory]",
)
@click.option("--strict", is_flag=True, help="Refuse unknown keys in manifests and in the file of --config.")
@click.option(
    "--no-reload", "reload", flag_value=False, default=True, help="Restart no service when a file of it changes."
)
@click.option("--keep", is_flag=True, help="Keep the data of databases and of the broker for the next run with --keep.")
def run(paths: tuple[Path, ...], *, detach: bool, **stated: Any) -> int:
    """Run the service in each PATH with all that it depends on.

    PATH is the working folder by default. Each service gets the port of its architect.json, if it has one that is free,
    or any free one, and the addresses of its dependencies. Dependencies start first; databases are started for the run
    unless one is named. The run lasts until Ctrl-C, and nothing that was started is left behind.

    A service without an api is a script. If every PATH has one, the run ends with the last of them, and with its exit
    code if that is not 0. A dependency that is a script, such as a migration, has to end with 0 before what depends on
    it is started.

    Ports and passwords are those of the last run, if the ports are free. With --keep the data of databases are, too,
    until `architect reset`. All of it is in the folder `.architect` of the first PATH.

    From other terminals, `architect ps` lists what runs, `architect logs` shows what it printed, and `architect
    restart`, `stop`, `exec` and `attach` reach one service of it.

    What ends before it was ever ready ends the run. What ends later is started again, after 0.2 seconds at first and
    twice as long after each further crash, while the rest runs on.

    A service is restarted when a file in its folder changes, except for what git ignores, and for logs and databases.
    When a definition changes, such as a .proto, stubs are generated again, and services that use them are restarted,
    too. One that fails then waits for the next change.

    Beside a service run `architect consume` with the `handler` of its subscriptions, and `architect relay` for each
    datastore with `events`, if its own events have subscribers. Handlers take events from a broker, which is a file of
    the run (sqlite) unless --events states another.

    A service is started with `debug` from its architect.json, else with main.py, app.py or server.py, or for node with
    npm start or index.js. A parameter's value is the one in FILE, else the one in this environment, else the one in
    .env, else its default.

    \b
    FILE holds what is different, each part optional:
      {"services": {"acme/billing": {
        "host": "http://billing.test", "port": 8080,
        "parameters": {"KEY": "value"},
        "datastores": {"primary_db": {
          "host": "db.test", "port": 5432,
          "username": "app", "password": "...", "name": "billing"}}}}}
    A service or datastore with a host is used where it is, and not started.

    In FILE, {"debug": {"path": "../billing"}} is the folder of a service, instead of the one in manifests. A value may
    be {"$file": "PATH"} or {"$env": "NAME"}.
    """  # noqa: D301 - \b is click's mark for text that keeps its lines
    if sys.platform == "win32":
        raise click.ClickException("architect run needs a POSIX system; on Windows use its Linux subsystem")
    from architect_cli.run import Options, run_system
    from architect_cli.supervise import supervised

    options = Options(folders=paths or (Path(),), **stated)
    if not detach:
        return supervised(lambda temporary: run_system(options, temporary))
    from architect_cli.detaching import detached

    return detached(lambda on_ready: supervised(lambda temporary: run_system(options, temporary, on_ready)))


command = ClickCommand(run)
