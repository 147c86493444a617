"""The mailer hears of placed orders because its architect.json subscribes to them; orders knows nothing of it.

An event may arrive twice, if somebody died at the wrong moment; the inbox knows which ones were handled.
"""

import logging
import os
import sqlite3
from contextlib import closing

from flask import Flask, request
from werkzeug.serving import make_server

import architect.sdk as architect

app = Flask(__name__)


def database() -> sqlite3.Connection:
    return sqlite3.connect(**architect.datastore("letters").for_driver("sqlite3"))


@app.post("/events/order-placed")
def order_placed():
    if request.headers.get("x-shop-event") != "order_placed":
        return {"error": "this is for the orders service"}, 403
    order, event_id = request.get_json(), request.headers["ce-id"]
    letter = f"to {order['customer']}: your {order['quantity']} x {order['item']} will arrive tomorrow"
    with closing(database()) as connection, connection, architect.inbox(connection, event_id) as is_new:
        if is_new:
            connection.execute("INSERT INTO letters VALUES (?, ?)", (order["reference"], letter))
    if is_new:
        print(f"letter {letter}")
    return {}, 202


@app.get("/letters")
def show():
    with closing(database()) as connection:
        return [{"order": order, "text": text} for order, text in connection.execute("SELECT * FROM letters")]


if __name__ == "__main__":
    with closing(database()) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS letters (order_reference text, text text)")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    make_server(os.environ["HOST"], int(os.environ["PORT"]), app, threaded=True).serve_forever()
