/* tasks/report/report_assets.c: the files of src/tasks/report/ as NUL-terminated texts in the
 * program. */
#include "tasks/report/report_page.h"

#define FILE_BYTES(name) ".incbin \"" KEN_REPORT_DIR "/" name "\"\n"
#define ASSET(symbol, files)                                                                       \
    __asm__(".pushsection .rodata\n.global " #symbol "\n.hidden " #symbol "\n" #symbol ":\n" files \
            ".byte 0\n.popsection\n")

ASSET(report_html, FILE_BYTES("page.html"));
ASSET(report_css, FILE_BYTES("report.css"));
/* Later files use what earlier ones declare; the last one starts the page. */
ASSET(report_js, FILE_BYTES("script/model.js") FILE_BYTES("script/grid.js")
                     FILE_BYTES("script/category.js") FILE_BYTES("script/accuracy.js")
                         FILE_BYTES("script/sheet.js") FILE_BYTES("script/page.js"));
