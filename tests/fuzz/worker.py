"""One parser, mutated inputs without end, in a process of its own: little memory, and no one waits for what hangs.

    python tests/fuzz/worker.py PARSER SECONDS SEED FOLDER

What it should not have raised is a fault: its input is kept in FOLDER, and said. Exit status: 1 if there were faults.
"""

from __future__ import annotations

import hashlib
import random
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import NoReturn

MEMORY = 1 << 30
#: seconds for one input, on a busy machine
LONGEST = 20


def too_long(signum: int, frame: object) -> NoReturn:
    raise TimeoutError(f"it takes longer than {LONGEST} s")


def main(name: str, seconds: float, seed: int, folder: Path) -> int:
    from parsers import PARSERS

    parser, rng = PARSERS[name], random.Random(seed)
    seeds = [*parser.seeds(), *(path.read_bytes() for path in sorted((folder / name).glob("*")))]
    signal.signal(signal.SIGALRM, too_long)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    found: set[str] = set()
    end, tried = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        data = parser.near(rng.choice(seeds), rng)
        tried += 1
        signal.alarm(LONGEST)
        try:
            parser.check(data)
        except Exception as error:
            signal.alarm(0)
            place = traceback.extract_tb(error.__traceback__)[-1]
            fault = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            if fault not in found:
                found.add(fault)
                (folder / name).mkdir(parents=True, exist_ok=True)
                path = folder / name / hashlib.sha256(data).hexdigest()[:12]
                path.write_bytes(data)
                sys.stdout.write(f"{name}: {fault}: {error!s:.200}\n  {path}\n")
                sys.stdout.flush()
        finally:
            signal.alarm(0)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(f"{name}: {tried} inputs, {len(found)} faults, {memory} MB" + "\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
