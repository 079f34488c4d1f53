
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes src/enroll/mdm_enroll_ota.c, and mdm_enroll_ade.c where both stand in
 * one location: what is posted there.  The corpus is signed by a device of the
 * CA below, whose key was thrown away; its challenge is sealed with the key
 * below, which a part of the inputs finds in Redis.  No other call of Redis is
 * answered.
 */


#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "mdm_endpoint.h"
#include "mdm_enroll.h"


#define FUZZ_NOW  1796083200             /* 2026-12-01, 00:00 UTC */


static const char  fuzz_apple[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIICLjCCAZegAwIBAgIURqqpolgwktb+/XzXaA+YkUrU8+EwDQYJKoZIhvcNAQEF\n"
    "BQAwIDEeMBwGA1UEAwwVRnV6eiBpUGhvbmUgRGV2aWNlIENBMCAXDTI2MTEyOTIz\n"
    "MDE0NloYDzIxMjYxMTA1MjMwMTQ2WjAgMR4wHAYDVQQDDBVGdXp6IGlQaG9uZSBE\n"
    "ZXZpY2UgQ0EwgZ8wDQYJKoZIhvcNAQEBBQADgY0AMIGJAoGBALcYt6nCTRwhLC/n\n"
    "V79P3wYaKezKo9Shbg2JPc0mZKKMawEEYbJlwVtGeRqBmvE6dI4EtajJcS+T3Q1b\n"
    "pspinQla4ovBy/CSM9NW3bYoLUXkkq1Zesm+agss+EtiWAYJKksdPkLR6QE96g/Z\n"
    "8GwewP0U06+c90ilEMU8WBikaWZtAgMBAAGjYzBhMB0GA1UdDgQWBBR+Y7DetKln\n"
    "p4agzqtgAfJYfWlXJTAfBgNVHSMEGDAWgBR+Y7DetKlnp4agzqtgAfJYfWlXJTAP\n"
    "BgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjANBgkqhkiG9w0BAQUFAAOB\n"
    "gQAMai3JUbOSuu+mY5WI4nOsjDQfioj/r3NyX5C1Pgk0bLxbzYzviOfBCi6mWS/O\n"
    "+sH2M2cBr1fI+lNBv5zwFTuk5FJLt5g9EYGKnBOZkkVkfPY8ZoFd/QT9Ny6D5z6P\n"
    "mXQ4USTodEanMFYEC1fFDEAVcr4zeunDTsgo7GUbTwsr2A==\n"
    "-----END CERTIFICATE-----\n";


static const u_char  fuzz_key[MDM_SECRET_RAW] =
                                         "a key of 32 bytes, to fuzz with";

static mdm_secret_keys_t     fuzz_keys;
static mdm_ca_t              fuzz_ca;
static mdm_enroll_block_t    fuzz_block;
static mdm_store_settings_t  fuzz_store = {
    .partitions = 4,
    .secrets = &fuzz_keys
};
static mdm_settings_t        fuzz_settings = {
    .store = &fuzz_store,
    .challenge_ttl = 3600,
    .challenge_limit = 100,
    .event_limit = 1000,
    .plist_depth = 32,
    .plist_nodes = 5000
};


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void fuzz_answer(mdm_call_t *call);


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    BIO   *bio;
    X509  *cert;

    (void) argc;
    (void) argv;

    bio = BIO_new_mem_buf(fuzz_apple, sizeof(fuzz_apple) - 1);
    cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);

    fuzz_block.apple = X509_STORE_new();

    if (cert == NULL || X509_STORE_add_cert(fuzz_block.apple, cert) != 1
        || mdm_secret_key_add(&fuzz_keys, fuzz_key) != MDM_OK)
    {
        abort();
    }

    fuzz_ca.cert = cert;
    mdm_str_set(&fuzz_ca.name, "devices");

    mdm_str_set(&fuzz_block.name, "main");
    mdm_str_set(&fuzz_block.identifier, "com.example.mdm");
    mdm_str_set(&fuzz_block.topic, "com.apple.mgmt.External.fuzz");
    fuzz_block.scep.ca = &fuzz_ca;

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mdm_uint_t       i;
    mdm_exchange_t  *x;

    x = mdm_exchange_create(&fuzz_settings);
    if (x == NULL) {
        return 0;
    }

    x->kind = MDM_KIND_ENROLL;
    x->method = MDM_POST;
    x->now = FUZZ_NOW;
    x->enrollment = &fuzz_block;
    x->ways = MDM_ENROLL_OTA|MDM_ENROLL_ADE|MDM_ENROLL_LINK;
    mdm_str_set(&x->tenant, "default");
    mdm_str_set(&x->url, "https://localhost/enroll");
    x->body.data = (u_char *) data;
    x->body.len = size;

    fuzz_store.secrets = (size & 1) ? NULL : &fuzz_keys;

    mdm_endpoint_find(x);

    while (mdm_exchange_run(x) == MDM_CALL) {

        for (i = 0; i < x->ncalls; i++) {

            if (x->calls[i].kind == MDM_CALL_KIND_WORK) {
                mdm_call_work(&x->calls[i]);

            } else {
                fuzz_answer(&x->calls[i]);
            }
        }
    }

    /* refused, or on its way to Redis; no input takes our memory */

    if (x->status != 403 && x->status != 503) {
        abort();
    }

    if (ERR_peek_error() != 0) {
        abort();
    }

    mdm_arena_destroy(x->arena);

    return 0;
}


/* the key of a store that encrypts nothing */

static void
fuzz_answer(mdm_call_t *call)
{
    static u_char        hex[2 * MDM_SECRET_RAW];
    static mdm_reply_t   key, encrypts, reply, *list[] = { &key, &encrypts };

    if (call->script != &mdm_script_meta_seal_get) {
        call->rc = MDM_CALL_UNAVAILABLE;
        return;
    }

    mdm_hex(hex, fuzz_key, MDM_SECRET_RAW);

    key.type = MDM_REPLY_STRING;
    key.str.data = hex;
    key.str.len = sizeof(hex);

    encrypts.type = MDM_REPLY_INTEGER;

    reply.type = MDM_REPLY_ARRAY;
    reply.elements = list;
    reply.nelements = 2;

    call->rc = MDM_CALL_OK;
    call->reply = &reply;
}
