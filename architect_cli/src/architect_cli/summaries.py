"""What each command of architect's own packages does, so that `architect --help` need not import them to list them."""

from __future__ import annotations

SUMMARIES = {
    "attach": "Type to a service, such as to its debugger.",
    "consume": "Call the handlers of modules for the events that the broker of ARCHITECT_EVENTS keeps.",
    "env": "Show what is resolved here, and from where.",
    "events": "Show what events are pending or dead; retry, discard and replay them.",
    "exec": "Run a command with the environment of a service.",
    "init": "Write architect.json for the service in a folder.",
    "install": "Generate the stubs of a service and its dependencies.",
    "logs": "Print what the services of a run have printed.",
    "plugin": "Write plugins of your own.",
    "plugins": "List the installed plugins, and whether they work.",
    "ps": "List the runs on this machine, and the parts of each.",
    "relay": "Move events from a service's outbox and from the broker to where they go.",
    "reset": "Remove what runs of PATH have kept: databases, ports, passwords.",
    "restart": "Restart a service of a run, or another part of it.",
    "run": "Run the service in each PATH with all that it depends on.",
    "stop": "Stop a run, or one service or other part of it.",
}
