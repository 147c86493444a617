"""The mailer hears of placed orders because its architect.json subscribes to them; orders knows nothing of it."""

import logging
import os

from flask import Flask, request
from werkzeug.serving import make_server

app = Flask(__name__)
letters: list[str] = []


@app.post("/events/order-placed")
def order_placed():
    if request.headers.get("x-shop-event") != "order_placed":
        return {"error": "this is for the orders service"}, 403
    order = request.get_json()
    letters.append(f"to {order['customer']}: your {order['quantity']} x {order['item']} will arrive tomorrow")
    print(f"letter {letters[-1]}")
    return {}, 202


@app.get("/letters")
def show():
    return letters


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    make_server(os.environ["HOST"], int(os.environ["PORT"]), app, threaded=True).serve_forever()
