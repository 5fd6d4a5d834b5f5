#include "cli/preview.h"

enum { piece_bytes = 3072 }; /* 4,096 characters of base64 */

void preview_put_kitty(const preview_picture *p, buf *out) {
    size_t size = (size_t)p->width * (size_t)p->height * 3;
    for (size_t at = 0; at < size; at += piece_bytes) {
        size_t n = size - at < piece_bytes ? size - at : piece_bytes;
        if (at == 0)
            buf_printf(out, "\033_Ga=T,f=24,q=2,s=%d,v=%d,m=%d;", p->width, p->height, n < size);
        else
            buf_printf(out, "\033_Gm=%d;", at + n < size);
        buf_put_base64(out, p->rgb + at, n);
        buf_puts(out, "\033\\");
    }
    buf_putc(out, '\n');
}
