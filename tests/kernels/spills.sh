#!/bin/sh
# spills.sh LIBRARY: looks at the machine code of the largest tiles of the matrix products. All sums
# must stay in registers: no vector may go to or come from the stack between the first and the last
# instruction that adds to a sum. A compiler that breaks this makes everything two to three times slower, and no
# other test would notice. Prints its totals as cmocka does.
set -eu
library=${1:?usage: spills.sh LIBRARY}
passed=0 failed=0

# check OBJECT FUNCTION ADDS SUMS: the instruction that ADDS is there SUMS times: rows x vectors of
# the tile, three times that where a round of the loop takes two steps and one may be left; twice
# where one instruction adds both.
check() {
    found=$(objdump -d --no-show-raw-insn "$library" | awk -v object="$1" -v name="<$2>:" -v adds="$3" '
        / file format / { ours = index($1, object) == 1 }
        /^[0-9a-f]+ </  { inside = ours && $2 == name; pending = 0 }
        inside && $0 ~ adds { sums++; spills += pending; pending = 0 }
        inside && sums && /\(%r[sb]p/ && /[xyz]mm/ { pending++ }
        END { print sums + 0, spills + 0 }')
    if [ "$found" = "$4 0" ]; then
        passed=$((passed + 1))
    else
        echo "$1 $2: found '$found' of $3 and spills, expected '$4 0'"
        failed=$((failed + 1))
    fi
}

check tier_avx2.c tile_6_2 vfmadd 12
check tier_avx512.c tile_8_3 vfmadd 24
check tier_avx512_vnni.c tile_8_3 vfmadd 24
check tier_avx2.c tile_s16_6_2 vpaddd 36
check tier_avx512.c tile_s16_8_3 vpaddd 72
check tier_avx512_vnni.c tile_s16_8_3 vpdpwssd 72
check tier_avx_vnni.c tile_s16_6_2 vpdpwssd 36
check tier_avx2.c tile_u8_5_2 vpaddd 20
check tier_avx512.c tile_u8_8_3 vpaddd 48
check tier_avx512_vnni.c tile_u8_8_3 vpdpbusd 72
check tier_avx_vnni.c tile_u8_6_2 vpdpbusd 36
echo "[  PASSED  ] $passed test(s)."
[ "$failed" -eq 0 ] || { echo "[  FAILED  ] $failed test(s)"; exit 1; }
