/* tasks/report/report_assets.c: the files of src/tasks/report/ as NUL-terminated texts in the
 * program. */
#include "tasks/report/report_page.h"

#define ASSET(symbol, file)                                                                        \
    __asm__(".pushsection .rodata\n.global " #symbol "\n.hidden " #symbol "\n" #symbol             \
            ":\n.incbin \"" KEN_REPORT_DIR "/" file "\"\n.byte 0\n.popsection\n")

ASSET(report_html, "page.html");
ASSET(report_css, "report.css");
ASSET(report_js, "report.js");
