"""The storefront: a script that places orders over REST and shows what came of them."""

import sys
import time
import uuid
from collections.abc import Callable

import requests

import architect.sdk as architect

PURCHASES = [
    {"customer": "a regular", "item": "espresso cup", "quantity": 2},
    {"customer": "a newcomer", "item": "coffee grinder", "quantity": 1},
    {"customer": "a cafe owner", "item": "coffee grinder", "quantity": 40},
]

PATIENCE = 30.0  # seconds

# requests.Sessions that know where the services are
orders = architect.service("shop/orders").client
mailer = architect.service("shop/mailer").client


def is_served(response: requests.Response) -> bool:
    return response.status_code < 500


def until(
    ask: Callable[[], requests.Response], is_answer: Callable[[requests.Response], bool] = is_served
) -> requests.Response:
    """Ask until there is an answer: a service may be away for a moment, and what it does may take one."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            response = ask()
            if is_answer(response) or time.monotonic() > deadline:
                return response
        except requests.RequestException:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def place(purchase: dict) -> dict:
    print(f"{purchase['customer']} wants {purchase['quantity']} x {purchase['item']}")
    reference, started = uuid.uuid4().hex, time.perf_counter()
    order = until(lambda: orders.put(f"/orders/{reference}", json=purchase)).json()
    milliseconds = (time.perf_counter() - started) * 1000
    print(f"  => order {order['id']} {order['status']}, {milliseconds:.0f} ms later: {order['detail']}\n")
    return order


def find(reference: str) -> dict:
    return until(lambda: orders.get("/orders/:reference", path_params={"reference": reference})).json()


def main() -> int:
    placed = [place(purchase) for purchase in PURCHASES]

    print("what the orders service has in its database:")
    print(f"  {'order':<6}{'customer':<14}{'what':<22}{'EUR':>9}  status")
    for order in [find(order["reference"]) for order in placed]:
        what = f"{order['quantity']} x {order['item']}"
        print(f"  {order['id']:<6}{order['customer']:<14}{what:<22}{order['cents'] / 100:>9.2f}  {order['status']}")

    paid = [order["reference"] for order in placed if order["status"] == "paid"]
    letters = until(
        lambda: mailer.get("/letters"), lambda response: response.ok and len(response.json()) >= len(paid)
    ).json()
    print(f"and the mailer has written {len(letters)} letters")
    is_one_each = sorted(letter["order"] for letter in letters) == sorted(paid)
    return 0 if [order["status"] for order in placed] == ["paid", "paid", "declined"] and is_one_each else 1


if __name__ == "__main__":
    sys.exit(main())
