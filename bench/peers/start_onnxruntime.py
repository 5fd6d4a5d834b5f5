"""One text to its embedding with ONNX Runtime and tokenizers, the lightest that Python has:
start_onnxruntime.py FILE.onnx MODEL_DIR TEXT."""

import sys

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


def main():
    model, directory, text = sys.argv[1:]
    ids = Tokenizer.from_file(f"{directory}/tokenizer.json").encode(text).ids
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    print(*session.run(None, {"ids": np.array([ids], np.int32)})[0][0].tolist())


if __name__ == "__main__":
    main()
