#include "tasks/inputs/inputs.h"

#include "base/file.h"
#include "formats/tar.h"
#include "tasks/inputs/inputs_state.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Of one file in a tar shard; it is held in memory. */
enum { max_field_bytes = 256 << 20 };
/* Of the fingerprint's text. */
enum { fold_bytes = 1 << 20 };

void inputs_close(inputs *in) {
    if (!in)
        return;
    stream_close(in->stream);
    id_set_free(&in->ids);
    arena_free(&in->scratch);
    buf_free(&in->shown);
    buf_free(&in->id);
    mem_free(in->extra_columns);
    mem_free(in->extra);
    source_list_free(&in->sources);
    mem_free(in);
}

/* ---- naming ---------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool is_tar_name(const char *name) {
    static const char *const ends[] = {".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i]))
            return true;
    return false;
}

static ken_status add_stream(inputs *in, source_kind kind, const char *path, ken_error *err) {
    struct stat info;
    if (stat(path, &info) != 0)
        return error_errno(err, errno, "could not open '%s'", path);
    source item = {.kind = kind, .os_path = arena_strdup(&in->sources.arena, path)};
    if (!item.os_path)
        return error_no_memory(err, strlen(path));
    in->from_streams = true;
    return source_list_add(&in->sources, &item, err);
}

static ken_status add_shard(void *context, const char *name, ken_error *err) {
    return add_stream(context, SOURCE_TAR, name, err);
}

static ken_status add_folder(inputs *in, const char *path, bool only_input, ken_error *err) {
    if (only_input)
        return source_list_add_folder(&in->sources, path, "", err);
    const char *name = path;
    while (name[0] == '.' && name[1] == '/')
        name += 2;
    buf prefix;
    buf_init(&prefix, PATH_MAX);
    ken_status status = file_join(&prefix, name, "") ? KEN_OK : error_no_memory(err, PATH_MAX);
    if (status == KEN_OK)
        status = source_list_add_folder(&in->sources, path, prefix.data, err);
    buf_free(&prefix);
    return status;
}

/* One INPUT argument. Ids of the only folder are relative to it; with several inputs they are the
 * names as typed, so that two folders cannot clash. */
static ken_status add_argument(inputs *in, const inputs_options *o, const char *arg,
                               ken_error *err) {
    table_file kind;
    if (strcmp(arg, "-") == 0)
        return source_list_add_names(&in->sources, o->stdin_fd, o->null_separated, err);
    if (file_is_directory(arg))
        return add_folder(in, arg, o->n_args == 1, err);
    bool exists = file_exists(arg);
    if (is_tar_name(arg))
        return exists ? add_stream(in, SOURCE_TAR, arg, err) : tar_expand(arg, add_shard, in, err);
    if (table_file_kind(arg, &kind))
        return add_stream(in, SOURCE_TABLE, arg, err);
    if (exists)
        return source_list_add_file(&in->sources, arg, err);
    bool matched = false;
    if (strpbrk(arg, "*?["))
        TRY(source_list_add_glob(&in->sources, arg, &matched, err));
    if (matched)
        return KEN_OK;
    return error_hint(err, error_set(err, KEN_NOT_FOUND, "input '%s' does not exist", arg),
                      "give a file, a folder, a quoted glob, a .tar shard or a table");
}

static ken_status add_texts(inputs *in, const inputs_options *o, ken_error *err) {
    for (size_t i = 0; i < o->n_texts; i++) {
        source item = {.kind = SOURCE_TEXT,
                       .size = strlen(o->texts[i]),
                       .os_path = arena_strdup(&in->sources.arena, o->texts[i]),
                       .id = arena_printf(&in->sources.arena, "%zu", i)};
        if (!item.os_path || !item.id)
            return error_no_memory(err, item.size);
        TRY(source_list_add(&in->sources, &item, err));
    }
    table_file kind;
    if (o->texts_file && table_file_kind(o->texts_file, &kind))
        return add_stream(in, SOURCE_TABLE, o->texts_file, err);
    return o->texts_file ? source_list_add_lines(&in->sources, o->texts_file, err) : KEN_OK;
}

static ken_status add_all(inputs *in, const inputs_options *o, ken_error *err) {
    in->texts = o->n_texts || o->texts_file;
    if (in->texts && o->n_args)
        return error_hint(
            err, error_set(err, KEN_BAD_ARGUMENT, "texts and images cannot be embedded in one run"),
            "run ken embed twice, with two outputs");
    if (o->n_texts && o->texts_file)
        return error_set(err, KEN_BAD_ARGUMENT, "--text and --texts cannot be given together");
    if (in->texts)
        return add_texts(in, o, err);
    for (size_t i = 0; i < o->n_args; i++)
        TRY(add_argument(in, o, o->args[i], err));
    return KEN_OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

static ken_status copy_text(inputs *in, const char *text, const char **out, ken_error *err) {
    *out = text ? arena_strdup(&in->sources.arena, text) : NULL;
    return text && !*out ? error_no_memory(err, strlen(text)) : KEN_OK;
}

static ken_status copy_options(inputs *in, const inputs_options *o, ken_error *err) {
    stream_options *s = &in->stream_options;
    s->texts = in->texts;
    s->max_field_bytes = max_field_bytes;
    TRY(copy_text(in, o->path_col, &s->path_col, err));
    TRY(copy_text(in, o->url_col, &s->url_col, err));
    TRY(copy_text(in, o->image_col, &s->image_col, err));
    TRY(copy_text(in, o->id_col, &s->id_col, err));
    TRY(copy_text(in, o->text_col, &s->text_col, err));
    TRY(copy_text(in, o->caption_col, &s->caption_col, err));
    in->extra_columns = mem_zalloc(o->n_keep + 1, sizeof *in->extra_columns);
    in->extra = mem_zalloc(o->n_keep + 1, sizeof *in->extra);
    if (!in->extra_columns || !in->extra)
        return error_no_memory(err, o->n_keep * sizeof *in->extra);
    for (size_t i = 0; i < o->n_keep; i++) {
        in->extra_columns[i].type = TABLE_TEXT;
        TRY(copy_text(in, o->keep[i], &in->extra_columns[i].name, err));
    }
    s->extra = in->extra_columns;
    s->n_extra = o->n_keep;
    return KEN_OK;
}

/* Type of a --keep column as it will be written. */
static ken_status kept_type(table_reader *r, size_t column, const char *path, table_type *out,
                            ken_error *err) {
    switch (table_reader_column_type(r, column, NULL)) {
    case TABLE_INT32:
    case TABLE_INT64:
        *out = TABLE_INT64;
        return KEN_OK;
    case TABLE_BOOL:
        *out = TABLE_BOOL;
        return KEN_OK;
    case TABLE_FLOAT:
    case TABLE_DOUBLE:
        *out = TABLE_DOUBLE;
        return KEN_OK;
    case TABLE_TIMESTAMP:
        *out = TABLE_TIMESTAMP;
        return KEN_OK;
    case TABLE_TEXT:
        *out = TABLE_TEXT;
        return KEN_OK;
    default:
        return error_set(err, KEN_UNSUPPORTED,
                         "column '%s' of '%s' cannot be kept: it holds bytes or vectors",
                         table_reader_column_name(r, column), path);
    }
}

static ken_status set_kept_types(inputs *in, const char *path, bool first, ken_error *err) {
    const stream_options *o = &in->stream_options;
    const char **names = mem_zalloc(o->n_extra, sizeof *names);
    if (!names)
        return error_no_memory(err, o->n_extra * sizeof *names);
    for (size_t i = 0; i < o->n_extra; i++)
        names[i] = o->extra[i].name;
    table_reader *r = NULL;
    ken_status status = table_reader_open(&path, 1, names, o->n_extra, &r, err);
    mem_free(names);
    for (size_t i = 0; i < o->n_extra && status == KEN_OK; i++) {
        table_type type = TABLE_TEXT;
        status = kept_type(r, i, path, &type, err);
        if (status == KEN_OK && !first && type != in->extra_columns[i].type)
            status = error_set(err, KEN_BAD_FORMAT,
                               "column '%s' of '%s' has another type than in the first table",
                               o->extra[i].name, path);
        in->extra_columns[i].type = type;
    }
    table_reader_close(r);
    return status;
}

ken_status inputs_open_stream(const inputs *in, const source *item, stream **out, ken_error *err) {
    return item->kind == SOURCE_TAR
               ? stream_open_tar(item->os_path, &in->stream_options, out, err)
               : stream_open_table(item->os_path, &in->stream_options, out, err);
}

/* Looks into every table, and into the first shard: columns that do not exist should be known
 * before the first picture is decoded. */
static ken_status survey(inputs *in, ken_error *err) {
    size_t n_tables = 0;
    bool tar_seen = false;
    in->countable = true;
    in->captions = in->stream_options.caption_col != NULL;
    for (size_t i = 0; i < in->sources.n; i++)
        n_tables += in->sources.items[i].kind == SOURCE_TABLE;
    in->stream_options.numbered_by_table = n_tables > 1;
    n_tables = 0;
    for (size_t i = 0; i < in->sources.n; i++) {
        const source *item = &in->sources.items[i];
        if (item->has_txt)
            in->captions = true;
        if (item->kind == SOURCE_TAR)
            in->countable = false;
        if (item->kind != SOURCE_TABLE && (item->kind != SOURCE_TAR || tar_seen)) {
            in->n_items++;
            continue;
        }
        if (item->kind == SOURCE_TABLE && in->stream_options.n_extra)
            TRY(set_kept_types(in, item->os_path, n_tables == 0, err));
        n_tables += item->kind == SOURCE_TABLE;
        stream *s;
        in->stream_options.captions = in->captions;
        TRY(inputs_open_stream(in, item, &s, err));
        in->captions |= stream_has_captions(s);
        in->n_items += stream_n_rows(s);
        tar_seen |= item->kind == SOURCE_TAR;
        stream_close(s);
    }
    in->stream_options.captions = in->captions;
    return KEN_OK;
}

static ken_status refuse_same_id(const source_list *list, const source *item, ken_error *err) {
    const source *first = list->items;
    while (!first->id || strcmp(first->id, item->id) != 0)
        first++;
    return error_set(err, KEN_BAD_ARGUMENT, "inputs '%s' and '%s' would have the same id '%s'",
                     first->os_path, item->os_path, item->id);
}

/* Two names for one id would make rows that nobody can tell apart; the same name twice is one item:
 * `names` holds ids with their names. */
static ken_status drop_repeated_from(source_list *list, id_set *ids, id_set *names, buf *name,
                                     ken_error *err) {
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++) {
        const source *item = &list->items[i];
        bool fresh = true, fresh_name = true;
        if (item->id) {
            buf_clear(name);
            buf_printf(name, "%s\n%s", item->id, item->os_path);
            TRY(buf_check(name, err));
            TRY(id_set_add(ids, item->id, &fresh, err));
            TRY(id_set_add(names, name->data, &fresh_name, err));
        }
        if (!fresh && fresh_name)
            return refuse_same_id(list, item, err);
        if (fresh)
            list->items[kept++] = *item;
    }
    list->n = kept;
    return KEN_OK;
}

static ken_status drop_repeated(inputs *in, ken_error *err) {
    id_set ids = {0}, names = {0};
    buf name;
    buf_init(&name, INT_MAX);
    ken_status status =
        in->texts ? KEN_OK : drop_repeated_from(&in->sources, &ids, &names, &name, err);
    id_set_free(&ids);
    id_set_free(&names);
    buf_free(&name);
    return status;
}

static bool put_text(buf *out, const char *name, const char *value) {
    return buf_printf(out, "%s=%s", name, value ? value : "") && buf_putc(out, '\0');
}

/* Millions of names need not lie in memory twice: what was put so far becomes its hash. */
static void fold(buf *text) {
    char hash[HASH_XXH128_HEX];
    if (text->failed || text->size < fold_bytes)
        return;
    hash_xxh128(text->data, text->size, hash);
    buf_clear(text);
    buf_puts(text, hash);
}

static ken_status take_fingerprint(inputs *in, const inputs_options *o, ken_error *err) {
    buf text;
    buf_init(&text, SIZE_MAX / 4);
    buf_printf(&text, "texts %d limit %llu shuffle %d %llu shard %d/%d\n", in->texts,
               (unsigned long long)o->limit, o->shuffle, (unsigned long long)o->seed,
               o->shard_index, o->shard_count);
    put_text(&text, "path", o->path_col);
    put_text(&text, "url", o->url_col);
    put_text(&text, "image", o->image_col);
    put_text(&text, "id", o->id_col);
    put_text(&text, "text", o->text_col);
    put_text(&text, "caption", o->caption_col);
    for (size_t i = 0; i < o->n_keep; i++)
        put_text(&text, "keep", o->keep[i]);
    for (size_t i = 0; i < in->sources.n; i++) {
        const source *item = &in->sources.items[i];
        put_text(&text, item->id ? item->id : "stream", item->os_path);
        struct stat info;
        /* Size and time stand for what a file, shard or table holds. */
        if (item->kind != SOURCE_TEXT && stat(item->os_path, &info) == 0 && S_ISREG(info.st_mode))
            buf_printf(&text, "%lld %lld.%09ld\n", (long long)info.st_size,
                       (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
        fold(&text);
    }
    ken_status status = buf_check(&text, err);
    if (status == KEN_OK)
        hash_xxh128(text.data, text.size, in->fingerprint);
    buf_free(&text);
    return status;
}

static ken_status check_options(const inputs_options *o, ken_error *err) {
    if (!o->n_args && !o->n_texts && !o->texts_file)
        return error_hint(err, error_set(err, KEN_BAD_ARGUMENT, "no input was given"),
                          "name files, folders, .tar shards or tables, or give --text");
    if (o->shard_count < 0 || o->shard_index < 0 ||
        (o->shard_count && o->shard_index >= o->shard_count))
        return error_set(err, KEN_BAD_ARGUMENT, "shard %d of %d does not exist", o->shard_index,
                         o->shard_count);
    return KEN_OK;
}

static ken_status refuse_nothing(const inputs *in, const inputs_options *o, ken_error *err) {
    if (in->texts)
        return error_set(err, KEN_NOT_FOUND, "'%s' holds no text", o->texts_file);
    if (strcmp(o->args[0], "-") == 0)
        return error_hint(err,
                          error_set(err, KEN_NOT_FOUND, "the list on standard input names no file"),
                          "give a name a line, as 'find . -name \"*.jpg\"' prints them");
    return error_hint(
        err, error_set(err, KEN_NOT_FOUND, "no image was found in '%s'", o->args[0]),
        "folders are searched for .jpg .png .webp .gif .bmp .tif .heic .avif .jxl files; other "
        "names must be given one by one");
}

static ken_status open_all(inputs *in, const inputs_options *o, ken_error *err) {
    TRY(check_options(o, err));
    TRY(add_all(in, o, err));
    if (o->shuffle && in->from_streams)
        return error_hint(err,
                          error_set(err, KEN_UNSUPPORTED,
                                    "--shuffle works on files, not on tables or .tar shards"),
                          "shuffle the table itself, or leave --shuffle out");
    TRY(copy_options(in, o, err));
    TRY(drop_repeated(in, err));
    if (!in->sources.n)
        return refuse_nothing(in, o, err);
    if (o->shuffle)
        source_list_shuffle(&in->sources, o->seed);
    TRY(survey(in, err));
    if (in->sources.n_links_out)
        snprintf(in->note, sizeof in->note,
                 "%llu symbolic links that lead out of their folder were skipped",
                 (unsigned long long)in->sources.n_links_out);
    in->limit = o->limit;
    in->shard_index = (uint64_t)o->shard_index;
    in->shard_count = o->shard_count ? (uint64_t)o->shard_count : 1;
    return take_fingerprint(in, o, err);
}

ken_status inputs_open(const inputs_options *options, inputs **out, ken_error *err) {
    *out = NULL;
    inputs *in = mem_zalloc(1, sizeof *in);
    if (!in)
        return error_no_memory(err, sizeof *in);
    buf_init(&in->shown, 4 * PATH_MAX);
    buf_init(&in->id, INT_MAX);
    ken_status status = open_all(in, options, err);
    if (status == KEN_OK)
        *out = in;
    else
        inputs_close(in);
    return status;
}
