#!/usr/bin/env python3
"""Makes tests/data/image: real and generated pictures, and what Pillow, transformers and open_clip make
of them.

    tools/make_image_goldens.py                         the tables of the pictures that are committed
    tools/make_image_goldens.py --corpus DIR --photos DIR --tensors DIR       pictures and all tables

CORPUS holds pillow/, libpng/ and libvips/; PHOTOS a folder of photographs per class; TENSORS the test
folder of clip-retrieval. DECODER is the built test_image_corpus, which says what ken makes of each file.
Needs Pillow 13, numpy, torch, torchvision, transformers 5 and open_clip 3; the tests need none of them.

Every file that both sides decode must agree to the last bit, unless DIFFERENCES says why not: the
script stops otherwise, so a table that is committed cannot hide a difference.
"""
import argparse
import ctypes
import hashlib
import io
import pickle
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "tests" / "data" / "image"
CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]

# Where ken and Pillow both decode and may differ, by the path's end, and why.
DIFFERENCES = [
    (r"\.avif$", "libheif and libavif spread chroma samples differently"),
    (r"(hopper\.Lab|lab|lab-green|lab-red)\.tif$", "Pillow cannot turn LAB into RGB; libvips does"),
    (r"RGBa\.tiff$", "libvips divides by alpha in 16 bits, Pillow in 8"),
    (r"rdf\.tif$", "mode PA, which ken has not: RGBA, the same colours"),
    (r"crash-0da013a1.*\.tif$", "mode 1, of which libvips says L: the same pixels"),
    (r"badrle\.bmp$", "run lengths that leave their row, in a file that is bad on purpose"),
]


def short_hash(data):
    return hashlib.sha256(np.ascontiguousarray(data).tobytes()).hexdigest()[:16]


# ---- pictures -------------------------------------------------------------------------------------


def copy_selection(corpus, photos, tensors):
    def copy(source, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)

    images = corpus / "pillow/Tests/images"
    skip = re.compile(r"imagedraw|imagefont|text|font|multiline|bc\d|dxt|MipMaps|j2k|stroke|snakes")
    for path in sorted(images.rglob("*")):
        name = str(path.relative_to(images))
        limit = 9000 if path.suffix in (".png", ".tif", ".tiff", ".avif") else 13000
        wanted = path.suffix.lower() in (".png", ".jpg", ".gif", ".bmp", ".webp", ".tif", ".tiff",
                                         ".avif", ".psd", ".ico", ".qoi", ".ppm", ".eps", ".jp2")
        if path.is_file() and wanted and path.stat().st_size <= limit and not skip.search(name):
            copy(path, OUT / "pillow" / name)
    copy(images / "pil_sample_cmyk.jpg", OUT / "pillow/pil_sample_cmyk.jpg")
    copy(corpus / "pillow/LICENSE", OUT / "pillow/LICENSE")

    for path in sorted((corpus / "libpng").rglob("*")):
        if path.is_file() and path.stat().st_size <= 4096:
            copy(path, OUT / "libpng" / path.relative_to(corpus / "libpng"))

    images = corpus / "libvips/test/test-suite/images"
    for path in sorted(images.rglob("*")):
        if path.is_file() and path.stat().st_size <= 14000:
            copy(path, OUT / "libvips" / path.relative_to(images))
    copy(corpus / "libvips/LICENSE", OUT / "libvips/LICENSE")

    folders = sorted(d for d in (photos / "test").iterdir() if d.is_dir())
    for folder in folders:
        small = sorted(folder.glob("*.jpg"), key=lambda p: (p.stat().st_size, p.name))[0]
        copy(small, OUT / "clothing" / f"{folder.name.replace(' ', '-')}.jpg")
    copy(photos / "LICENSE", OUT / "clothing/LICENSE")

    for path in sorted((tensors / "test_images").glob("*.jpg")):
        copy(path, OUT / "clip-retrieval" / path.name)
    copy(tensors.parent.parent / "LICENSE", OUT / "clip-retrieval/LICENSE")


def picture(width, height, channels):
    """Smooth enough to stay small, with edges and a corner of fine detail; no symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [(x * 5 + y * 2) % 256, (x * x // 9 + y * 7) % 256, (255 - x * 3 + (y * y) // 5) % 256,
              np.clip(40 + x * 4 + y * 3 - 60 * ((x // 9 + y // 7) % 3), 0, 255)]
    planes[0] = np.where((x < 12) & (y < 12), (x * 37 + y * 91) % 256, planes[0])
    return np.stack(planes[:channels], -1).astype(np.uint8)


def modes(width, height):
    rgba = Image.fromarray(picture(width, height, 4))
    rgb = rgba.convert("RGB")
    palette = rgb.quantize(40)
    return {"1": rgb.convert("1"), "l": rgb.convert("L"), "la": rgba.convert("LA"), "p": palette,
            "rgb": rgb, "rgba": rgba, "cmyk": rgb.convert("CMYK")}


def save_jxl(image, path):
    """Lossless, through libvips: Pillow writes no JPEG XL."""
    vips = ctypes.CDLL("libvips.so.42")
    vips.vips_init(b"tools")
    pixels = np.array(image)
    height, width, bands = pixels.shape
    vips.vips_image_new_from_memory_copy.restype = ctypes.c_void_p
    raw = vips.vips_image_new_from_memory_copy(
        pixels.tobytes(), ctypes.c_size_t(pixels.size), width, height, bands, 0)
    handle = ctypes.c_void_p()
    vips.vips_copy(ctypes.c_void_p(raw), ctypes.byref(handle), b"interpretation", 22, None)
    failed = vips.vips_jxlsave(handle, str(path).encode(), b"lossless", 1, None)
    assert failed == 0, "could not write " + str(path)


def xmp(orientation):
    return (f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{orientation}"/>'
            "</x:xmpmeta>").encode()


def generate():
    out = OUT / "generated"
    out.mkdir(parents=True, exist_ok=True)
    for width, height in ((61, 37), (37, 61), (1, 1), (8, 200)):
        size = f"{width}x{height}"
        all_modes = modes(width, height)
        for name, image in all_modes.items():
            if name != "cmyk":
                image.save(out / f"{name}-{size}.png")
        all_modes["rgb"].save(out / f"rgb-{size}.jpg", quality=90, subsampling="4:2:0")
        all_modes["cmyk"].save(out / f"cmyk-{size}.jpg", quality=92)
    all_modes = modes(61, 37)
    rgb, rgba, grey, palette = (all_modes[m] for m in ("rgb", "rgba", "l", "p"))
    grey16 = Image.fromarray(np.array(grey).astype(np.uint16) * 256 + 77)
    grey16.save(out / "i16-61x37.png")
    rgb.save(out / "key-61x37.png", transparency=rgb.getpixel((20, 20)))
    grey.save(out / "l-key-61x37.png", transparency=grey.getpixel((20, 20)))
    palette.save(out / "p-alpha-61x37.png", transparency=bytes(range(0, 240, 6)))
    palette.save(out / "p-key-61x37.png", transparency=3)

    for subsampling in ("4:4:4", "4:2:2"):
        rgb.save(out / f"rgb-{subsampling.replace(':', '')}.jpg", quality=85, subsampling=subsampling)
    rgb.save(out / "progressive.jpg", quality=85, progressive=True)
    rgb.save(out / "restart.jpg", quality=85, restart_marker_blocks=1)
    grey.save(out / "grey.jpg", quality=85)
    all_modes["cmyk"].save(out / "cmyk.jpg", quality=90)
    rgb.save(out / "quality-100.jpg", quality=100, subsampling="4:4:4")

    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        rgb.save(out / f"exif-{orientation}.jpg", quality=85, exif=exif)
    exif[0x0112] = 6
    rgba.save(out / "exif-6.png", exif=exif)
    rgba.save(out / "exif-6.webp", exif=exif, lossless=True)
    rgba.save(out / "exif-6.tif", exif=exif, compression="tiff_lzw")  # Pillow turns raw TIFF twice
    exif[0x0112] = 9
    rgb.save(out / "exif-9.jpg", quality=85, exif=exif)
    rgb.save(out / "xmp-8.jpg", quality=85, xmp=xmp(8))
    rgb.save(out / "xmp-3.webp", xmp=xmp(3), lossless=True)
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp(5).decode())
    rgb.save(out / "xmp-5.png", pnginfo=text)
    exif[0x0112] = 7
    raw = exif.tobytes()
    for zipped in (False, True):  # as ImageMagick writes it
        text = PngImagePlugin.PngInfo()
        lines = re.sub("(.{72})", "\\1\n", raw.hex())
        text.add_text("Raw profile type exif", f"\nexif\n{len(raw):8}\n{lines}\n", zip=zipped)
        rgb.save(out / f"exif-text-7{'-zipped' if zipped else ''}.png", pnginfo=text)

    rgb.save(out / "lossy.webp", quality=80)
    rgba.save(out / "lossy-alpha.webp", quality=80)
    rgb.save(out / "lossless.webp", lossless=True)
    rgba.save(out / "animated.webp", lossless=True, save_all=True,
              append_images=[ImageOps.mirror(rgba)], duration=100)
    rgb.save(out / "animated-rgb.webp", quality=70, save_all=True,
             append_images=[ImageOps.mirror(rgb)], duration=100)

    palette.save(out / "p.gif")
    palette.save(out / "p-key.gif", transparency=5, interlace=0)
    grey.save(out / "l.gif")
    all_modes["1"].save(out / "1.gif")
    palette.save(out / "animated.gif", save_all=True, append_images=[ImageOps.flip(palette)])

    for name in ("1", "l", "p", "rgb", "rgba"):
        all_modes[name].save(out / f"{name}.bmp")
        all_modes[name].save(out / f"{name}.tif", compression="tiff_lzw")
    all_modes["cmyk"].save(out / "cmyk.tif", compression="tiff_deflate")
    grey16.save(out / "i16.tif")
    rgb.save(out / "rgb.avif", quality=80, subsampling="4:4:4")
    save_jxl(rgb, out / "rgb.jxl")
    save_jxl(rgba, out / "rgba.jxl")


# ---- verdicts -------------------------------------------------------------------------------------


def pillow_outcome(path):
    """(size, mode, orientation, digest) as test_image_corpus prints them, or the exception's name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(path)
            image.load()
            # TIFF is turned while it loads, and the tag taken away.
            orientation = image.getexif().get(0x0112, 1)
            image = ImageOps.exif_transpose(image)
    except Exception as error:  # Pillow's errors have no common class
        return type(error).__name__
    mode = image.mode
    pixels = np.array(image)
    if mode == "1":
        pixels = pixels.astype(np.uint8) * 255
    elif mode == "P":
        pixels = np.array(image.convert("RGBA"))
    elif mode.startswith("I;16"):
        pixels, mode = (pixels.astype(np.uint16) >> 8).astype(np.uint8), "L"
    return f"{image.width}x{image.height}", mode, orientation, short_hash(pixels)


def grey_alpha_16(path, outcome):
    """Pillow widens LA of 16 bits to RGBA; ken keeps LA."""
    pixels = np.array(ImageOps.exif_transpose(Image.open(path)).convert("LA"))
    return outcome[0], "LA", outcome[2], short_hash(pixels)


def relation(path, ken, pillow):
    """How the two outcomes stand to each other: one word for the table."""
    if ken["mode"] == "-":
        return "refused" if isinstance(pillow, str) else "pillow-reads"
    if isinstance(pillow, str):
        return "pillow-refuses"
    if ken["mode"] == "LA" and pillow[1] == "RGBA":
        pillow = grey_alpha_16(path, pillow)
    same = (ken["size"], ken["mode"], ken["digest"]) == (pillow[0], pillow[1], pillow[3])
    if same:
        return "same"
    for pattern, _ in DIFFERENCES:
        if re.search(pattern, str(path)):
            return "differs"
    sys.exit(f"{path}: ken {ken}, Pillow {pillow}: not the same, and not in DIFFERENCES")


def write_verdicts(decoder, root, names, target):
    listing = subprocess.run([decoder, "--list", str(root)], input="\n".join(names) + "\n",
                             capture_output=True, text=True, check=True)
    assert listing.stderr == "", "the library must not print: " + listing.stderr[:300]
    columns = ("path", "verdict", "size", "mode", "orientation", "digest", "strict")
    counts = {}
    with open(target, "w", encoding="utf-8") as out:
        print("# Made by tools/make_image_goldens.py.", file=out)
        print("#", "\t".join(columns + ("pillow",)), file=out)
        for line in listing.stdout.splitlines():
            ken = dict(zip(columns, line.split("\t")))
            path = root / ken["path"]
            word = relation(path, ken, pillow_outcome(path))
            counts[word] = counts.get(word, 0) + 1
            if word == "differs":
                ken["digest"] = "-"
            print("\t".join([ken[c] for c in columns] + [word]), file=out)
    print(target.name, len(names), counts)


def names_below(root, folders):
    names = []
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and not re.search(r"LICENSE|README|\.txt$|\.md$", path.name):
                names.append(str(path.relative_to(root)))
    return names


# ---- preprocessing --------------------------------------------------------------------------------

FILTERS = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR,
           "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS,
           "box": Image.Resampling.BOX, "hamming": Image.Resampling.HAMMING}


def composite(image):
    from transformers.image_transforms import convert_to_rgb
    return convert_to_rgb(image)


def hugging_face(image, resize, filter_name, size, crop, crop_size, alpha):
    """The Pil processors with the classic conversion, which drops alpha."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    edge = {"shortest_edge": size[0]} if resize == "shortest" else dict(zip(("height", "width"), size))
    processor = CLIPImageProcessorPil(
        do_resize=resize != "none", size=edge, resample=FILTERS[filter_name], do_center_crop=crop,
        crop_size=dict(zip(("height", "width"), crop_size)), do_rescale=False, do_normalize=False)
    # A new picture: a palette's transparent colour would follow the picture into the processor.
    image = Image.fromarray(np.array(composite(image) if alpha == "composite" else image.convert("RGB")))
    return processor(image, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)


def open_clip(image, resize, filter_name, crop_size, fill, alpha):
    from open_clip.transform import image_transform
    size = crop_size if resize != "shortest" or crop_size[0] != crop_size[1] else crop_size[0]
    transform = image_transform(size, False, resize_mode=resize, interpolation=filter_name,
                                fill_color=fill)
    image = composite(image) if alpha == "composite" else image
    for step in transform.transforms[:-2]:  # without ToTensor and Normalize
        image = step(image)
    return np.array(image)


def recipes(name):
    """(layout, resize, filter, resize size, crop, crop size, fill, alpha) worth testing on a file."""
    has_alpha = re.search(r"la-|rgba|alpha|key|exif-6|animated\.webp", name)
    hf, oc = "hugging_face", "open_clip"
    yield hf, "shortest", "bicubic", (32, 32), True, (32, 32), 0, "layout"
    yield hf, "squash", "bicubic", (24, 29), False, (24, 29), 0, "layout"
    yield oc, "shortest", "bicubic", (32, 32), True, (32, 32), 0, "layout"
    yield oc, "squash", "bicubic", (29, 24), True, (29, 24), 0, "layout"
    yield oc, "longest", "bicubic", (32, 32), True, (32, 32), 100, "layout"
    if has_alpha:
        yield hf, "shortest", "bicubic", (32, 32), True, (32, 32), 0, "composite"
        yield oc, "shortest", "bicubic", (32, 32), True, (32, 32), 0, "composite"
    if re.match(r"(rgb-|l-|rgba-|p-|1-).*x.*png", name) or name.endswith("clothing/dress.jpg"):
        for filter_name in FILTERS:
            yield hf, "shortest", filter_name, (17, 17), True, (14, 15), 0, "layout"
            yield hf, "shortest", filter_name, (70, 70), True, (75, 78), 0, "layout"
            yield hf, "squash", filter_name, (50, 20), True, (41, 31), 0, "layout"
        for filter_name in ("bilinear", "bicubic"):
            yield oc, "shortest", filter_name, (65, 65), True, (65, 65), 0, "layout"
            yield oc, "shortest", filter_name, (20, 27), True, (20, 27), 0, "layout"
            yield oc, "longest", filter_name, (64, 70), True, (64, 70), 0, "layout"
            yield oc, "longest", filter_name, (15, 15), True, (15, 15), 7, "layout"
    if name.startswith("clothing/"):
        yield hf, "shortest", "bicubic", (224, 224), True, (224, 224), 0, "layout"
        yield hf, "squash", "bicubic", (224, 224), False, (224, 224), 0, "layout"
        yield oc, "shortest", "bicubic", (224, 224), True, (224, 224), 0, "layout"
        yield oc, "squash", "bilinear", (256, 256), True, (256, 256), 0, "layout"


def write_preprocess():
    files = [p for p in sorted((OUT / "generated").iterdir())
             if not re.search(r"i16|\.avif|\.jxl", p.name)]
    files += sorted((OUT / "clothing").glob("*.jpg"))
    n_rows = 0
    with open(OUT / "preprocess.tsv", "w", encoding="utf-8") as out:
        print("# Made by tools/make_image_goldens.py.", file=out)
        print("# file layout resize filter resize_size crop crop_size fill alpha digest".replace(" ", "\t", 10),
              file=out)
        for path in files:
            name = str(path.relative_to(OUT))
            image = ImageOps.exif_transpose(Image.open(path))
            for recipe in recipes(name if path.parent.name != "generated" else path.name):
                layout, resize, filter_name, size, crop, crop_size, fill, alpha = recipe
                try:
                    if layout == "hugging_face":
                        pixels = hugging_face(image, resize, filter_name, size, crop, crop_size, alpha)
                    else:
                        pixels = open_clip(image, resize, filter_name, crop_size, fill, alpha)
                    assert pixels.shape == (*crop_size, 3) and pixels.dtype == np.uint8
                    result = short_hash(pixels)
                except ValueError:  # "height and width must be > 0"
                    result = "unsupported"
                fields = [name, layout, resize, filter_name, "%dx%d" % size, int(crop),
                          "%dx%d" % crop_size, fill, alpha, result]
                print(*fields, sep="\t", file=out)
                n_rows += 1
    print("preprocess.tsv", n_rows)


def write_tensors(tensors):
    """What clip-retrieval stored: [3, 224, 224] float32 of the pictures in its test folder."""
    with open(OUT / "tensors.tsv", "w", encoding="utf-8") as out:
        print("# Made by tools/make_image_goldens.py from the tensors of clip-retrieval.", file=out)
        rows = []
        for path in sorted((tensors / "test_tensors").glob("*.pkl")):
            batch = pickle.loads(path.read_bytes())
            for name, tensor in zip(batch["image_filename"], batch["image_tensor"]):
                rows.append((f"clip-retrieval/{name}.jpg", short_hash(tensor.numpy())))
        for row in sorted(rows):
            print(*row, sep="\t", file=out)


def write_tables():
    """The 256 floats of each channel that the two references make of 8-bit pixels."""
    from torchvision.transforms import Normalize, functional
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    ramp = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2))
    with open(OUT / "tables.tsv", "w", encoding="utf-8") as out:
        print("# Made by tools/make_image_goldens.py.", file=out)
        for mean, std in ((CLIP_MEAN, CLIP_STD), ([0.5] * 3, [0.5] * 3), ([0, 0, 0], [1, 1, 1]),
                          ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])):
            oc = Normalize(mean, std)(functional.to_tensor(ramp)).numpy()[:, 0, :]
            print("open_clip", repr(1 / 255), *mean, *std, short_hash(oc), sep="\t", file=out)
            for factor in (1 / 255, 1 / 127.5):
                processor = CLIPImageProcessorPil(do_resize=False, do_center_crop=False, image_mean=mean,
                                                  image_std=std, rescale_factor=factor)
                hf = processor(ramp, return_tensors="np")["pixel_values"][0][:, 0, :]
                print("hugging_face", repr(factor), *mean, *std, short_hash(hf), sep="\t", file=out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--tensors", type=Path)
    parser.add_argument("--decoder", default=ROOT / "build/release/tests/image/test_image_corpus")
    args = parser.parse_args()
    if args.corpus and args.photos and args.tensors:
        copy_selection(args.corpus, args.photos, args.tensors)
        generate()
    folders = ("pillow", "libpng", "libvips", "generated", "clothing", "clip-retrieval")
    write_verdicts(args.decoder, OUT, names_below(OUT, folders), OUT / "verdicts.tsv")
    if args.corpus:
        names = names_below(args.corpus, ("pillow", "libpng", "libvips"))
        write_verdicts(args.decoder, args.corpus, names, OUT / "corpus-verdicts.tsv")
    write_preprocess()
    if args.tensors:
        write_tensors(args.tensors)
    write_tables()


if __name__ == "__main__":
    main()
