/* hub/spelling.h: what kind of name a text after --model is. */
#ifndef KEN_HUB_SPELLING_H
#define KEN_HUB_SPELLING_H

#include "base/error.h"

typedef enum spelling_kind {
    SPELLING_DEMO,   /* "demo" */
    SPELLING_LOCAL,  /* "local-dir:PATH": only a directory */
    SPELLING_REPO,   /* "hf-hub:org/repo" */
    SPELLING_EITHER, /* "org/repo", an OpenCLIP name: a path if it is there, else a repository */
    SPELLING_PATH,   /* anything else */
} spelling_kind;

typedef struct spelling {
    spelling_kind kind;
    const char *path;   /* LOCAL, PATH, EITHER */
    char repo[256];     /* REPO, EITHER: "org/repo" */
    char revision[128]; /* REPO, EITHER: "" is the default branch */
} spelling;

/* Fails only for a repository name that cannot be one. */
KEN_MUST_CHECK ken_status spelling_parse(const char *spec, spelling *out, ken_error *err);

#endif
