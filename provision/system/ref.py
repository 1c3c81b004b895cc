"""An earlier step of the same run, as later steps refer to it. Shipped."""


class Ref:
    """An earlier step of the same run, as later steps refer to it: `reload_on=[conf]`.

    On the controller this is an `Outcome`; on the host the agent fills in the result.
    id: the step's number in its run.  label: "file /etc/motd".
    fingerprint: identifies the step's present state; equal if and only if the states are equal.
    """

    def __init__(self, id: int, label: str = "", changed: bool = False, fingerprint: str = "") -> None:
        self.id = id
        self.label = label
        self._changed = changed
        self.fingerprint = fingerprint

    @property
    def changed(self) -> bool:
        """Whether the step changed something (or would, in a plan)."""
        return self._changed
