
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Signing from eight threads with the keys of one CA, as calls of work do it.
 * Runs under ThreadSanitizer, too: scripts/build unit-tsan.
 */


#include "pki.h"

#include <pthread.h>

#include "mdm_ca.h"


#define THREADS  8
#define TIMES    25


typedef struct {
    const mdm_ca_t           *ca;
    EVP_PKEY                 *key;         /* its own, as each request has */
    mdm_int_t                 rc;
} work_t;


static void *
thread(void *data)
{
    work_t *w = data;

    int             i;
    X509           *made;
    mdm_str_t       der;
    mdm_arena_t    *arena;
    mdm_ca_issue_t  is;

    static const mdm_str_t  id = mdm_string("00008110-001A2B3C4D5E6F70");

    for (i = 0; i < TIMES && w->rc == MDM_OK; i++) {
        arena = mdm_arena_create(4096);

        memset(&is, 0, sizeof(is));
        is.key = w->key;
        is.id = id;
        is.device_serial = id;
        (void) mdm_ca_serial(is.serial);
        (void) mdm_ca_dates(w->ca, PKI_NOW, &is.from, &is.until);

        w->rc = mdm_ca_issue(arena, w->ca, &is, &der, &made);

        mdm_arena_destroy(arena);
    }

    return NULL;
}


static void
run(int bits)
{
    int                i;
    pki_t              pki;
    size_t             at;
    work_t             works[THREADS];
    mdm_ca_t           ca;
    pki_spec_t         spec;
    pthread_t          threads[THREADS];
    const char        *why;
    mdm_arena_t       *arena;
    mdm_ca_subject_t  *subject;

    static const mdm_str_t  template =
                                mdm_string("CN=${id},serialNumber=${serial}");

    memset(&spec, 0, sizeof(spec));
    spec.cn = "CA";
    spec.ca = 1;
    spec.bits = bits;
    pki = pki_issue(&spec);

    arena = mdm_arena_create(4096);
    assert_int_equal(mdm_ca_subject_parse(arena, &template, &subject, &why,
                                          &at),
                     MDM_OK);

    memset(&ca, 0, sizeof(ca));
    ca.cert = pki.cert;
    ca.key = pki.key;
    ca.subject = subject;
    ca.digest = EVP_sha256();
    ca.lifetime = PKI_DAY;

    assert_int_equal(mdm_ca_check(ca.cert, ca.key, NULL, PKI_NOW, &why),
                     MDM_OK);

    for (i = 0; i < THREADS; i++) {
        works[i].ca = &ca;
        works[i].key = pki_key(0);
        works[i].rc = MDM_OK;
        assert_int_equal(pthread_create(&threads[i], NULL, thread, &works[i]),
                         0);
    }

    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(works[i].rc, MDM_OK);
        EVP_PKEY_free(works[i].key);
    }

    mdm_arena_destroy(arena);
    pki_free(&pki);
}


static void
test_rsa(void **state)
{
    (void) state;

    run(2048);
}


static void
test_ec(void **state)
{
    (void) state;

    run(0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_rsa),
        cmocka_unit_test(test_ec)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
