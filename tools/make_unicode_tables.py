"""Writes src/text/unicode_tables.inc: what the reference tokenizers think of every code point.

The references disagree about characters that are newer than their Unicode tables, so the classes are
asked from the references themselves: CPython's str and re, the regex module (OpenCLIP), and the
tokenizers library (Hugging Face). Needs those packages; the program and its tests do not.

    python tools/make_unicode_tables.py > src/text/unicode_tables.inc
"""
import ctypes
import re
import unicodedata

import regex
from tokenizers import Regex, normalizers

CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
# The order of enum unicode_class in src/text/unicode.h.
CLASSES = ["PY_LETTER", "PY_NUMBER", "PY_SPACE", "PY_SKIPPED", "PY_WORD", "PY_CASED", "PY_IGNORABLE",
           "PY_NEWER", "HF_LETTER", "HF_NUMBER", "HF_SPACE", "HF_WORD", "HF_MARK", "HF_NEWER"]


def utf8proc_nfkd():
    """NFKD and NFD by the library that the program uses, to find what is newer than a reference."""
    library = ctypes.CDLL("libutf8proc.so.2")
    libc = ctypes.CDLL(None)
    libc.free.argtypes = [ctypes.c_void_p]
    library.utf8proc_map.argtypes = [ctypes.c_char_p, ctypes.c_ssize_t,
                                     ctypes.POINTER(ctypes.c_void_p), ctypes.c_int]
    library.utf8proc_map.restype = ctypes.c_ssize_t

    def normalize(text, compat):
        raw = text.encode()
        out = ctypes.c_void_p()
        n = library.utf8proc_map(raw, len(raw), ctypes.byref(out), 2 | 16 | (4 if compat else 0))
        result = ctypes.string_at(out, n).decode()
        libc.free(out)
        return result
    return normalize


def newer_than(nfd, nfkd, ours):
    """Code points to which utf8proc gives a decomposition or combining class and a reference none."""
    found = set()
    for c in CODES:
        char = chr(c)
        tests = ["a\u0345" + char, "a" + char + "\u0334"]
        if nfkd(char) != ours(char, True) or any(nfd(t) != ours(t, False) for t in tests):
            found.add(c)
    return found


def matching(pattern):
    replace = normalizers.Replace(Regex(pattern), "")
    return {c for c in CODES if replace.normalize_str(chr(c)) == ""}


def classes():
    ours = utf8proc_nfkd()
    # The classes as OpenCLIP's pattern sees them: ignoring case changes a few (U+0345 is no letter, but
    # not "other" either).
    letter, number, other = (regex.compile(p, regex.IGNORECASE)
                             for p in (r"[\p{L}]", r"[\p{N}]", r"[^\s\p{L}\p{N}]"))
    word = re.compile(r"\w")
    sets = {
        "PY_LETTER": {c for c in CODES if letter.match(chr(c))},
        "PY_NUMBER": {c for c in CODES if number.match(chr(c))},
        "PY_SPACE": {c for c in CODES if chr(c).isspace()},
        "PY_SKIPPED": {c for c in CODES if not (letter.match(chr(c)) or number.match(chr(c)) or
                                                other.match(chr(c)))},
        "PY_WORD": {c for c in CODES if word.match(chr(c))},
        "PY_CASED": {c for c in CODES if (chr(c) + "\u03a3").lower()[-1] == "\u03c2"},
        "PY_NEWER": newer_than(lambda t: unicodedata.normalize("NFD", t),
                               lambda t: unicodedata.normalize("NFKD", t), ours),
        "HF_LETTER": matching(r"\p{L}"),
        "HF_NUMBER": matching(r"\p{N}"),
        "HF_SPACE": matching(r"\s"),
        "HF_WORD": matching(r"\w"),
        "HF_MARK": {c for c in CODES if normalizers.StripAccents().normalize_str(chr(c)) == ""},
        # U+11930 composes with U+11935 to U+11938, which is newer than the tokenizers library.
        "HF_NEWER": newer_than(normalizers.NFD().normalize_str, normalizers.NFKD().normalize_str,
                               ours) | {0x11930},
    }
    sets["PY_IGNORABLE"] = {c for c in CODES if c not in sets["PY_CASED"] and
                            ("A" + chr(c) + "\u03a3").lower()[-1] == "\u03c2"}
    assert not any(other.match(chr(c)) for c in sets["PY_LETTER"] | sets["PY_NUMBER"])
    strip = normalizers.Strip()
    assert sets["HF_SPACE"] == {c for c in CODES if strip.normalize_str(chr(c)) == ""}
    return sets


def write_classes(sets):
    runs, last = [], None
    for c in range(0x110000):
        bits = sum(1 << i for i, name in enumerate(CLASSES) if c in sets[name])
        if bits != last:
            runs.append((c, bits))
            last = bits
    print("static const class_run class_runs[] = {")
    for i in range(0, len(runs), 6):
        print("    " + " ".join(f"{{0x{c:x}, 0x{b:x}}}," for c, b in runs[i:i + 6]))
    print("};")


def write_lower():
    """Runs of upper-case code points that are `step` apart and lie `delta` below their lower case.
    U+0130 (two code points) and the final sigma are left to the program."""
    hf = normalizers.Lowercase()
    pairs = []
    for c in CODES:
        py_low, hf_low = chr(c).lower(), hf.normalize_str(chr(c))
        if c == 0x130:
            assert py_low == hf_low == "i\u0307"
            continue
        for low in {py_low, hf_low} - {chr(c)}:
            assert len(low) == 1
            pairs.append((c, ord(low) - c, (low == py_low) | (low == hf_low) << 1))
    runs = []
    for c, delta, who in pairs:
        if runs:
            first, last, step, run_delta, run_who = runs[-1]
            gap = c - last
            if delta == run_delta and who == run_who and gap <= 2 and (step in (0, gap)):
                runs[-1] = (first, c, gap, delta, who)
                continue
        runs.append((c, c, 0, delta, who))
    print("\n/* first, last, step, delta, 1: CPython, 2: tokenizers, 3: both */")
    print("static const lower_run lower_runs[] = {")
    for i in range(0, len(runs), 4):
        print("    " + " ".join(f"{{0x{a:x}, 0x{b:x}, {s or 1}, {d}, {w}}}," for a, b, s, d, w
                                in runs[i:i + 4]))
    print("};")


print("/* Made by tools/make_unicode_tables.py. Do not edit. */")
print("/* clang-format off */")
write_classes(classes())
write_lower()
print("/* clang-format on */")
