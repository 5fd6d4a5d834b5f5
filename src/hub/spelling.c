/* hub/spelling.c: reads the spellings of other tools: Hugging Face's and OpenCLIP's. */
#include "hub/spelling.h"

#include <stdio.h>
#include <string.h>

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* A component of a repository's name: no "." or "..", and no leading dot as hidden files have. */
static bool is_component(const char *text, size_t n) {
    if (n == 0 || n > 96 || text[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_name_char(text[i]))
            return false;
    return true;
}

/* Branches may hold slashes ("refs/pr/1"), but each part is a name. */
static bool is_revision(const char *text) {
    for (;;) {
        size_t n = strcspn(text, "/");
        if (!is_component(text, n))
            return false;
        if (!text[n])
            return true;
        text += n + 1;
    }
}

/* "org/repo", or "repo" alone as the oldest repositories are called, and "@revision". */
static bool parse_repo(const char *text, bool needs_org, spelling *out) {
    const char *at = strchr(text, '@');
    size_t n = at ? (size_t)(at - text) : strlen(text);
    const char *slash = memchr(text, '/', n);
    size_t n_org = slash ? (size_t)(slash - text) : 0;
    const char *name = slash ? slash + 1 : text;
    if (n >= sizeof out->repo || (slash && !is_component(text, n_org)) || (!slash && needs_org) ||
        !is_component(name, n - (size_t)(name - text)))
        return false;
    if (at && (strlen(at + 1) >= sizeof out->revision || !is_revision(at + 1)))
        return false;
    snprintf(out->repo, sizeof out->repo, "%.*s", (int)n, text);
    snprintf(out->revision, sizeof out->revision, "%s", at ? at + 1 : "");
    return true;
}

/* OpenCLIP's pretrained models by ARCH/TAG, with any of the separators that its users write. */
static bool parse_openclip(const char *spec, spelling *out) {
    static const struct {
        const char *arch, *tag, *repo;
    } names[] = {
#define NAME(arch, tag, repo) {arch, tag, repo},
#include "hub/openclip_names.def"
#undef NAME
    };
    static const char *const separators[] = {"::", "__", ",", "/"};
    static const char suffix[] = "-quickgelu"; /* the same repository */
    for (size_t s = 0; s < sizeof separators / sizeof *separators; s++) {
        const char *at = strstr(spec, separators[s]);
        if (!at)
            continue;
        size_t n_arch = (size_t)(at - spec), n_suffix = sizeof suffix - 1;
        const char *tag = at + strlen(separators[s]);
        if (n_arch > n_suffix && memcmp(at - n_suffix, suffix, n_suffix) == 0)
            n_arch -= n_suffix;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (strlen(names[i].arch) == n_arch && memcmp(names[i].arch, spec, n_arch) == 0 &&
                strcmp(names[i].tag, tag) == 0) {
                snprintf(out->repo, sizeof out->repo, "%s", names[i].repo);
                return true;
            }
    }
    return false;
}

ken_status spelling_parse(const char *spec, spelling *out, ken_error *err) {
    static const char local[] = "local-dir:", hub[] = "hf-hub:";
    *out = (spelling){.kind = SPELLING_PATH, .path = spec};
    if (!*spec)
        return error_set(err, KEN_BAD_ARGUMENT, "the model's name is empty");
    if (strcmp(spec, "demo") == 0) {
        out->kind = SPELLING_DEMO;
    } else if (starts_with(spec, local)) {
        out->kind = SPELLING_LOCAL;
        out->path = spec + strlen(local);
    } else if (starts_with(spec, hub)) {
        out->kind = SPELLING_REPO;
        if (!parse_repo(spec + strlen(hub), false, out)) {
            error_set(err, KEN_BAD_ARGUMENT, "'%s' does not name a repository", spec);
            return error_hint(err, KEN_BAD_ARGUMENT,
                              "write hf-hub:ORG/REPO or "
                              "hf-hub:ORG/REPO@REVISION");
        }
    } else if (parse_openclip(spec, out) || parse_repo(spec, true, out)) {
        out->kind = SPELLING_EITHER;
    }
    return KEN_OK;
}
