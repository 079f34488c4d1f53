
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A worker's copy of the setups of a tenant, as they are kept in Redis: sealed
 * where there is a key.  It is in the worker's cache, which is bounded.
 */


#include "mdm_setup.h"


static mdm_int_t mdm_setup_copy_key(mdm_exchange_t *x, mdm_str_t *key);
static mdm_uint_t mdm_setup_copy_part(mdm_str_t *copy, mdm_str_t *part);


mdm_int_t
mdm_setup_copy_get(mdm_exchange_t *x, int64_t changes, mdm_str_t *copy)
{
    u_char     *p;
    int64_t     time, known;
    mdm_str_t   key, value, head;

    if (changes < 0) {
        return MDM_DECLINED;
    }

    if (mdm_setup_copy_key(x, &key) != MDM_OK) {
        return MDM_ERROR;
    }

    if (mdm_exchange_cache_get(x, &key, &value) != MDM_OK) {
        return MDM_DECLINED;
    }

    /* "time changes\n", setups */

    p = memchr(value.data, '\n', value.len);
    head.data = value.data;
    head.len = (size_t) (p - value.data);

    value.data = p + 1;
    value.len -= head.len + 1;

    p = memchr(head.data, ' ', head.len);
    key.data = p + 1;
    key.len = (size_t) (head.data + head.len - key.data);
    head.len = (size_t) (p - head.data);

    if (mdm_atoi(&head, &time) != MDM_OK || mdm_atoi(&key, &known) != MDM_OK
        || known != changes || x->now < time
        || x->now - time >= MDM_SETUP_COPY)
    {
        return MDM_DECLINED;
    }

    return mdm_str_dup(x->arena, copy, &value);
}


mdm_int_t
mdm_setup_copy_put(mdm_exchange_t *x, int64_t changes,
    const mdm_reply_t *setups, mdm_str_t *copy)
{
    u_char      *p;
    size_t       row, i, len;
    uint32_t     n;
    mdm_str_t    head, key, part, all;

    if (mdm_printf(x->arena, &head, "%lld %lld\n", (long long) x->now,
                   (long long) changes)
        != MDM_OK
        || mdm_setup_copy_key(x, &key) != MDM_OK)
    {
        return MDM_ERROR;
    }

    len = head.len;

    for (row = MDM_RET_SETUP_LIST_SETUPS;
         mdm_reply_row(setups, row, MDM_NRET_SETUP_LIST_SETUPS)
         && row < MDM_SETUPS * MDM_NRET_SETUP_LIST_SETUPS;
         row += MDM_NRET_SETUP_LIST_SETUPS)
    {
        for (i = 0; i < MDM_NRET_SETUP_LIST_SETUPS; i++) {
            len += sizeof(uint32_t) + mdm_reply_str(setups, row + i).len;
        }
    }

    p = mdm_arena_alloc(x->arena, len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    all.data = p;
    all.len = len;

    memcpy(p, head.data, head.len);
    p += head.len;

    for (i = 0; p < all.data + len; i++) {
        part = mdm_reply_str(setups, MDM_RET_SETUP_LIST_SETUPS + i);
        n = (uint32_t) part.len;

        memcpy(p, &n, sizeof(uint32_t));
        p += sizeof(uint32_t);

        if (n != 0) {
            memcpy(p, part.data, n);
            p += n;
        }
    }

    copy->data = all.data + head.len;
    copy->len = len - head.len;

    if (changes >= 0) {
        mdm_exchange_cache_put(x, &key, &all);
    }

    return MDM_OK;
}


mdm_uint_t
mdm_setup_copy_next(mdm_str_t *copy, mdm_str_t *name, mdm_str_t *value)
{
    return mdm_setup_copy_part(copy, name) && mdm_setup_copy_part(copy, value);
}


static mdm_uint_t
mdm_setup_copy_part(mdm_str_t *copy, mdm_str_t *part)
{
    uint32_t  n;

    if (copy->len < sizeof(uint32_t)) {
        return 0;
    }

    memcpy(&n, copy->data, sizeof(uint32_t));

    part->data = copy->data + sizeof(uint32_t);
    part->len = n;

    copy->data = part->data + n;
    copy->len -= sizeof(uint32_t) + n;

    return 1;
}


/* no declaration has such a key; a worker has one cache for all stores */

static mdm_int_t
mdm_setup_copy_key(mdm_exchange_t *x, mdm_str_t *key)
{
    return mdm_printf(x->arena, key, "\1setups %p %.*s",
                      (const void *) x->settings->store, mdm_fmt(&x->tenant));
}
