/* Any bytes as a file of torch.save: what is accepted can be read to its last byte. */
#include "formats/torch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const file_map map = {.data = bytes, .size = size};
    torch_file file;
    ken_error err;
    unsigned sum = 0;
    if (torch_file_read(&map, "fuzz", &file, &err) == KEN_OK)
        for (size_t i = 0; i < file.n_tensors; i++)
            for (size_t k = 0; k < file.tensors[i].value.size_bytes; k++)
                sum += ((const uint8_t *)file.tensors[i].value.data)[k];
    else if (err.message[0] == '\0')
        __builtin_trap();
    __asm__ volatile("" : : "r"(sum)); /* keeps the reads */
    torch_file_reset(&file);
    return 0;
}
