"""Photos to Parquet as clip-retrieval does it: a DataLoader whose worker processes decode, OpenCLIP on
PyTorch, a Parquet writer.

    pipeline_dataloader.py MODEL_DIR LIST_FILE OUT.parquet N_CPUS
"""

import sys
from pathlib import Path

import open_clip
import pyarrow
import pyarrow.parquet
import torch
from PIL import Image

BATCH = 64


class Photos(torch.utils.data.Dataset):
    def __init__(self, paths, transform):
        self.paths, self.transform = paths, transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        return self.paths[index], self.transform(Image.open(self.paths[index]))


def main():
    directory, names, out, cpus = sys.argv[1:]
    torch.set_num_threads(int(cpus))
    model, _, transform = open_clip.create_model_and_transforms(
        f"local-dir:{directory}/peers/open-clip", device="cpu"
    )
    model.eval()
    paths = Path(names).read_text().splitlines()
    loader = torch.utils.data.DataLoader(
        Photos(paths, transform), batch_size=BATCH, num_workers=int(cpus), prefetch_factor=2
    )
    schema = pyarrow.schema(
        [("path", pyarrow.string()), ("embedding", pyarrow.list_(pyarrow.float32(), 512))]
    )
    with (
        pyarrow.parquet.ParquetWriter(out, schema, compression="zstd") as writer,
        torch.inference_mode(),
    ):
        for batch_paths, pictures in loader:
            embeddings = model.encode_image(pictures, normalize=True)
            writer.write(
                pyarrow.table([list(batch_paths), list(embeddings.numpy())], schema=schema)
            )


if __name__ == "__main__":
    main()
