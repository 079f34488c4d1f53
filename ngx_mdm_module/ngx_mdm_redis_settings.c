
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Does the server keep what "durability" promises?  Its settings are read
 * behind the handshake, and what is weaker is told to the log: once for each
 * server, and again when it has changed.
 */


#include "ngx_mdm_redis_node.h"


/* the first two are asked for in any case */

#define NGX_MDM_REDIS_MAXMEMORY    0
#define NGX_MDM_REDIS_POLICY       1
#define NGX_MDM_REDIS_APPENDONLY   2
#define NGX_MDM_REDIS_APPENDFSYNC  3
#define NGX_MDM_REDIS_MINREPLICAS  4


static ngx_str_t  ngx_mdm_redis_configs[] = {
    ngx_string("maxmemory"),
    ngx_string("maxmemory-policy"),
    ngx_string("appendonly"),
    ngx_string("appendfsync"),
    ngx_string("min-replicas-to-write")
};


static ngx_int_t ngx_mdm_redis_settings_replicas(mdm_reply_t *reply);
static void ngx_mdm_redis_settings_judge(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_settings_t *s);
static ngx_uint_t ngx_mdm_redis_settings_is(ngx_str_t *value,
    const char *text);


ngx_uint_t
ngx_mdm_redis_settings_count(ngx_mdm_redis_conn_t *conn)
{
    /* one of the workers, and one of a node's connections, is enough */

    if (ngx_worker != 0 || conn->durable) {
        return 0;
    }

    return (conn->store->durability == NGX_MDM_DURABILITY_WAIT)
           ? NGX_MDM_REDIS_CONFIGS + 1 : 2;
}


ngx_int_t
ngx_mdm_redis_settings_write(ngx_mdm_redis_conn_t *conn)
{
    ngx_str_t   argv[3];
    ngx_uint_t  i, n;

    n = ngx_mdm_redis_settings_count(conn);

    for (i = 0; i < n && i < NGX_MDM_REDIS_CONFIGS; i++) {
        ngx_str_set(&argv[0], "CONFIG");
        ngx_str_set(&argv[1], "GET");
        argv[2] = ngx_mdm_redis_configs[i];

        if (ngx_mdm_redis_out_command(&conn->out, argv, 3) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (n <= NGX_MDM_REDIS_CONFIGS) {
        return NGX_OK;
    }

    ngx_str_set(&argv[0], "INFO");
    ngx_str_set(&argv[1], "replication");

    return ngx_mdm_redis_out_command(&conn->out, argv, 2);
}


void
ngx_mdm_redis_settings_reply(ngx_mdm_redis_conn_t *conn, ngx_uint_t i,
    mdm_reply_t *reply)
{
    mdm_str_t                  value;
    ngx_mdm_redis_node_t      *node;
    ngx_mdm_redis_settings_t  *s;

    node = conn->data;
    s = &node->settings;

    if (i == 0) {
        ngx_memzero(s, sizeof(ngx_mdm_redis_settings_t));
        s->replicas = -1;
    }

    if (i < NGX_MDM_REDIS_CONFIGS) {
        value = mdm_reply_str(reply, 1);

        if (reply->type == MDM_REPLY_ERROR) {
            ngx_log_error(NGX_LOG_INFO, &conn->log, 0,
                          "redis does not tell \"%V\": %*s",
                          &ngx_mdm_redis_configs[i], reply->str.len,
                          reply->str.data);

        } else if (value.len <= NGX_MDM_REDIS_VALUE) {
            s->value[i].data = s->buffer[i];
            s->value[i].len = value.len;
            ngx_memcpy(s->value[i].data, value.data, value.len);
        }

    } else {
        s->replicas = ngx_mdm_redis_settings_replicas(reply);
    }

    if (i + 1 == ngx_mdm_redis_settings_count(conn)) {
        ngx_mdm_redis_settings_judge(conn, s);
    }
}


/* "connected_slaves:1" of INFO */

static ngx_int_t
ngx_mdm_redis_settings_replicas(mdm_reply_t *reply)
{
    u_char           *p, *last;
    ngx_int_t         n;
    static ngx_str_t  field = ngx_string("connected_slaves:");

    if (reply->type != MDM_REPLY_STRING) {
        return -1;
    }

    last = reply->str.data + reply->str.len;

    p = ngx_strnstr(reply->str.data, (char *) field.data, reply->str.len);

    if (p == NULL) {
        return -1;
    }

    p += field.len;

    for (n = 0; p < last && *p >= '0' && *p <= '9' && n < 1000000; p++) {
        n = n * 10 + (*p - '0');
    }

    return n;
}


static void
ngx_mdm_redis_settings_judge(ngx_mdm_redis_conn_t *conn,
    ngx_mdm_redis_settings_t *s)
{
    u_char                *p, *last, text[512];
    uint32_t               hash;
    ngx_str_t             *v, weak;
    ngx_int_t              n;
    ngx_mdm_store_t       *store;
    ngx_mdm_redis_node_t  *node;

    node = conn->data;
    store = conn->store;
    v = s->value;

    p = text;
    last = text + sizeof(text);

    if (v[NGX_MDM_REDIS_POLICY].len != 0
        && !ngx_mdm_redis_settings_is(&v[NGX_MDM_REDIS_POLICY], "noeviction")
        && !ngx_mdm_redis_settings_is(&v[NGX_MDM_REDIS_MAXMEMORY], "0"))
    {
        p = ngx_slprintf(p, last, ", maxmemory-policy is \"%V\": it deletes "
                         "enrollments and commands when memory is short",
                         &v[NGX_MDM_REDIS_POLICY]);
    }

    if (store->durability == NGX_MDM_DURABILITY_WAIT) {

        if (ngx_mdm_redis_settings_is(&v[NGX_MDM_REDIS_APPENDONLY], "no")) {
            p = ngx_slprintf(p, last, ", appendonly is \"no\": a restart loses "
                             "what it was told");

        } else if (v[NGX_MDM_REDIS_APPENDFSYNC].len != 0
                   && !ngx_mdm_redis_settings_is(
                                  &v[NGX_MDM_REDIS_APPENDFSYNC], "always")
                   && !conn->waitaof)
        {
            p = ngx_slprintf(p, last, ", appendfsync is \"%V\" and there is no "
                             "WAITAOF: a crash loses the last writes",
                             &v[NGX_MDM_REDIS_APPENDFSYNC]);
        }

        if (s->replicas >= 0
            && s->replicas < (ngx_int_t) store->wait_replicas)
        {
            p = ngx_slprintf(p, last, ", it has %i replicas: writes get 503",
                             s->replicas);
        }

        n = ngx_atoi(v[NGX_MDM_REDIS_MINREPLICAS].data,
                     v[NGX_MDM_REDIS_MINREPLICAS].len);

        if (n != NGX_ERROR && n < (ngx_int_t) store->wait_replicas) {
            p = ngx_slprintf(p, last, ", min-replicas-to-write is %i: it goes "
                             "on writing without replicas", n);
        }
    }

    weak.data = text;
    weak.len = p - text;

    hash = ngx_crc32_short(weak.data, weak.len);

    if (weak.len == 0 || node->told.settings == hash) {
        node->told.settings = hash;
        return;
    }

    node->told.settings = hash;

    weak.data += 2;
    weak.len -= 2;

    if (store->durability == NGX_MDM_DURABILITY_WAIT) {
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


static ngx_uint_t
ngx_mdm_redis_settings_is(ngx_str_t *value, const char *text)
{
    return (value->len == ngx_strlen(text)
            && ngx_strncasecmp(value->data, (u_char *) text, value->len)
               == 0);
}
