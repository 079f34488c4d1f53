
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * One request after the other through a real redis-server, which is empty when
 * a test begins: setup and teardown.
 */


#ifndef _MDM_UNIT_CALL_H_INCLUDED_
#define _MDM_UNIT_CALL_H_INCLUDED_


#include "mdm_unit_api.h"
#include "mdm_unit_redis.h"


static mdm_settings_t      settings;
static mdm_unit_redis_t   *redis;
static mdm_exchange_t     *x;              /* of the last request */


static inline int
setup(void **state)
{
    redis = *state;
    settings = mdm_unit_api_settings();

    mdm_unit_redis_clean(redis);

    return 0;
}


static inline int
teardown(void **state)
{
    (void) state;

    if (x != NULL) {
        mdm_arena_destroy(x->arena);
        x = NULL;
    }

    return 0;
}


#endif /* _MDM_UNIT_CALL_H_INCLUDED_ */
