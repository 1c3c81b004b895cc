"""What the worker does. It sends nothing in truth, and notes to whom it would have."""

import os
import time

import redis


def send(name: str) -> None:
    """Take a second for a letter."""
    time.sleep(1)
    redis.Redis.from_url(os.environ["REDIS_URL"]).rpush("sent", name)
