"""The orders service: REST in front, PostgreSQL and gRPC behind, and an event for whoever wants to know."""

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
        id serial PRIMARY KEY, customer text, item text, quantity int, cents int, status text, detail text
    )
"""

app = Flask(__name__)
payments = architect.service("shop/payments")


def database() -> psycopg.Connection:
    db = architect.datastore("primary_db")
    return psycopg.connect(
        host=db.host, port=db.port, dbname=db.name, user=db.username, password=db.password, row_factory=dict_row
    )


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


@app.post("/orders")
def create():
    wanted = request.get_json()
    cents = PRICES[wanted["item"]] * wanted["quantity"]
    with database() as connection:
        order = connection.execute(
            "INSERT INTO orders (customer, item, quantity, cents) VALUES (%s, %s, %s, %s) RETURNING *",
            (wanted["customer"], wanted["item"], wanted["quantity"], cents),
        ).fetchone()
        print(f"order {order['id']} is in the database: {cents / 100:.2f} EUR to pay")
        order |= pay(order)
        connection.execute(
            "UPDATE orders SET status = %s, detail = %s WHERE id = %s", (order["status"], order["detail"], order["id"])
        )
    if order["status"] == "paid":
        for delivery in architect.notification("order_placed").publish(order):
            told = f"answered {delivery.status}" if delivery.ok else f"was not reached: {delivery.error}"
            print(f"order_placed: {delivery.subscription.name} {told} after {delivery.elapsed * 1000:.0f} ms")
    return order, 201 if order["status"] == "paid" else 402


@app.get("/orders/<int:order_id>")
def show(order_id: int):
    with database() as connection:
        order = connection.execute("SELECT * FROM orders WHERE id = %s", (order_id,)).fetchone()
    return order or ({"error": f"there is no order {order_id}"}, 404)


if __name__ == "__main__":
    with database() as connection:
        connection.execute(SCHEMA)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # the story is told above, not by the access log
    make_server(os.environ["HOST"], int(os.environ["PORT"]), app, threaded=True).serve_forever()
