"""Steps about one release of an application. Shipped to hosts (Python 3.8, standard library)."""

import os
from typing import TYPE_CHECKING

from provision.steps.base import Step, check_path, check_text, wanted

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class NamedRelease(Step):
    """home: such as /srv/shop.  name: of the release."""

    home: str
    name: str

    def validate(self) -> None:
        check_path(self.home, "home")
        check_text(self.name, "name")
        if "/" in self.name:
            raise ValueError("name must be that of a release, not %r" % self.name)

    def in_service(self, host: "System") -> bool:
        """Return whether the link `current` leads to it."""
        current = host.files.stat("%s/current" % self.home)
        return current is not None and os.path.basename(current.target) == self.name
