/* tensor/exec.c: laying buffers out in a workspace. */
#include "tensor/exec.h"

#include "base/checked.h"

enum { alignment = 64 };

void *workspace_take(workspace *w, size_t n, size_t element_bytes) {
    size_t size, rounded, end;
    if (!checked_mul(n, element_bytes, &size) || !checked_add(size, alignment - 1, &rounded) ||
        !checked_add(w->used_bytes, rounded / alignment * alignment, &end)) {
        w->used_bytes = SIZE_MAX;
        return NULL;
    }
    void *taken = w->base ? w->base + w->used_bytes : NULL;
    w->used_bytes = end;
    return taken;
}

float *workspace_floats(workspace *w, size_t n) {
    return workspace_take(w, n, sizeof(float));
}
