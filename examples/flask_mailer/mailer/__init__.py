"""A Flask application made by a factory; letters are sent by a worker of RQ."""

import os

import redis
import rq
from flask import Flask, jsonify

from mailer.letters import send


def create_app() -> Flask:
    """The application. REDIS_URL in the environment says where the queue is."""
    app = Flask(__name__)
    connection = redis.Redis.from_url(os.environ["REDIS_URL"])
    queue = rq.Queue("letters", connection=connection)

    @app.post("/letters/<name>")
    def letter(name: str):
        return jsonify(job=queue.enqueue(send, name).id), 202

    @app.get("/")
    def sent():
        return jsonify(sent=[name.decode() for name in connection.lrange("sent", 0, -1)])

    @app.get("/healthz")
    def healthz():
        connection.ping()
        return "ok"

    return app
