#!/bin/sh
# spills.sh LIBRARY: looks at the machine code of the largest tiles of the matrix product. All sums
# must stay in registers: no vector may go to or come from the stack between the first and the last
# fused multiply-add. A compiler that breaks this makes everything two to three times slower, and no
# other test would notice. Prints its totals as cmocka does.
set -eu
library=${1:?usage: spills.sh LIBRARY}
passed=0 failed=0

# check OBJECT FUNCTION FUSED: FUSED is rows x vectors of the tile.
check() {
    found=$(objdump -d --no-show-raw-insn "$library" | awk -v object="$1" -v name="<$2>:" '
        / file format / { ours = index($1, object) == 1 }
        /^[0-9a-f]+ </  { inside = ours && $2 == name; pending = 0 }
        inside && /vfmadd/ { fused++; spills += pending; pending = 0 }
        inside && fused && /\(%r[sb]p/ && /[xyz]mm/ { pending++ }
        END { print fused + 0, spills + 0 }')
    if [ "$found" = "$3 0" ]; then
        passed=$((passed + 1))
    else
        echo "$1 $2: found '$found' fused multiply-adds and spills, expected '$3 0'"
        failed=$((failed + 1))
    fi
}

check tier_avx2.c tile_6_2 12
check tier_avx512.c tile_8_3 24
check tier_avx512_vnni.c tile_8_3 24
echo "[  PASSED  ] $passed test(s)."
[ "$failed" -eq 0 ] || { echo "[  FAILED  ] $failed test(s)"; exit 1; }
