
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Lack of memory in src/push: payloads, answers and certificates, each with
 * every allocation failing in turn.
 */


#include "alloc.h"
#include "pki.h"

#include "mdm_push.h"
#include "mdm_push_certificate.h"
#include "mdm_push_late.h"
#include "mdm_push_memory.h"
#include "mdm_push_pem.h"


#define TOPIC  "com.apple.mgmt.External.test"


static char  pem[16384];


static alloc_rc_e
op_push(void *data)
{
    mdm_int_t           rc;
    alloc_rc_e          end;
    mdm_str_t           magic, payload, body;
    mdm_push_t          push;
    const char         *text;
    mdm_arena_t        *arena;
    mdm_exchange_t      x;
    mdm_push_answer_t   answer;
    mdm_push_judged_t   judged;

    magic.data = data;
    magic.len = strlen(data);
    mdm_str_set(&body, "{\"reason\":\"Unregistered\",\"timestamp\":17}");

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    text = NULL;
    end = ALLOC_FAILED;

    rc = mdm_push_payload(arena, &payload, &magic);

    if (rc == MDM_DECLINED) {
        end = ALLOC_REFUSED;

    } else if (rc == MDM_OK
               && mdm_push_answer(arena, &body, &answer) == MDM_OK)
    {
        memset(&push, 0, sizeof(mdm_push_t));
        push.outcome = MDM_PUSH_ANSWERED;
        push.status = 410;
        push.reason = answer.reason;

        memset(&x, 0, sizeof(mdm_exchange_t));
        x.arena = arena;

        if (mdm_push_judge(&x, &push, &judged) == MDM_OK) {
            text = mdm_push_error(arena, &push);
        }
    }

    if (text != NULL) {
        alloc_str(&payload);
        alloc_str(&answer.reason);
        alloc_str(&judged.reason);
        alloc_str(&judged.timestamp);
        alloc_bytes(text, strlen(text));
        end = ALLOC_OK;
    }

    mdm_arena_destroy(arena);

    return end;
}


static void
test_push(void **state)
{
    (void) state;

    alloc_each("push", ALLOC_OK, op_push, "a \"magic\"");
    alloc_each("push, no UTF-8", ALLOC_REFUSED, op_push, "\xff");
}


/* an outcome that cannot be kept is that of a push that got lost */

static alloc_rc_e
op_keep(void *data)
{
    mdm_uint_t          i;
    mdm_str_t           reason;
    mdm_call_t         *call;
    alloc_rc_e          end;
    mdm_push_t         *push;
    mdm_exchange_t     *x;
    mdm_push_judged_t   judged;

    static const mdm_settings_t  settings;

    reason.data = data;
    reason.len = strlen(data);

    x = mdm_exchange_create(&settings);

    if (x == NULL) {
        return ALLOC_FAILED;
    }

    /* more than the memory that an exchange begins with */

    end = (mdm_exchange_calls(x, 400, 1) == MDM_CALL) ? ALLOC_OK
                                                      : ALLOC_FAILED;

    for (i = 0; end == ALLOC_OK && i < 400; i++) {
        call = &x->calls[i];
        push = mdm_exchange_push(x, i);

        if (push == NULL) {
            end = ALLOC_FAILED;
            break;
        }

        call->reply_arena = mdm_arena_create(64);
        push->outcome = MDM_PUSH_ANSWERED;
        push->status = 413;

        if (call->reply_arena == NULL
            || mdm_str_dup(call->reply_arena, &push->reason, &reason)
               != MDM_OK)
        {
            mdm_arena_destroy(call->reply_arena);
            end = ALLOC_FAILED;
            break;
        }

        call->rc = MDM_CALL_OK;

        mdm_exchange_keep(x, call);

        if (call->rc == MDM_CALL_OK) {
            continue;
        }

        end = ALLOC_FAILED;

        assert_int_equal(mdm_push_judge(x, push, &judged), MDM_OK);
        assert_string_equal(judged.word, "again");
        assert_true(mdm_str_is(&judged.reason, "no memory"));
    }

    mdm_arena_destroy(x->arena);

    return end;
}


static void
test_keep(void **state)
{
    (void) state;

    alloc_each("outcome of a push", ALLOC_OK, op_keep, "PayloadTooLarge");
}


/* outcomes that nobody waited for: more than a round of calls takes */

static alloc_rc_e
op_late(void *data)
{
    mdm_uint_t        i;
    mdm_push_t        push;
    alloc_rc_e        end;
    mdm_exchange_t   *x;
    mdm_push_late_t   late;

    static const mdm_settings_t  settings = { .npush_retry = 1,
                                              .push_retry = { 120 } };

    x = mdm_exchange_create(&settings);

    if (x == NULL) {
        return ALLOC_FAILED;
    }

    memset(&push, 0, sizeof(mdm_push_t));
    memset(&late, 0, sizeof(mdm_push_late_t));

    push.outcome = MDM_PUSH_ANSWERED;
    push.status = 200;
    push.id.data = push.token.data = push.stamp.data = data;
    push.id.len = push.token.len = push.stamp.len = strlen(data);
    push.tag.data = (u_char *) "ab";
    push.tag.len = 1;

    end = ALLOC_OK;

    for (i = 0; end == ALLOC_OK && i < 70; i++) {

        /* each in another partition */

        push.tag.data = (u_char *) &"abab"[i % 2];

        if (mdm_push_late_add(x, &late, &push) != MDM_OK) {
            end = ALLOC_FAILED;
        }
    }

    x->kind = MDM_KIND_JOB;
    x->step = mdm_push_late_step;
    x->ctx = &late;

    while (end == ALLOC_OK && mdm_exchange_step(x) == MDM_CALL) {

        for (i = 0; i < x->ncalls; i++) {
            alloc_str(&x->calls[i].args[MDM_ARG_PUSH_DONE_ANSWERS]);
            x->calls[i].rc = MDM_CALL_UNAVAILABLE;
        }

        assert_true(x->ncalls == ((late.stored == 70) ? 6 : 64));
    }

    if (end == ALLOC_OK && x->status != 200) {
        end = ALLOC_FAILED;
    }

    mdm_arena_destroy(x->arena);

    return end;
}


static void
test_late(void **state)
{
    (void) state;

    alloc_each("outcomes that come late", ALLOC_OK, op_late, "text");
}


static alloc_rc_e
op_certificate(void *data)
{
    mdm_int_t                rc;
    mdm_str_t                text;
    const char              *why;
    mdm_arena_t             *arena;
    mdm_push_certificate_t   cert;

    text.data = data;
    text.len = strlen(data);
    why = NULL;

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    rc = mdm_push_certificate_read(arena, &text, &cert, &why);

    if (rc == MDM_OK) {
        alloc_str(&cert.topic);
        alloc_bytes(cert.sha256, sizeof(cert.sha256));

    } else if (rc == MDM_DECLINED) {
        alloc_bytes(why, strlen(why));
    }

    mdm_arena_destroy(arena);

    return (rc == MDM_OK) ? ALLOC_OK
           : (rc == MDM_ERROR) ? ALLOC_FAILED : ALLOC_REFUSED;
}


/* written as it is kept, and read again */

static alloc_rc_e
op_pem(void *data)
{
    mdm_int_t                rc;
    mdm_str_t                text, kept, key;
    const char              *why;
    mdm_arena_t             *arena;
    mdm_push_certificate_t   cert, again;

    text.data = data;
    text.len = strlen(data);

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    rc = mdm_push_certificate_read(arena, &text, &cert, &why);

    if (rc == MDM_OK) {
        rc = mdm_push_pem_cert(arena, &cert, &kept);
    }

    if (rc == MDM_OK) {
        rc = mdm_push_pem_key(arena, &cert, &key);
    }

    if (rc == MDM_OK) {
        alloc_str(&kept);
        alloc_str(&key);

        rc = mdm_push_pem_read(arena, &kept, &key, &again, &why);
    }

    if (rc == MDM_OK) {
        alloc_bytes(again.sha256, sizeof(again.sha256));
    }

    mdm_arena_destroy(arena);

    return (rc == MDM_OK) ? ALLOC_OK
           : (rc == MDM_ERROR) ? ALLOC_FAILED : ALLOC_REFUSED;
}


static void
add(BIO *bio)
{
    char    *data;
    size_t   len, at;

    len = (size_t) BIO_get_mem_data(bio, &data);
    at = strlen(pem);

    assert_true(at + len < sizeof(pem));
    memcpy(pem + at, data, len);

    BIO_free(bio);
}


static void
test_certificate(void **state)
{
    BIO         *bio;
    pki_t        ca, leaf;
    pki_spec_t   spec;

    (void) state;

    memset(&spec, 0, sizeof(spec));
    spec.cn = "CA";
    spec.ca = 1;
    ca = pki_issue(&spec);

    memset(&spec, 0, sizeof(spec));
    spec.cn = "APSP:x";
    spec.issuer = &ca;
    leaf = pki_prepare(&spec);

    assert_int_equal(X509_NAME_add_entry_by_NID(
                         X509_get_subject_name(leaf.cert), NID_userId,
                         MBSTRING_UTF8, (const unsigned char *) TOPIC, -1, -1,
                         0),
                     1);
    pki_sign(&leaf, &spec);

    bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, leaf.cert), 1);
    assert_int_equal(PEM_write_bio_X509(bio, ca.cert), 1);
    add(bio);

    alloc_each("push certificate, no key", ALLOC_REFUSED, op_certificate,
               pem);

    bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, leaf.key, NULL, NULL,
                                                   0, NULL, NULL), 1);
    add(bio);

    alloc_each("push certificate", ALLOC_OK, op_certificate, pem);
    alloc_each("push certificate, as it is kept", ALLOC_OK, op_pem, pem);

    pki_free(&leaf);
    pki_free(&ca);
}


static int
teardown(void **state)
{
    (void) state;

    alloc_done();

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_push),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_certificate)
    };

    alloc_init();

    return cmocka_run_group_tests(tests, NULL, teardown);
}
