
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/enroll/mdm_scep.c: requests as they come, and what is
 * answered.
 */


#include "scep.h"

#include "mdm_endpoint.h"
#include "mdm_scep.h"


static pki_t           ca_pki, client;
static mdm_ca_t        ca;
static mdm_scep_t      scep;
static mdm_settings_t  settings;
static mdm_store_settings_t  store = { .partitions = 16 };
static mdm_arena_t    *kept;


static void
text(mdm_str_t *s, const char *value)
{
    s->data = (u_char *) value;
    s->len = strlen(value);
}


/* a request, and its answer, which is to be destroyed */

static mdm_exchange_t *
ask(mdm_uint_t method, const char *query, const mdm_str_t *body)
{
    mdm_uint_t       i;
    mdm_exchange_t  *x;

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_SCEP;
    x->method = method;
    x->now = PKI_NOW;
    x->step = mdm_endpoint_step;

    text(&x->tenant, "default");
    text(&x->query, query);

    if (body != NULL) {
        x->body = *body;
    }

    while (mdm_exchange_run(x) == MDM_CALL) {
        for (i = 0; i < x->ncalls; i++) {

            /* it gets so far; Redis decides */

            if (x->calls[i].kind != MDM_CALL_KIND_WORK && i == 0) {
                return x;
            }

            if (x->calls[i].kind == MDM_CALL_KIND_WORK) {
                mdm_call_work(&x->calls[i]);

            } else {
                x->calls[i].rc = MDM_CALL_OK;
            }
        }
    }

    return x;
}


/* whoever asks may have a certificate, if this script says so */

static void
asks(mdm_exchange_t *x, const mdm_script_t *script)
{
    assert_int_equal(x->status, 0);
    assert_ptr_equal(x->calls[0].script, script);

    mdm_arena_destroy(x->arena);
}


static void
answered(mdm_exchange_t *x, mdm_uint_t status, const char *type)
{
    assert_int_equal(x->status, status);
    assert_true(mdm_str_is(&x->response_type, type));

    mdm_arena_destroy(x->arena);
}


/* the status of a CertRep, and the log must not know the challenge */

static void
replied(mdm_exchange_t *x, const char *status, const char *logged)
{
    mdm_str_t           value;
    mdm_log_t          *line;
    mdm_uint_t          found;
    const char         *why;
    mdm_cms_message_t   m;

    static const mdm_cms_options_t  options = { 1, NULL, NULL, 1 };

    assert_int_equal(x->status, 200);
    assert_true(mdm_str_is(&x->response_type, "application/x-pki-message"));
    assert_true(mdm_str_is(&x->scep_status, status));
    assert_true(mdm_str_is(&x->scep_operation, "PKIOperation"));

    assert_int_equal(mdm_cms_read(x->arena, &x->response, &options, PKI_NOW,
                                  &m, &why),
                     MDM_OK);
    assert_int_equal(X509_cmp(m.signer, ca.cert), 0);
    assert_int_equal(mdm_cms_attribute(&m, SCEP_OID "3", &value), MDM_OK);
    assert_true(mdm_str_is(&value, strcmp(status, "success") == 0 ? "0"
                                                                  : "2"));
    assert_int_equal(mdm_cms_attribute(&m, SCEP_OID "6", &value),
                     (strstr(logged, "senderNonce") != NULL) ? MDM_DECLINED
                                                             : MDM_OK);

    assert_int_equal(x->ca_serial.len,
                     strcmp(status, "success") == 0 ? 2 * MDM_CA_SERIAL : 0);

    found = 0;

    for (line = x->log; line != NULL; line = line->next) {
        found |= (memmem(line->text.data, line->text.len, logged,
                         strlen(logged))
                  != NULL);
        assert_null(memmem(line->text.data, line->text.len, "secret", 6));
    }

    assert_int_equal(found, 1);

    mdm_arena_destroy(x->arena);
}


static mdm_str_t
message(const scep_spec_t *spec)
{
    mdm_str_t  der, copy;

    der = scep_message(spec, &client, ca.cert);
    assert_int_equal(mdm_str_dup(kept, &copy, &der), MDM_OK);
    free(der.data);

    return copy;
}


static void
test_get(void **state)
{
    mdm_exchange_t  *x;

    (void) state;

    answered(ask(MDM_GET, "operation=GetCACaps", NULL), 200, "text/plain");

    x = ask(MDM_GET, "operation=GetCACert&message=any", NULL);
    assert_true(mdm_str_eq(&x->response, &scep.certs));
    answered(x, 200, "application/x-x509-ca-cert");

    answered(ask(MDM_GET, "operation=GetNextCACert", NULL), 400, "");
    answered(ask(MDM_GET, "", NULL), 400, "");
    answered(ask(MDM_GET, "operation=PKIOperation", NULL), 400, "");
    answered(ask(MDM_GET, "operation=PKIOperation&message=**", NULL), 400, "");

    x = ask(MDM_PUT, "operation=GetCACaps", NULL);
    assert_true(mdm_str_is(&x->allow, "GET, POST"));
    answered(x, 405, "");
}


static void
test_challenge(void **state)
{
    mdm_str_t    der;
    scep_spec_t  spec;

    (void) state;

    memset(&spec, 0, sizeof(spec));
    der = message(&spec);

    scep.challenge = MDM_SCEP_CHALLENGE_STATIC;
    text(&scep.secret, "secret");
    asks(ask(MDM_POST, "operation=PKIOperation", &der),
         &mdm_script_spki_claim);

    /* 200 and a CertRep that says so, not 500 (scep#37) */

    text(&scep.secret, "secrets");
    replied(ask(MDM_POST, "operation=PKIOperation", &der), "badRequest",
            "the challenge is wrong, transaction \"TRANSACTION-1\"");

    scep.challenge = MDM_SCEP_CHALLENGE_ONCE;
    asks(ask(MDM_POST, "operation=PKIOperation", &der),
         &mdm_script_challenge_look);

    scep.challenge = MDM_SCEP_CHALLENGE_NONE;
    asks(ask(MDM_POST, "operation=PKIOperation&message=x", &der),
         &mdm_script_spki_claim);
}


/* the message in the query, where there is no body */

static void
test_query(void **state)
{
    char            *query;
    size_t           i, n;
    mdm_str_t        der, base64;
    scep_spec_t      spec;

    (void) state;

    memset(&spec, 0, sizeof(spec));
    der = message(&spec);

    assert_int_equal(mdm_base64(kept, &base64, &der), MDM_OK);

    query = malloc(base64.len * 3 + 100);
    n = (size_t) sprintf(query, "operation=PKIOperation&message=");

    for (i = 0; i < base64.len; i++) {
        if (base64.data[i] == '=') {
            n += (size_t) sprintf(query + n, "%%3D");

        } else {
            query[n++] = (char) base64.data[i];
        }
    }

    query[n] = '\0';

    asks(ask(MDM_GET, query, NULL), &mdm_script_spki_claim);

    free(query);
}


static void
test_refused(void **state)
{
    mdm_str_t    der;
    scep_spec_t  spec;

    (void) state;

    memset(&spec, 0, sizeof(spec));
    spec.type = "20";
    der = message(&spec);
    asks(ask(MDM_POST, "operation=PKIOperation", &der),
         &mdm_script_transaction_get);

    spec.type = "22";
    der = message(&spec);
    replied(ask(MDM_POST, "operation=PKIOperation", &der), "badRequest",
            "type of the message");

    /* its signature verifies: an answer, though no nonce can be in it */

    spec.type = "19";
    spec.nonce = "";
    der = message(&spec);
    replied(ask(MDM_POST, "operation=PKIOperation", &der), "badMessageCheck",
            "no senderNonce, or too long a one, transaction \"TRANSACTION-1\"");
    spec.nonce = NULL;

    spec.broken = 1;
    der = message(&spec);
    replied(ask(MDM_POST, "operation=PKIOperation", &der), "badMessageCheck",
            "does not verify");

    der.len--;
    answered(ask(MDM_POST, "operation=PKIOperation", &der), 400, "");
}


static int
setup_group(void **state)
{
    size_t             at;
    pki_spec_t         spec;
    const char        *why;
    mdm_ca_subject_t  *subject;

    static const mdm_str_t  template = mdm_string("CN=${id}");

    (void) state;

    memset(&spec, 0, sizeof(spec));
    spec.cn = "CA";
    spec.ca = 1;
    spec.bits = 2048;
    ca_pki = pki_issue(&spec);
    client = scep_client(2048);

    kept = mdm_arena_create(4096);

    if (mdm_ca_subject_parse(kept, &template, &subject, &why, &at) != MDM_OK) {
        return 1;
    }

    ca.cert = ca_pki.cert;
    ca.key = ca_pki.key;
    ca.subject = subject;
    ca.digest = EVP_sha256();
    ca.lifetime = PKI_DAY;
    ca.key_minimum = 2048;

    scep.ca = &ca;
    scep.challenge = MDM_SCEP_CHALLENGE_NONE;
    settings.scep = &scep;
    settings.store = &store;

    return mdm_scep_prepare(kept, &scep) != MDM_OK;
}


static int
teardown_group(void **state)
{
    (void) state;

    mdm_arena_destroy(kept);
    pki_free(&ca_pki);
    pki_free(&client);

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_challenge),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_refused)
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
