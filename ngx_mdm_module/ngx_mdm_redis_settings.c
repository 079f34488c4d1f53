
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Does the server keep what "durability" promises?  INFO is read behind the
 * handshake, and what is weaker is told to the log: once for each server, and
 * again when it has changed.  CONFIG GET would tell more, also the server's
 * passwords, so the module's user does not have it; what INFO does not say is
 * named once.
 */


#include "ngx_mdm_redis_node.h"


#define ngx_mdm_redis_settings_durable(conn)                                  \
    ((conn)->store->durability == NGX_MDM_DURABILITY_WAIT)


static ngx_str_t  ngx_mdm_redis_sections[] = {
    ngx_string("memory"),
    ngx_string("persistence"),
    ngx_string("replication")
};


static ngx_uint_t ngx_mdm_redis_settings_field(mdm_str_t *text,
    const char *name, ngx_str_t *value);
static ngx_int_t ngx_mdm_redis_settings_number(mdm_str_t *text,
    const char *name);
static void ngx_mdm_redis_settings_judge(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_settings_t *s);
static void ngx_mdm_redis_settings_unknown(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_settings_t *s);


ngx_uint_t
ngx_mdm_redis_settings_count(ngx_mdm_redis_conn_t *conn)
{
    /* one of the workers, and one of a node's connections, is enough */

    if (ngx_worker != 0
        || conn != &((ngx_mdm_redis_node_t *) conn->data)->conn)
    {
        return 0;
    }

    return ngx_mdm_redis_settings_durable(conn) ? 3 : 1;
}


ngx_int_t
ngx_mdm_redis_settings_write(ngx_mdm_redis_conn_t *conn)
{
    ngx_str_t   argv[2];
    ngx_uint_t  i, n;

    n = ngx_mdm_redis_settings_count(conn);

    for (i = 0; i < n; i++) {
        ngx_str_set(&argv[0], "INFO");
        argv[1] = ngx_mdm_redis_sections[i];

        if (ngx_mdm_redis_out_command(&conn->peer.out, argv, 2) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_mdm_redis_settings_reply(ngx_mdm_redis_conn_t *conn, ngx_uint_t i,
    mdm_reply_t *reply)
{
    mdm_str_t                  text;
    ngx_str_t                  value;
    ngx_mdm_redis_node_t      *node;
    ngx_mdm_redis_settings_t  *s;

    node = conn->data;
    s = &node->settings;

    if (i == 0) {
        ngx_memzero(s, sizeof(ngx_mdm_redis_settings_t));
        s->memory = -1;
        s->aof = -1;
        s->replicas = -1;
        s->good = -1;
    }

    if (reply->type == MDM_REPLY_STRING) {
        text = reply->str;

    } else {
        mdm_str_null(&text);

        if (reply->type == MDM_REPLY_ERROR) {
            ngx_log_error(NGX_LOG_INFO, &conn->peer.log, 0,
                          "redis does not tell \"INFO %V\": %*s",
                          &ngx_mdm_redis_sections[i], reply->str.len,
                          reply->str.data);
        }
    }

    switch (i) {

    case 0:
        s->memory = ngx_mdm_redis_settings_number(&text, "maxmemory");

        if (ngx_mdm_redis_settings_field(&text, "maxmemory_policy", &value)
            && value.len <= NGX_MDM_REDIS_VALUE)
        {
            s->policy.data = s->buffer;
            s->policy.len = value.len;
            ngx_memcpy(s->buffer, value.data, value.len);
        }

        break;

    case 1:
        s->aof = ngx_mdm_redis_settings_number(&text, "aof_enabled");
        break;

    default: /* 2 */
        s->replicas = ngx_mdm_redis_settings_number(&text,
                                                    "connected_slaves");

        /* INFO has it only where "min-replicas-to-write" is not 0 */

        if (text.len != 0) {
            s->good = ngx_mdm_redis_settings_field(&text,
                                                   "min_slaves_good_slaves",
                                                   &value);
        }
    }

    if (i + 1 == ngx_mdm_redis_settings_count(conn)) {
        ngx_mdm_redis_settings_judge(conn, s);
        ngx_mdm_redis_settings_unknown(conn, s);
    }
}


/* a line "name:value"; 1: it is there */

static ngx_uint_t
ngx_mdm_redis_settings_field(mdm_str_t *text, const char *name,
    ngx_str_t *value)
{
    size_t   len;
    u_char  *p, *end, *last;

    if (text->len == 0) {
        return 0;
    }

    len = ngx_strlen(name);
    last = text->data + text->len;

    for (p = text->data; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, LF);

        if (end == NULL) {
            end = last;
        }

        if ((size_t) (end - p) <= len || p[len] != ':'
            || ngx_memcmp(p, name, len) != 0)
        {
            continue;
        }

        value->data = p + len + 1;
        value->len = end - value->data;

        if (value->len != 0 && value->data[value->len - 1] == CR) {
            value->len--;
        }

        return 1;
    }

    return 0;
}


/* -1: it is not there, or no number */

static ngx_int_t
ngx_mdm_redis_settings_number(mdm_str_t *text, const char *name)
{
    ngx_str_t  value;

    if (!ngx_mdm_redis_settings_field(text, name, &value)) {
        return -1;
    }

    /* NGX_ERROR is -1 */

    return ngx_atoi(value.data, value.len);
}


static void
ngx_mdm_redis_settings_judge(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_settings_t *s)
{
    u_char                *p, *last, text[512];
    uint32_t               hash;
    ngx_str_t              weak;
    ngx_mdm_store_t       *store;
    ngx_mdm_redis_node_t  *node;

    node = conn->data;
    store = conn->store;

    p = text;
    last = text + sizeof(text);

    if (s->memory != 0 && s->policy.len != 0
        && (s->policy.len != sizeof("noeviction") - 1
            || ngx_strncmp(s->policy.data, "noeviction", s->policy.len) != 0))
    {
        p = ngx_slprintf(p, last, ", maxmemory-policy is \"%V\": it deletes "
                         "enrollments and commands when memory is short",
                         &s->policy);
    }

    if (ngx_mdm_redis_settings_durable(conn)) {

        if (s->aof == 0) {
            p = ngx_slprintf(p, last, ", appendonly is \"no\": a restart loses "
                             "what it was told");
        }

        if (s->replicas >= 0
            && s->replicas < (ngx_int_t) store->wait_replicas)
        {
            p = ngx_slprintf(p, last, ", it has %i replicas: writes get 503",
                             s->replicas);
        }

        if (s->good == 0 && store->wait_replicas != 0) {
            p = ngx_slprintf(p, last, ", min-replicas-to-write is 0: it goes "
                             "on writing without replicas");
        }
    }

    weak.data = text;
    weak.len = p - text;

    hash = ngx_crc32_short(weak.data, weak.len);

    if (weak.len == 0 || node->health.settings == hash) {
        node->health.settings = hash;
        return;
    }

    node->health.settings = hash;

    weak.data += 2;
    weak.len -= 2;

    if (ngx_mdm_redis_settings_durable(conn)) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "mdm store \"%V\": the settings of redis %V are weaker "
                      "than \"durability wait %ui\": %V",
                      &store->name, ngx_mdm_redis_conn_name(conn),
                      store->wait_replicas, &weak);
        return;
    }

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "mdm store \"%V\": the settings of redis %V are weak: %V",
                  &store->name, ngx_mdm_redis_conn_name(conn), &weak);
}


/* "durability wait" depends on this, too, but INFO does not tell it */

static void
ngx_mdm_redis_settings_unknown(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_settings_t *s)
{
    u_char                *p, *last, text[512];
    ngx_str_t              what;
    ngx_mdm_redis_node_t  *node;

    node = conn->data;

    if (node->health.unknown) {
        return;
    }

    p = text;
    last = text + sizeof(text);

    if (s->memory == -1) {
        p = ngx_slprintf(p, last, ", maxmemory-policy (must be "
                         "\"noeviction\")");
    }

    if (ngx_mdm_redis_settings_durable(conn)) {

        if (s->aof == -1) {
            p = ngx_slprintf(p, last, ", appendonly (must be \"yes\")");
        }

        if (s->aof != 0 && !conn->waitaof) {
            p = ngx_slprintf(p, last, ", appendfsync (must be \"always\", as "
                             "there is no WAITAOF)");
        }

        if (conn->store->wait_replicas != 0 && s->good != 0) {
            p = ngx_slprintf(p, last, ", min-replicas-to-write (should be "
                             "%ui)", conn->store->wait_replicas);
        }
    }

    if (p == text) {
        return;
    }

    node->health.unknown = 1;

    what.data = text + 2;
    what.len = p - what.data;

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "mdm store \"%V\": redis %V does not tell the module: %V",
                  &conn->store->name, ngx_mdm_redis_conn_name(conn), &what);
}
