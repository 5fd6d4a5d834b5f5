/* fuzz/replay.c: runs a fuzz target once on every file of a folder, without libFuzzer. An empty
 * input is always run too. Prints how many inputs were run. */
#include "base/file.h"

#include <dirent.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool run_file(const char *dir, const char *name) {
    buf path, bytes;
    buf_init(&path, 4096);
    buf_init(&bytes, (size_t)64 << 20);
    file_join(&path, dir, name);
    ken_error err;
    bool ok = file_read(path.data, &bytes, &err) == KEN_OK;
    if (ok)
        LLVMFuzzerTestOneInput((const uint8_t *)(bytes.data ? bytes.data : ""), bytes.size);
    else
        fprintf(stderr, "%s\n", err.message);
    buf_free(&path);
    buf_free(&bytes);
    return ok;
}

int main(int n_args, char **args) {
    if (n_args != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", args[0]);
        return 2;
    }
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    DIR *dir = opendir(args[1]);
    if (!dir) {
        fprintf(stderr, "no folder '%s'\n", args[1]);
        return 1;
    }
    int n = 1;
    bool ok = true;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.') {
            ok = run_file(args[1], entry->d_name) && ok;
            n++;
        }
    closedir(dir);
    printf("[  PASSED  ] %d test(s).\n", n);
    return ok ? 0 : 1;
}
