"""What prov remembers of a target, in the cluster: a Secret for each record, as Helm keeps its releases.

Who may read or change ConfigMaps alone may neither read the record nor have prov apply what they write into it.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import zlib

from provision.apps.app_releases import short_hash
from provision.inventory import InventoryHost
from provision.platforms.kubernetes.cluster_access import AccessOf
from provision.platforms.kubernetes.cluster_block import LABEL
from provision.platforms.kubernetes.cluster_calls import ClusterCalls, Object
from provision.platforms.kubernetes.object_labels import owned_by
from provision.platforms.target_records import TargetRecord, moved

#: label of records, which do not belong to an application
RECORD = "prov/record"
#: largest record, in bytes of text
LARGEST = 16 << 20


class ClusterRecords:
    """The records of a target in its namespace."""

    def __init__(self, calls: ClusterCalls, target: str) -> None:
        self.target = target
        self._calls = calls

    def read(self, name: str) -> TargetRecord:
        """Return a record; an empty one if there is none. Raises ProvError."""
        return record_in(self._calls.get("Secret", self._object_name(name)))

    def write(self, name: str, text: str, version: str) -> TargetRecord:
        """Replace a record; see TargetRecords."""
        packed = gzip.compress(text.encode(), mtime=0)
        labels = {**owned_by(self.target), RECORD: name.partition("/")[0]}
        document = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self._object_name(name), "labels": labels},
            "type": RECORD,
            "data": {"record": base64.b64encode(packed).decode()},
        }
        found = self._calls.keep_secret(self._object_name(name), version, document)
        if found is None:
            raise moved(self.target, name)
        return record_in(found)

    def _object_name(self, name: str) -> str:
        """Return the name of a record's object; no application's object has a dot in its name."""
        target = self.target
        if not re.fullmatch(LABEL, target):
            words = re.sub("[^a-z0-9]+", "-", target.lower())[:40].strip("-")
            target = f"{words}-{short_hash(target)}".strip("-")
        return f"{target}.{name.replace('/', '.')}"


def records_of(access_of: AccessOf, host: InventoryHost) -> ClusterRecords:
    """Return the records of a target. Raises ConfigErrors, UsageError."""
    return ClusterRecords(ClusterCalls(access_of(host)), host.name)


def is_record(live: Object) -> bool:
    """Return whether an object is a record."""
    return RECORD in (live["metadata"].get("labels") or {})


def record_in(live: Object | None) -> TargetRecord:
    """Return the record that an object has; a damaged one has the text "damaged"."""
    if live is None:
        return TargetRecord()
    version = str(live["metadata"].get("resourceVersion", ""))
    try:
        packed = base64.b64decode((live.get("data") or {}).get("record", ""), validate=True)
        unpacking = zlib.decompressobj(wbits=31)
        text = unpacking.decompress(packed, LARGEST).decode()
        return TargetRecord(text if unpacking.eof else "damaged", version)
    except (binascii.Error, zlib.error, ValueError, TypeError):
        return TargetRecord("damaged", version)
