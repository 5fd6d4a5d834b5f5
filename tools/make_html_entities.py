"""Writes src/text/html_entities.inc: the HTML 5 character references, as CPython lists them.

    python tools/make_html_entities.py > src/text/html_entities.inc

Names are sorted in byte order, so that the program can search them. A name without ';' is a reference
that may be written without it. `capital_entities` are the names that ftfy also accepts in capitals,
with the capitals of what they stand for.
"""
import html
import html.entities


def codes(text):
    assert 1 <= len(text) <= 3
    return [ord(c) for c in text]


entries = {name: codes(value) for name, value in html.entities.html5.items()}
caps = {}
for name, value in html.entities.html5.items():
    if name.endswith(";") and name == name.lower():
        upper = "&" + name.upper()
        if html.unescape(upper) == upper:
            caps[name.upper()] = codes(value.upper())

print("/* Made by tools/make_html_entities.py. Do not edit. */")
print("/* clang-format off */")
for variable, table in (("entities", entries), ("capital_entities", caps)):
    print(f"static const entity {variable}[] = {{")
    line = ""
    for name in sorted(table, key=str.encode):
        values = ", ".join(f"0x{code:x}" for code in table[name])
        item = f'{{"{name}", {{{values}}}}},'
        if len(line) + len(item) > 110:
            print("   " + line)
            line = ""
        line += " " + item
    print("   " + line)
    print("};")
