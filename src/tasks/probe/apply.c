#include "tasks/probe/apply.h"

ken_status head_match(const head *h, const char *head_path, const collection_meta *meta,
                      const char *where, ken_error *err) {
    if (*h->meta.weights_sha256)
        return collection_meta_match(meta, where, &h->meta, head_path, err);
    if (meta->dim == h->meta.dim)
        return KEN_OK;
    ken_status status =
        error_set(err, KEN_BAD_FORMAT, "'%s' is for vectors of %d numbers, those of '%s' have %d",
                  head_path, h->meta.dim, where, meta->dim);
    return error_hint(err, status, "use the head that was made for this model");
}

ken_status head_classifier(const head *h, const kernels *k, classify_mode mode, rules **r,
                           classifier **c, ken_error *err) {
    *c = NULL;
    const char *as_it_is = "{}";
    TRY(rules_from_classes(h->labels, h->n_classes, &(rules_texts){&as_it_is, 1}, r, err));
    if (h->n_classes == 1)
        mode = CLASSIFY_ARGMAX; /* the softmax of one number is 1 */
    ken_status status = classifier_new_linear(*r, h->weight, h->bias, h->dim, k, mode, c, err);
    if (status != KEN_OK) {
        rules_free(*r);
        *r = NULL;
    }
    return status;
}
