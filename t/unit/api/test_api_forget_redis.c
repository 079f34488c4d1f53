
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A device is forgotten while it enrolls anew, with a real redis-server: in
 * whatever order their rounds come, who is enrolled has its certificate to
 * itself and is found by its serial number, and of who is not nothing is left.
 */


#include "admin.h"


#define ROUNDS   10

#define SERIAL   "mdm:{default/serial:C02ABC}"
#define CLAIM    "mdm:{default/cert:%s}"


/* what was there before */

typedef enum {
    WAS_ENABLED = 0,
    WAS_AUTHENTICATED,
    WAS_ISSUED,                  /* no pin, but a certificate of the ledger */
    WAS_FORGOTTEN,               /* but for what leads to it */
    WAS_MAX
} was_e;


static u_char  digests[2][32];
static char    hex[2][65];


/* a message under a certificate whose digest is one */

static mdm_exchange_t *
message(mdm_uint_t cert, const char *body)
{
    mdm_exchange_t  *m;

    m = mdm_exchange_create(&settings);
    assert_non_null(m);

    m->kind = MDM_KIND_CHECKIN;
    m->method = MDM_PUT;
    m->now = 1700000000;
    mdm_str_set(&m->tenant, "default");
    m->body.data = (u_char *) body;
    m->body.len = strlen(body);
    m->identity.source = MDM_IDENTITY_TLS;
    m->identity.digest.data = digests[cert];
    m->identity.digest.len = 32;
    m->identity.sha256.data = (u_char *) hex[cert];
    m->identity.sha256.len = 64;
    mdm_str_set(&m->identity.der, "not a real one");

    mdm_endpoint_find(m);

    return m;
}


#define BODY(type, id, more)                                                  \
    "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>"                    \
    "<key>MessageType</key><string>" type "</string>" id more "</dict></plist>"

#define AUTHENTICATE(id)                                                      \
    BODY("Authenticate", id, "<key>Topic</key><string>t</string>"             \
         "<key>SerialNumber</key><string>C02ABC</string>")


static mdm_uint_t
ended(void **state, mdm_exchange_t *m)
{
    mdm_uint_t  status;

    mdm_unit_redis_run(*state, m);
    status = m->status;
    mdm_arena_destroy(m->arena);

    return status;
}


static mdm_exchange_t *
forgets(void)
{
    mdm_exchange_t  *m;

    m = mdm_exchange_create(&settings);
    assert_non_null(m);

    m->kind = MDM_KIND_API;
    m->method = MDM_DELETE;
    m->now = 1700000000;
    mdm_str_set(&m->tenant, "default");
    mdm_str_set(&m->path, "/v1/enrollments/" UDID);
    mdm_str_set(&m->query, "force=1");

    mdm_endpoint_find(m);

    return m;
}


/* one round; 0: it has its answer */

static mdm_uint_t
step(void **state, mdm_exchange_t *m, mdm_uint_t *done)
{
    mdm_uint_t  i;

    if (*done || mdm_exchange_run(m) != MDM_CALL) {
        *done = 1;
        return 0;
    }

    for (i = 0; i < m->ncalls; i++) {
        assert_int_equal(mdm_unit_redis_eval(*state, m->arena, &m->calls[i]),
                         MDM_CALL_OK);
    }

    return 1;
}


static void
before(void **state, was_e was)
{
    mdm_uint_t       i, done;
    mdm_exchange_t  *m;

    mdm_unit_redis_clean(*state);

    assert_int_equal(ended(state, message(0, AUTHENTICATE(id_is(UDID)))), 200);

    if (was == WAS_ENABLED) {
        assert_int_equal(ended(state, message(0, BODY("TokenUpdate",
                                                      id_is(UDID), TOKEN))),
                         200);
    }

    if (was == WAS_ISSUED) {
        redis_int("HDEL " E " cert");
        redis_int("HSET " E " issued %b", digests[0], (size_t) 32);
    }

    if (was == WAS_FORGOTTEN) {
        done = 0;
        m = forgets();

        for (i = 0; i < 3; i++) {
            assert_int_equal(step(state, m, &done), 1);
        }

        mdm_arena_destroy(m->arena);
        assert_int_equal(redis_int("HEXISTS " E " type"), 0);
        assert_int_equal(redis_int("EXISTS " E), 1);
    }
}


/* "cert": of who enrolls meanwhile */

static void
after(void **state, mdm_uint_t cert, const char *what, mdm_uint_t order)
{
    long long  enrolled, claimed, listed;

    enrolled = redis_int("HEXISTS " E " type");
    claimed = redis_int("EXISTS " CLAIM, hex[cert]);
    listed = redis_int("SISMEMBER " SERIAL " " UDID);

    if (claimed != enrolled || listed != enrolled) {
        fail_msg("%s, order %d: enrolled %d, claimed %d, found by its serial "
                 "number %d", what, (int) order, (int) enrolled,
                 (int) claimed, (int) listed);
    }

    if (enrolled) {
        assert_int_equal(ended(state, message(cert, BODY("TokenUpdate",
                                                         id_is(UDID),
                                                         TOKEN))), 200);
        assert_int_equal(ended(state, message(cert,
                                         AUTHENTICATE(id_is(OTHER)))), 403);
    }

    assert_int_equal(ended(state, forgets()), enrolled ? 204 : 404);
    assert_int_equal(redis_int("EXISTS " E " " SERIAL " " CLAIM, hex[cert]),
                     0);
}


static void
meet(void **state, was_e was, mdm_uint_t cert, const char *what)
{
    mdm_uint_t       n, order, status, seen[2], done[2];
    mdm_exchange_t  *forget, *enroll;

    memset(seen, 0, sizeof(seen));

    for (order = 0; order < 1 << ROUNDS; order++) {
        before(state, was);

        memset(done, 0, sizeof(done));
        forget = forgets();
        enroll = message(cert, AUTHENTICATE(id_is(UDID)));

        for (n = 0; n < ROUNDS; n++) {

            if ((order >> n) & 1) {
                (void) step(state, enroll, &done[1]);

            } else {
                (void) step(state, forget, &done[0]);
            }
        }

        while (step(state, enroll, &done[1]) || step(state, forget, &done[0]))
        {
            /* void */
        }

        status = forget->status;
        assert_true(status == 204 || status == 409);
        assert_int_equal(enroll->status, 200);

        seen[redis_int("HEXISTS " E " type")]++;

        mdm_arena_destroy(forget->arena);
        mdm_arena_destroy(enroll->arena);

        after(state, cert, what, order);
    }

    assert_true(seen[0] != 0 && seen[1] != 0);
}


static void
test_same(void **state)
{
    meet(state, WAS_ENABLED, 0, "the same certificate");
    meet(state, WAS_AUTHENTICATED, 0, "the same, before TokenUpdate");
    meet(state, WAS_ISSUED, 0, "the same, which was not pinned");
}


/* it is repeated, since it ended before what leads to the device was free */

static void
test_remnant(void **state)
{
    meet(state, WAS_FORGOTTEN, 0, "the same, which is forgotten again");
    meet(state, WAS_FORGOTTEN, 1, "another, forgotten again");
}


static void
test_other(void **state)
{
    meet(state, WAS_ENABLED, 1, "another certificate");
}


/* it ends anywhere, and is repeated */

static void
test_faults(void **state)
{
    mdm_uint_t       n, i, done;
    mdm_exchange_t  *forget;

    for (n = 1; n <= 5; n++) {
        before(state, WAS_ENABLED);
        redis_int("SADD mdm:{default/0}:pd " UDID);

        done = 0;
        forget = forgets();

        for (i = 0; i < n; i++) {
            assert_int_equal(step(state, forget, &done), 1);
        }

        mdm_arena_destroy(forget->arena);

        assert_int_equal(ended(state, forgets()), (n == 5) ? 404 : 204);
        assert_int_equal(redis_int("EXISTS " E " " SERIAL " " CLAIM, hex[0]),
                         0);
        assert_int_equal(redis_int("ZCARD mdm:{default/0}:ids"), 0);
        assert_int_equal(redis_int("SCARD mdm:{default/0}:pd"), 0);
    }
}


static int
setup(void **state)
{
    mdm_uint_t  i, k;

    for (i = 0; i < 2; i++) {
        memset(digests[i], i ? 0xbb : 0xaa, sizeof(digests[i]));

        for (k = 0; k < 64; k++) {
            hex[i][k] = i ? 'b' : 'a';
        }
    }

    x = mdm_exchange_create(&settings);

    return x == NULL || mdm_unit_redis_setup(state);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_same, clean),
        cmocka_unit_test_setup(test_remnant, clean),
        cmocka_unit_test_setup(test_other, clean),
        cmocka_unit_test_setup(test_faults, clean)
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
