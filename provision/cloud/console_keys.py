"""The host key that cloud-init prints on an instance's console: trust without a key in user data.

Only root of the instance writes to the console, and AWS hands its text out over TLS to those who may ask for it.
Source: cloud-init's documentation, module `keys_to_console`; EC2 API Reference, GetConsoleOutput.
"""

from __future__ import annotations

import base64
import binascii
import re
import time

from provision.cloud.cloud_errors import CloudError
from provision.cloud.cloud_host import CloudHost
from provision.cloud.host_key_pairs import KIND, is_host_key

#: the last whole list counts: an instance that boots again prints another one
BLOCK = re.compile(r"-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL)
KEY = re.compile(rf"\b{KIND} [A-Za-z0-9+/]{{68}}(?![A-Za-z0-9+/=])")
#: seconds: until the console has the keys, which takes AWS some minutes on older types, and between looks
WITHIN, LOOK = 600.0, 10.0


def key_on_console(host: CloudHost) -> str:
    """Return the host key of the instance, once its console shows it. Raises CloudError."""
    instance = host.look_again()["InstanceId"]
    end = time.monotonic() + WITHIN
    latest = True
    host.note("waiting for the host key on the console")
    while True:
        more = {"Latest": True} if latest else {}
        try:
            answer = host.aws.call("ec2:GetConsoleOutput", InstanceId=instance, **more)
        except CloudError as error:
            if not latest or error.code != "UnsupportedOperation":
                raise
            # types before Nitro have the text of the boot only
            latest = False
            continue
        found = key_in(decoded(str(answer.get("Output", ""))))
        if found:
            return found
        if time.monotonic() > end:
            raise CloudError(
                f"the console of {instance} has shown no host key within {WITHIN:.0f} s",
                hint="The image needs cloud-init, whose `ssh: emit_keys_to_console` is on. Without it, leave out"
                " `host_key: console`: prov then hands a key over.",
            )
        time.sleep(LOOK)


def decoded(output: str) -> str:
    """Return the text of the console. boto3 has decoded it already; an imitation of AWS may not have."""
    try:
        return base64.b64decode(output, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return output


def key_in(text: str) -> str:
    """Return the key in the last whole list of keys on a console; "" if there is none."""
    for block in reversed(BLOCK.findall(text)):
        keys = {key for key in KEY.findall(block) if is_host_key(key)}
        return keys.pop() if len(keys) == 1 else ""
    return ""
