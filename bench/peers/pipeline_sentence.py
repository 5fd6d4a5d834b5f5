"""Photos to Parquet with sentence-transformers' encode, as its documentation shows.

    pipeline_sentence.py MODEL_DIR LIST_FILE OUT.parquet N_CPUS
"""

import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import CLIPModel

BATCH = 64


def main():
    directory, names, out, cpus = sys.argv[1:]
    torch.set_num_threads(int(cpus))
    model = SentenceTransformer(modules=[CLIPModel(directory)], device="cpu")
    paths = Path(names).read_text().splitlines()
    schema = pyarrow.schema(
        [("path", pyarrow.string()), ("embedding", pyarrow.list_(pyarrow.float32(), 512))]
    )
    with pyarrow.parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for first in range(0, len(paths), 4 * BATCH):
            some = paths[first : first + 4 * BATCH]
            embeddings = model.encode(
                [Image.open(path) for path in some], batch_size=BATCH, normalize_embeddings=True
            )
            writer.write(pyarrow.table([some, list(embeddings)], schema=schema))


if __name__ == "__main__":
    main()
