
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What is said on a new connection before it takes calls, in two writes: who
 * we are and, once that is answered, the rest.  A server closes a connection
 * that is not authenticated and sends it a script of more than 16 kB; the
 * error that says why would be lost.  The replies come in the order of the
 * steps.
 */


#include "ngx_mdm_redis_meta.h"
#include "ngx_mdm_redis_probe.h"


/* steps; those from NGX_MDM_REDIS_LOAD on are one a script */

#define NGX_MDM_REDIS_AUTH      0
#define NGX_MDM_REDIS_SELECT    1
#define NGX_MDM_REDIS_NAME      2
#define NGX_MDM_REDIS_ROLE      3
#define NGX_MDM_REDIS_WAITAOF   4
#define NGX_MDM_REDIS_LOAD      5

#define NGX_MDM_REDIS_PROBE     (NGX_MDM_REDIS_LOAD + mdm_nscripts)
#define NGX_MDM_REDIS_META      (NGX_MDM_REDIS_PROBE + 1)
#define NGX_MDM_REDIS_SETTINGS  (NGX_MDM_REDIS_META + 1)


static ngx_int_t ngx_mdm_redis_write_steps(ngx_mdm_redis_conn_t *conn,
    ngx_uint_t from, ngx_uint_t to);
static ngx_int_t ngx_mdm_redis_rest(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *reason);
static ngx_uint_t ngx_mdm_redis_wanted(ngx_mdm_redis_conn_t *conn,
    ngx_uint_t step);
static ngx_int_t ngx_mdm_redis_write_step(ngx_mdm_redis_conn_t *conn,
    ngx_uint_t step);
static ngx_int_t ngx_mdm_redis_write_select(ngx_mdm_redis_conn_t *conn);
static ngx_int_t ngx_mdm_redis_write_name(ngx_mdm_redis_conn_t *conn);
static ngx_int_t ngx_mdm_redis_write_load(ngx_mdm_redis_conn_t *conn,
    ngx_uint_t i);
static void ngx_mdm_redis_step(ngx_mdm_redis_conn_t *conn);
static ngx_int_t ngx_mdm_redis_role(ngx_mdm_redis_conn_t *conn,
    mdm_reply_t *reply, ngx_str_t *reason);
static ngx_int_t ngx_mdm_redis_loaded(ngx_mdm_redis_conn_t *conn,
    mdm_reply_t *reply, const mdm_script_t *script, ngx_str_t *reason);
static void ngx_mdm_redis_quote(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason,
    mdm_str_t *text);


ngx_int_t
ngx_mdm_redis_handshake(ngx_mdm_redis_conn_t *conn)
{
    conn->meta = 0;
    conn->waitaof = 0;
    conn->step = NGX_MDM_REDIS_AUTH;

    ngx_mdm_redis_step(conn);

    return ngx_mdm_redis_write_steps(conn, NGX_MDM_REDIS_AUTH,
                                     NGX_MDM_REDIS_LOAD);
}


/* writes the steps from "from" on that come before "to" */

static ngx_int_t
ngx_mdm_redis_write_steps(ngx_mdm_redis_conn_t *conn, ngx_uint_t from,
    ngx_uint_t to)
{
    ngx_uint_t  step;

    for (step = from; step < to; step++) {

        if (ngx_mdm_redis_wanted(conn, step)
            && ngx_mdm_redis_write_step(conn, step) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_redis_rest(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason)
{
    if (ngx_mdm_redis_write_steps(conn, NGX_MDM_REDIS_LOAD,
                                  NGX_MDM_REDIS_SETTINGS)
        != NGX_OK
        || ngx_mdm_redis_settings_write(conn) != NGX_OK)
    {
        ngx_str_set(reason, "no memory");
        return NGX_ERROR;
    }

    ngx_post_event(&conn->peer.flush, &ngx_posted_events);

    return NGX_AGAIN;
}


static ngx_uint_t
ngx_mdm_redis_wanted(ngx_mdm_redis_conn_t *conn, ngx_uint_t step)
{
    ngx_mdm_redis_node_t  *node;

    switch (step) {

    case NGX_MDM_REDIS_AUTH:
        return (conn->store->password.len != 0);

    case NGX_MDM_REDIS_SELECT:
        return (conn->store->database != 0);

    case NGX_MDM_REDIS_ROLE:
        node = conn->data;
        return node->redis->mode->role;

    case NGX_MDM_REDIS_WAITAOF:
        return (conn->store->durability == NGX_MDM_DURABILITY_WAIT);

    case NGX_MDM_REDIS_NAME:
        return 1;

    default:

        /* scripts: one of a node's connections is enough */

        return (step >= NGX_MDM_REDIS_META || !conn->durable);
    }
}


static ngx_int_t
ngx_mdm_redis_write_step(ngx_mdm_redis_conn_t *conn, ngx_uint_t step)
{
    static const ngx_str_t  role = ngx_string("ROLE");
    static const ngx_str_t  waitaof[] = {
        ngx_string("WAITAOF"), ngx_string("1"), ngx_string("0"),
        ngx_string("1")
    };

    switch (step) {

    case NGX_MDM_REDIS_AUTH:
        return ngx_mdm_redis_out_auth(&conn->peer.out, &conn->store->user,
                                      &conn->store->password);

    case NGX_MDM_REDIS_SELECT:
        return ngx_mdm_redis_write_select(conn);

    case NGX_MDM_REDIS_NAME:
        return ngx_mdm_redis_write_name(conn);

    case NGX_MDM_REDIS_ROLE:
        return ngx_mdm_redis_out_command(&conn->peer.out, &role, 1);

    case NGX_MDM_REDIS_WAITAOF:

        /* an error unless the server has it, and an append-only file */

        return ngx_mdm_redis_out_command(&conn->peer.out, waitaof, 4);

    default:

        if (step == NGX_MDM_REDIS_PROBE) {
            return ngx_mdm_redis_probe_write(conn);
        }

        return (step == NGX_MDM_REDIS_META)
               ? ngx_mdm_redis_meta_write(conn)
               : ngx_mdm_redis_write_load(conn, step - NGX_MDM_REDIS_LOAD);
    }
}


static ngx_int_t
ngx_mdm_redis_write_select(ngx_mdm_redis_conn_t *conn)
{
    u_char     buf[NGX_INT_T_LEN];
    ngx_str_t  argv[2];

    ngx_str_set(&argv[0], "SELECT");

    argv[1].data = buf;
    argv[1].len = ngx_sprintf(buf, "%ui", conn->store->database) - buf;

    return ngx_mdm_redis_out_command(&conn->peer.out, argv, 2);
}


static ngx_int_t
ngx_mdm_redis_write_name(ngx_mdm_redis_conn_t *conn)
{
    ngx_str_t  argv[3];

    /* a store's name has no bytes that redis refuses here */

    ngx_str_set(&argv[0], "CLIENT");
    ngx_str_set(&argv[1], "SETNAME");
    argv[2] = conn->store->name;

    return ngx_mdm_redis_out_command(&conn->peer.out, argv, 3);
}


static ngx_int_t
ngx_mdm_redis_write_load(ngx_mdm_redis_conn_t *conn, ngx_uint_t i)
{
    ngx_str_t  argv[3];

    ngx_str_set(&argv[0], "SCRIPT");
    ngx_str_set(&argv[1], "LOAD");
    argv[2].len = mdm_scripts[i]->body.len;
    argv[2].data = mdm_scripts[i]->body.data;

    return ngx_mdm_redis_out_command(&conn->peer.out, argv, 3);
}


/* skips the steps that were not written */

static void
ngx_mdm_redis_step(ngx_mdm_redis_conn_t *conn)
{
    while (!ngx_mdm_redis_wanted(conn, conn->step)) {
        conn->step++;
    }
}


ngx_int_t
ngx_mdm_redis_handshake_reply(ngx_mdm_redis_conn_t *conn, mdm_reply_t *reply,
    ngx_str_t *reason)
{
    ngx_int_t   rc;
    ngx_uint_t  step;

    step = conn->step;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm redis handshake reply, step:%ui type:%d",
                   step, (int) reply->type);

    if (step == NGX_MDM_REDIS_PROBE) {

        if (ngx_mdm_redis_probe_reply(conn, reply, reason) != NGX_OK) {
            return NGX_ERROR;
        }

        conn->step++;

        return NGX_AGAIN;
    }

    if (step == NGX_MDM_REDIS_META) {

        if (ngx_mdm_redis_meta_reply(conn, reply, reason) != NGX_OK) {
            return NGX_ERROR;
        }

        conn->step++;

        return (ngx_mdm_redis_settings_count(conn) == 0) ? NGX_OK : NGX_AGAIN;
    }

    if (step >= NGX_MDM_REDIS_SETTINGS) {
        step -= NGX_MDM_REDIS_SETTINGS;

        ngx_mdm_redis_settings_reply(conn, step, reply);

        conn->step++;

        return (step + 1 == ngx_mdm_redis_settings_count(conn)) ? NGX_OK
                                                                : NGX_AGAIN;
    }

    rc = NGX_OK;

    switch (step) {

    case NGX_MDM_REDIS_AUTH:
    case NGX_MDM_REDIS_SELECT:
        if (reply->type == MDM_REPLY_ERROR) {
            rc = NGX_ERROR;
        }

        break;

    case NGX_MDM_REDIS_NAME:

        /* a name is for people only: go without it where it is refused */

        if (reply->type == MDM_REPLY_ERROR
            && !ngx_mdm_redis_begins(&reply->str, "NOPERM")
            && !ngx_mdm_redis_begins(&reply->str, "ERR unknown"))
        {
            rc = NGX_ERROR;
        }

        break;

    case NGX_MDM_REDIS_ROLE:
        rc = ngx_mdm_redis_role(conn, reply, reason);

        if (rc != NGX_OK) {
            return rc;
        }

        break;

    case NGX_MDM_REDIS_WAITAOF:
        conn->waitaof = (reply->type == MDM_REPLY_ARRAY);
        break;

    default:
        return ngx_mdm_redis_loaded(conn, reply,
                                    mdm_scripts[step - NGX_MDM_REDIS_LOAD],
                                    reason);
    }

    if (rc == NGX_ERROR) {
        ngx_mdm_redis_quote(conn, reason, &reply->str);
        return NGX_ERROR;
    }

    conn->step++;

    ngx_mdm_redis_step(conn);

    if (conn->step >= NGX_MDM_REDIS_LOAD) {
        return ngx_mdm_redis_rest(conn, reason);
    }

    return NGX_AGAIN;
}


/* a server that a Sentinel calls the master may have ceased to be one */

static ngx_int_t
ngx_mdm_redis_role(ngx_mdm_redis_conn_t *conn, mdm_reply_t *reply,
    ngx_str_t *reason)
{
    mdm_str_t  role;

    if (reply->type == MDM_REPLY_ERROR) {
        ngx_mdm_redis_quote(conn, reason, &reply->str);
        return NGX_ERROR;
    }

    role = mdm_reply_str(reply, 0);

    if (role.len == 6 && ngx_memcmp(role.data, "master", 6) == 0) {
        return NGX_OK;
    }

    ngx_str_set(reason, "it is no master, other than the Sentinel said");

    return NGX_ERROR;
}


static ngx_int_t
ngx_mdm_redis_loaded(ngx_mdm_redis_conn_t *conn, mdm_reply_t *reply,
    const mdm_script_t *script, ngx_str_t *reason)
{
    u_char     buf[NGX_MDM_REDIS_REASON];
    ngx_str_t  text;

    if (reply->type != MDM_REPLY_ERROR) {

        if (reply->type != MDM_REPLY_STRING
            || reply->str.len != script->sha1.len
            || ngx_memcmp(reply->str.data, script->sha1.data,
                          script->sha1.len)
               != 0)
        {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "mdm store \"%V\": redis %V has another digest of "
                          "the script \"%*s\", it will be sent in full",
                          &conn->store->name, ngx_mdm_redis_conn_name(conn),
                          script->name.len, script->name.data);
        }

        conn->step++;

        if (conn->step == NGX_MDM_REDIS_PROBE) {
            conn->noload = 0;
        }

        return NGX_AGAIN;
    }

    if (!ngx_mdm_redis_begins(&reply->str, "NOPERM")
        && !ngx_mdm_redis_begins(&reply->str, "ERR unknown"))
    {
        ngx_mdm_redis_quote(conn, reason, &reply->str);
        return NGX_ERROR;
    }

    /* EVAL leaves the script with the server as well */

    if (!conn->noload) {
        conn->noload = 1;

        ngx_mdm_redis_text(&text, &reply->str, buf, sizeof(buf));

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "mdm store \"%V\": redis %V refuses SCRIPT LOAD, EVAL "
                      "is used instead (%V)",
                      &conn->store->name, ngx_mdm_redis_conn_name(conn),
                      &text);
    }

    conn->step++;

    return NGX_AGAIN;
}


static void
ngx_mdm_redis_quote(ngx_mdm_redis_conn_t *conn, ngx_str_t *reason,
    mdm_str_t *text)
{
    ngx_mdm_redis_text(reason, text, conn->peer.reason, NGX_MDM_REDIS_REASON);
}
