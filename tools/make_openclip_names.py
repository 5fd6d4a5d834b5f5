"""Writes src/hub/openclip_names.def: which hub repository OpenCLIP's "ARCH/TAG" names stand for.

Needs open_clip. Only architectures that ken can run are listed; a name ending in "-quickgelu" stands
for the same repository as the name without it, so those are left out.
"""
import pathlib

from open_clip import pretrained

SUFFIX = "-quickgelu"


def rows():
    for arch, tags in pretrained._PRETRAINED.items():
        if not arch.startswith(("ViT-", "RN")) or arch.endswith(SUFFIX):
            continue
        for tag, config in tags.items():
            repo = config.get("hf_hub", "").rstrip("/")
            if repo.count("/") == 1:
                yield arch, tag, repo


def main():
    lines = [f'NAME("{arch}", "{tag}", "{repo}")' for arch, tag, repo in sorted(rows())]
    out = pathlib.Path(__file__).resolve().parent.parent / "src/hub/openclip_names.def"
    out.write_text(
        "/* Written by tools/make_openclip_names.py: NAME(architecture, tag, hub repository). */\n"
        + "\n".join(lines)
        + "\n"
    )


if __name__ == "__main__":
    main()
