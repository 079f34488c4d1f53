
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Push certificates with their keys, as PEM, for the unit tests.
 */


#ifndef _PUSH_PEM_H_INCLUDED_
#define _PUSH_PEM_H_INCLUDED_


#include "pki.h"


/*
 * A certificate for "uid", which ends at "to" (Unix seconds), with its key;
 * self-signed.  To be freed by free().
 */

static inline char *
push_pem(const char *uid, int64_t from, int64_t to)
{
    BIO         *bio;
    char        *data, *text;
    long         len;
    pki_t        pki;
    pki_spec_t   spec;

    memset(&spec, 0, sizeof(spec));
    spec.cn = "APSP:x";
    spec.from = from;
    spec.to = to;

    pki = pki_prepare(&spec);

    assert_int_equal(X509_NAME_add_entry_by_NID(
                         X509_get_subject_name(pki.cert), NID_userId,
                         MBSTRING_UTF8, (const unsigned char *) uid, -1, -1,
                         0),
                     1);
    X509_set_issuer_name(pki.cert, X509_get_subject_name(pki.cert));
    pki_sign(&pki, &spec);

    bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, pki.cert), 1);
    assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, pki.key, NULL,
                                                          NULL, 0, NULL, NULL),
                     1);

    len = BIO_get_mem_data(bio, &data);
    text = malloc((size_t) len + 1);
    assert_non_null(text);

    memcpy(text, data, (size_t) len);
    text[len] = '\0';

    BIO_free(bio);
    pki_free(&pki);

    return text;
}


#endif /* _PUSH_PEM_H_INCLUDED_ */
