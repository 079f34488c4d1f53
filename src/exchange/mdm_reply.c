
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads replies, whatever their shape.
 */


#include "mdm_reply.h"


size_t
mdm_reply_size(const mdm_reply_t *reply)
{
    return (reply != NULL && reply->type == MDM_REPLY_ARRAY) ? reply->nelements
                                                             : 0;
}


mdm_uint_t
mdm_reply_row(const mdm_reply_t *reply, size_t i, size_t n)
{
    size_t  size;

    size = mdm_reply_size(reply);

    return i <= size && n <= size - i;
}


const mdm_reply_t *
mdm_reply_at(const mdm_reply_t *reply, size_t i)
{
    return (i < mdm_reply_size(reply)) ? reply->elements[i] : NULL;
}


int64_t
mdm_reply_code(const mdm_reply_t *reply, int64_t def)
{
    return mdm_reply_int(reply, 0, def);
}


int64_t
mdm_reply_int(const mdm_reply_t *reply, size_t i, int64_t def)
{
    const mdm_reply_t  *e;

    e = mdm_reply_at(reply, i);

    return (e != NULL && e->type == MDM_REPLY_INTEGER) ? e->integer : def;
}


int64_t
mdm_reply_count(const mdm_reply_t *reply, size_t i, int64_t most)
{
    int64_t  n;

    n = mdm_reply_int(reply, i, 0);

    return (n < 0) ? 0 : (n > most) ? most : n;
}


mdm_str_t
mdm_reply_str(const mdm_reply_t *reply, size_t i)
{
    const mdm_reply_t  *e;

    e = mdm_reply_at(reply, i);

    if (e == NULL || e->type != MDM_REPLY_STRING) {
        return (mdm_str_t) mdm_null_string;
    }

    return e->str;
}
