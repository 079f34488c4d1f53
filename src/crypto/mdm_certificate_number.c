
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The serial number of a certificate.
 */


#include <openssl/x509.h>

#include "mdm_certificate.h"


/* octets; RFC 5280 allows 20 */
#define MDM_NUMBER_MAX  64


mdm_int_t
mdm_certificate_number(mdm_arena_t *arena, const mdm_str_t *der,
    mdm_str_t *hex)
{
    X509                *cert;
    mdm_int_t            rc;
    mdm_str_t            s;
    const ASN1_INTEGER  *serial;

    mdm_str_null(hex);

    rc = mdm_certificate_parse(der, &cert);

    if (rc != MDM_OK) {
        return (rc == MDM_DECLINED) ? MDM_OK : mdm_arena_no_memory(arena);
    }

    serial = X509_get0_serialNumber(cert);

    s.data = (u_char *) (uintptr_t) ASN1_STRING_get0_data(serial);
    s.len = (size_t) ASN1_STRING_length(serial);

    rc = (s.len <= MDM_NUMBER_MAX) ? mdm_hex_str(arena, hex, &s) : MDM_OK;

    X509_free(cert);

    return rc;
}
