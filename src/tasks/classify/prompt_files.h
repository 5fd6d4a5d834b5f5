/* tasks/classify/prompt_files.h: prompts as others publish them.
 *
 * A spec is a name (openai-80, openai-7) or FILE or FILE#KEY. A .txt file holds a text a line. A
 * .json file holds a list, or an object of which KEY names a member: CLIP_benchmark's
 * {"imagenet1k": ["tench", ...]} and {"imagenet1k": ["a photo of a {c}.", ...]}, or CuPL's
 * {"imagenet1k": {"tench": ["A tench is ...", ...]}}. KEY may be left out when there is one member;
 * "FILE#" means the object itself. */
#ifndef KEN_TASKS_PROMPT_FILES_H
#define KEN_TASKS_PROMPT_FILES_H

#include "tasks/classify/rules.h"

/* Templates: every one must have a place for the name. Texts lie in `memory`. A FILE is relative to
 * `dir`, and refused when that is NULL. */
KEN_MUST_CHECK ken_status templates_read(const char *spec, const char *dir, arena *memory,
                                         rules_texts *out, ken_error *err);

/* Rules of the classes in `spec`: names, which go through the templates, or CuPL's descriptions,
 * which are sentences and are taken whole. */
KEN_MUST_CHECK ken_status rules_from_class_file(const char *spec, const rules_texts *templates,
                                                rules **out, ken_error *err);

/* {}, {c} or {label} is in it. */
bool template_has_place(const char *template_text);

#endif
