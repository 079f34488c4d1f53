
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Lack of memory while declarations, filters and watchers are read, each with
 * every allocation failing in turn.
 */


#include "alloc.h"

#include "mdm_ddm_declaration.h"
#include "mdm_endpoint.h"


#define DECLARATION(type, payload)                                            \
    "{\"Identifier\":\"a/b\",\"Type\":\"com.apple." type "\","                \
    "\"Payload\":" payload "}"


typedef struct {
    const char               *name;
    alloc_rc_e                rc;
    mdm_uint_t                validate;
    const char               *text;
    const char               *path;        /* of an API call, or NULL */
} input_t;


static mdm_limits_t  limits = { MDM_PLIST_DEPTH, MDM_PLIST_NODES };


static void
str(mdm_str_t *s, const char *text)
{
    s->data = (u_char *) text;
    s->len = strlen(text);
}


static alloc_rc_e
op_read(void *data)
{
    input_t                *p;
    mdm_int_t               rc;
    mdm_str_t               s;
    alloc_rc_e              end;
    mdm_arena_t            *arena;
    mdm_schema_warning_t   *w;
    mdm_ddm_declaration_t   d;

    p = data;

    arena = mdm_arena_create(64);
    if (arena == NULL) {
        return ALLOC_FAILED;
    }

    str(&s, p->text);

    rc = mdm_ddm_declaration_read(arena, &s, &limits, p->validate, &d);

    if (rc == MDM_OK) {
        alloc_str(&d.key);
        alloc_str(&d.payload);
        alloc_str(&d.vars);
        alloc_str(&d.refs);

        for (w = d.schema.warnings; w != NULL; w = w->next) {
            alloc_str(&w->text);
        }

        end = ALLOC_OK;

    } else if (rc == MDM_DECLINED) {
        alloc_str(&d.error);
        end = ALLOC_REFUSED;

    } else {
        end = ALLOC_FAILED;
    }

    mdm_arena_destroy(arena);

    return end;
}


/* the first round of a call, which reads what it was sent */

static alloc_rc_e
op_call(void *data)
{
    input_t         *p;
    mdm_int_t        rc;
    mdm_uint_t       i, k;
    alloc_rc_e       end;
    mdm_settings_t   settings;
    mdm_exchange_t  *x;

    static const mdm_store_settings_t  store_settings = { .partitions = 4 };

    p = data;

    memset(&settings, 0, sizeof(mdm_settings_t));

    settings.store = &store_settings;
    settings.validate = p->validate;
    settings.event_limit = 1000;
    settings.plist_depth = MDM_PLIST_DEPTH;
    settings.plist_nodes = MDM_PLIST_NODES;

    x = mdm_exchange_create(&settings);
    if (x == NULL) {
        return ALLOC_FAILED;
    }

    x->kind = MDM_KIND_API;
    x->method = MDM_PUT;
    x->now = 1700000000;

    str(&x->path, p->path);
    str(&x->body, p->text);
    str(&x->tenant, "default");

    mdm_endpoint_find(x);

    rc = mdm_exchange_run(x);

    if (rc == MDM_CALL) {

        for (i = 0; i < x->ncalls; i++) {

            for (k = 0; k < x->calls[i].nargs; k++) {
                alloc_str(&x->calls[i].args[k]);
            }
        }

        end = ALLOC_OK;

    } else if (x->status < 500 && !mdm_str_is(&x->error, "no memory")) {
        alloc_str(&x->error);
        end = ALLOC_REFUSED;

    } else {
        end = ALLOC_FAILED;
    }

    mdm_arena_destroy(x->arena);

    return end;
}


static void
test_read(void **state)
{
    mdm_uint_t  i;

    static const input_t  cases[] = {
        { "a configuration", ALLOC_OK, MDM_VALIDATE_STRICT,
          DECLARATION("configuration.management.test",
                      "{\"Echo\":\"${a} ${b}\",\"ReturnStatus\":\"Failed\"}"),
          NULL },
        { "references", ALLOC_OK, MDM_VALIDATE_STRICT,
          DECLARATION("activation.simple",
                      "{\"StandardConfigurations\":[\"a\",\"b/c\"],"
                      "\"Predicate\":\"@status(mdm.app) == 1\"}"), NULL },
        { "warnings", ALLOC_OK, MDM_VALIDATE_WARN,
          DECLARATION("activation.simple",
                      "{\"StandardConfigurations\":[],\"Standard\":1,"
                      "\"Predicate\":\"@status(no) == @status(nothing)\"}"),
          NULL },
        { "unknown items", ALLOC_OK, MDM_VALIDATE_WARN,
          DECLARATION("configuration.management.status-subscriptions",
                      "{\"StatusItems\":[{\"Name\":\"no\"}]}"), NULL },
        { "an unknown type", ALLOC_OK, MDM_VALIDATE_WARN,
          DECLARATION("configuration.next", "{\"a\":[1,{\"b\":null}]}"),
          NULL },
        { "a wrong type", ALLOC_REFUSED, MDM_VALIDATE_WARN,
          DECLARATION("configuration.management.test", "{\"Echo\":1}"),
          NULL },
        { "a wrong predicate", ALLOC_REFUSED, MDM_VALIDATE_STRICT,
          DECLARATION("activation.simple",
                      "{\"StandardConfigurations\":[\"a\"],"
                      "\"Predicate\":\"(\"}"),
          NULL },
        { "a wrong variable", ALLOC_REFUSED, MDM_VALIDATE_OFF,
          DECLARATION("configuration.next", "{\"a\":\"${\"}"), NULL },
        { "a wrong identifier", ALLOC_REFUSED, MDM_VALIDATE_OFF,
          "{\"Identifier\":\"ngx_mdm.a\"}", NULL },
        { "no JSON", ALLOC_REFUSED, MDM_VALIDATE_OFF, "{\"a\":", NULL }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        alloc_each(cases[i].name, cases[i].rc, op_read, (void *) &cases[i]);
    }
}


static void
test_call(void **state)
{
    mdm_uint_t  i;

    static const input_t  cases[] = {
        { "PUT of a declaration", ALLOC_OK, MDM_VALIDATE_WARN,
          DECLARATION("configuration.management.test",
                      "{\"Echo\":\"${a} ${b}\"}"), "/v1/declarations" },
        { "PUT of a wrong one", ALLOC_REFUSED, MDM_VALIDATE_WARN,
          DECLARATION("configuration.management.test", "{\"Echo\":1}"),
          "/v1/declarations" },
        { "PUT of a filter", ALLOC_OK, 0,
          "{\"tag\":[\"a\",\"b\"],\"type\":[\"Device\"]}",
          "/v1/set-filters/a%2Fb" },
        { "PUT of a wrong filter", ALLOC_REFUSED, 0, "{\"tag\":[1]}",
          "/v1/set-filters/a%2Fb" },
        { "PUT of a watcher", ALLOC_OK, 0,
          "{\"items\":[\"mdm.app\",\"device.\",\"mdm.app\"],\"set\":\"a/b\"}",
          "/v1/status-watchers/a%2Fb" },
        { "PUT of a wrong watcher", ALLOC_REFUSED, 0,
          "{\"items\":[\"a\",\"\"]}", "/v1/status-watchers/a%2Fb" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        alloc_each(cases[i].name, cases[i].rc, op_call, (void *) &cases[i]);
    }
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
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_call)
    };

    alloc_init();

    return cmocka_run_group_tests(tests, NULL, teardown);
}
