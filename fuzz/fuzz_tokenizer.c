/* Fuzzes tokenizer.json, spiece.model and texts. The first byte chooses: 0 a tokenizer.json, then a
 * NUL and a text; 1 a spiece.model; otherwise a text through the standard CLIP tokenizer of
 * OpenCLIP. */
#include "text/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { context = 16 };

static void encode(const tokenizer *t, const char *text, size_t size) {
    int32_t ids[context];
    tokenizer_result result;
    ken_error err;
    if (tokenizer_encode(t, text, size, ids, &result, &err) == KEN_OK && result.n_tokens > context)
        abort();
}

static void fuzz_json(const char *data, size_t size) {
    const tokenizer_options options = {.kind = TOKENIZER_FROM_FILE, .context_length = context};
    const char *nul = memchr(data, '\0', size);
    size_t json_size = nul ? (size_t)(nul - data) : size;
    tokenizer *t;
    ken_error err;
    if (tokenizer_new(&options, &t, &err) != KEN_OK)
        return;
    if (tokenizer_parse_json(t, data, json_size, NULL, "fuzz", &err) == KEN_OK &&
        tokenizer_finish(t, &err) == KEN_OK) {
        encode(t, "a photo of <0x41> caf\xc3\xa9", 23);
        if (nul)
            encode(t, nul + 1, size - json_size - 1);
    }
    tokenizer_free(t);
}

static void fuzz_model(const char *data, size_t size) {
    const tokenizer_options options = {
        .kind = TOKENIZER_FROM_FILE, .context_length = context, .siglip = true};
    tokenizer *t;
    ken_error err;
    if (tokenizer_new(&options, &t, &err) != KEN_OK)
        return;
    if (tokenizer_parse_sentencepiece(t, data, size, NULL, "fuzz", &err) == KEN_OK &&
        tokenizer_finish(t, &err) == KEN_OK)
        encode(t, "a photo of <unk> caf\xc3\xa9", 22);
    tokenizer_free(t);
}

static void fuzz_text(const char *data, size_t size) {
    static tokenizer *standard;
    const tokenizer_options options = {.kind = TOKENIZER_CLIP_OPEN_CLIP, .context_length = context};
    ken_error err;
    if (!standard && tokenizer_load(NULL, &options, &standard, &err) != KEN_OK)
        abort();
    encode(standard, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    const char *rest = (const char *)data + 1;
    if (data[0] == 0)
        fuzz_json(rest, size - 1);
    else if (data[0] == 1)
        fuzz_model(rest, size - 1);
    else
        fuzz_text(rest, size - 1);
    return 0;
}
