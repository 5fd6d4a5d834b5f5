#!/usr/bin/env python3
"""Makes a large folder of small JPEGs for `./dev bench flat`, all different, the same on every machine:

    python3 bench/make_photos.py FOLDER [N]

Pictures of 64 to 128 pixels a side, about 2 kB each, a thousand to a sub-folder: FOLDER/000123/000123456.jpg.
What is there already is kept, so a larger N adds to a smaller one.
"""

import argparse
import multiprocessing
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

A_FOLDER = 1000


def picture(number):
    """A few soft coloured shapes: JPEG data as a photo's, and nothing that the next one has, too."""
    chance = np.random.default_rng(number)
    width, height = (int(side) for side in chance.integers(64, 129, 2))
    coarse = chance.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    result = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    file = BytesIO()
    result.save(file, "jpeg", quality=int(chance.integers(75, 95)))
    return file.getvalue()


def fill(job):
    """Makes one sub-folder; a folder that was begun is made again."""
    folder, first, last = job
    folder.mkdir(parents=True, exist_ok=True)
    if len(list(folder.iterdir())) == last - first:
        return
    for number in range(first, last):
        (folder / f"{number:09}.jpg").write_bytes(picture(number))


def make(folder, n):
    """The first n pictures, in `folder`."""
    jobs = [(folder / f"{first // A_FOLDER:06}", first, min(first + A_FOLDER, n))
            for first in range(0, n, A_FOLDER)]
    with multiprocessing.Pool() as pool:
        for _ in pool.imap_unordered(fill, jobs):
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("n", type=int, nargs="?", default=10000, help="pictures (default 10000)")
    arguments = parser.parse_args()
    make(arguments.folder, arguments.n)


if __name__ == "__main__":
    main()
