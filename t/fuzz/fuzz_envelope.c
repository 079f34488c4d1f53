
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes src/crypto/mdm_envelope.c, and what is found in an envelope: the input
 * is one, or what was in one.
 */


#include <openssl/err.h>

#include "ca.h"
#include "limits.h"
#include "mdm_ca_request.h"


static mdm_envelope_keys_t  fuzz_keys;


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void fuzz_one(const uint8_t *data, size_t size);
static void fuzz_content(mdm_arena_t *arena, const mdm_envelope_t *e);


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void) argc;
    (void) argv;

    fuzz_ca(&fuzz_keys);

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_limits(fuzz_one, data, size);

    return 0;
}


static void
fuzz_one(const uint8_t *data, size_t size)
{
    mdm_int_t        rc;
    mdm_str_t        der;
    const char      *why;
    mdm_arena_t     *arena;
    mdm_envelope_t   e;

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        return;
    }

    der.data = (u_char *) data;
    der.len = size;
    why = NULL;

    rc = mdm_envelope_open(arena, &der, &fuzz_keys, &e, &why);

    if (rc == MDM_ERROR || (rc != MDM_OK && why == NULL)
        || e.content.len > size)
    {
        abort();
    }

    if (rc == MDM_OK) {
        fuzz_content(arena, &e);
    }

    e.content = der;
    fuzz_content(arena, &e);

    if (ERR_peek_error() != 0) {
        abort();
    }

    mdm_arena_destroy(arena);
}


static void
fuzz_content(mdm_arena_t *arena, const mdm_envelope_t *e)
{
    mdm_str_t          object;
    mdm_uint_t         padded;
    const char        *why;
    mdm_ca_request_t   r;

    if (mdm_envelope_object(e, &object, &padded) != MDM_OK) {
        return;
    }

    if (object.data != e->content.data || object.len > e->content.len) {
        abort();
    }

    if (mdm_ca_request_read(arena, &object, 2048, &r, &why) == MDM_ERROR) {
        abort();
    }
}
