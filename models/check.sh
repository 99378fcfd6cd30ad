#!/bin/sh
# Checks every model with every combination of what may go wrong. Needs spin and a C compiler.
set -eu
models=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
check() {
    spin -a $2 "$models/$1.pml" >/dev/null
    cc -O2 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -o pan pan.c
    ./pan -m2000000 >out 2>&1 || true
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' out)
    if ! grep -q 'errors: 0' out || grep -q 'max search depth too small' out; then
        cat out
        echo "FAILED: $1 ${2:-plain}"
        exit 1
    fi
    printf '%-8s %-28s %12s states  ok\n' "$1" "${2:-plain}" "$states"
}
for flags in "" "-DSPURIOUS" "-DTIMEOUTS" "-DDEATH_HELD" "-DDEATH_HELD -DTIMEOUTS" "-DDEATH" \
    "-DDEATH -DTIMEOUTS -DSPURIOUS"; do
    check lock "$flags"
done
for flags in "" "-DSPURIOUS" "-DTIMEOUTS" "-DTIMEOUTS -DSPURIOUS" "-DDEATH" "-DDEATH -DTIMEOUTS -DSPURIOUS"; do
    check event "$flags"
done
