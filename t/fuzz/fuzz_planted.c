
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A target with a bug, by which t/fuzz/fuzz.t sees that one is found: it
 * reads a byte behind the input.
 */


#include <stddef.h>
#include <stdint.h>
#include <string.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    volatile uint8_t  c;

    if (size == 4 && memcmp(data, "mdm:", 4) == 0) {
        c = data[size];
        (void) c;
    }

    return 0;
}
