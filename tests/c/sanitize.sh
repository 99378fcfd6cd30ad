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

hammer() {
    $cc -std=c11 -O1 -g -fno-omit-frame-pointer "$@" -pthread -I "$native" tests/c/hammer.c "$native"/lw_*.c \
        -o "$work/hammer"
}

for file in "$native"/lw_*.c tests/c/hammer.c; do
    $cc -std=c11 -O1 -Wall -Wextra -Wconversion -Wshadow -fanalyzer -Werror -I "$native" -c "$file" \
        -o "$work/object.o"
done
echo "analyzer: ok"

# Its search for deadlocks is off: an alive mutex is locked within the arena's and held for life, which looks
# like one; but nobody ever waits for an alive mutex.
hammer -fsanitize=thread
TSAN_OPTIONS="halt_on_error=1 detect_deadlocks=0" $fixed "$work/hammer"
echo "threads: ok"

hammer -fsanitize=address,undefined -fno-sanitize-recover=all
"$work/hammer"
echo "address, undefined: ok"

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
