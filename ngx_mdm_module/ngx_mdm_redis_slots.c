
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a cluster says about slots.
 */


#include "ngx_mdm_redis_slots.h"

#include "mdm_key.h"


ngx_int_t
ngx_mdm_redis_slots_read(mdm_reply_t *reply, ngx_mdm_redis_slots_pt handler,
    void *data)
{
    size_t              i;
    int64_t             first, last, port;
    mdm_str_t           s;
    ngx_str_t           host;
    const mdm_reply_t  *range, *node;

    if (reply->type != MDM_REPLY_ARRAY) {
        return NGX_ERROR;
    }

    for (i = 0; i < reply->nelements; i++) {

        range = mdm_reply_at(reply, i);
        node = mdm_reply_at(range, 2);

        first = mdm_reply_int(range, 0, -1);
        last = mdm_reply_int(range, 1, -1);
        port = mdm_reply_int(node, 1, -1);

        if (first < 0 || last < first || last >= MDM_SLOTS
            || port < 0 || port > 65535)
        {
            return NGX_ERROR;
        }

        s = mdm_reply_str(node, 0);

        host.data = s.data;
        host.len = s.len;

        if (host.len == 1 && host.data[0] == '?') {

            /* the node does not know the name either */

            continue;
        }

        if (handler(data, (ngx_uint_t) first, (ngx_uint_t) last, &host,
                    (in_port_t) port)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_mdm_redis_slots_redirect(mdm_str_t *error, ngx_uint_t *slot,
    ngx_str_t *host, in_port_t *port)
{
    u_char     *p, *last, *colon;
    ngx_int_t   n;

    last = error->data + error->len;

    p = ngx_strlchr(error->data, last, ' ');
    if (p == NULL) {
        return NGX_ERROR;
    }

    host->data = ngx_strlchr(++p, last, ' ');
    if (host->data == NULL) {
        return NGX_ERROR;
    }

    n = ngx_atoi(p, host->data - p);

    if (n == NGX_ERROR || n >= MDM_SLOTS) {
        return NGX_ERROR;
    }

    *slot = (ngx_uint_t) n;

    host->data++;

    /* the last colon: an IPv6 address has more of them */

    for (colon = last - 1; colon >= host->data && *colon != ':'; colon--) {
        /* void */
    }

    if (colon < host->data) {
        return NGX_ERROR;
    }

    host->len = colon - host->data;

    n = ngx_atoi(colon + 1, last - colon - 1);

    if (n <= 0 || n > 65535) {
        return NGX_ERROR;
    }

    *port = (in_port_t) n;

    if (host->len == 1 && host->data[0] == '?') {
        host->len = 0;
    }

    return NGX_OK;
}
