import os
import tempfile
from contextlib import suppress
from pathlib import Path

from django.core.management.utils import get_random_secret_key


def read_or_create(path: Path) -> str:
    """The key in `path`, made on first use and readable by its owner alone.

    Several workers may start at once: the file appears complete or not at all, and the first one wins.
    """
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as new:  # mode 0600
            new.write(get_random_secret_key())
            new.flush()
            os.fsync(new.fileno())
            with suppress(FileExistsError):
                path.hardlink_to(new.name)
    return path.read_text().strip()
