"""Makes tests/data/formats/torch: small files that torch.save wrote, and their values as .npy.

    python tools/make_torch_goldens.py OUT

`evil.pth` would run a command if somebody unpickled it; ken must refuse it.
"""
import pathlib
import sys

import numpy
import torch


class Evil:
    def __reduce__(self):
        import os
        return os.system, ("true",)


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    linear = torch.nn.Linear(6, 3)
    torch.save(linear.state_dict(), out / "linear.pth")
    numpy.save(out / "linear.weight.npy", linear.weight.detach().numpy())
    numpy.save(out / "linear.bias.npy", linear.bias.detach().numpy())
    torch.save({"epoch": 7, "name": "x", "lr": 1e-3, "big": 2 ** 80, "ok": True, "nothing": None,
                "betas": [0.9, 0.999], "state_dict": linear.state_dict()}, out / "nested.pth")
    base = torch.arange(24, dtype=torch.float32)
    torch.save({"whole": base.reshape(2, 3, 4), "part": base[4:10], "scalar": torch.tensor(2.5),
                "half": base[:5].half(), "bf16": base[:5].bfloat16(), "double": base[:3].double(),
                "long": torch.tensor([1, -2, 2 ** 40]), "bytes": torch.tensor([1, 255], dtype=torch.uint8),
                "parameter": torch.nn.Parameter(base[:2]), "empty": torch.zeros(0, 4)}, out / "types.pth")
    torch.save({"x": base.reshape(4, 6).T}, out / "transposed.pth")
    torch.save({"x": Evil()}, out / "evil.pth")
    torch.save([1, 2], out / "list.pth")
    torch.save(linear.state_dict(), out / "old.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
