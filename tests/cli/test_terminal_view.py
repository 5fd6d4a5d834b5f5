"""ken classify on a terminal: bars, and pictures by the protocols of terminals, read back."""
import base64
import fcntl
import io
import os
import pathlib
import pty
import re
import struct
import subprocess
import termios

import numpy as np
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PHOTO = sorted((ROOT / "examples/photos/hat").iterdir())[0]
CLASSES = ["--model", "demo", "--classes", "hat,dress,shoes"]


@pytest.fixture
def look(ken, tmp_path, cache_home):
    """What the program writes to a terminal of so many columns."""

    def call(*arguments, columns=80, environment=None, code=0):
        leader, terminal = pty.openpty()
        settings = termios.tcgetattr(terminal)
        settings[1] &= ~termios.OPOST  # as written: no carriage returns
        termios.tcsetattr(terminal, termios.TCSANOW, settings)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            [ken, "classify", *map(str, arguments)], cwd=tmp_path, stdout=terminal, stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_CACHE_HOME": str(cache_home),
                 "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"} | (environment or {}))
        os.close(terminal)
        shown = b""
        while True:
            try:
                more = os.read(leader, 1 << 16)
            except OSError:
                break
            if not more:
                break
            shown += more
        os.close(leader)
        assert process.wait() == code, process.stderr.read()
        process.stderr.close()
        return shown

    return call


def picture():
    """The preview's pixels, as Pillow shrinks the photo."""
    photo = Image.open(PHOTO).convert("RGB")
    scale = 240 / max(photo.size)
    size = [max(1, int(n * scale + 0.5)) for n in photo.size]
    return np.asarray(photo.resize(size, Image.Resampling.BICUBIC), np.int16)


def probabilities(run):
    rows = run("classify", *CLASSES, "--format", "csv", PHOTO).out.splitlines()[1:]
    return [(row.split(",")[2], float(row.split(",")[3])) for row in rows]


def test_bars_on_a_terminal(look, run):
    shown = look(*CLASSES, PHOTO).decode()
    assert shown.count("\033[1m") == shown.count("\033[0m") == 1
    lines = re.sub(r"\033\[\dm", "", shown).splitlines()
    expected = probabilities(run)
    assert len(lines) == 1 + len(expected)
    for line, (name, score) in zip(lines[1:], expected):
        assert line.split()[0] == name and line.endswith(f"{100 * score:5.1f}%")
        eighths = sum("▏▎▍▌▋▊▉█".index(c) + 1 for c in line if c in "▏▎▍▌▋▊▉█")
        assert abs(eighths - 320 * score) <= 1
        assert len(line) <= 80


def test_plain_terminals_get_plain_characters(look):
    for environment in ({"LC_ALL": "C", "NO_COLOR": "1"}, {"LC_ALL": "C", "TERM": "dumb"}):
        shown = look(*CLASSES, PHOTO, environment=environment)
        assert shown.isascii() and b"\033" not in shown and b"###" in shown
    assert b"\033" not in look(*CLASSES, PHOTO, environment={"NO_COLOR": "1"})


@pytest.mark.parametrize("columns", [200, 60, 30, 12])
def test_lines_fit_the_terminal(look, columns):
    shown = look(*CLASSES, "--preview=none", PHOTO, columns=columns, environment={"NO_COLOR": "1"}).decode()
    widest = max(len(line) for line in shown.splitlines())
    assert widest <= max(columns, 20)


def test_without_a_terminal_nothing_changes(run):
    plain = run("classify", *CLASSES, PHOTO)
    assert plain.code == 0 and "█" not in plain.out and "#" not in plain.out
    for environment in ({"TERM": "xterm-kitty"}, {"TERM_PROGRAM": "iTerm.app"}):
        assert run("classify", *CLASSES, "--preview", PHOTO, env=environment).out == plain.out
    assert run("classify", *CLASSES, "--preview=vnc", PHOTO).code == 2


def test_kitty_gets_the_pixels(look):
    shown = look(*CLASSES, "--preview", PHOTO, environment={"TERM": "xterm-kitty"})
    pieces = re.findall(rb"\033_G([^;]*);([^\033]*)\033\\", shown)
    keys = dict(pair.split(b"=") for pair in pieces[0][0].split(b","))
    assert (keys[b"a"], keys[b"f"]) == (b"T", b"24")
    assert all(len(data) == 4096 for _, data in pieces[:-1]) and 0 < len(pieces[-1][1]) <= 4096
    assert [keys[-1:] for keys, _ in pieces] == [b"1"] * (len(pieces) - 1) + [b"0"]
    pixels = np.frombuffer(base64.b64decode(b"".join(data for _, data in pieces)), np.uint8)
    pixels = pixels.reshape(int(keys[b"v"]), int(keys[b"s"]), 3)
    assert np.array_equal(pixels, picture())


def test_iterm_gets_a_png_of_the_pixels(look):
    shown = look(*CLASSES, "--preview", PHOTO, environment={"TERM_PROGRAM": "iTerm.app"})
    match = re.search(rb"\033\]1337;File=inline=1;size=(\d+);width=(\d+)px;height=(\d+)px:([^\a]*)\a", shown)
    png = base64.b64decode(match.group(4), validate=True)
    assert len(png) == int(match.group(1))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), picture())


def read_sixel(data):
    """Pixels of a sixel picture, [height, width, 3]."""
    width, height = map(int, re.match(rb'\033P0;1q"1;1;(\d+);(\d+)', data).groups())
    pixels = np.full((height + 5, width, 3), -1, np.int16)
    palette, colour, x, y = {}, None, 0, 0
    body = data[data.index(b'"') + 1:]
    body = body[re.match(rb"[\d;]*", body).end():]
    for match in re.finditer(rb"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)(.)|(\$)|(-)|([?-~])", body, re.S):
        number, red, green, blue, count, repeated, back, down, single = match.groups()
        if red is not None:
            palette[int(number)] = [round(int(c) * 2.55) for c in (red, green, blue)]
        elif number is not None:
            colour = palette[int(number)]
        elif back:
            x = 0
        elif down:
            x, y = 0, y + 6
        else:
            bits, n = (repeated or single)[0] - 63, int(count or 1)
            for bit in range(6):
                if bits >> bit & 1:
                    assert (pixels[y + bit, x:x + n] == -1).all()
                    pixels[y + bit, x:x + n] = colour
            x += n
            assert x <= width
    assert (pixels[height:] == -1).all() and (pixels[:height] >= 0).all()
    return pixels[:height]


def blocks_of(pixels, side=8):
    height, width = (n // side * side for n in pixels.shape[:2])
    return pixels[:height, :width].reshape(height // side, side, width // side, side, 3).mean(axis=(1, 3))


def test_sixel_gives_the_picture_in_252_colours(look):
    shown = look(*CLASSES, "--preview", PHOTO, environment={"TERM": "foot"})
    data = re.search(rb"(\033P.*?)\033\\", shown, re.S).group(1)
    pixels, expected = read_sixel(data), picture()
    assert pixels.shape == expected.shape
    # A colour is less than one level away; dithered areas have the right mean.
    assert np.abs(pixels - expected).max() <= 255 / 5 + 2
    assert np.abs(blocks_of(pixels) - blocks_of(expected)).max() < 14


def test_half_blocks_are_two_pixels_each(look):
    shown = look(*CLASSES, "--preview=blocks", PHOTO, columns=40)
    lines = [line for line in shown.split(b"\n") if "▀".encode() in line]
    cells = [re.findall(rb"\033\[38;2;(\d+);(\d+);(\d+)(?:;48;2;(\d+);(\d+);(\d+))?m", line) for line in lines]
    assert {len(row) for row in cells} == {len(cells[0])} and len(cells[0]) <= 40
    upper = np.array([[[int(v) for v in cell[:3]] for cell in row] for row in cells])
    photo = Image.open(PHOTO).convert("RGB")
    scale = 40 / max(photo.size)
    size = [max(1, int(n * scale + 0.5)) for n in photo.size]
    assert np.array_equal(upper, np.asarray(photo.resize(size, Image.Resampling.BICUBIC))[::2])


def test_who_gets_what(look):
    def way(environment):
        shown = look(*CLASSES, "--preview", PHOTO, environment=environment)
        for mark, name in ((b"\033_G", "kitty"), (b"\033]1337", "iterm"), (b"\033P", "sixel"), ("▀".encode(), "blocks")):
            if mark in shown:
                return name
        return "box" if "┌".encode() in shown or b"+--" in shown else None

    assert way({"COLORTERM": "truecolor"}) == "blocks"
    assert way({"KITTY_WINDOW_ID": "1"}) == "kitty"
    assert way({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}) == "box"  # tmux swallows it
    assert way({"TERM": "dumb", "TERM_PROGRAM": "WezTerm", "LC_ALL": "C"}) == "box"
    assert way({"TERM_PROGRAM": "WezTerm"}) == "iterm"


def test_the_box_says_name_and_size(look, tmp_path):
    shown = look(*CLASSES, "--preview=none", PHOTO).decode()
    width, height = Image.open(PHOTO).size
    assert shown.startswith("┌") and f"{width} x {height} pixels" in shown


@pytest.mark.parametrize("way", ["none", "kitty", "blocks"])
def test_names_cannot_steer_the_terminal(look, tmp_path, way):
    name = "a\033[2J\a\u009b31m\r漢字" + "x" * 90 + ".jpg"
    (tmp_path / name).write_bytes(PHOTO.read_bytes())
    classes = ["--model", "demo", "--classes", "hat,red\u202e\033[2J\a"]
    shown = look(*classes, f"--preview={way}", name, environment={"NO_COLOR": "1"}).decode()
    rest = re.sub(r"\033_G[^\033]*\033\\|\033\[(?:38;2|48;2|0)[\d;]*m", "", shown)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", rest)
    assert "a%1B[2J%07%C2%9B31m%0D漢字xx" in rest and "…" in rest  # as in every id
    assert "red\\xe2\\x80\\xae\\x1b[2J" in rest


def test_rules_have_rows_with_reasons(look):
    shown = look("--model", "demo", ROOT / "examples/clothes.yaml", "--preview=none", PHOTO, columns=120).decode()
    assert re.search(r"^  [\w -]+: .*(threshold|matches|closest)", shown, re.M)
    # And without --preview the table, as ever.
    table = look("--model", "demo", ROOT / "examples/clothes.yaml", PHOTO).decode()
    assert table.split()[:4] == ["id", "category", "score", "reason"] and PHOTO.name in table
