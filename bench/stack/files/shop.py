"""The application of the benchmark's stack: a small WSGI application that reads its settings when it starts."""

import json
import os

from itsdangerous import Signer

with open("/srv/shop/conf/settings.json") as file:
    SETTINGS = json.load(file)
SIGNER = Signer(os.environ["SHOP_SECRET"])


def application(environ, start_response):
    """Answer any path with the shop's name, signed."""
    body = SIGNER.sign(SETTINGS["name"].encode()) + b"\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
