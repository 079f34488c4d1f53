
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Devices and their administrator, for unit tests: see device.h.
 */


#ifndef _MDM_UNIT_ADMIN_H_INCLUDED_
#define _MDM_UNIT_ADMIN_H_INCLUDED_


#include "device.h"


#define user_is(name)  id_is(UDID) "<key>UserID</key><string>" name          \
                       "</string><key>UserShortName</key><string>anna"        \
                       "</string>"


/* a request of an administrator */

static inline mdm_uint_t
api(void **state, mdm_uint_t method, const char *path, const char *query,
    const char *body)
{
    if (x != NULL) {
        mdm_arena_destroy(x->arena);
    }

    x = mdm_exchange_create(&settings);
    assert_non_null(x);

    x->kind = MDM_KIND_API;
    x->method = method;
    x->now = 1700000000;
    mdm_str_set(&x->tenant, "default");
    x->path.data = (u_char *) path;
    x->path.len = strlen(path);
    x->query.data = (u_char *) query;
    x->query.len = strlen(query);
    x->body.data = (u_char *) body;
    x->body.len = strlen(body);
    mdm_str_set(&x->remote_user, "admin");
    mdm_str_set(&x->remote_addr, "127.0.0.1");

    mdm_endpoint_find(x);
    mdm_unit_redis_run(*state, x);

    return x->status;
}


static inline int
says(const char *text)
{
    return memmem(x->response.data, x->response.len, text, strlen(text))
           != NULL;
}


#endif /* _MDM_UNIT_ADMIN_H_INCLUDED_ */
