#!/usr/bin/env python3
"""Pillow's side of bench/pictures.py, run by the Python whose Pillow is measured.

Commands as in bench_pictures.c. The same work: decode, EXIF orientation, short side to 224 (bicubic),
centre crop. Nothing of what a processor does around that (arrays, tensors) is counted.
"""

import hashlib
import io
import sys
import time

import PIL
from PIL import Image, ImageOps

SIDE = 224


def preprocess(data, fast):
    image = Image.open(io.BytesIO(data))
    if fast:  # DCT scaling to not less than twice the target
        image.draft("RGB", (2 * SIDE, 2 * SIDE))
    image = ImageOps.exif_transpose(image).convert("RGB")
    width, height = image.size
    if width <= height:
        size = SIDE, int(SIDE * height / width)
    else:
        size = int(SIDE * width / height), SIDE
    image = image.resize(size, Image.BICUBIC)
    left, top = (size[0] - SIDE) // 2, (size[1] - SIDE) // 2
    return image.crop((left, top, left + SIDE, top + SIDE)).tobytes()


def answer(words):
    verb, fast = words[0], words[1] == "fast"
    with open(words[-1], "rb") as file:
        data = file.read()
    if verb == "digest":
        return hashlib.sha256(preprocess(data, fast)).hexdigest()
    repeats = int(words[2])
    wall, cpu = time.perf_counter(), time.thread_time()
    for _ in range(repeats):
        preprocess(data, fast)
    return f"{(time.perf_counter() - wall) / repeats:.9f} {(time.thread_time() - cpu) / repeats:.9f}"


def main():
    print("ready", PIL.__version__, flush=True)
    for line in sys.stdin:
        count = 2 if line.startswith("digest") else 3
        print(answer(line.rstrip("\n").split(" ", count)), flush=True)


if __name__ == "__main__":
    main()
