/* ken preprocess: exactly the tensor that the image tower gets. */
#include "base/file.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/images.h"
#include "cli/output_check.h"
#include "formats/npy.h"
#include "image/write.h"

#include <string.h>

enum { max_file_bytes = 1 << 30 };

static const char *output;

static const option *options(void) {
    static const option table[] = {
        {"output", 'o', OPTION_TEXT, &output, "FILE",
         "x.npy: float32 [3, H, W], normalised; x.png: the 8-bit pixels before normalisation", NULL,
         0, 0},
        IMAGE_OPTIONS,
        COMMON_MODEL_OPTIONS,
        COMMON_OUTPUT_OPTIONS,
        OPTIONS_END,
    };
    return table;
}

static ken_status write_npy(const preprocess *p, const uint8_t *pixels, ken_error *err) {
    size_t area = preprocess_size(p) / 3;
    float *planes = mem_alloc(area * 3 * sizeof *planes);
    if (!planes)
        return error_no_memory(err, area * 3 * sizeof *planes);
    float table[3][256];
    preprocess_table(p, table);
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < area; i++)
            planes[c * area + i] = table[c][pixels[i * 3 + c]];
    int64_t shape[3] = {3, p->crop_size[0], p->crop_size[1]};
    ken_status status = npy_write(output, KEN_DTYPE_F32, 3, shape, planes, err);
    mem_free(planes);
    return status;
}

static ken_status write_png(const preprocess *p, const uint8_t *pixels, ken_error *err) {
    buf png;
    buf_init(&png, (size_t)1 << 30);
    ken_status status = image_put_png(&png, pixels, p->crop_size[1], p->crop_size[0], err);
    if (status == KEN_OK)
        status = file_write_atomic(output, png.data, png.size, err);
    buf_free(&png);
    return status;
}

static ken_status write_output(const preprocess *p, const uint8_t *pixels, ken_error *err) {
    if (strcmp(file_extension(output), ".png") == 0)
        return write_png(p, pixels, err);
    if (strcmp(file_extension(output), ".npy") == 0)
        return write_npy(p, pixels, err);
    return error_set(err, KEN_BAD_ARGUMENT, "output '%s' must end in .npy or .png", output);
}

static void print_json(const preprocess *p, const image_facts *facts) {
    buf line;
    buf_init(&line, 65536);
    buf_printf(&line, "{\"format\":\"%s\",\"width\":%d,\"height\":%d,\"orientation\":%d",
               image_format_name(facts->format), facts->width, facts->height, facts->orientation);
    buf_puts(&line, ",\"warning\":");
    buf_put_json(&line, facts->warning, strlen(facts->warning));
    buf_puts(&line, ",\"preprocess\":");
    preprocess_describe(p, &line);
    buf_puts(&line, "}");
    if (line.data)
        puts(line.data);
    buf_free(&line);
}

static ken_status preprocess_file(const ken_model *model, const char *path, ken_error *err) {
    preprocess p;
    TRY(picture_recipe(model, &p, err));
    buf file;
    buf_init(&file, max_file_bytes);
    uint8_t *pixels = mem_alloc(preprocess_size(&p));
    image_facts facts = {0};
    image_stage stage = IMAGE_STAGE_SNIFF;
    image_limits limits = picture_limits();
    ken_status status = pixels ? KEN_OK : error_no_memory(err, preprocess_size(&p));
    if (status == KEN_OK)
        status = file_read(path, &file, err);
    if (status == KEN_OK) {
        status = preprocess_bytes(&p, model_kernels(model), (const uint8_t *)file.data, file.size,
                                  &limits, pixels, &facts, &stage, err);
        if (status != KEN_OK)
            error_prefix(err, status, "'%s': %s", path, image_stage_name(stage));
    }
    if (status == KEN_OK)
        status = write_output(&p, pixels, err);
    if (status == KEN_OK && facts.warned)
        cli_note("ken preprocess: '%s': damaged: %s", path, facts.warning);
    if (status == KEN_OK && common.json)
        print_json(&p, &facts);
    mem_free(pixels);
    buf_free(&file);
    return status;
}

static int run(int n_args, char **args) {
    if (n_args != 1)
        return cli_usage("expected one image, found %d", n_args);
    if (!output)
        return cli_usage("no output was named: give '-o x.npy' or '-o x.png'");
    int bad = output_check(output, (const char *const *)args, 1);
    if (bad)
        return bad;
    ken_error err;
    ken_model *model;
    if (cli_load_model(&(ken_model_options){.vision_only = true}, &model, NULL, NULL, &err) !=
        KEN_OK)
        return cli_fail(&err);
    ken_status status = preprocess_file(model, args[0], &err);
    ken_model_free(model);
    return status == KEN_OK ? 0 : cli_fail(&err);
}

const command cmd_preprocess = {
    .name = "preprocess",
    .group = "Look inside",
    .summary = "write the tensor that the encoder gets for an image",
    .usage = "--model M IMAGE -o x.npy|x.png",
    .details = "Decodes, orients, resizes and crops the image exactly as the model's own "
               "configuration says, and writes the result: as float32 [3, H, W] after "
               "normalisation (.npy) or as 8-bit pixels before it (.png).",
    .examples = "  ken preprocess --model demo photo.jpg -o photo.npy\n"
                "  ken preprocess --model demo photo.jpg -o seen.png --json\n",
    .options = options,
    .run = run,
};
