
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The errors that a server answers: their codes, and their text for the log.
 */


#include "ngx_mdm_redis_error.h"


static const ngx_str_t  ngx_mdm_redis_codes[] = {
    ngx_string("LOADING"),
    ngx_string("READONLY"),
    ngx_string("OOM"),
    ngx_string("MISCONF"),
    ngx_string("BUSY"),
    ngx_string("NOREPLICAS"),
    ngx_string("CLUSTERDOWN"),
    ngx_string("MASTERDOWN"),
    ngx_string("NOAUTH"),
    ngx_string("TRYAGAIN"),
    ngx_null_string
};


ngx_uint_t
ngx_mdm_redis_unavailable(mdm_str_t *error, ngx_str_t *code)
{
    u_char            buf[32], *data;
    size_t            n;
    const ngx_str_t  *name;

    for (name = ngx_mdm_redis_codes; name->len != 0; name++) {

        if (error->len >= name->len
            && ngx_memcmp(error->data, name->data, name->len) == 0
            && (error->len == name->len || error->data[name->len] == ' '))
        {
            *code = *name;
            return 1;
        }
    }

    /* before Redis 7.0 the code of an error in a script is in its text */

    if (!ngx_mdm_redis_begins(error, "ERR Error running script")) {
        return 0;
    }

    for (name = ngx_mdm_redis_codes; name->len != 0; name++) {

        buf[0] = '-';
        ngx_memcpy(buf + 1, name->data, name->len);
        buf[name->len + 1] = ' ';
        n = name->len + 2;

        for (data = error->data;
             (size_t) (error->data + error->len - data) >= n;
             data++)
        {
            if (ngx_memcmp(data, buf, n) == 0) {
                *code = *name;
                return 1;
            }
        }
    }

    return 0;
}


ngx_uint_t
ngx_mdm_redis_elsewhere(mdm_str_t *error)
{
    return (ngx_mdm_redis_begins(error, "MOVED ")
            || ngx_mdm_redis_begins(error, "ASK ")
            || ngx_mdm_redis_begins(error, "TRYAGAIN")
            || ngx_mdm_redis_begins(error, "CLUSTERDOWN"));
}


ngx_uint_t
ngx_mdm_redis_begins(mdm_str_t *error, const char *code)
{
    size_t  len;

    len = ngx_strlen(code);

    return (error->len >= len && ngx_memcmp(error->data, code, len) == 0);
}


void
ngx_mdm_redis_text(ngx_str_t *text, mdm_str_t *from, u_char *buf, size_t size)
{
    size_t  i, len;

    len = ngx_min(from->len, size);

    for (i = 0; i < len; i++) {
        buf[i] = (from->data[i] < 0x20 || from->data[i] >= 0x7f)
                 ? '?' : from->data[i];
    }

    text->data = buf;
    text->len = len;
}
