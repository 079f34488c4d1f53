
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * For the unit tests of declarations through a real redis-server.
 */


#ifndef _MDM_UNIT_DDM_REDIS_H_INCLUDED_
#define _MDM_UNIT_DDM_REDIS_H_INCLUDED_


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_ddm_declaration.h"
#include "mdm_endpoint.h"
#include "mdm_unit_call.h"


#define D  "mdm:{default/ddm}"

#define BODY(id, type, payload)                                               \
    "{\"Identifier\":\"" id "\",\"Type\":\"com.apple." type "\","             \
    "\"Payload\":" payload "}"

#define TEST(id, echo)                                                        \
    BODY(id, "configuration.management.test", "{\"Echo\":\"" echo "\"}")

#define ACTIVATION(id, configuration)                                         \
    BODY(id, "activation.simple",                                             \
         "{\"StandardConfigurations\":[\"" configuration "\"]}")


static inline mdm_uint_t
run(mdm_uint_t method, const char *uri, const char *body)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_unit_api_request(&settings, method, uri, NULL, body,
                             strlen(body));

    mdm_unit_redis_run(redis, x);

    if (x->status == 204 || x->status == 304) {
        assert_int_equal(x->response.len, 0);

        /* what is given to an enrollment is told in that call */

        if (strncmp(uri, "/v1/enrollment-", 15) != 0) {
            assert_int_equal(x->kick != NULL, x->status == 204);
        }
    }

    return x->status;
}


static inline mdm_uint_t
put(const char *body)
{
    return run(MDM_PUT, "/v1/declarations", body);
}


static inline void
fails(mdm_uint_t status, mdm_uint_t method, const char *uri,
    const char *body, const char *error)
{
    assert_int_equal(run(method, uri, body), status);
    assert_string_equal(mdm_unit_api_text(x, "error"), error);
}


#endif /* _MDM_UNIT_DDM_REDIS_H_INCLUDED_ */
