#!/bin/sh
# Checks the models with what may go wrong: by default in about a minute, with `all` every combination that
# was ever worth it (many minutes, 4 GB). Two at a time. Needs spin and a C compiler.
set -eu
models=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
all=${1:-}
number=0
check() {
    number=$((number + 1))
    printf '%s|%s\n' "$1" "$2" >"$work/$(printf %03d $number)"
}
more() { if [ "$all" = all ]; then check "$@"; fi; }

for flags in "" "-DTIMEOUTS" "-DDEATH_HELD -DTIMEOUTS" "-DDEATH -DTIMEOUTS -DSPURIOUS"; do check lock "$flags"; done
for flags in "-DSPURIOUS" "-DDEATH_HELD" "-DDEATH"; do more lock "$flags"; done
for flags in "" "-DDEATH -DTIMEOUTS -DSPURIOUS"; do check event "$flags"; done
for flags in "-DSPURIOUS" "-DTIMEOUTS" "-DTIMEOUTS -DSPURIOUS" "-DDEATH"; do more event "$flags"; done
for flags in "-DN=3 -DSPURIOUS" "-DN=3 -DTIMEOUTS"; do check semaphore "-DROUNDS=2 $flags"; done
check semaphore "-DROUNDS=1 -DN=3 -DDEATH -DTIMEOUTS"
for flags in "" "-DN=3 -DDEATH -DTIMEOUTS"; do more semaphore "-DROUNDS=2 $flags"; done
for flags in "-DDEATH_HELD" "-DDEATH -DTIMEOUTS -DSPURIOUS"; do check latch "$flags"; done
for flags in "" "-DSPURIOUS" "-DTIMEOUTS"; do more latch "$flags"; done
for flags in "" "-DONCE" "-DONCE -DLIMIT=2 -DSTEPS" "-DDEATHS=1" "-DTIMEOUTS"; do check permits "$flags"; done
for flags in "-DLIMIT=2" "-DDEATHS=1 -DLIMIT=2" "-DTIMEOUTS -DSPURIOUS" "-DDEATHS=1 -DTIMEOUTS"; do more permits "$flags"; done
for flags in "" "-DDEATHS=1"; do check rwlock "-DROUNDS=1 $flags"; done
for flags in "-DTIMEOUTS" "-DDEATHS=1 -DSTEPS"; do more rwlock "-DROUNDS=1 $flags"; done
for flags in "" "-DDEATHS=1"; do check condition "$flags"; done
for flags in "-DROUNDS=2 -DTIMEOUTS" "-DDEATHS=1 -DROUNDS=2" "-DDEATHS=2 -DRECHECK -DSPURIOUS"; do more condition "$flags"; done
for flags in "-DACTION -DMEDDLE" "-DTIMEOUTS" "-DDEATHS=1 -DACTION"; do check barrier "-DROUNDS=1 $flags"; done
for flags in "" "-DDEATHS=1" "-DDEATHS=1 -DPARTIES=3 -DACTION"; do more barrier "-DROUNDS=1 $flags"; done
for flags in "-DTIMEOUTS -DCANCELS" "-DDEATH_HELD" "-DPS=1 -DT_ROUNDS=2 -DDEATH_HELD -DCANCELS"; do check watcher "$flags"; done
check watcher "-DPS=1 -DP_ROUNDS=2 -DT_ROUNDS=2 -DTIMEOUTS -DCANCELS -DSPURIOUS"
check watcher "-DPS=1 -DDEATH -DCANCELS"
for flags in "-DT_ROUNDS=2" "-DP_ROUNDS=2" "-DDEATH" "-DDEATH_HELD -DCANCELS"; do more watcher "$flags"; done
for flags in "-DP_ROUNDS=2 -DT_ROUNDS=3 -DCANCELS" "-DT_ROUNDS=2 -DDEATH -DCANCELS"; do more watcher "-DPS=1 $flags"; done

cat >"$work/one" <<'END'
IFS='|' read -r model flags <"$1"
mkdir "$1.run" && cd "$1.run"
fast=-O0 # for most, to compile otherwise would take longer than it saves
case $model$3 in
rwlockall | permitsall | watcherall) ;;
lock | *all) fast=-O1 ;;
esac
[ "$3" != all ] || fast="$fast -DCOLLAPSE" # slower, but without it some would need many gigabytes
spin -a $flags "$2/$model.pml" >out 2>&1 && cc $fast -w -DSAFETY -DVECTORSZ=2048 -o pan pan.c >>out 2>&1 &&
    ./pan -m2000000 -w23 >out 2>&1
states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' out)
if ! grep -q 'errors: 0' out || grep -q 'max search depth too small' out; then
    cat out
    echo "FAILED: $model ${flags:-plain}"
    exit 255
fi
printf '%-10s %-36s %12s states  ok\n' "$model" "${flags:-plain}" "$states"
cd .. && rm -r "$1.run"
END
ls "$work"/[0-9]* | xargs -P 2 -I {} sh "$work/one" {} "$models" "$all"
