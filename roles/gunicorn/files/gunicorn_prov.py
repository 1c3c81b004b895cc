"""What gunicorn is told beside its command line. Made by prov.

A gunicorn.conf.py in the application's folder holds as it would without this file: its hooks, for one. Gunicorn skips a
name here that it does not know, as one of an older version; on its command line that would be an error.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

gunicorn, util = map(importlib.import_module, ("gunicorn", "gunicorn.util"))
if gunicorn.version_info < (21,):
    # it sets the user that it runs as already, and units of applications may not even do that
    vars(util)["set_owner_process"] = lambda *arguments, **options: None

# bytes of "GET /path?query HTTP/1.1": gunicorn's most; its default of 4094 refuses what fronts and other servers take
limit_request_line = 8190

spec = importlib.util.spec_from_file_location("__config__", Path("gunicorn.conf.py"))
if spec is not None and spec.loader is not None and Path("gunicorn.conf.py").is_file():
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    globals().update({name: value for name, value in vars(own).items() if not name.startswith("__")})

# SCRIPT_NAME of a request is the client's word: behind_front.py says what it is (gunicorn 22 and later)
forwarder_headers = ""
