
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the error log is told of redis: a line when a state begins, one when it
 * ends, and never one a request.
 */


#include "ngx_mdm_redis_node.h"


/* seconds without an error after which a state has ended */
#define NGX_MDM_REDIS_QUIET  10


void
ngx_mdm_redis_log_up(ngx_mdm_redis_health_t *health, const char *what,
    ngx_str_t *name)
{
    ngx_mdm_redis_t  *redis;

    redis = health->redis;

    if (!health->down) {
        ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                      "mdm store \"%V\": connected to %s %V",
                      &redis->store->name, what, name);
        return;
    }

    health->down = 0;
    health->reason.len = 0;

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "mdm store \"%V\": %s %V is up again after %Ts, "
                  "%ui calls were refused",
                  &redis->store->name, what, name, ngx_time() - health->since,
                  redis->stats->refused - health->refused);
}


/* logs it once, and again when the reason is another one */

void
ngx_mdm_redis_log_down(ngx_mdm_redis_health_t *health, const char *what,
    ngx_str_t *name, ngx_str_t *reason)
{
    ngx_mdm_redis_t  *redis;

    redis = health->redis;

    if (health->down
        && health->reason.len == reason->len
        && ngx_memcmp(health->reason.data, reason->data, reason->len) == 0)
    {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "mdm store \"%V\": %s %V is %sdown (%V), requests get 503",
                  &redis->store->name, what, name,
                  health->down ? "still " : "", reason);

    health->reason.data = health->buffer;
    health->reason.len = ngx_min(reason->len, NGX_MDM_REDIS_REASON);

    ngx_memcpy(health->reason.data, reason->data, health->reason.len);

    if (!health->down) {
        health->down = 1;
        health->since = ngx_time();
        health->refused = redis->stats->refused;
    }
}


void
ngx_mdm_redis_log_trouble(ngx_mdm_redis_health_t *health, ngx_str_t *name,
    ngx_mdm_redis_op_t *op, ngx_str_t *code, mdm_str_t *error)
{
    u_char     buf[NGX_MDM_REDIS_REASON];
    ngx_str_t  text;

    health->answered++;
    health->last = ngx_time();

    if (health->trouble && health->code.data == code->data) {

        if (!op->write) {
            health->write = 0;
        }

        return;
    }

    health->trouble = 1;
    health->write = op->write;
    health->code = *code;
    health->script = (op->call != NULL) ? op->call->script : NULL;
    health->answered = 1;

    ngx_mdm_redis_text(&text, error, buf, sizeof(buf));

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "mdm store \"%V\": redis %V answers %V, requests get 503 "
                  "(%V)",
                  &health->redis->store->name, name, code, &text);
}


/*
 * Does the success of this call mean that the server is well again?  Where only
 * writes are refused, most polls succeed all the time, and so may some writes:
 * then the script that failed must succeed, or no error must have come for a
 * while.
 */

void
ngx_mdm_redis_log_recovered(ngx_mdm_redis_health_t *health, ngx_str_t *name,
    ngx_mdm_redis_op_t *op)
{
    if (!health->trouble) {
        return;
    }

    if (health->write) {

        if (!op->write) {
            return;
        }

        if ((op->call == NULL || op->call->script != health->script)
            && ngx_time() - health->last < NGX_MDM_REDIS_QUIET)
        {
            return;
        }
    }

    health->trouble = 0;

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "mdm store \"%V\": redis %V does not answer %V any more, "
                  "%ui calls got it",
                  &health->redis->store->name, name, &health->code,
                  health->answered);
}


void
ngx_mdm_redis_log_replicated(ngx_mdm_redis_health_t *health, ngx_str_t *name,
    ngx_uint_t enough, ngx_int_t replicas)
{
    ngx_mdm_store_t  *store;

    store = health->redis->store;

    if (!enough) {
        ngx_mdm_redis_count(health->redis->stats, unconfirmed);

        if (health->unconfirmed++ != 0) {
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

    if (health->unconfirmed == 0) {
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "mdm store \"%V\": writes to redis %V are confirmed again, "
                  "%ui batches were not",
                  &store->name, name, health->unconfirmed);

    health->unconfirmed = 0;
}


void
ngx_mdm_redis_log_full(ngx_mdm_redis_t *redis, ngx_uint_t bulk,
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
ngx_mdm_redis_log_failure(ngx_mdm_redis_t *redis, ngx_mdm_redis_op_t *op,
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
