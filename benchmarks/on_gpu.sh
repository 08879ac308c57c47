#!/usr/bin/env bash
# Fifteen minutes on a GPU: every figure of docs/performance.md that needs one, into one JSON file.
#
#   benchmarks/on_gpu.sh                         installs soundstage with JAX for CUDA, and measures
#   benchmarks/on_gpu.sh --wheels DIR            installs from a folder of wheels, without a network
#   benchmarks/on_gpu.sh --installed --small     a trial of everything, in minutes on a CPU
#
#   --json FILE     where the figures go, after every step (default: on_gpu.json)
#   --installed     uses the packages of `python3` as they are
#   --seconds N     how long all steps may take together (default: 780); steps that no longer fit
#                   are left out, the most important ones come first
#
# A step that fails is noted in the file, and the next one runs.
set -uo pipefail
cd "$(dirname "$0")/.."

json=on_gpu.json wheels= installed= seconds=780
sizes=(large base) rows="1 2 4 8 16" whole="1 16" repeats=3 chunks=5
while [ $# -gt 0 ]; do
    case $1 in
        --json) json=$2; shift ;;
        --wheels) wheels=$2; shift ;;
        --seconds) seconds=$2; shift ;;
        --installed) installed=yes ;;
        --small) sizes=(tiny demo) rows="1 2" whole="1 2" repeats=1 chunks=1 ;;
        *) sed -n 's/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift
done
json=$(realpath -m "$json")

python=python3
if [ -z "$installed" ]; then
    folder=$(mktemp -d)
    python3 -m venv --system-site-packages "$folder" || exit 1
    python=$folder/bin/python
    if [ -n "$wheels" ]; then
        # The folder has what the machine lacks, and nothing is asked for beyond it.
        "$python" -m pip install --quiet --no-index --no-deps "$wheels"/*.whl || exit 1
    else
        "$python" -m pip install --quiet '.[cuda12]' || exit 1
    fi
fi
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1

began=$SECONDS
# step SECONDS WORD...: a step in a process of its own, if there is time left for it to begin.
step() {
    local most=$1 left=$((seconds - (SECONDS - began)))
    shift
    [ "$left" -gt 20 ] || { echo "no time left for: $*"; return; }
    [ "$most" -lt "$left" ] || most=$left
    printf '\n==> %s (at %d s)\n' "$*" $((SECONDS - began))
    timeout --kill-after 5 "$most" "$python" benchmarks/on_gpu.py "$@" --json "$json" \
        || echo "this step failed or took longer than $most s: $*"
}

same=(--repeats "$repeats" --chunks "$chunks")
step 60 machine
step 240 parity
step 120 fused
for size in "${sizes[@]}"; do step 200 chunk --size "$size" --rows $rows "${same[@]}"; done
step 150 chunk --size "${sizes[0]}" --rows $whole --products fused "${same[@]}"
for products in auto fused; do
    step 90 frames --rows $whole --products $products "${same[@]}"
done
step 120 decode --size "${sizes[0]}" --rows $whole "${same[@]}"
step 150 pipeline --size "${sizes[0]}" --rows $whole "${same[@]}"
step 150 start --size "${sizes[0]}"
step 90 shared --size "${sizes[0]}" "${same[@]}"
step 150 pipeline --size "${sizes[1]}" --rows $whole "${same[@]}"

"$python" benchmarks/on_gpu.py tables --json "$json"
