
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes src/crypto/mdm_cms.c.  The input is the signature, as DER and as the
 * text of the header.  The corpus is signed by devices of the CA below, whose
 * key was thrown away, so that signatures verify and nobody can make another.
 */


#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "mdm_certificate.h"
#include "mdm_cms.h"


#define FUZZ_NOW   1796083200            /* 2026-12-01, 00:00 UTC */


static const char  fuzz_ca[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBizCCATGgAwIBAgIUF61s0ETBxkNItTzD5jxfrAr2GA0wCgYIKoZIzj0EAwIw\n"
    "EjEQMA4GA1UEAwwHRnV6eiBDQTAgFw0yNjExMjQwNTMxMDFaGA8yMTI2MTAzMTA1\n"
    "MzEwMVowEjEQMA4GA1UEAwwHRnV6eiBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH\n"
    "A0IABNwdUhZ7f5bzr9mdlslksCLIlKrjDqjJgR5y8UBXhJUY+ZHXmg24EDEuxAlO\n"
    "xrtyDdCuQyKoc6wpY9PI7ETC18ijYzBhMB0GA1UdDgQWBBSwSGshOqhlMqiYujFZ\n"
    "E/gUzO+A5DAfBgNVHSMEGDAWgBSwSGshOqhlMqiYujFZE/gUzO+A5DAPBgNVHRMB\n"
    "Af8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAKBggqhkjOPQQDAgNIADBFAiB/cNkP\n"
    "Cih1rcc62oZwNqlkKl2jvH2VBZA/+o8v79EQQQIhANbllkm0ItbK06bJDrinIylo\n"
    "g1lNg5llK0NJVKE1H2xP\n"
    "-----END CERTIFICATE-----\n";


static X509_STORE  *fuzz_store;


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static mdm_int_t fuzz_verify(mdm_arena_t *arena, const mdm_str_t *text,
    const char *body, size_t len);


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    BIO   *bio;
    X509  *ca;

    (void) argc;
    (void) argv;

    bio = BIO_new_mem_buf(fuzz_ca, sizeof(fuzz_ca) - 1);
    ca = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    fuzz_store = X509_STORE_new();

    if (ca == NULL || X509_STORE_add_cert(fuzz_store, ca) != 1) {
        abort();
    }

    X509_free(ca);
    BIO_free(bio);

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mdm_str_t     raw, text;
    mdm_arena_t  *arena;

    static const char  body[] = "fuzz body\r\n";

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        return 0;
    }

    raw.data = (u_char *) data;
    raw.len = size;

    (void) fuzz_verify(arena, &raw, body, sizeof(body));

    if (mdm_base64(arena, &text, &raw) == MDM_OK
        && fuzz_verify(arena, &text, body, sizeof(body)) == MDM_OK
        && fuzz_verify(arena, &text, body, sizeof(body) - 1) == MDM_OK)
    {
        abort();                           /* two bodies, one signature */
    }

    mdm_arena_destroy(arena);

    return 0;
}


static mdm_int_t
fuzz_verify(mdm_arena_t *arena, const mdm_str_t *text, const char *body,
    size_t len)
{
    X509        *signer;
    mdm_int_t    rc;
    mdm_str_t    b, der;
    const char  *why;

    b.data = (u_char *) body;
    b.len = len;

    rc = mdm_cms_verify(arena, text, &b, fuzz_store, FUZZ_NOW, &signer, &why);

    if (rc == MDM_OK) {
        if (signer == NULL || mdm_certificate_der(arena, signer, &der)
                              != MDM_OK)
        {
            abort();
        }

    } else if (rc == MDM_ERROR || signer != NULL || why == NULL) {
        abort();                           /* no input takes our memory */
    }

    if (ERR_peek_error() != 0) {
        abort();
    }

    return rc;
}
