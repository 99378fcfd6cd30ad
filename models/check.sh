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
    ./pan -m2000000 -w24 >out 2>&1 || true
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
for flags in "" "-DN=3 -DSPURIOUS" "-DN=3 -DTIMEOUTS" "-DN=3 -DDEATH -DTIMEOUTS"; do
    check semaphore "-DROUNDS=2 $flags"
done
for flags in "" "-DSPURIOUS" "-DTIMEOUTS" "-DDEATH_HELD" "-DDEATH -DTIMEOUTS -DSPURIOUS"; do
    check latch "$flags"
done
for flags in "" "-DLIMIT=2" "-DTIMEOUTS -DSPURIOUS" "-DDEATHS=1" "-DDEATHS=1 -DLIMIT=2" "-DDEATHS=1 -DTIMEOUTS -DLIMIT=2"; do
    check permits "$flags"
done
for flags in "" "-DTIMEOUTS" "-DDEATHS=1 -DANY_STEP"; do
    check rwlock "-DROUNDS=1 -DWATCH_ALWAYS $flags"
done
for flags in "" "-DROUNDS=2 -DTIMEOUTS" "-DDEATHS=1" "-DDEATHS=1 -DROUNDS=2" "-DDEATHS=2 -DRECHECK -DSPURIOUS"; do
    check condition "$flags"
done
for flags in "" "-DACTION -DMEDDLE" "-DTIMEOUTS" "-DDEATHS=1" "-DDEATHS=1 -DACTION" "-DDEATHS=1 -DPARTIES=3 -DACTION"; do
    check barrier "-DROUNDS=1 $flags"
done
