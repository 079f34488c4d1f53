
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes src/enroll/mdm_machine_info.c.  The input is a signed MachineInfo and,
 * as what comes out of one, a plist.  The corpus is signed by a device of the
 * CA below, whose key was thrown away.
 */


#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "mdm_json.h"
#include "mdm_machine_info.h"
#include "mdm_os.h"
#include "mdm_plist.h"


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


static X509_STORE  *fuzz_store;


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void fuzz_info(mdm_arena_t *arena, const mdm_str_t *plist);
static void fuzz_again(mdm_arena_t *arena, const mdm_machine_info_t *info);


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    BIO   *bio;
    X509  *ca;

    (void) argc;
    (void) argv;

    bio = BIO_new_mem_buf(fuzz_apple, sizeof(fuzz_apple) - 1);
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
    mdm_int_t           rc;
    mdm_str_t           in;
    const char         *why;
    mdm_arena_t        *arena;
    mdm_cms_message_t   message;

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        return 0;
    }

    in.data = (u_char *) data;
    in.len = size;

    why = NULL;
    rc = mdm_machine_info_verify(arena, &in, fuzz_store, &message, &why);

    if (rc == MDM_OK) {
        fuzz_info(arena, &message.content);

    } else if (rc == MDM_ERROR || why == NULL || message.signer != NULL) {
        abort();                           /* no input takes our memory */
    }

    fuzz_info(arena, &in);

    if (ERR_peek_error() != 0) {
        abort();
    }

    mdm_arena_destroy(arena);

    return 0;
}


static void
fuzz_info(mdm_arena_t *arena, const mdm_str_t *plist)
{
    mdm_int_t            rc;
    mdm_str_t            want;
    const char          *why;
    mdm_limits_t         limits = { MDM_PLIST_DEPTH, MDM_PLIST_NODES };
    mdm_machine_info_t   info;

    why = NULL;
    rc = mdm_machine_info_read(arena, plist, &limits, &info, &why);

    if (rc != MDM_OK) {

        if (rc == MDM_ERROR || why == NULL) {
            abort();
        }

        return;
    }

    if (info.udid.len == 0 || info.serial.len == 0
        || info.serial.len > MDM_MACHINE_INFO_TEXT
        || mdm_utf8_control(&info.serial))
    {
        abort();
    }

    mdm_str_set(&want, "18.1 (a)");

    (void) mdm_os_name(&info.product);
    (void) mdm_os_lower(&info.os, &info.os_extra, &want);

    fuzz_again(arena, &info);
}


/* what a login carries is what was there */

static void
fuzz_again(mdm_arena_t *arena, const mdm_machine_info_t *info)
{
    json_t              *root;
    mdm_str_t            json;
    json_error_t         error;
    mdm_json_out_t       j;
    mdm_machine_info_t   again;

    mdm_json_init(&j, arena, 256);
    mdm_json_open(&j, NULL, '{');
    mdm_machine_info_write(&j, info);
    mdm_json_close(&j, '}');

    if (mdm_json_end(&j, &json) != MDM_OK
        || mdm_json_read(arena, &json, 0, &root, &error) != MDM_OK
        || mdm_machine_info_load(arena, root, &again) != MDM_OK
        || !mdm_str_eq(&again.udid, &info->udid)
        || !mdm_str_eq(&again.serial, &info->serial)
        || !mdm_str_eq(&again.os, &info->os))
    {
        abort();
    }
}
