/* base/suggest.h: "did you mean": the known word closest to a mistyped one. */
#ifndef KEN_BASE_SUGGEST_H
#define KEN_BASE_SUGGEST_H

#include <stddef.h>

/* Edits (insert, delete, replace, swap neighbours) from one word to the other; 40 when one is
 * longer. */
int edit_distance(const char *a, const char *b);

/* The word among `n` that is at most two typing errors (three for long words) away from `typed`,
 * the closest first; NULL when there is none. A NULL word among them is passed over. */
const char *suggest_word(const char *typed, const char *const *words, size_t n);

#endif
