"""What prov remembers of a target in AWS: SSM parameters, which are written once and never changed.

    /prov-records/TARGET/NAME/7           a record's seventh text, and how many further pieces it has
    /prov-records/TARGET/NAME/7.ID.1      a piece of it

SSM replaces a parameter whatever it was, but creates one only if there is none of its name (PutParameter). So the
next text has the next number: of two clients that write it, one does. The newest number counts; earlier ones go.
They are SecureStrings, and not below /prov/TARGET, which applications may read. Source: SSM API reference; quotas.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import secrets
import zlib
from typing import Any

from provision.cloud.cloud_errors import CloudError
from provision.platforms.aws_requests import TargetCalls
from provision.platforms.target_records import TargetRecord, moved

#: characters of a piece: a standard parameter has at most 4096
PIECE = 3900
#: largest record, in bytes of text
LARGEST = 16 << 20
#: names that DeleteParameters takes
AT_ONCE = 10
#: a number, the ID of its pieces, and the number of one
NAME = re.compile(r"(\d{1,15})(?:\.([0-9a-f]{8})\.(\d{1,6}))?")


class AwsRecords:
    """The records of a target."""

    def __init__(self, calls: TargetCalls, target: str) -> None:
        self.target = target
        self._calls = calls

    def read(self, name: str) -> TargetRecord:
        """Return a record; an empty one if there is none. Raises CloudError."""
        return newest(self._parameters(name))

    def write(self, name: str, text: str, version: str) -> TargetRecord:
        """Replace a record; see TargetRecords."""
        number, place = int(version or 0) + 1, self._place(name)
        packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
        pieces = [packed[at : at + PIECE] for at in range(0, len(packed), PIECE)]
        own = secrets.token_hex(4)
        for n, piece in enumerate(pieces[1:], 1):
            self._create(f"{place}/{number}.{own}.{n}", piece)
        value = f"{own} {len(pieces)} {pieces[0]}"
        try:
            self._create(f"{place}/{number}", value)
        except CloudError as error:
            if error.code != "ParameterAlreadyExists":
                raise
            found = self._parameters(name)
            # a request that got no answer was repeated, and the first one had been heard
            if found.get(str(number)) != value:
                self._remove(place, [each for each in found if f".{own}." in each])
                raise moved(self.target, name) from None
        found = self._parameters(name)
        if last_number(found) > number:
            # its number was free again: later ones exist
            self._remove(place, [each for each in found if each.partition(".")[0] == str(number)])
            raise moved(self.target, name)
        self._remove(place, [each for each in found if int(each.partition(".")[0]) < number - 1])
        return TargetRecord(text, str(number))

    def _place(self, name: str) -> str:
        return f"/prov-records/{self.target}/{name}"

    def _parameters(self, name: str) -> dict[str, str]:
        """Return the parameters of a record, by what their names end with."""
        place = self._place(name)
        answers = self._calls.every(
            "ssm:GetParametersByPath", "Parameters", Path=place, Recursive=False, WithDecryption=True
        )
        found = {str(each["Name"]).removeprefix(f"{place}/"): str(each["Value"]) for each in answers}
        return {each: value for each, value in found.items() if NAME.fullmatch(each)}

    def _create(self, name: str, value: str) -> None:
        self._calls.call("ssm:PutParameter", Name=name, Value=value, Type="SecureString", Overwrite=False)

    def _remove(self, place: str, names: list[str]) -> None:
        for at in range(0, len(names), AT_ONCE):
            some: list[Any] = [f"{place}/{each}" for each in names[at : at + AT_ONCE]]
            self._calls.call("ssm:DeleteParameters", Names=some)


def last_number(parameters: dict[str, str]) -> int:
    """Return the newest number that has been written; 0 if none has."""
    return max((int(each) for each in parameters if "." not in each), default=0)


def newest(parameters: dict[str, str]) -> TargetRecord:
    """Return the newest record; a damaged one has the text "damaged"."""
    number = last_number(parameters)
    if not number:
        return TargetRecord()
    own, count, first = (*parameters[str(number)].split(" ", 2), "", "")[:3]
    rest = [
        parameters.get(f"{number}.{own}.{n}", "!") for n in range(1, int(count) if count.isdecimal() else 1)
    ]
    try:
        packed = base64.b64decode("".join([first, *rest]), validate=True)
        unpacking = zlib.decompressobj(wbits=31)
        text = unpacking.decompress(packed, LARGEST).decode()
        return TargetRecord(text if unpacking.eof else "damaged", str(number))
    except (binascii.Error, zlib.error, ValueError):
        return TargetRecord("damaged", str(number))
