#!/usr/bin/env bash
# tools/check.sh: the rules of the house that a machine can check. Prints what breaks them and, at the
# end, "N passed, N failed", a rule each.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

passed=0
failed=0

# rule NAME OUTPUT: a rule holds when its check printed nothing.
rule() {
    if [ -z "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf '%s:\n%s\n' "$1" "$2" | head -n 40
    fi
}

files() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do [ -e "$f" ] && echo "$f"; done; }

# ---- the rules

check_format() {
    files '*.c' '*.h' | xargs -P "$(nproc)" -n 16 clang-format-14 --dry-run --Werror 2>&1 |
        sed -n 's/^\(.*\): error: code should be clang-formatted.*/\1/p'
}

# Every include of another folder must be allowed by layers.txt.
# shellcheck disable=SC2016  # the dollars are awk's
check_layers() {
    files 'src/*.c' 'src/*.h' 'src/**/*.def' | xargs awk '
        BEGIN {
            while ((getline line < "layers.txt") > 0) {
                if (line ~ /^#/ || line !~ /:/) continue
                split(line, part, ":")
                known[part[1]] = 1
                n = split(part[2], below, " ")
                for (i = 1; i <= n; i++) allowed[part[1], below[i]] = 1
            }
        }
        FNR == 1 { split(FILENAME, path, "/"); folder = path[2]
                   if (!(folder in known)) print FILENAME ": folder " folder " is not in layers.txt" }
        /^[ \t]*#[ \t]*include "[a-z_]+\// {
            split($0, quoted, "\"")
            split(quoted[2], target, "/")
            if (target[1] != folder && !((folder, target[1]) in allowed))
                print FILENAME ":" FNR ": " folder "/ may not include from " target[1] "/"
        }'
}

# Every header compiles alone, but the kernels' bodies and vector vocabularies: a tier puts those together.
check_headers() {
    local flags
    flags="-std=c11 -D_GNU_SOURCE -DKEN_VERSION=\"0\" -Iinclude -Isrc -Ibuild/deps/duckdb -Wall -Wextra -Werror -fsyntax-only"
    flags="$flags $(pkg-config --cflags vips libspng libjpeg jansson 2>/dev/null || pkg-config --cflags jansson)"
    files 'include/*.h' 'src/*.h' | grep -vE '^src/kernels/(body|vec)/' |
        xargs -P "$(nproc)" -I{} sh -c "gcc $flags -x c {} 2>&1 || echo '{} does not compile alone'"
}

# Calls with no place here. Lines that are comments do not count.
check_banned() { banned_calls | grep -vE '^[^:]+:[0-9]+:[ ]*(/\*|\*)'; }
banned_calls() {
    files 'src/*.c' 'src/*.h' 'include/*.h' |
        xargs grep -nE '(^|[^a-zA-Z0-9_])(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca|atoi|atol|atof|rand|srand|tmpnam|mktemp)[ ]*\(' || true
    # Memory goes through base/mem.h; only it, and code that must free a library's block, may differ.
    files 'src/*.c' 'src/*.h' | grep -v '^src/base/mem\.c$' |
        xargs grep -nE '(^|[^a-zA-Z0-9_.>])(malloc|calloc|realloc|aligned_alloc|strdup|strndup|asprintf)[ ]*\(' || true
    # The library is silent and does not end the process.
    files 'src/*.c' 'src/*.h' | grep -v '^src/cli/' |
        xargs grep -nE '(^|[^a-zA-Z0-9_])(printf|puts|putchar|exit|abort|getenv)[ ]*\(' || true
    files 'src/*.c' 'src/*.h' | grep -v '^src/cli/' |
        xargs grep -nE 'fprintf[ ]*\([ ]*stderr|perror[ ]*\(' || true
}

check_leftovers() {
    files 'src/*' 'tests/*.c' 'tests/*.h' 'tests/*.py' 'tools/*.py' 'tools/*.sh' dev |
        xargs grep -nE '\b(TODO|FIXME|XXX|NEEDSWORK)\b' 2>/dev/null | grep -v '^tools/check.sh' |
        grep -v 'tests/data/' || true
}

# No function above 100 lines, no C file above 900.
# shellcheck disable=SC2016  # the dollars are awk's
check_sizes() {
    files 'src/*.c' 'src/*.h' | xargs awk '
        FNR == 1 { start = 0; name = "" }
        /^[a-zA-Z_].*\(/ && !start { name = $0; first = FNR }
        /\)[ ]*\{[ ]*$/ && !start && name != "" { start = first }
        /^(static )?const .* = \{/ { start = 0; name = "" }
        /^\}/ { if (start && FNR - start > 100) print FILENAME ":" start ": function of " FNR - start " lines: " name
                start = 0; name = "" }'
    files 'src/*.c' 'src/*.h' | xargs wc -l | awk '$2 != "total" && $1 > 900 { print $2 ": " $1 " lines" }'
}

# Every folder of src/ has its page.
check_docs() {
    for folder in src/*/; do
        name=$(basename "$folder")
        [ -e "docs/internals/$name.md" ] || echo "docs/internals/$name.md is missing"
    done
    # Relative links in the documentation lead somewhere.
    files '*.md' | grep -v '^tests/data/' | while read -r page; do
        grep -oE '\]\([^)#]+' "$page" | sed 's/^](//' | grep -vE '^[a-z]+:' | while read -r link; do
            [ -e "$(dirname "$page")/$link" ] || echo "$page: link to $link leads nowhere"
        done
    done
}

# Every command of the table is installed with a manual page.
check_commands() {
    sed -n 's/^extern const command cmd_\([a-z]*\);/\1/p' src/cli/commands.h | while read -r name; do
        grep -qE "KEN_COMMANDS.*[( ]${name}[ )]" cmake/install.cmake || echo "cmake/install.cmake lacks the page of '$name'"
    done
}

check_size_of_data() {
    local kilobytes
    kilobytes=$(files 'tests/data' | tr '\n' '\0' | du -ck --apparent-size --files0-from=- | tail -n 1 | cut -f1)
    [ "$kilobytes" -le 12288 ] || echo "tests/data is $kilobytes KB, the limit is 12288"
}

rule "formatted by clang-format" "$(check_format)"
rule "layers.txt" "$(check_layers)"
rule "headers stand alone" "$(check_headers)"
rule "banned calls" "$(check_banned)"
rule "leftovers" "$(check_leftovers)"
rule "sizes" "$(check_sizes)"
rule "documentation" "$(check_docs)"
rule "commands have pages" "$(check_commands)"
rule "size of tests/data" "$(check_size_of_data)"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
