#!/bin/sh
# neon.sh BUILD_DIR: cross-compiles the kernels and their tests for 64-bit ARM and runs them under
# qemu. Prints "N passed, N failed"; exits 1 when a test failed or did not end.
set -eu
build=${1:?usage: neon.sh BUILD_DIR}
root=$(cd "$(dirname "$0")/../.." && pwd)
log=$build/neon.log
mkdir -p "$build"
if ! { cmake -S "$root/tests/kernels/plain" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_TOOLCHAIN_FILE="$root/cmake/aarch64.cmake" && ninja -C "$build"; } >"$log" 2>&1; then
    cat "$log" >&2
    echo "0 passed, 1 failed"
    exit 1
fi
passed=0 failed=0
for program in plain_kernels plain_dispatch; do
    qemu-aarch64 -L /usr/aarch64-linux-gnu "$build/$program" >"$log" 2>&1 || true
    last=$(tail -n 1 "$log")
    case $last in
    *" passed, "*" failed")
        passed=$((passed + ${last%% *}))
        rest=${last#*, }
        failed=$((failed + ${rest%% *}))
        [ "${rest%% *}" -eq 0 ] || cat "$log" >&2
        ;;
    *)
        cat "$log" >&2
        echo "$program did not end" >&2
        failed=$((failed + 1))
        ;;
    esac
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
