/* formats/tar_expand.c: "{00000..00149}.tar" is 150 names. */
#include "formats/tar.h"

#include <stdlib.h>
#include <string.h>

enum { max_names = 1000000, max_digits = 9 };

typedef struct range {
    size_t n_before; /* bytes before '{' */
    const char *after;
    int width; /* digits to fill with zeros */
    long first, last;
} range;

static bool parse_number(const char *text, size_t n, long *out) {
    if (n == 0 || n > max_digits || strspn(text, "0123456789") < n)
        return false;
    *out = strtol(text, NULL, 10); /* stops at the '.' or '}' that ends the digits */
    return true;
}

/* Is there a {a..b}? Numbers of unequal width are a range when neither begins with 0. */
static bool find_range(const char *pattern, range *out) {
    const char *open = strchr(pattern, '{');
    const char *dots = open ? strstr(open, "..") : NULL;
    const char *close = dots ? strchr(dots, '}') : NULL;
    if (!close)
        return false;
    size_t n_first = (size_t)(dots - open - 1), n_last = (size_t)(close - dots - 2);
    *out = (range){.n_before = (size_t)(open - pattern), .after = close + 1};
    if (!parse_number(open + 1, n_first, &out->first) ||
        !parse_number(dots + 2, n_last, &out->last))
        return false;
    out->width = n_first == n_last ? (int)n_first : 0;
    return out->width || (open[1] != '0' && dots[2] != '0');
}

ken_status tar_expand(const char *pattern,
                      ken_status (*each)(void *context, const char *name, ken_error *err),
                      void *context, ken_error *err) {
    range r;
    if (!find_range(pattern, &r))
        return each(context, pattern, err);
    if (r.last < r.first)
        return error_set(err, KEN_BAD_ARGUMENT, "'%s': the range ends before it begins", pattern);
    if (r.last - r.first >= max_names)
        return error_set(err, KEN_TOO_LARGE, "'%s' is more than %d names", pattern, max_names);
    buf name;
    buf_init(&name, strlen(pattern) + 32);
    ken_status status = KEN_OK;
    for (long i = r.first; i <= r.last && status == KEN_OK; i++) {
        buf_clear(&name);
        buf_printf(&name, "%.*s%0*ld%s", (int)r.n_before, pattern, r.width, i, r.after);
        status = buf_check(&name, err);
        if (status == KEN_OK)
            status = each(context, name.data, err);
    }
    buf_free(&name);
    return status;
}
