
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * An exchange in the hands of another thread, which runs a step that takes
 * long.
 */


#include "mdm_exchange.h"


mdm_uint_t
mdm_exchange_heavy(const mdm_exchange_t *x)
{
    size_t      bytes;
    mdm_uint_t  i;

    if (x->heavy) {
        return 1;
    }

    if (x->ncalls == 0) {
        return (x->body.len > MDM_EXCHANGE_LARGE);
    }

    bytes = 0;

    for (i = 0; i < x->ncalls; i++) {
        bytes += x->calls[i].bytes;
    }

    return (bytes > MDM_EXCHANGE_LARGE);
}


mdm_int_t
mdm_exchange_away(mdm_exchange_t *x)
{
    if (x->secrets == NULL
        && mdm_secret_keys_copy(x->arena, x->settings->store->secrets,
                                &x->secrets)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_arena_away(x->arena, 1);

    x->away = 1;

    return MDM_OK;
}


void
mdm_exchange_back(mdm_exchange_t *x)
{
    mdm_arena_away(x->arena, 0);

    x->away = 0;

    if (x->cache_key.len != 0) {
        mdm_exchange_cache_put(x, &x->cache_key, &x->cache_value);
        mdm_str_null(&x->cache_key);
    }
}


mdm_int_t
mdm_exchange_cache_get(mdm_exchange_t *x, const mdm_str_t *key,
    mdm_str_t *value)
{
    if (x->cache == NULL || x->away) {
        return MDM_DECLINED;
    }

    return mdm_cache_get(x->cache, key, value);
}


void
mdm_exchange_cache_put(mdm_exchange_t *x, const mdm_str_t *key,
    const mdm_str_t *value)
{
    if (x->away) {

        /* once it is back */

        x->cache_key = *key;
        x->cache_value = *value;

        return;
    }

    /* without memory it is just not kept */

    if (x->cache != NULL) {
        (void) mdm_cache_put(x->cache, key, value);
    }
}
