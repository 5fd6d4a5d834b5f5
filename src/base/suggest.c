#include "base/suggest.h"

#include <string.h>

enum { longest_word = 40 };

static int smaller(int a, int b) {
    return a < b ? a : b;
}

int edit_distance(const char *a, const char *b) {
    size_t n_a = strlen(a), n_b = strlen(b);
    if (n_a > longest_word || n_b > longest_word)
        return longest_word;
    int rows[3][longest_word + 1]; /* of the dynamic programme: i - 2, i - 1, i */
    for (size_t j = 0; j <= n_b; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= n_a; i++) {
        int *now = rows[i % 3], *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        now[0] = (int)i;
        for (size_t j = 1; j <= n_b; j++) {
            int best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = smaller(best, smaller(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = smaller(best, before[j - 2] + 1);
            now[j] = best;
        }
    }
    return rows[n_a % 3][n_b];
}

const char *suggest_word(const char *typed, const char *const *words, size_t n) {
    const char *best = NULL;
    int best_distance = strlen(typed) > 6 ? 4 : 3;
    for (size_t i = 0; i < n; i++) {
        int d = words[i] ? edit_distance(typed, words[i]) : best_distance;
        /* A word of which nothing is left is no suggestion. */
        if (d < best_distance && d < (int)strlen(words[i])) {
            best_distance = d;
            best = words[i];
        }
    }
    return best;
}
