/* tasks/report/report_pictures.c: the pictures that are on no card of the page: JSON lists of
 * base64 texts, which the script reads when a card comes into view. */
#include "tasks/report/report_page.h"

enum { pictures_a_block = 128 }; /* report_model.js counts with it, too */

static bool is_listed(const report_page *p, size_t picture) {
    return p->thumbnails[picture].bytes && !p->plan.is_still[picture];
}

ken_status report_number_pictures(report_page *p, ken_error *err) {
    if (!p->thumbnails)
        return KEN_OK;
    p->places = mem_zalloc(p->plan.n_images, sizeof *p->places);
    if (!p->places)
        return error_no_memory(err, p->plan.n_images * sizeof *p->places);
    size_t n = 0;
    for (size_t i = 0; i < p->plan.n_images; i++)
        if (is_listed(p, i))
            p->places[i] = n++;
    return KEN_OK;
}

static ken_status put_block(report_page *p, const buf *list, ken_error *err) {
    return list->size ? PUT(p->out, err, "pictures", slot_buf("list", list)) : KEN_OK;
}

ken_status report_put_pictures(report_page *p, ken_error *err) {
    if (!p->thumbnails)
        return KEN_OK;
    buf list;
    buf_init(&list, (size_t)1 << 30);
    ken_status status = KEN_OK;
    for (size_t i = 0; i < p->plan.n_images && status == KEN_OK; i++) {
        if (!is_listed(p, i))
            continue;
        if (p->places[i] % pictures_a_block == 0) {
            status = put_block(p, &list, err);
            buf_clear(&list);
        }
        buf_puts(&list, list.size ? ",\n\"" : "\"");
        buf_put_base64(&list, p->thumbnails[i].bytes, p->thumbnails[i].size);
        buf_putc(&list, '"');
        if (status == KEN_OK)
            status = buf_check(&list, err);
    }
    if (status == KEN_OK)
        status = put_block(p, &list, err);
    buf_free(&list);
    return status;
}
