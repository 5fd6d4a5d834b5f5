#include "cli/doctor_speed.h"

void doctor_put_speed(buf *out, const machine_speed *s) {
    buf_printf(out, "memory bandwidth, reading: %.1f GB/s on one thread, %.1f on %d\n",
               s->read_gb_per_second.one, s->read_gb_per_second.all, s->n_threads);
    buf_puts(out, "images a second with ViT-B/32, estimated from a short measurement:\n");
    for (int i = 0; i < MACHINE_PRECISIONS; i++)
        buf_printf(out, "  %-5s %6.1f on one thread, %6.1f on %d\n",
                   ken_precision_name(s->vit_b_32[i].precision),
                   s->vit_b_32[i].images_per_second.one, s->vit_b_32[i].images_per_second.all,
                   s->n_threads);
}

void doctor_put_speed_json(buf *out, const machine_speed *s) {
    buf_printf(out, "{\"threads\":%d,\"read_gb_per_second\":{\"one\":%.2f,\"all\":%.2f}",
               s->n_threads, s->read_gb_per_second.one, s->read_gb_per_second.all);
    buf_puts(out, ",\"estimated_images_per_second\":{\"model\":\"ViT-B/32\"");
    for (int i = 0; i < MACHINE_PRECISIONS; i++)
        buf_printf(out, ",\"%s\":{\"one\":%.2f,\"all\":%.2f}",
                   ken_precision_name(s->vit_b_32[i].precision),
                   s->vit_b_32[i].images_per_second.one, s->vit_b_32[i].images_per_second.all);
    buf_puts(out, "}}");
}
