# Runs a lab host's systemd-nspawn, and runs it again after the host's reboots: nspawn then exits with 133
# (EXIT_FORCE_RESTART in its nspawn.c; RestartForceExitStatus= in systemd-nspawn@.service).
#
# usage: sh supervise.sh GROUP ARGV...    GROUP: the host's control group
#
# mkdir without -p: if the host has been removed meanwhile its group is gone, and nothing is started.
set -eu
group=$1
shift
mkdir "$group/watch" "$group/host"
echo 0 > "$group/watch/cgroup.procs"
status=133
while [ "$status" -eq 133 ]; do
  status=0
  ( echo 0 > "$group/host/cgroup.procs"; exec "$@" ) || status=$?
done
exit "$status"
