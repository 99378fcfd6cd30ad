#!/bin/sh
# The C core under the sanitizers and the analyzer. With `unit`: the Python tests under them as well.
#
#     tests/c/sanitize.sh [unit]        CC=gcc PYTHON=python3
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
cc=${CC:-gcc}
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$root"
native=src/latchwork/_native
case ${1-} in
'' | unit) ;;
*)
    echo "usage: $0 [unit]" >&2
    exit 2
    ;;
esac

# ThreadSanitizer's older run-times can't place their shadow where a kernel randomizes addresses strongly.
fixed=
if setarch "$(uname -m)" -R true 2>/dev/null; then fixed="setarch $(uname -m) -R"; fi

# Two compilers at a time: $1 is the binary, $2 the program, the rest are options.
build() {
    binary=$work/$1
    case $2 in
    hammer | killer) sources=$(echo tests/c/$2*.c) ;;
    *) sources=tests/c/$2.c ;;
    esac
    shift 2
    # shellcheck disable=SC2086
    $cc -std=gnu11 -O1 -g -fno-omit-frame-pointer "$@" -pthread -I "$native" $sources "$native"/lw_*.c -o "$binary"
}
{
    build hammer-threads hammer -fsanitize=thread
    build hammer-addresses hammer -fsanitize=address,undefined -fno-sanitize-recover=all
    build killer-addresses killer -fsanitize=address,undefined -fno-sanitize-recover=all
    build killer killer
} &
builds=$!

for file in "$native"/lw_*.c tests/c/*.c; do
    $cc -std=gnu11 -O1 -Wall -Wextra -Wconversion -Wshadow -fanalyzer -Werror -I "$native" -c "$file" \
        -o "$work/object.o"
done
echo "analyzer: ok"
wait "$builds"

# Its search for deadlocks is off: an alive mutex is locked within the arena's and held for life, which looks
# like one; but nobody ever waits for an alive mutex. So are its reports of mutexes locked twice: it does not see
# that a dead member's is made anew. Who uses a dead member's entry again writes it while others read it: they
# look at its id before and after, as with a sequence lock.
echo race:lw_member_attach >"$work/suppressions"
TSAN_OPTIONS="halt_on_error=1 detect_deadlocks=0 report_mutex_bugs=0 suppressions=$work/suppressions" $fixed "$work/hammer-threads"
echo "threads: ok"

"$work/hammer-addresses"
"$work/killer-addresses" 4
echo "address, undefined: ok"

"$work/killer" 12
echo "killed: ok"

[ "${1-}" = unit ] || exit 0

LATCHWORK_SANITIZE=1 "$python" setup.py -q build --build-base "$work/build" --build-lib "$work/lib"
# Python itself is not built for it: so the run-times come first; and its own allocator would hide ours from
# them. Its leaks at exit are not looked at. The tests at crash points need another build, and the shadow a large
# address space: they stay out.
preload="$($cc -print-file-name=libasan.so) $($cc -print-file-name=libubsan.so)"
status=0
env LD_PRELOAD="$preload" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS="halt_on_error=1 print_stacktrace=1" \
    PYTHONMALLOC=malloc PYTHONPATH="$work/lib" PYTHONDONTWRITEBYTECODE=1 \
    "$python" -c 'import latchwork._core, sys
assert latchwork._core.__file__.startswith(sys.argv[1]), latchwork._core.__file__
latchwork.Lock().acquire()' "$work/lib"
env LD_PRELOAD="$preload" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS="halt_on_error=1 print_stacktrace=1" \
    PYTHONMALLOC=malloc PYTHONPATH="$work/lib" PYTHONDONTWRITEBYTECODE=1 \
    "$python" -m pytest tests -q -m 'not long' -p no:cacheprovider --ignore tests/test_crash_points.py \
    --ignore tests/test_models.py --ignore tests/test_pains.py --ignore tests/test_chaos.py --timeout 120 \
    --deselect tests/test_arena_files.py::test_a_limit_of_address_space_is_no_hindrance || status=$?
# 5: there was no test to run.
[ "$status" -eq 0 ] || [ "$status" -eq 5 ] || exit "$status"
echo "unit: ok"
