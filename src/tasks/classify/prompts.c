/* tasks/classify/prompts.c: template expansion. Embedding is in prompts_embed.c. */
#include "tasks/classify/prompts.h"

#include "base/buf.h"
#include "base/hash.h"

#include <string.h>

enum { max_prompt_bytes = 1 << 16 };

/* ---- gathering --------------------------------------------------------------------------------
 */

/* The index of `text`, which is added when it is new. */
static ken_status intern(prompts *p, const char *text, size_t size, uint32_t *out, ken_error *err) {
    size_t at = hash_xxh64(text, size) & (p->n_slots - 1);
    for (; p->slots[at]; at = (at + 1) & (p->n_slots - 1)) {
        const char *known = p->texts[p->slots[at] - 1];
        if (strlen(known) == size && memcmp(known, text, size) == 0) {
            *out = p->slots[at] - 1;
            return KEN_OK;
        }
    }
    const char *copy = arena_strndup(&p->memory, text, size);
    if (!copy)
        return error_no_memory(err, size);
    p->texts[p->n_texts] = copy;
    *out = (uint32_t)p->n_texts++;
    p->slots[at] = (uint32_t)p->n_texts;
    return KEN_OK;
}

/* `template_text` with the name in place of every {}, {c} and {label}. */
static void expand(const char *template_text, const char *name, buf *out) {
    static const char *const places[] = {"{}", "{c}", "{label}"};
    buf_clear(out);
    while (*template_text) {
        size_t skip = 0;
        for (size_t i = 0; i < sizeof places / sizeof *places && !skip; i++)
            if (strncmp(template_text, places[i], strlen(places[i])) == 0)
                skip = strlen(places[i]);
        if (skip)
            buf_puts(out, name);
        else
            buf_putc(out, *template_text);
        template_text += skip ? skip : 1;
    }
}

/* Adds the texts of one set, each in every template; without templates they are taken whole. */
static ken_status add_set(prompts *p, const rules_texts *names, const rules_texts *templates,
                          prompt_set *out, ken_error *err) {
    size_t n_templates = templates->n ? templates->n : 1, n = names->n * n_templates;
    out->texts = arena_array(&p->memory, n, sizeof *out->texts);
    if (!out->texts)
        return error_no_memory(err, n * sizeof *out->texts);
    buf text;
    buf_init(&text, max_prompt_bytes);
    ken_status status = KEN_OK;
    for (size_t i = 0; i < n && status == KEN_OK; i++) {
        const char *name = names->items[i / n_templates];
        expand(templates->n ? templates->items[i % n_templates] : "{}", name, &text);
        status = buf_check(&text, err);
        if (status == KEN_OK)
            status = intern(p, text.data, text.size, &out->texts[out->n++], err);
        else
            error_prefix(err, status, "prompt '%.40s...'", name);
    }
    buf_free(&text);
    return status;
}

static ken_status add_all(prompts *p, const rules *r, ken_error *err) {
    static const rules_texts whole = {0};
    for (size_t i = 0; i < r->n_categories; i++) {
        const rules_category *c = &r->categories[i];
        TRY(add_set(p, &c->positive, &c->templates, &p->positive[i], err));
        TRY(add_set(p, &c->negative, &c->templates, &p->negative[i], err));
    }
    for (const rules_neutral *set = r->neutral; set; set = set->next)
        TRY(add_set(p, &set->texts, &whole, &p->neutral[set->number], err));
    return KEN_OK;
}

ken_status prompts_new(const rules *r, prompts **out, ken_error *err) {
    *out = NULL;
    prompts *p = mem_zalloc(1, sizeof *p);
    if (!p)
        return error_no_memory(err, sizeof *p);
    size_t n = rules_n_prompts(r);
    for (p->n_slots = 16; p->n_slots < 2 * n;)
        p->n_slots *= 2;
    p->texts = arena_array(&p->memory, n, sizeof *p->texts);
    p->slots = arena_array(&p->memory, p->n_slots, sizeof *p->slots);
    p->positive = arena_array(&p->memory, r->n_categories, sizeof *p->positive);
    p->negative = arena_array(&p->memory, r->n_categories, sizeof *p->negative);
    p->neutral = arena_array(&p->memory, r->n_neutral, sizeof *p->neutral);
    p->n_neutral = r->n_neutral;
    ken_status status = p->texts && p->slots && p->positive && p->negative && p->neutral
                            ? add_all(p, r, err)
                            : error_no_memory(err, n * sizeof *p->texts);
    if (status == KEN_OK)
        *out = p;
    else
        prompts_free(p);
    return status;
}

void prompts_free(prompts *p) {
    if (!p)
        return;
    arena_free(&p->memory);
    mem_free(p);
}
