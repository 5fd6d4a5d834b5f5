"""Photos to Parquet with ONNX Runtime: threads that decode and resize with Pillow while a batch is
computed, a Parquet writer.

    pipeline_onnxruntime.py FILE.onnx LIST_FILE OUT.parquet N_CPUS
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow
import pyarrow.parquet
from PIL import Image

from prepare import MEAN, STD

BATCH, SIZE = 16, 224


def read_photo(path):
    """[3, SIZE, SIZE], normalised: the steps of transformers' image processor."""
    picture = Image.open(path).convert("RGB")
    scale = SIZE / min(picture.size)
    size = [max(SIZE, int(side * scale)) for side in picture.size]
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    left, top = ((side - SIZE) // 2 for side in size)
    pixels = np.asarray(picture.crop((left, top, left + SIZE, top + SIZE)), np.float32)
    return ((pixels / 255 - np.float32(MEAN)) / np.float32(STD)).transpose(2, 0, 1)


def main():
    model, names, out, cpus = sys.argv[1:]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(cpus)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    paths = Path(names).read_text().splitlines()
    batches = [paths[first : first + BATCH] for first in range(0, len(paths), BATCH)]
    schema = pyarrow.schema(
        [("path", pyarrow.string()), ("embedding", pyarrow.list_(pyarrow.float32(), 512))]
    )
    with (
        ThreadPoolExecutor(int(cpus)) as decoders,
        pyarrow.parquet.ParquetWriter(out, schema, compression="zstd") as writer,
    ):

        def decode(batch):
            return [decoders.submit(read_photo, path) for path in batch]

        ahead = decode(batches[0])
        for number, batch in enumerate(batches):
            pictures = np.stack([photo.result() for photo in ahead])
            ahead = decode(batches[number + 1]) if number + 1 < len(batches) else []
            embeddings = session.run(None, {"pixels": pictures})[0]
            writer.write(pyarrow.table([batch, list(embeddings)], schema=schema))


if __name__ == "__main__":
    main()
