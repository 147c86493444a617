"""What is changed in a service of examples/shop is served soon after, and stubs are generated again."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from running import PATIENCE, Run
from workspace import ROOT

pytestmark = pytest.mark.exhaustive  # starts PostgreSQL; `test_cli_reload.py` does the same with small services
OVERHEAD = 1.5  # seconds, beside what the service needs to start


@dataclass
class Orders:
    """The orders service, which answers with `text` and the fields of a message of the payments service."""

    run: Run
    text: str = "there is no order"

    def change(self, text: str) -> None:
        main = self.run.system / "main.py"
        main.write_text(main.read_text().replace(self.text, text))
        self.text = text

    def address(self) -> str:
        found = re.search(r"shop/orders is ready at (http://\S+);", self.run.printed())
        assert found is not None
        return found[1]

    def wait_for(self, text: str) -> tuple[float, float]:
        """When it has answered so, and when its program had begun."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                answer = requests.get(f"{self.address()}/orders/none", timeout=PATIENCE).json()
            except requests.RequestException:  # it is restarted
                answer = {"error": ""}
            if text in answer["error"]:
                return time.time(), answer["begun"]
            time.sleep(0.02)
        raise AssertionError(self.run.printed())


@pytest.fixture(scope="module")
def orders() -> Iterator[Orders]:
    run = Run(ROOT / "examples" / "shop")
    run.system = run.system / "orders"
    main = run.system / "main.py"
    fields = "{','.join(payments.defs.PayResponse.DESCRIPTOR.fields_by_name)}"
    program = main.read_text().replace("there is no order {reference}", f"there is no order {fields}")
    program = program.replace('{"error": f', '{"begun": BEGUN, "error": f')
    main.write_text(f"import time\nBEGUN = time.time()\n{program}")
    run.start().wait_for("shop/orders is ready at")
    yield Orders(run)
    run.close()


def test_a_changed_line_is_served_within_a_second_and_a_half_of_the_service_s_own_start(orders):
    overheads = []
    for number in range(5):
        changed = time.time()
        orders.change(f"number {number}")
        served, begun = orders.wait_for(f"number {number}")
        overheads.append((served - changed) - (served - begun))
    assert statistics.median(overheads) < OVERHEAD, overheads


def test_a_changed_definition_is_served_as_soon(orders):
    definition = orders.run.system.parent / "payments" / "payments.proto"
    text = definition.read_text()
    overheads = []
    for number in range(3):
        changed = time.time()
        definition.write_text(
            text.replace("message PayResponse {", f"message PayResponse {{\n  string note{number} = 9;")
        )
        served, begun = orders.wait_for(f"note{number}")
        overheads.append((served - changed) - (served - begun))
    assert statistics.median(overheads) < OVERHEAD, overheads
    assert "stubs of shop/payments generated for shop/orders" in orders.run.printed()
    assert "shop/payments is restarted: payments.proto changed" in orders.run.printed()
    definition.write_text("wrong")
    orders.run.wait_for("payments.proto:1")
    assert requests.get(f"{orders.address()}/orders/none", timeout=PATIENCE).status_code == 404


def test_a_definition_in_another_folder_counts_for_those_who_import_it():
    run = Run(ROOT / "examples" / "shop")
    shared = run.system / "protos" / "shared" / "money.proto"
    run.system = run.system / "payments"
    shared.parent.mkdir(parents=True)
    text = 'syntax = "proto3"; package shared; message Money { int64 cents = 1; }'
    shared.write_text(text)
    manifest = json.loads((run.system / "architect.json").read_text())
    manifest["api"]["roots"] = [".", "../protos"]
    (run.system / "architect.json").write_text(json.dumps(manifest))
    definition = run.system / "payments.proto"
    first, rest = definition.read_text().split("\n", 1)
    definition.write_text(
        f'{first}\nimport "shared/money.proto";\n{rest}\nmessage Price {{ shared.Money money = 1; }}\n'
    )
    try:
        run.start().wait_for("shop/payments is ready at")
        shared.write_text(text.replace("cents = 1;", "cents = 1; string currency = 2;"))
        run.wait_for("shop/payments is restarted: its stubs changed")
        run.wait_for("shop/payments is ready again")
        assert "currency" in "".join(path.read_text() for path in run.system.glob("architect_services/**/*money*"))
    finally:
        run.close()
