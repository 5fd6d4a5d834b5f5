"""The Python peers' side of bench/encode.py and text.py: the commands of bench_encode.c.

    engine.py image|text onnxruntime FILE.onnx MODEL_DIR
    engine.py image|text openvino FILE.xml MODEL_DIR [f32|bf16]
    engine.py image|text torch|compiled MODEL_DIR MODEL_DIR
    engine.py image clip.cpp FILE.gguf MODEL_DIR

All get their input as they like it before the clock starts: normalised pictures, texts without padding.
All are set up as their documentation advises for speed, and leave no thread spinning after a run.
"""

import os
import sys
import time
from pathlib import Path

from prepare import read_pictures, read_texts


class OnnxRuntime:
    def __init__(self, kind, path):
        import onnxruntime

        self.onnxruntime, self.path, self.sessions = onnxruntime, path, {}
        self.input = {"image": "pixels", "text": "ids"}[kind]
        self.version = onnxruntime.__version__

    def session(self, threads):
        if threads not in self.sessions:
            options = self.onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.graph_optimization_level = (
                self.onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
            )
            # Spin during a run, which is ONNX Runtime's fast setting, and stop at its end.
            options.add_session_config_entry("session.force_spinning_stop", "1")
            self.sessions[threads] = self.onnxruntime.InferenceSession(
                self.path, options, providers=["CPUExecutionProvider"]
            )
        return self.sessions[threads]

    def encode(self, items, threads):
        return self.session(threads).run(None, {self.input: items})[0]


class OpenVino:
    """Compiled for each shape. By itself it would compute in bfloat16 where the CPU has that, and take
    one thread of each core only."""

    def __init__(self, _kind, path, precision="f32"):
        import openvino

        self.core, self.requests, self.precision = openvino.Core(), {}, precision
        self.path, self.version = path, openvino.__version__.split("-")[0]

    def request(self, shape, threads):
        key = (tuple(shape), threads)
        if key not in self.requests:
            model = self.core.read_model(self.path)
            model.reshape(list(shape))
            options = {
                "PERFORMANCE_HINT": "LATENCY",
                "NUM_STREAMS": "1",
                "INFERENCE_NUM_THREADS": threads,
                "INFERENCE_PRECISION_HINT": self.precision,
                "ENABLE_HYPER_THREADING": True,
                "ENABLE_CPU_PINNING": False,
            }
            compiled = self.core.compile_model(model, "CPU", options)
            self.requests[key] = compiled.create_infer_request()
        return self.requests[key]

    def encode(self, items, threads):
        request = self.request(items.shape, threads)
        request.infer([items], share_inputs=True)
        return request.get_output_tensor().data


class Torch:
    def __init__(self, kind, directory, compile=False):
        import torch
        from transformers import CLIPModel

        model = CLIPModel.from_pretrained(directory).eval()
        self.torch, self.version = torch, torch.__version__
        self.tower = self.image_tower(model) if kind == "image" else self.text_tower(model)
        if compile:
            import torch._inductor.config

            torch._inductor.config.freezing = True  # packs the weights for its kernels
            self.tower = torch.compile(self.tower, dynamic=False)

    def image_tower(self, model):
        def tower(pixels):
            pooled = model.vision_model(pixel_values=pixels).pooler_output
            return self.torch.nn.functional.normalize(model.visual_projection(pooled), dim=-1)

        return tower

    def text_tower(self, model):
        def tower(ids):
            pooled = model.text_model(input_ids=ids).pooler_output
            return self.torch.nn.functional.normalize(model.text_projection(pooled), dim=-1)

        return tower

    def encode(self, items, threads):
        if self.torch.get_num_threads() != threads:
            self.torch.set_num_threads(threads)
        with self.torch.no_grad():
            return self.tower(self.torch.from_numpy(items)).numpy()


def make_peer(kind, engine, path, rest):
    if engine == "onnxruntime":
        return OnnxRuntime(kind, path)
    if engine == "clip.cpp":
        from clip_cpp_model import ClipCpp

        return ClipCpp(path)
    if engine == "openvino":
        return OpenVino(kind, path, *rest)
    return Torch(kind, path, compile=engine == "compiled")


def serve(peer, items):
    print("ready", peer.version, flush=True)
    for line in sys.stdin:
        command, batch, threads, *rest = line.split()
        batch, threads = items[: int(batch)], int(threads)
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


def main():
    kind, engine, path, directory, *rest = sys.argv[1:]
    read, name = {"image": (read_pictures, "pixels.bin"), "text": (read_texts, "ids.bin")}[kind]
    serve(make_peer(kind, engine, path, rest), read(Path(directory) / name))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
