#!/bin/sh
# Runs `benchmarks/fleet.py --grow OPTIONS` in namespaces of its own: processes, network, files of
# /tmp and of shared memory. Needs Linux and root, or unshare's --map-root-user.
set -e
export RAY_AUTH_MODE=disabled  # nobody else is in this network
here=$(cd "$(dirname "$0")/.." && pwd)
exec unshare --fork --pid --mount-proc --net --mount sh -c '
    mount -t tmpfs none /tmp && mount -t tmpfs none /dev/shm
    ip link set lo up && ip address add 10.9.8.7 dev lo && ip route add default dev lo src 10.9.8.7
    cd /tmp && "$@"' sh python "$here/fleet.py" --grow "$@"
