/* formats/safetensors_sniff.c: what people offer instead of a safetensors file, and what to do. */
#include "formats/safetensors.h"

#include <string.h>

static const char convert_hint[] =
    "convert it once, where PyTorch is: python -c \"import torch, safetensors.torch as s; "
    "s.save_file({k: v.clone() for k, v in torch.load('pytorch_model.bin', weights_only=True)"
    ".items()}, 'model.safetensors')\"";
static const char original_hint[] =
    "use the model.safetensors that the model's original repository holds";
static const char download_hint[] =
    "download the file again, for example with: hf download ORG/REPO model.safetensors";

typedef struct magic {
    const char *bytes;
    size_t size;
    const char *is;
    const char *hint;
} magic;

#define MAGIC(bytes, is, hint)                                                                     \
    { bytes, sizeof(bytes) - 1, is, hint }

static const magic magics[] = {
    MAGIC("PK\x03\x04", "a zip archive, as torch.save writes it", convert_hint),
    MAGIC("\x80\x02", "a Python pickle", convert_hint),
    MAGIC("\x80\x03", "a Python pickle", convert_hint),
    MAGIC("\x80\x04", "a Python pickle", convert_hint),
    MAGIC("\x80\x05", "a Python pickle", convert_hint),
    MAGIC("GGUF", "a GGUF file", original_hint),
    MAGIC("\x89HDF", "an HDF5 file (Keras or TensorFlow weights)", original_hint),
    MAGIC("version https://git-lfs", "a Git LFS pointer, not the file itself",
          "fetch the file itself: git lfs pull"),
    MAGIC("<!DOCTYPE", "a web page", download_hint),
    MAGIC("<!doctype", "a web page", download_hint),
    MAGIC("<html", "a web page", download_hint),
    MAGIC("{\"", "a JSON text", download_hint),
    MAGIC("\x1f\x8b", "a gzip file", "decompress it first"),
};

/* An ONNX file is a protobuf that begins with field 1, ir_version, a number below 32, and goes on
 * with a field of the model: the producer's name (2), version, domain, ... graph (7), or opset (8).
 */
static bool is_onnx(const uint8_t *bytes, size_t size) {
    return size >= 3 && bytes[0] == 0x08 && bytes[1] > 0 && bytes[1] < 32 &&
           (bytes[2] == 0x12 || bytes[2] == 0x1a || bytes[2] == 0x22 || bytes[2] == 0x3a ||
            bytes[2] == 0x42);
}

const char *safetensors_sniff(const uint8_t *bytes, size_t size, const char **hint) {
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if (size >= magics[i].size && memcmp(bytes, magics[i].bytes, magics[i].size) == 0) {
            *hint = magics[i].hint;
            return magics[i].is;
        }
    if (is_onnx(bytes, size)) {
        *hint = original_hint;
        return "an ONNX model";
    }
    return NULL;
}

const char *safetensors_foreign_name(const char *file_name, const char **hint) {
    static const struct {
        const char *suffix, *is, *hint;
    } names[] = {
        {".bin", "pickled PyTorch weights", convert_hint},
        {".pt", "pickled PyTorch weights", convert_hint},
        {".pth", "pickled PyTorch weights", convert_hint},
        {".ckpt", "a pickled checkpoint", convert_hint},
        {".onnx", "an ONNX model", original_hint},
        {".gguf", "a GGUF file", original_hint},
        {".h5", "TensorFlow weights", original_hint},
        {".msgpack", "Flax weights", original_hint},
    };
    size_t n = strlen(file_name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n_suffix = strlen(names[i].suffix);
        if (n > n_suffix && strcmp(file_name + n - n_suffix, names[i].suffix) == 0) {
            *hint = names[i].hint;
            return names[i].is;
        }
    }
    return NULL;
}
