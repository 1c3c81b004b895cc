"""A Flask application small enough to read at once, and real enough to deploy."""

import hashlib
import os

from flask import Flask, jsonify, render_template, request
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)

if os.environ.get("BEHIND_PROXY") == "1":
    # Trust what the last hop says in X-Forwarded-For and -Proto. Off by default, as without a front a client
    # could forge both. No x_host: a front that keeps the Host header needn't strip a forged X-Forwarded-Host.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=0)


@app.get("/")
def index():
    return render_template("index.html")


@app.get("/healthz")
def healthz():
    return "ok", {"Content-Type": "text/plain; charset=utf-8"}


@app.get("/whoami")
def whoami():
    """What the application believes about its client: shows whether the proxy's headers arrive."""
    return jsonify(client=request.remote_addr, scheme=request.scheme, host=request.host)


@app.post("/upload")
def upload():
    """Tells size and hash of what is sent, which is never in memory as a whole."""
    size, digest = 0, hashlib.sha256()
    while chunk := request.stream.read(65536):
        size += len(chunk)
        digest.update(chunk)
    return jsonify(bytes=size, sha256=digest.hexdigest())
