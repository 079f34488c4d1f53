
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the error log is told of redis: a line when a state begins, one when
 * it ends, and never one a request.
 */


#include "ngx_mdm_redis_node.h"


/* seconds without an error after which a state has ended */
#define NGX_MDM_REDIS_QUIET  10


void
ngx_mdm_redis_told_up(ngx_mdm_redis_told_t *told, const char *what,
    ngx_str_t *name)
{
    ngx_mdm_redis_t  *redis;

    redis = told->redis;

    if (!told->down) {
        ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                      "mdm store \"%V\": connected to %s %V",
                      &redis->store->name, what, name);
        return;
    }

    told->down = 0;
    told->reason.len = 0;

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "mdm store \"%V\": %s %V is up again after %Ts, "
                  "%ui calls were refused",
                  &redis->store->name, what, name, ngx_time() - told->since,
                  redis->stats.refused - told->refused);
}


/* tells the log once, and again when the reason is another one */

void
ngx_mdm_redis_told_down(ngx_mdm_redis_told_t *told, const char *what,
    ngx_str_t *name, ngx_str_t *reason)
{
    ngx_mdm_redis_t  *redis;

    redis = told->redis;

    if (told->down
        && told->reason.len == reason->len
        && ngx_memcmp(told->reason.data, reason->data, reason->len) == 0)
    {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "mdm store \"%V\": %s %V is %sdown (%V), requests get 503",
                  &redis->store->name, what, name,
                  told->down ? "still " : "", reason);

    told->reason.data = told->buffer;
    told->reason.len = ngx_min(reason->len, NGX_MDM_REDIS_REASON);

    ngx_memcpy(told->reason.data, reason->data, told->reason.len);

    if (!told->down) {
        told->down = 1;
        told->since = ngx_time();
        told->refused = redis->stats.refused;
    }
}


void
ngx_mdm_redis_told_trouble(ngx_mdm_redis_told_t *told, ngx_str_t *name,
    ngx_mdm_redis_op_t *op, ngx_str_t *code, mdm_str_t *error)
{
    u_char     buf[NGX_MDM_REDIS_REASON];
    ngx_str_t  text;

    told->answered++;
    told->last = ngx_time();

    if (told->trouble && told->code.data == code->data) {

        if (!op->write) {
            told->write = 0;
        }

        return;
    }

    told->trouble = 1;
    told->write = op->write;
    told->code = *code;
    told->script = (op->call != NULL) ? op->call->script : NULL;
    told->answered = 1;

    ngx_mdm_redis_text(&text, error, buf, sizeof(buf));

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "mdm store \"%V\": redis %V answers %V, requests get 503 "
                  "(%V)",
                  &told->redis->store->name, name, code, &text);
}


/*
 * Does the success of this call say that the server is well again?  Where
 * only writes are refused, most polls succeed all the time, and some writes
 * may: then the one that failed has to, or all must have been quiet a while.
 */

void
ngx_mdm_redis_told_well(ngx_mdm_redis_told_t *told, ngx_str_t *name,
    ngx_mdm_redis_op_t *op)
{
    if (!told->trouble) {
        return;
    }

    if (told->write) {

        if (!op->write) {
            return;
        }

        if ((op->call == NULL || op->call->script != told->script)
            && ngx_time() - told->last < NGX_MDM_REDIS_QUIET)
        {
            return;
        }
    }

    told->trouble = 0;

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "mdm store \"%V\": redis %V does not answer %V any more, "
                  "%ui calls got it",
                  &told->redis->store->name, name, &told->code,
                  told->answered);
}


void
ngx_mdm_redis_told_replicated(ngx_mdm_redis_told_t *told, ngx_str_t *name,
    ngx_uint_t enough, ngx_int_t replicas)
{
    ngx_mdm_store_t  *store;

    store = told->redis->store;

    if (!enough) {
        told->redis->stats.unconfirmed++;

        if (told->unconfirmed++ != 0) {
            return;
        }

        if (replicas < 0) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "mdm store \"%V\": redis %V has not written to its "
                          "disk within %Mms, requests that write get 503",
                          &store->name, name, store->wait_time);
            return;
        }

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "mdm store \"%V\": %i of %ui replicas of redis %V have "
                      "confirmed a write within %Mms, requests that write "
                      "get 503",
                      &store->name, replicas, store->wait_replicas, name,
                      store->wait_time);
        return;
    }

    if (told->unconfirmed == 0) {
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "mdm store \"%V\": writes to redis %V are confirmed again, "
                  "%ui batches were not",
                  &store->name, name, told->unconfirmed);

    told->unconfirmed = 0;
}


void
ngx_mdm_redis_told_full(ngx_mdm_redis_t *redis, ngx_uint_t bulk,
    ngx_uint_t pending)
{
    if (redis->full[bulk]) {
        return;
    }

    redis->full[bulk] = 1;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "mdm store \"%V\": %ui calls are pending, which is "
                  "\"max_pending\", further requests get 503",
                  &redis->store->name, pending);
}


/* a script has failed: at most a line a second */

void
ngx_mdm_redis_told_failure(ngx_mdm_redis_t *redis, ngx_mdm_redis_op_t *op,
    mdm_str_t *error)
{
    u_char     *p, buf[NGX_MDM_REDIS_REASON], more[64];
    ngx_str_t   text, name, before;

    if (redis->failed == ngx_time()) {
        redis->failures++;
        return;
    }

    redis->failed = ngx_time();

    ngx_mdm_redis_text(&text, error, buf, sizeof(buf));

    if (op->call != NULL) {
        name.len = op->call->script->name.len;
        name.data = op->call->script->name.data;

    } else {
        ngx_str_set(&name, "(abandoned)");
    }

    p = more;

    if (redis->failures != 0) {
        p = ngx_snprintf(more, sizeof(more), ", %ui failures before it were "
                         "not logged", redis->failures);
    }

    before.data = more;
    before.len = p - more;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "mdm store \"%V\": the script \"%V\" has failed (%V)%V",
                  &redis->store->name, &name, &text, &before);

    redis->failures = 0;
}
