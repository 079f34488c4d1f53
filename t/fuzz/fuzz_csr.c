
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes src/crypto/mdm_ca_request.c: the input is a certificate request.
 */


#include <stdlib.h>

#include <openssl/err.h>

#include "limits.h"
#include "mdm_ca_request.h"


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
    mdm_int_t          rc;
    mdm_str_t          der;
    const char        *why;
    mdm_arena_t       *arena;
    mdm_ca_request_t   r;

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        return;
    }

    der.data = (u_char *) data;
    der.len = size;
    why = NULL;

    rc = mdm_ca_request_read(arena, &der, 2048, &r, &why);

    if (rc == MDM_ERROR                    /* no input takes our memory */
        || (rc == MDM_OK) != (r.key != NULL)
        || (rc != MDM_OK && why == NULL)
        || (rc == MDM_OK && !r.verified)
        || r.challenge.len > MDM_CA_CHALLENGE
        || ERR_peek_error() != 0)
    {
        abort();
    }

    mdm_arena_destroy(arena);
}
