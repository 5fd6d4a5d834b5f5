/* ken tokenize: the ids that the text tower gets. */
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/commands.h"

#include <string.h>

static option_list texts_file;

static const option *options(void) {
    static const option table[] = {
        {"file", 'f', OPTION_LIST, &texts_file, "FILE", "texts from a file, a line each", NULL, 0,
         0},
        COMMON_MODEL_OPTIONS,
        COMMON_OUTPUT_OPTIONS,
        OPTIONS_END,
    };
    return table;
}

static void put_pieces(buf *out, const tokenizer *t, const int32_t *ids, int n) {
    for (int i = 0; i < n; i++) {
        const char *piece = tokenizer_piece(t, ids[i]);
        buf_puts(out, i ? "," : "");
        buf_put_json(out, piece ? piece : "", piece ? strlen(piece) : 0);
    }
}

static void put_ids(buf *out, const int32_t *ids, int n) {
    for (int i = 0; i < n; i++)
        buf_printf(out, "%s%d", i ? "," : "", ids[i]);
}

/* Prints one text's line. `index` counts the lines of --json's array. */
static ken_status print_text(const tokenizer *t, const char *text, size_t size, size_t index,
                             int32_t *ids, ken_error *err) {
    tokenizer_result result;
    TRY(tokenizer_encode(t, text, size, ids, &result, err));
    int n = tokenizer_context_length(t);
    buf line;
    buf_init(&line, (size_t)1 << 28);
    if (common.json) {
        buf_puts(&line, index ? ",\n{\"text\":" : "{\"text\":");
        buf_put_json(&line, text, size);
        buf_puts(&line, ",\"ids\":[");
        put_ids(&line, ids, n);
        buf_puts(&line, "],\"pieces\":[");
        put_pieces(&line, t, ids, result.n_tokens);
        buf_printf(&line, "],\"n_tokens\":%d,\"truncated\":%s}", result.n_tokens,
                   result.truncated ? "true" : "false");
    } else {
        buf_putc(&line, '[');
        put_ids(&line, ids, n);
        buf_puts(&line, "]\n");
        if (result.truncated)
            cli_note("ken tokenize: text %zu was cut to %d tokens", index + 1, result.n_tokens);
    }
    ken_status status = buf_check(&line, err);
    if (status == KEN_OK)
        fwrite(line.data, 1, line.size, stdout);
    buf_free(&line);
    return status;
}

static ken_status print_file(const tokenizer *t, const char *path, size_t *index, int32_t *ids,
                             ken_error *err) {
    buf text;
    buf_init(&text, (size_t)1 << 30);
    ken_status status = file_read(path, &text, err);
    for (size_t at = 0; status == KEN_OK && at < text.size;) {
        const char *line = text.data + at;
        const char *end = memchr(line, '\n', text.size - at);
        size_t size = end ? (size_t)(end - line) : text.size - at;
        at += size + 1;
        if (size && line[size - 1] == '\r')
            size--;
        status = print_text(t, line, size, (*index)++, ids, err);
    }
    buf_free(&text);
    return status;
}

static ken_status tokenize_all(const ken_model *model, int n_args, char **args, ken_error *err) {
    const tokenizer *t = model_tokenizer(model);
    int32_t *ids = mem_zalloc((size_t)tokenizer_context_length(t), sizeof *ids);
    if (!ids)
        return error_no_memory(err, (size_t)tokenizer_context_length(t) * sizeof *ids);
    ken_status status = KEN_OK;
    size_t index = 0;
    for (int i = 0; i < n_args && status == KEN_OK; i++)
        status = print_text(t, args[i], strlen(args[i]), index++, ids, err);
    for (size_t i = 0; i < texts_file.n && status == KEN_OK; i++)
        status = print_file(t, texts_file.items[i], &index, ids, err);
    mem_free(ids);
    return status;
}

static int run(int n_args, char **args) {
    if (n_args == 0 && texts_file.n == 0)
        return cli_usage("no text to tokenize");
    ken_error err;
    ken_model *model;
    if (cli_load_model(&(ken_model_options){.text_only = true}, &model, NULL, NULL, &err) != KEN_OK)
        return cli_fail(&err);
    if (common.json)
        putchar('[');
    ken_status status = tokenize_all(model, n_args, args, &err);
    if (common.json)
        puts("]");
    ken_model_free(model);
    return status == KEN_OK ? 0 : cli_fail(&err);
}

const command cmd_tokenize = {
    .name = "tokenize",
    .group = "Look inside",
    .summary = "print the token ids of texts",
    .usage = "--model M [TEXT...]",
    .details = "Prints one JSON array of ids a line for each text, padded to the model's context "
               "length, exactly as the model's reference tokenizer makes them. With --json: the "
               "text, its ids, its pieces, the number of tokens before padding, and whether it "
               "was cut to fit.",
    .examples = "  ken tokenize --model demo \"a photo of a dress\"\n"
                "  ken tokenize --model clip-vit-base-patch32 --json --file captions.txt\n",
    .options = options,
    .run = run,
};
