"""What the first boot runs on an instance, as root, with sh alone: python3 may be missing still.

Each script can be cut at any line and run again. Source: cloud-init's documentation, "status" (exit status 0 done,
1 failed, 2 done with errors); sshd_config(5), HostKey.
"""

#: wait for cloud-init; its exit status is the script's. An image without cloud-init has never read prov's host key
CLOUD_INIT = "cloud-init status --wait --long"
#: print the public half of the host key that sshd reads
USED_KEY = "ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key"
#: make the host key that is to replace the handed one, unless a cut run has made it, and print its public half
NEW_KEY = """set -eu
umask 077
new=/etc/ssh/prov_next_host_key
if ! [ -s $new ]; then
  rm -f $new.part $new.part.pub
  ssh-keygen -q -t ed25519 -N '' -C '' -f $new.part
  rm -f $new.part.pub
  mv -f $new.part $new
fi
ssh-keygen -y -f $new
"""
#: put the new key in place, unless a cut run has, and have sshd read it for the next connection
TAKE_KEY = """set -eu
new=/etc/ssh/prov_next_host_key key=/etc/ssh/ssh_host_ed25519_key
if [ -s $new ]; then
  chmod --reference=$key $new
  chown --reference=$key $new
  mv -f $new $key
fi
ssh-keygen -y -f $key >$key.pub.new
chmod 644 $key.pub.new
mv -f $key.pub.new $key.pub
if command -v restorecon >/dev/null; then restorecon $key $key.pub; fi
if systemctl cat ssh.service >/dev/null 2>&1; then systemctl try-reload-or-restart ssh.service
else systemctl try-reload-or-restart sshd.service; fi
"""
#: wait until neither cloud-init's packages nor unattended upgrades hold dpkg's lock; dnf waits for its own
DPKG = """[ -e /var/lib/dpkg/lock-frontend ] || exit 0
exec flock --wait 600 --conflict-exit-code 75 /var/lib/dpkg/lock-frontend true
"""
