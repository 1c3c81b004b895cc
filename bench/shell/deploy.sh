#!/bin/sh
# deploy.sh FOLDER SSH_CONFIG HOST...: send FOLDER to each host in one ssh, run install.sh there, all at once.
set -u
folder=$1 config=$2
shift 2
pids='' status=0
for host in "$@"; do
    tar -cz -C "$folder" . | ssh -F "$config" "$host" \
        'd=$(mktemp -d) && tar -xz -C "$d" && sh "$d/install.sh"; s=$?; rm -rf "$d"; exit $s' &
    pids="$pids $!"
done
for pid in $pids; do wait "$pid" || status=1; done
exit $status
