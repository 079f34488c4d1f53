
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A user that lacks a command would fail half-way through a script: what was
 * written before stays.  So the commands are tried behind the handshake, by a
 * script on a key of its own, and a server that lacks one is not used.
 */


#include "ngx_mdm_redis_probe.h"

#include "mdm_key.h"


/* "mdm:probe:{n}" */
#define NGX_MDM_REDIS_PROBE_KEY  (sizeof("mdm:probe:{}") + NGX_INT_T_LEN)


ngx_int_t
ngx_mdm_redis_probe_write(ngx_mdm_redis_conn_t *conn)
{
    u_char                 buf[NGX_MDM_REDIS_PROBE_KEY];
    mdm_call_t             call;
    ngx_mdm_redis_node_t  *node;

    node = conn->data;

    ngx_memzero(&call, sizeof(mdm_call_t));

    call.script = &mdm_script_probe;
    mdm_str_set(&call.key, "mdm:probe");

    if (node->redis->mode->key != NULL) {
        call.key.data = buf;
        call.key.len = node->redis->mode->key(node, buf, "mdm:probe:{%ui}");
    }

    return ngx_mdm_redis_out_call(&conn->peer.out, &call, NGX_MDM_REDIS_EVAL);
}


ngx_int_t
ngx_mdm_redis_probe_reply(ngx_mdm_redis_conn_t *conn, mdm_reply_t *reply,
    ngx_str_t *reason)
{
    u_char                *p, *last, name[32];
    size_t                 i;
    mdm_str_t              s;
    ngx_str_t              text;
    ngx_mdm_redis_node_t  *node;

    node = conn->data;

    if (reply->type == MDM_REPLY_ERROR) {

        if (node->redis->mode->slots && ngx_mdm_redis_elsewhere(&reply->str)) {

            /* its slots are on their way; the next connection asks again */

            return NGX_OK;
        }

        ngx_mdm_redis_text(reason, &reply->str, conn->peer.reason,
                           NGX_MDM_REDIS_REASON);
        return NGX_ERROR;
    }

    if (reply->type != MDM_REPLY_ARRAY) {
        ngx_str_set(reason, "the probe script has no reply of its own");
        return NGX_ERROR;
    }

    if (reply->nelements == 0) {
        return NGX_OK;
    }

    p = conn->peer.reason;
    last = p + NGX_MDM_REDIS_REASON;

    p = ngx_slprintf(p, last, "its user may not call");

    for (i = 0; i < reply->nelements; i++) {
        s = mdm_reply_str(reply, i);

        ngx_mdm_redis_text(&text, &s, name, sizeof(name));

        p = ngx_slprintf(p, last, "%s %V", (i == 0) ? "" : ",", &text);
    }

    p = ngx_slprintf(p, last, ": see \"Redis ACL\" in docs/keyspace.md");

    reason->data = conn->peer.reason;
    reason->len = p - conn->peer.reason;

    return NGX_ERROR;
}
