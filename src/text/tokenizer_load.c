/* Finds the tokenizer files of a model directory and reads them. */
#include "base/doc.h"
#include "base/file.h"
#include "text/clip_vocab.h"
#include "text/tokenizer_config.h"

#include <string.h>

enum { max_json_bytes = 256 << 20, max_config_bytes = 16 << 20, max_model_bytes = 64 << 20 };

static ken_status path_of(buf *path, const char *dir, const char *name, bool *exists,
                          ken_error *err) {
    if (!file_join(path, dir, name))
        return buf_check(path, err);
    *exists = file_exists(path->data);
    return KEN_OK;
}

static ken_status read_file(const char *dir, const char *name, size_t max_bytes, buf *out,
                            bool *exists, ken_error *err) {
    buf path;
    buf_init(&path, 1 << 16);
    buf_init(out, max_bytes);
    ken_status status = path_of(&path, dir, name, exists, err);
    if (status == KEN_OK && *exists)
        status = file_read(path.data, out, err);
    buf_free(&path);
    return status;
}

/* *out is NULL when the file is not there. */
static ken_status read_object(const char *dir, const char *name, json_t **out, ken_error *err) {
    buf text;
    bool exists = false;
    *out = NULL;
    ken_status status = read_file(dir, name, max_config_bytes, &text, &exists, err);
    if (status == KEN_OK && exists)
        status = doc_parse_reals(text.data ? text.data : "", text.size, name, out, err);
    buf_free(&text);
    if (status == KEN_OK && *out && !json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        return error_set(err, KEN_BAD_FORMAT, "'%s' is not an object", name);
    }
    return status;
}

/* tokenizer_config.json, with what only the older special_tokens_map.json says. Never NULL. */
static ken_status read_config(const char *dir, json_t **out, ken_error *err) {
    json_t *map = NULL;
    TRY(read_object(dir, "tokenizer_config.json", out, err));
    if (!*out)
        *out = json_object();
    if (!*out)
        return error_no_memory(err, sizeof(json_t));
    ken_status status = read_object(dir, "special_tokens_map.json", &map, err);
    if (map && json_object_update_missing(*out, map) != 0)
        status = error_no_memory(err, sizeof(json_t));
    json_decref(map);
    return status;
}

static ken_status load_json(tokenizer *t, const char *dir, const json_t *config, bool *found,
                            ken_error *err) {
    buf text;
    ken_status status = read_file(dir, "tokenizer.json", max_json_bytes, &text, found, err);
    if (status == KEN_OK && *found)
        status = tokenizer_parse_json(t, text.data ? text.data : "", text.size, config,
                                      "tokenizer.json", err);
    buf_free(&text);
    return status;
}

static ken_status load_vocab_merges(tokenizer *t, const char *dir, const json_t *config,
                                    bool *found, ken_error *err) {
    buf vocab_text, merges_text;
    bool has_vocab = false, has_merges = false;
    ken_status status = read_file(dir, "vocab.json", max_json_bytes, &vocab_text, &has_vocab, err);
    buf_init(&merges_text, 0);
    if (status == KEN_OK)
        status = read_file(dir, "merges.txt", max_json_bytes, &merges_text, &has_merges, err);
    *found = has_vocab && has_merges;
    if (status == KEN_OK && *found)
        status = tokenizer_parse_vocab_merges(
            t, vocab_text.data ? vocab_text.data : "", vocab_text.size,
            merges_text.data ? merges_text.data : "", merges_text.size, config, err);
    buf_free(&vocab_text);
    buf_free(&merges_text);
    return status;
}

static ken_status load_sentencepiece(tokenizer *t, const char *dir, const json_t *config,
                                     const char *name, bool *found, ken_error *err) {
    buf bytes;
    ken_status status = read_file(dir, name, max_model_bytes, &bytes, found, err);
    if (status == KEN_OK && *found)
        status = tokenizer_parse_sentencepiece(t, bytes.data ? bytes.data : "", bytes.size, config,
                                               name, err);
    buf_free(&bytes);
    return status;
}

static bool is_clip_class(const char *name) {
    return !*name || strncmp(name, "CLIPTokenizer", strlen("CLIPTokenizer")) == 0;
}

static ken_status load_files(tokenizer *t, const char *dir, const json_t *config, ken_error *err) {
    const char *class_name = "";
    TRY(doc_get_string(config, "tokenizer_class", "tokenizer_config.json", &class_name, err));
    bool found = false;
    if (t->options.kind == TOKENIZER_CLIP_HF && !is_clip_class(class_name))
        t->options.kind = TOKENIZER_FROM_FILE;
    bool siglip = t->options.siglip || strcmp(class_name, "SiglipTokenizer") == 0;
    /* transformers reads SigLIP's spiece.model even where there is a tokenizer.json. */
    if (t->options.kind == TOKENIZER_FROM_FILE && siglip && !t->options.clean)
        TRY(load_sentencepiece(t, dir, config, "spiece.model", &found, err));
    if (!found)
        TRY(load_json(t, dir, config, &found, err));
    if (!found && t->options.kind == TOKENIZER_CLIP_HF)
        TRY(load_vocab_merges(t, dir, config, &found, err));
    static const char *const models[] = {"spiece.model", "tokenizer.model"};
    for (size_t i = 0; !found && i < 2 && t->options.kind == TOKENIZER_FROM_FILE; i++)
        TRY(load_sentencepiece(t, dir, config, models[i], &found, err));
    if (found)
        return KEN_OK;
    bool clip = t->options.kind == TOKENIZER_CLIP_HF;
    return error_hint(err, error_set(err, KEN_NOT_FOUND, "'%s' holds no tokenizer", dir),
                      "put tokenizer.json%s into the directory, as the model's authors publish it",
                      clip ? ", or vocab.json and merges.txt," : " or spiece.model");
}

static ken_status load_open_clip(tokenizer *t, ken_error *err) {
    t->reading = READING_OPEN_CLIP;
    TRY(clip_vocab_build(&t->vocab, &t->bpe, "<start_of_text>", "<end_of_text>", err));
    t->begin_id = t->before[0] = clip_begin_id;
    t->end_id = t->after[0] = clip_end_id;
    t->n_before = t->n_after = 1;
    t->pad_id = 0;
    return KEN_OK;
}

static ken_status load_dir(tokenizer *t, const char *dir, ken_error *err) {
    if (t->options.kind == TOKENIZER_CLIP_OPEN_CLIP)
        return load_open_clip(t, err);
    if (!dir)
        return error_set(err, KEN_BAD_ARGUMENT, "a tokenizer of this kind needs a directory");
    json_t *config = NULL;
    ken_status status = read_config(dir, &config, err);
    if (status == KEN_OK)
        status = load_files(t, dir, config, err);
    json_decref(config);
    return status;
}

ken_status tokenizer_load(const char *dir, const tokenizer_options *options, tokenizer **out,
                          ken_error *err) {
    tokenizer *t;
    *out = NULL;
    TRY(tokenizer_new(options, &t, err));
    ken_status status = load_dir(t, dir, err);
    if (status == KEN_OK)
        status = tokenizer_finish(t, err);
    if (status != KEN_OK) {
        tokenizer_free(t);
        return status;
    }
    *out = t;
    return KEN_OK;
}
