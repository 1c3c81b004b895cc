"""Run a container as a user of the host, in the place of this process, so that podman gets systemd's socket."""

import os
import pwd
import sys

account = pwd.getpwnam(sys.argv[1])
os.execv("/usr/bin/podman", ["podman", "run", f"--user={account.pw_uid}:{account.pw_gid}", *sys.argv[2:]])
