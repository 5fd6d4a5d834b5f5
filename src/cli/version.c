#include "cli/version.h"

#include "formats/table.h"
#include "kernels/kernels.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <utf8proc.h>
#include <webp/decode.h>

void version_print(FILE *to) {
    int webp = WebPGetDecoderVersion();
    const char *duckdb = table_library_version();
    fprintf(to, "ken %s\n", ken_version());
    fprintf(to, "cpu tier: %s\n", kernels_best()->tier);
    fprintf(to, "libraries: duckdb %s, jansson %s, libwebp %d.%d.%d, utf8proc %s, %s\n",
            duckdb ? duckdb : "(not found)", jansson_version_str(), webp >> 16, webp >> 8 & 255,
            webp & 255, utf8proc_version(), OpenSSL_version(OPENSSL_VERSION_STRING));
}
