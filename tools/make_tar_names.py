"""Writes tests/data/formats/webdataset/names-{pax,gnu}.tgz: long names and names that are not ASCII."""
import io
import pathlib
import tarfile

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/data/formats/webdataset"


def main():
    for label, kind in (("pax", tarfile.PAX_FORMAT), ("gnu", tarfile.GNU_FORMAT)):
        with tarfile.open(OUT / f"names-{label}.tgz", "w:gz", format=kind) as tar:
            for name in ("caf\u00e9/\u5317\u4eac.jpg", "d/" * 80 + "n" * 120 + ".jpg", "plain.jpg"):
                info = tarfile.TarInfo(name)
                info.size = 4
                tar.addfile(info, io.BytesIO(b"data"))


if __name__ == "__main__":
    main()
