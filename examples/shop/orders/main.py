"""The orders service: REST in front, PostgreSQL and gRPC behind, and an event for whoever wants to know.

An order and its event are committed together. `architect relay`, which `architect run` starts, delivers the event.
"""

import logging
import os

import grpc
import psycopg
from flask import Flask, request
from psycopg.rows import dict_row
from werkzeug.serving import make_server

import architect.sdk as architect

PRICES = {"espresso cup": 1200, "coffee grinder": 8900}  # in cents
SCHEMA = """
    CREATE TABLE IF NOT EXISTS orders (
        id serial PRIMARY KEY, reference text UNIQUE, customer text, item text, quantity int, cents int, status text,
        detail text
    )
"""

app = Flask(__name__)
payments = architect.service("shop/payments")
placed = architect.notification("order_placed")


def database() -> psycopg.Connection:
    return psycopg.connect(**architect.datastore("primary_db").for_driver("psycopg"), row_factory=dict_row)


def pay(order: dict) -> dict:
    """Ask the payments service, and say what became of it."""
    try:
        answer = payments.client.Pay(
            payments.defs.PayRequest(reference=f"order {order['id']}", cents=order["cents"]), timeout=5
        )
    except grpc.RpcError as problem:
        if problem.code() != grpc.StatusCode.FAILED_PRECONDITION:
            raise
        return {"status": "declined", "detail": problem.details()}
    return {"status": "paid", "detail": f"receipt {answer.receipt}"}


@app.put("/orders/<reference>")
def create(reference: str):
    """Places an order once, however often it is asked to: whoever got no answer may ask again."""
    wanted = request.get_json()
    cents = PRICES[wanted["item"]] * wanted["quantity"]
    with database() as connection:  # one transaction: the order, what came of it, and the event
        order = connection.execute(
            "INSERT INTO orders (reference, customer, item, quantity, cents) VALUES (%s, %s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING RETURNING *",
            (reference, wanted["customer"], wanted["item"], wanted["quantity"], cents),
        ).fetchone()
        if order is None:
            order = find(connection, reference)
        else:
            print(f"order {order['id']} is in the database: {cents / 100:.2f} EUR to pay")
            order |= pay(order)
            connection.execute(
                "UPDATE orders SET status = %s, detail = %s WHERE id = %s",
                (order["status"], order["detail"], order["id"]),
            )
            if order["status"] == "paid":
                placed.publish(order, key=reference, outbox=connection)
                print(f"order {order['id']}: order_placed is in the outbox")
    return order, 201 if order["status"] == "paid" else 402


def find(connection: psycopg.Connection, reference: str) -> dict | None:
    return connection.execute("SELECT * FROM orders WHERE reference = %s", (reference,)).fetchone()


@app.get("/orders/<reference>")
def show(reference: str):
    with database() as connection:
        order = find(connection, reference)
    return order or ({"error": f"there is no order {reference}"}, 404)


if __name__ == "__main__":
    with database() as connection:
        connection.execute(SCHEMA)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # the story is told above, not by the access log
    make_server(os.environ["HOST"], int(os.environ["PORT"]), app, threaded=True).serve_forever()
