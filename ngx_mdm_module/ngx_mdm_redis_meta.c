
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * "mdm:meta", which a new connection asks for: is this the store that it must
 * be, with as many partitions and the same keys?
 */


#include "ngx_mdm_redis_meta.h"

#include "mdm_key.h"


/* what the first element of the meta script's list says */

#define NGX_MDM_REDIS_META_FITS     0
#define NGX_MDM_REDIS_META_OTHER    1
#define NGX_MDM_REDIS_META_VERSION  2


static ngx_int_t ngx_mdm_redis_meta_list(ngx_mdm_redis_conn_t *conn,
    mdm_reply_t *reply, ngx_str_t *reason);
static void ngx_mdm_redis_meta_version(ngx_mdm_redis_conn_t *conn,
    mdm_reply_t *reply, ngx_str_t *reason);


/* by EVAL, so that it does not depend on SCRIPT LOAD */

ngx_int_t
ngx_mdm_redis_meta_write(ngx_mdm_redis_conn_t *conn)
{
    u_char      buf[NGX_INT_T_LEN], keys[NGX_MDM_STORE_KEYS];
    u_char      expected[NGX_MDM_STORE_ID], id[NGX_MDM_STORE_ID];
    mdm_str_t   args[MDM_NARGS_META + MDM_SECRET_KEYS + 1];
    mdm_call_t  call;

    ngx_memzero(&call, sizeof(mdm_call_t));

    args[MDM_ARG_META_NUMBER].data = buf;
    args[MDM_ARG_META_NUMBER].len = ngx_sprintf(buf, "%ui",
                                                conn->store->partitions)
                                    - buf;

    args[MDM_ARG_META_EXPECTED].data = expected;
    args[MDM_ARG_META_EXPECTED].len = ngx_mdm_store_id_expected(conn->store,
                                                                expected);

    if (ngx_mdm_store_id_random(id) != NGX_OK) {
        return NGX_ERROR;
    }

    args[MDM_ARG_META_NEW].data = id;
    args[MDM_ARG_META_NEW].len = NGX_MDM_STORE_ID;

    mdm_str_set(&args[MDM_ARG_META_RELEASE], MDM_VERSION);

    call.script = &mdm_script_meta;
    mdm_str_set(&call.key, "mdm:meta");
    call.args = args;
    call.nargs = MDM_NARGS_META
                 + ngx_mdm_store_keys(conn->store, &args[MDM_ARG_META_CHECKS],
                                      keys);

    if (conn->store->encryption_required) {
        mdm_str_set(&args[call.nargs], "sealed");
        call.nargs++;
    }

    return ngx_mdm_redis_out_call(&conn->peer.out, &call, NGX_MDM_REDIS_EVAL);
}


ngx_int_t
ngx_mdm_redis_meta_reply(ngx_mdm_redis_conn_t *conn, mdm_reply_t *reply,
    ngx_str_t *reason)
{
    ngx_mdm_redis_node_t  *node;

    node = conn->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm redis meta reply, type:%d",
                   (int) reply->type);

    if (reply->type == MDM_REPLY_ERROR) {

        /* in a cluster one node has the key */

        if (node->redis->mode->slots
            && (ngx_mdm_redis_begins(&reply->str, "MOVED ")
                || ngx_mdm_redis_begins(&reply->str, "ASK ")
                || node->redis->meta_checked))
        {
            return NGX_OK;
        }

        ngx_mdm_redis_text(reason, &reply->str, conn->peer.reason,
                           NGX_MDM_REDIS_REASON);
        return NGX_ERROR;
    }

    if (reply->type == MDM_REPLY_STRING) {

        /* the keys do not fit: it says why */

        ngx_mdm_redis_text(reason, &reply->str, conn->peer.reason,
                           NGX_MDM_REDIS_REASON);
        return NGX_ERROR;
    }

    if (reply->type == MDM_REPLY_ARRAY) {

        if (ngx_mdm_redis_meta_list(conn, reply, reason) != NGX_OK) {
            return NGX_ERROR;
        }

        conn->meta = 1;
        return NGX_OK;
    }

    if (reply->type != MDM_REPLY_INTEGER) {
        ngx_str_set(reason, "the meta script has no reply of its own");
        return NGX_ERROR;
    }

    ngx_mdm_peer_reason(&conn->peer, reason, "it was set up with %L "
                              "partitions, but \"partitions\" is %ui",
                              reply->integer, conn->store->partitions);

    return NGX_ERROR;
}


/*
 * Takes the list that the meta script has replied with.  NGX_OK; NGX_ERROR:
 * it is not the store that it must be, *reason says so, and an alert what to
 * do.
 */

static ngx_int_t
ngx_mdm_redis_meta_list(ngx_mdm_redis_conn_t *conn, mdm_reply_t *reply,
    ngx_str_t *reason)
{
    mdm_str_t  id, expected;

    id = mdm_reply_str(reply, 1);
    expected = mdm_reply_str(reply, 2);

    switch (mdm_reply_int(reply, 0, -1)) {

    case NGX_MDM_REDIS_META_FITS:

        if (ngx_mdm_store_id_learn(conn->store, &expected, &id) != NGX_OK) {
            ngx_str_set(reason, "another worker knows of another store");
            return NGX_ERROR;
        }

        return NGX_OK;

    case NGX_MDM_REDIS_META_OTHER:
        ngx_mdm_redis_meta_other(conn->store, ngx_mdm_redis_conn_name(conn),
                                 &id, &expected, conn->peer.reason, reason);
        return NGX_ERROR;

    case NGX_MDM_REDIS_META_VERSION:
        ngx_mdm_redis_meta_version(conn, reply, reason);
        return NGX_ERROR;

    default:
        ngx_str_set(reason, "the meta script has no reply of its own");
        return NGX_ERROR;
    }
}


void
ngx_mdm_redis_meta_other(ngx_mdm_store_t *store, ngx_str_t *name,
    mdm_str_t *id, mdm_str_t *expected, u_char *buf, ngx_str_t *reason)
{
    u_char     *p, text[NGX_MAX_ERROR_STR / 2];
    ngx_str_t   s;

    if (ngx_mdm_redis_meta_id(id)) {
        p = ngx_slprintf(buf, buf + NGX_MDM_REDIS_REASON,
                         "it is another store: its id is %*s, not %*s",
                         id->len, id->data, expected->len, expected->data);

    } else {
        p = ngx_slprintf(buf, buf + NGX_MDM_REDIS_REASON,
                         "it has no store id, not %*s: it is empty, or "
                         "another database", expected->len, expected->data);
    }

    reason->data = buf;
    reason->len = p - buf;

    p = ngx_slprintf(text, text + sizeof(text),
                     "redis %V is not the store that it was, requests get 503 "
                     "(%V): mend \"server\" or \"database\", or bring its "
                     "data back; if this one is to take its place, with other "
                     "enrollments or none, say so by \"mdm-store adopt %*s\"",
                     name, reason, expected->len, expected->data);

    s.data = text;
    s.len = p - text;

    ngx_mdm_store_id_alert(store, reason, &s);
}


static void
ngx_mdm_redis_meta_version(ngx_mdm_redis_conn_t *conn, mdm_reply_t *reply,
    ngx_str_t *reason)
{
    u_char      text[NGX_MAX_ERROR_STR / 2], version[32], release[64], *p;
    mdm_str_t   s;
    ngx_str_t   v, r, t;
    ngx_uint_t  older;

    s = mdm_reply_str(reply, MDM_RET_META_VERSION);
    older = mdm_str_is(&s, "1");
    ngx_mdm_redis_text(&v, &s, version, sizeof(version));

    s = mdm_reply_str(reply, MDM_RET_META_RELEASE);
    ngx_mdm_redis_text(&r, &s, release, sizeof(release));

    ngx_mdm_peer_reason(&conn->peer, reason, "its keyspace is of version %V, "
                              "release " MDM_VERSION " knows version "
                              MDM_KEYSPACE_VERSION, &v);

    p = ngx_slprintf(text, text + sizeof(text),
                     "redis %V cannot be used by this release, requests get "
                     "503 (%V): it ",
                     ngx_mdm_redis_conn_name(conn), reason);

    if (older) {
        p = ngx_slprintf(p, text + sizeof(text), "is of before the first "
                         "release, set up a new store");

    } else if (r.len != 0) {
        p = ngx_slprintf(p, text + sizeof(text), "needs release %V or a later "
                         "one", &r);

    } else {
        p = ngx_slprintf(p, text + sizeof(text), "needs a release that knows "
                         "version %V", &v);
    }

    p = ngx_slprintf(p, text + sizeof(text), ", see docs/upgrade.md");

    t.data = text;
    t.len = p - text;

    ngx_mdm_store_id_alert(conn->store, reason, &t);
}


/* what comes from a server goes into the log only if it looks like an id */

ngx_uint_t
ngx_mdm_redis_meta_id(mdm_str_t *id)
{
    size_t  i;

    for (i = 0; i < id->len; i++) {

        if (!((id->data[i] >= '0' && id->data[i] <= '9')
              || (id->data[i] >= 'a' && id->data[i] <= 'f')))
        {
            return 0;
        }
    }

    return (id->len == NGX_MDM_STORE_ID);
}
