#!/usr/bin/env bash
# tools/lint_perf.sh [--record] PROGRAM: how many instructions the hot kernels take, counted by
# callgrind in PROGRAM (bench/count_kernels.c), beside those of tools/instruction_counts.txt. Counts
# do not depend on the load of the machine. More than 3 % above fails; more than 3 % below asks to
# record the gain, so that it cannot be lost unseen. Another compiler than the recorded one only
# warns. Prints, at the end, "N passed, N failed", a kernel each.
set -euo pipefail
cd "$(dirname "$0")/.."

record=
[ "${1:-}" = --record ] && record=1 && shift
program=${1:?usage: lint_perf.sh [--record] PROGRAM}
recorded=tools/instruction_counts.txt
profile=$(mktemp)
counted=$(mktemp)
trap 'rm -f "$profile" "$counted"' EXIT

valgrind --quiet --tool=callgrind --callgrind-out-file="$profile" "$program"
# "1,234 (5.6%)  file:count_NAME [program]" becomes "NAME 1234"
callgrind_annotate --inclusive=yes --threshold=100 "$profile" |
    sed -nE 's/^ *([0-9,]+) .*[:/]count_([a-z0-9_]+)( .*)?$/\2 \1/p' | tr -d , | sort -u >"$counted"
[ -s "$counted" ] || { echo "callgrind counted nothing in $program"; exit 1; }
compiler=$("$program" --compiler)

if [ -n "$record" ]; then
    {
        echo "# Instructions of each kernel on tier avx2, by callgrind: ./dev lint perf --record writes this."
        echo "# compiler: $compiler"
        cat "$counted"
    } >"$recorded"
    echo "recorded $(wc -l <"$counted") kernels in $recorded"
    exit 0
fi

known=$(sed -n 's/^# compiler: //p' "$recorded")
strict=1
if [ "$compiler" != "$known" ]; then
    echo "warning: built by $compiler, recorded with $known: differences do not fail"
    strict=0
fi
grep -v '^#' "$recorded" | join -a 1 -a 2 -e missing -o 0,1.2,2.2 - "$counted" | awk -v strict="$strict" '
    function judge(name, text) {
        print name ": " text
        if (strict) { failed++ } else { passed++ }
    }
    $2 == "missing" { judge($1, "not recorded yet: ./dev lint perf --record"); next }
    $3 == "missing" { judge($1, "recorded, but not counted any more: ./dev lint perf --record"); next }
    {
        change = 100 * ($3 / $2 - 1)
        text = sprintf("%d instructions, recorded %d (%+.1f %%)", $3, $2, change)
        if (change > 3) judge($1, text ": find the reason")
        else passed++
        if (change < -3) print $1 ": " text ": record the gain with ./dev lint perf --record"
    }
    END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }'
