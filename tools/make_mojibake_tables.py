"""Writes src/text/mojibake_tables.inc from an installed ftfy (6.3; Apache-2.0): which characters its
heuristics look for, in which sequences, and the single-byte encodings it tries.

    python tools/make_mojibake_tables.py > src/text/mojibake_tables.inc

Every character set of ftfy's `badness` expression becomes a bit; an alternative of the expression
becomes a row of up to five bit numbers. Sets that hold thousands of characters (\\s, \\w, [^A-Za-z])
are left to the program, which knows them as SET_SPACE, SET_WORD and SET_NOT_ASCII_LETTER.
"""
import re
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import sre_constants as sre
    import sre_parse

from ftfy.badness import BADNESS_RE
from ftfy.chardata import CHARMAP_ENCODINGS, UTF8_CLUES

BMP = [c for c in range(0x10000) if not 0xD800 <= c < 0xE000]
NAMED = [("SET_SPACE", r"\s"), ("SET_WORD", r"\w"), ("SET_NOT_ASCII_LETTER", "[^A-Za-z]")]
NAMED_SETS = [(name, frozenset(c for c in BMP if re.match(p, chr(c), re.S))) for name, p in NAMED]


def element_set(op, value):
    """The characters that one element of a sequence matches."""
    if op is sre.LITERAL:
        return frozenset([value])
    assert op is sre.IN, op
    chars, negate = set(), False
    for kind, item in value:
        if kind is sre.NEGATE:
            negate = True
        elif kind is sre.LITERAL:
            chars.add(item)
        elif kind is sre.RANGE:
            chars.update(range(item[0], item[1] + 1))
        else:
            assert kind is sre.CATEGORY
            pattern = {sre.CATEGORY_SPACE: r"\s", sre.CATEGORY_WORD: r"\w"}[item]
            chars.update(c for c in BMP if re.match(pattern, chr(c)))
    return frozenset(set(BMP) - chars) if negate else frozenset(chars)


def alternatives():
    """(at the start of the text?, [set, ...]) for each alternative, `x?` written out both ways."""
    tree = sre_parse.parse(BADNESS_RE.pattern, BADNESS_RE.flags)
    (op, (_, branches)), = tree
    assert op is sre.BRANCH
    for branch in branches:
        rows = [(False, [])]
        for op, value in branch:
            if op is sre.AT:
                assert value is sre.AT_BEGINNING
                rows = [(True, sets) for _, sets in rows]
            elif op is sre.MAX_REPEAT:
                low, high, ((inner_op, inner),) = value
                assert (low, high) == (0, 1)
                extra = element_set(inner_op, inner)
                rows += [(start, sets + [extra]) for start, sets in rows]
            elif op is sre.ANY:
                everything_but_newline = frozenset(BMP) - {10}
                rows = [(start, sets + [everything_but_newline]) for start, sets in rows]
            else:
                one = element_set(op, value)
                rows = [(start, sets + [one]) for start, sets in rows]
        yield from rows


def clue_set(text):
    return frozenset(c for c in BMP if re.match(f"[{text}]", chr(c)))


bits, order = {}, []


def bit(chars):
    if chars not in bits:
        bits[chars] = len(order)
        order.append(chars)
    return bits[chars]


for _, chars in NAMED_SETS:
    bit(chars)
any_char = bit(frozenset(BMP) - {10})
clues = {name: bit(clue_set(UTF8_CLUES[key])) for name, key in [
    ("SET_FIRST_OF_2", "utf8_first_of_2"), ("SET_FIRST_OF_3", "utf8_first_of_3"),
    ("SET_FIRST_OF_4", "utf8_first_of_4"), ("SET_CONTINUATION", "utf8_continuation"),
    ("SET_STRICT", "utf8_continuation_strict")]}
rows = [(start, [bit(s) for s in sets]) for start, sets in alternatives()]
assert len(order) <= 128, len(order)

print("/* Made by tools/make_mojibake_tables.py from ftfy 6.3. Do not edit. */")
print("/* clang-format off */")
print("enum {")
for i, (name, _) in enumerate(NAMED_SETS):
    print(f"    {name} = {i},")
print(f"    SET_NOT_NEWLINE = {any_char},")
for name, value in clues.items():
    print(f"    {name} = {value},")
print("};\n")

computed = len(NAMED_SETS) + 1
listed = sorted(set().union(*order[computed:]))
assert len(listed) < 2000
print("static const char_sets listed_sets[] = {")
for i in range(0, len(listed), 3):
    parts = []
    for c in listed[i:i + 3]:
        mask = sum(1 << k for k, chars in enumerate(order) if k >= computed and c in chars)
        parts.append(f"{{0x{c:x}, {{0x{mask % (1 << 64):x}u, 0x{mask >> 64:x}u}}}},")
    print("    " + " ".join(parts))
print("};\n")

print("static const bad_sequence bad_sequences[] = {")
for start, sets in rows:
    print(f"    {{{len(sets)}, {'true' if start else 'false'}, {{{', '.join(map(str, sets))}}}}},")
print("};\n")

print("/* Bytes 0x80-0xFF of each encoding as code points, and the same sorted by code point. */")
print("static const charmap charmaps[] = {")
for name in CHARMAP_ENCODINGS:
    decoded = [ord(bytes([b]).decode(name)) for b in range(0x80, 0x100)]
    sloppy = name.startswith("sloppy")
    assert (bytes([0x1A]).decode(name) == "\ufffd") == sloppy and len(set(decoded)) == 128
    print(f'    {{ /* {name} */ {"true" if sloppy else "false"}, '
          f'{"true" if name == "macroman" else "false"},')
    print("      {" + ", ".join(f"0x{c:x}" for c in decoded) + "},")
    print("      {" + ", ".join(f"0x{b:x}" for _, b in sorted(zip(decoded, range(0x80, 0x100))))
          + "}},")
print("};")
print("/* clang-format on */")
