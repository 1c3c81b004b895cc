"""A site as the front of its host serves it. Shipped to hosts (Python 3.8, standard library)."""

import re
import time
from typing import TYPE_CHECKING, Any, Dict

from provision.steps.base import wanted
from provision.steps.support import unverified_tls
from provision.steps.waiting import Url

if TYPE_CHECKING:
    from ssl import SSLContext

#: what a front answers that can't ask the application
FAILED = re.compile(r"status 5\d\d ")


@wanted()
class AtFront(Url):
    """A URL of a front. Whom its certificate is from is not asked: the days that it has left are shown, and
    many hosts do not know the authority."""

    def _tls(self) -> "SSLContext":
        return unverified_tls.unjudged()


def answer_of_front(url: str, address: str = "127.0.0.1") -> Dict[str, Any]:
    """Ask a front for a site; return its url, ms, and what is wrong under "said".

    address: of the front.  An answer below 500 is one: networks and users that may see the site differ.
    """
    began = time.monotonic()
    said = AtFront(url, address=address).asked()
    ms = round((time.monotonic() - began) * 1000)
    wrong = not said.startswith("status ") or FAILED.match(said)
    return {"url": url, "said": said if said and wrong else "", "ms": ms}
