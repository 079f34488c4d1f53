
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Two faults to be found, which shows that limits.h finds some: an input that
 * begins with "c" takes too long, one that begins with "m" too much memory.
 */


#include "limits.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void fuzz_one(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_limits(fuzz_one, data, size);

    return 0;
}


static void
fuzz_one(const uint8_t *data, size_t size)
{
    size_t          n;
    int64_t         begin;
    volatile char  *p;

    n = (size > FUZZ_FLOOR / FUZZ_MEMORY) ? size * FUZZ_MEMORY : FUZZ_FLOOR;

    /* what is just allowed */

    p = malloc(n + (size > 0 && data[0] == 'm'));

    if (p == NULL) {
        abort();
    }

    p[n - 1] = 1;
    free((void *) p);

    begin = fuzz_cpu();

    while (size > 0 && data[0] == 'c' && fuzz_cpu() - begin < FUZZ_CPU_NS) {
        /* void */
    }
}
