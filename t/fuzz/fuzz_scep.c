
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes src/enroll/mdm_scep_message.c: the input is a pkiMessage, and the
 * query of a GET.  What can be answered is refused, by the keys of the CA.
 */


#include <openssl/err.h>

#include "ca.h"
#include "limits.h"
#include "mdm_scep_message.h"


/* the longest line of a request that nginx is told to take */
#define FUZZ_LINE  65536


static mdm_ca_t    fuzz_scep_ca;
static mdm_scep_t  fuzz_scep;


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void fuzz_one(const uint8_t *data, size_t size);
static void fuzz_message(mdm_arena_t *arena, const mdm_str_t *der);
static void fuzz_query(mdm_arena_t *arena, const mdm_str_t *query);


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    mdm_envelope_keys_t  keys;

    (void) argc;
    (void) argv;

    fuzz_ca(&keys);

    fuzz_scep_ca.cert = keys.cert[0];
    fuzz_scep_ca.key = keys.key[0];
    fuzz_scep_ca.key_minimum = 2048;

    fuzz_scep.ca = &fuzz_scep_ca;
    fuzz_scep.sha1 = 1;
    fuzz_scep.des3 = 1;
    fuzz_scep.des = keys.des;

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
    mdm_str_t     s;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        return;
    }

    s.data = (u_char *) data;
    s.len = size;

    fuzz_message(arena, &s);
    fuzz_query(arena, &s);

    if (ERR_peek_error() != 0) {
        abort();
    }

    mdm_arena_destroy(arena);
}


static void
fuzz_message(mdm_arena_t *arena, const mdm_str_t *der)
{
    mdm_int_t            rc;
    mdm_str_t            reply;
    const char          *why;
    mdm_scep_message_t   m;

    why = NULL;
    rc = mdm_scep_read(arena, der, FUZZ_NOW, &m, &why);

    if (rc == MDM_DECLINED && why != NULL) {
        return;
    }

    if (rc != MDM_OK || m.outer.signer == NULL || m.transaction.len == 0
        || m.transaction.len > MDM_SCEP_TRANSACTION
        || m.nonce.len > MDM_SCEP_NONCE)
    {
        abort();
    }

    why = NULL;
    rc = mdm_scep_open(arena, &fuzz_scep, FUZZ_NOW, &m, &why);

    if (rc == MDM_ERROR || (rc != MDM_OK && why == NULL)) {
        abort();
    }

    if (mdm_scep_failure(arena, &fuzz_scep, &m,
                         (rc == MDM_OK) ? MDM_SCEP_BAD_REQUEST : m.fail, why,
                         &reply)
        != MDM_OK)
    {
        abort();
    }
}


static void
fuzz_query(mdm_arena_t *arena, const mdm_str_t *query)
{
    mdm_str_t  message, der;

    if (query->len > FUZZ_LINE) {
        return;
    }

    (void) mdm_scep_query(query, &message);

    if (message.len != 0
        && (message.data < query->data
            || message.data + message.len > query->data + query->len))
    {
        abort();
    }

    if (mdm_scep_decode(arena, query, &der) == MDM_OK) {
        fuzz_message(arena, &der);
    }
}
