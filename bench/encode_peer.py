"""ONNX Runtime's and PyTorch's side of bench/encode.py: the commands of bench_encode.c.

    encode_peer.py onnxruntime MODEL.onnx PIXELS SIZE
    encode_peer.py torch MODEL_DIR PIXELS SIZE

Both get their pictures normalised before the clock starts; ken starts from 8-bit pixels. Both are set
up as their documentation advises for speed, and leave no thread spinning once a run has ended.
"""

import os
import sys
import time

import numpy as np

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def read_pictures(path, size):
    pixels = np.fromfile(path, np.uint8).reshape(-1, size, size, 3)
    unit = pixels.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(((unit - MEAN) / STD).transpose(0, 3, 1, 2))


class OnnxRuntime:
    def __init__(self, path):
        import onnxruntime
        self.onnxruntime, self.path, self.sessions = onnxruntime, path, {}
        self.version = onnxruntime.__version__

    def session(self, threads):
        if threads not in self.sessions:
            options = self.onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.graph_optimization_level = self.onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
            # Spin during a run, which is ONNX Runtime's fast setting, and stop at its end.
            options.add_session_config_entry("session.force_spinning_stop", "1")
            self.sessions[threads] = self.onnxruntime.InferenceSession(
                self.path, options, providers=["CPUExecutionProvider"])
        return self.sessions[threads]

    def encode(self, pictures, threads):
        return self.session(threads).run(None, {"pixels": pictures})[0]


class Torch:
    def __init__(self, directory):
        import torch
        from transformers import CLIPModel
        self.torch, self.version = torch, torch.__version__
        self.model = CLIPModel.from_pretrained(directory).eval()

    def encode(self, pictures, threads):
        torch = self.torch
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        with torch.inference_mode():
            pooled = self.model.vision_model(pixel_values=torch.from_numpy(pictures)).pooler_output
            embedding = self.model.visual_projection(pooled)
            return (embedding / embedding.norm(dim=-1, keepdim=True)).numpy()


def main():
    engine, path, pixels, size = sys.argv[1:]
    pictures = read_pictures(pixels, int(size))
    peer = {"onnxruntime": OnnxRuntime, "torch": Torch}[engine](path)
    print("ready", peer.version, flush=True)
    for line in sys.stdin:
        command, batch, threads, *rest = line.split()
        batch, threads = pictures[:int(batch)], int(threads)
        if command == "run":
            seconds = []
            for _ in range(int(rest[0])):
                start = time.perf_counter()
                peer.encode(batch, threads)
                seconds.append(time.perf_counter() - start)
            print(*seconds, flush=True)
        else:
            for embedding in peer.encode(batch, threads):
                print(*(f"{value:.9g}" for value in embedding))
            sys.stdout.flush()


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
