"""Writes tests/data/base: JSONTestSuite as one file, and what Python makes of broken UTF-8.

Usage: make_base_goldens.py JSONTESTSUITE_FOLDER
"""
import hashlib
import itertools
import pathlib
import sys

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/data/base"
# Bytes at the edges of what UTF-8 allows; utf8.c enumerates the same sequences in the same order.
LEADS = [0x00, 0x41, 0x7F, 0x80, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
         0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF]
FOLLOWERS = [0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xF0]


def escaped(data):
    return "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x25 else f"%{b:02X}" for b in data)


def write_json_suite(folder):
    with open(OUT / "jsontestsuite.txt", "w", encoding="ascii") as out:
        for path in sorted((folder / "test_parsing").glob("*.json")):
            data = path.read_bytes()
            if len(data) < 10000:  # the two large ones are brackets only, which the test makes itself
                out.write(f"{path.name}\t{escaped(data)}\n")


def write_utf8_replacements():
    digest = hashlib.sha256()
    lines = []
    for count in range(4):
        for lead in LEADS:
            for rest in itertools.product(FOLLOWERS, repeat=count):
                data = bytes([lead, *rest])
                text = data.decode("utf-8", errors="replace").encode()
                digest.update(text)
                if len(lines) < 400 and count < 3 and sum(data) % 5 == 0:
                    lines.append(f"{data.hex()} {text.hex()}\n")
    lines.append(f"sha256 {digest.hexdigest()}\n")
    (OUT / "utf8_replace.txt").write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    write_json_suite(pathlib.Path(sys.argv[1]))
    write_utf8_replacements()
