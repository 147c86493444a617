"""The storefront: a script that places orders over REST and shows what came of them."""

import sys
import time

import architect.sdk as architect

PURCHASES = [
    {"customer": "a regular", "item": "espresso cup", "quantity": 2},
    {"customer": "a newcomer", "item": "coffee grinder", "quantity": 1},
    {"customer": "a cafe owner", "item": "coffee grinder", "quantity": 40},
]

# a requests.Session that knows where the orders service is
orders = architect.service("shop/orders").client


def place(purchase: dict) -> dict:
    print(f"{purchase['customer']} wants {purchase['quantity']} x {purchase['item']}")
    started = time.perf_counter()
    order = orders.post("/orders", json=purchase).json()
    milliseconds = (time.perf_counter() - started) * 1000
    print(f"  => order {order['id']} {order['status']}, {milliseconds:.0f} ms later: {order['detail']}\n")
    return order


def main() -> int:
    placed = [place(purchase) for purchase in PURCHASES]

    print("what the orders service has in its database:")
    print(f"  {'order':<6}{'customer':<14}{'what':<22}{'EUR':>9}  status")
    for placed_order in placed:
        order = orders.get("/orders/:order_id", path_params={"order_id": placed_order["id"]}).json()
        what = f"{order['quantity']} x {order['item']}"
        print(f"  {order['id']:<6}{order['customer']:<14}{what:<22}{order['cents'] / 100:>9.2f}  {order['status']}")

    letters = architect.service("shop/mailer").client.get("/letters").json()
    print(f"and the mailer has written {len(letters)} letters")
    return 0 if [order["status"] for order in placed] == ["paid", "paid", "declined"] and len(letters) == 2 else 1


if __name__ == "__main__":
    sys.exit(main())
