"""prov: bring a bare host to the state in which it serves a Python web application."""

__version__ = "0.1.0"
