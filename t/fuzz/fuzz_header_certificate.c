
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes src/crypto/mdm_certificate.c: a certificate passed by a header,
 * and the names in it.
 */


#include <stdlib.h>

#include <openssl/err.h>

#include "mdm_certificate.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void fuzz_certificate(mdm_arena_t *arena, const mdm_str_t *value);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mdm_str_t     raw, text;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        return 0;
    }

    raw.data = (u_char *) data;
    raw.len = size;

    fuzz_certificate(arena, &raw);

    /* base64 hides DER from the fuzzer, so the input also is DER */

    if (mdm_base64(arena, &text, &raw) == MDM_OK
        && mdm_printf(arena, &text, ":%.*s:", mdm_fmt(&text)) == MDM_OK)
    {
        fuzz_certificate(arena, &text);
    }

    mdm_arena_destroy(arena);

    return 0;
}


static void
fuzz_certificate(mdm_arena_t *arena, const mdm_str_t *value)
{
    X509       *cert;
    u_char      digest[MDM_SHA256], hex[2 * MDM_SHA256];
    mdm_int_t   rc;
    mdm_str_t   der, udid, serial;

    rc = mdm_certificate_header(arena, value, &cert);

    if (rc == MDM_ERROR || (rc == MDM_OK) != (cert != NULL)) {
        abort();
    }

    if (rc == MDM_OK && mdm_certificate_der(arena, cert, &der) == MDM_OK) {

        if (mdm_certificate_sha256(&der, digest, hex) != MDM_OK) {
            abort();
        }

        mdm_str_set(&udid, "00008110-001A2B3C4D5E6F70");
        mdm_str_set(&serial, "C02ABC123DEF");
        (void) mdm_certificate_names(&der, &udid, &serial);

        mdm_str_null(&udid);
        mdm_str_null(&serial);

        if (mdm_certificate_names(&der, &udid, &serial)) {
            abort();                       /* nothing names nobody */
        }
    }

    if (ERR_peek_error() != 0) {
        abort();
    }
}
