"""Settings for development and production; the environment tells which (see README.md)."""

import os
from pathlib import Path

from chat_site import secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
# What must outlive a release: the secret key.
DATA_DIR = Path(os.environ.get("DATA_DIR") or BASE_DIR)

DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
BEHIND_PROXY = os.environ.get("BEHIND_PROXY") == "1"

SECRET_KEY = os.environ.get("SECRET_KEY") or secret_key.read_or_create(DATA_DIR / "secret_key")

# Also the origins from which WebSockets are accepted (chat_site/asgi.py).
ALLOWED_HOSTS = [host.strip() for host in os.environ.get("ALLOWED_HOSTS", "").split(",") if host.strip()]

INSTALLED_APPS = ["chat", "channels", "django.contrib.staticfiles"]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "chat_site.urls"
ASGI_APPLICATION = "chat_site.asgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

# In memory a message reaches those whose WebSocket is in the same process: right for a single one (`workers: 1`).
# Several processes, or hosts, need Redis between them.
REDIS_URL = os.environ.get("REDIS_URL")
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "static"  # the front serves this folder of a release
STORAGES = {
    "staticfiles": {
        # Names with a hash of the content in them, so that the front may let clients cache for ever.
        "BACKEND": "django.contrib.staticfiles.storage."
        + ("StaticFilesStorage" if DEBUG else "ManifestStaticFilesStorage")
    },
}

CSRF_COOKIE_SECURE = not DEBUG
SECURE_HSTS_SECONDS = 0 if DEBUG else 63_072_000
# The health check comes over the server's own socket, not through the front, and so not over https.
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
if BEHIND_PROXY:
    # Only behind a front that sets this header itself: a client could send it too.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = not DEBUG
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS for subdomains: not this application's to promise
    "security.W021",  # HSTS preloading: the same, and next to impossible to take back
]

# Everything to stderr, hence to the journal. Django's default only mails errors when DEBUG is off.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"django": {"handlers": [], "level": "INFO"}},
}
