
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * "durability wait": the calls of a turn of the event loop are followed by
 * one WAIT, and their replies are held back until its own has come.  What is
 * called meanwhile makes the next batch, since redis reads nothing from a
 * connection that waits; so a missing replica delays a call by two batches
 * at most.
 */


#include "ngx_mdm_redis_conn.h"


static ngx_int_t ngx_mdm_redis_wait_command(ngx_mdm_redis_conn_t *conn,
    ngx_str_t *argv, ngx_uint_t argc);
static void ngx_mdm_redis_wait_refuse(ngx_mdm_redis_conn_t *conn,
    ngx_queue_t *dead);
static ngx_int_t ngx_mdm_redis_wait_count(ngx_mdm_redis_conn_t *conn,
    mdm_reply_t *reply);


ngx_int_t
ngx_mdm_redis_wait_write(ngx_mdm_redis_conn_t *conn)
{
    u_char            replicas[NGX_INT_T_LEN], time[NGX_INT_T_LEN];
    ngx_str_t         argv[4];
    ngx_mdm_store_t  *store;

    store = conn->store;

    conn->batch = 0;
    conn->waited = ngx_current_msec;
    conn->replicas = (ngx_int_t) store->wait_replicas;

    argv[1].data = replicas;
    argv[1].len = ngx_sprintf(replicas, "%ui", store->wait_replicas)
                  - replicas;
    argv[2].data = time;
    argv[2].len = ngx_sprintf(time, "%M", store->wait_time) - time;

    if (store->wait_replicas != 0) {
        ngx_str_set(&argv[0], "WAIT");

        if (ngx_mdm_redis_wait_command(conn, argv, 3) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (conn->waitaof) {

        /* the server's own disk; that of replicas may have no AOF */

        argv[3] = argv[2];
        ngx_str_set(&argv[0], "WAITAOF");
        ngx_str_set(&argv[1], "1");
        ngx_str_set(&argv[2], "0");

        if (ngx_mdm_redis_wait_command(conn, argv, 4) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_redis_wait_command(ngx_mdm_redis_conn_t *conn, ngx_str_t *argv,
    ngx_uint_t argc)
{
    if (ngx_mdm_redis_out_command(&conn->peer.out, argv, argc) != NGX_OK) {
        return NGX_ERROR;
    }

    conn->acks++;

    return NGX_OK;
}


void
ngx_mdm_redis_wait_defer(ngx_mdm_redis_conn_t *conn, ngx_mdm_redis_op_t *op,
    mdm_reply_t *reply, mdm_arena_t *arena)
{
    op->state = NGX_MDM_REDIS_OP_UNACKED;
    op->reply = reply;
    op->arena = arena;

    ngx_queue_insert_tail(&conn->unacked, &op->queue);
}


ngx_int_t
ngx_mdm_redis_wait_reply(ngx_mdm_redis_conn_t *conn, mdm_reply_t *reply,
    mdm_arena_t *arena, ngx_queue_t *dead)
{
    ngx_int_t            n;
    ngx_uint_t           enough, generation;
    ngx_queue_t          held, *q;
    mdm_reply_t         *r;
    mdm_arena_t         *a;
    ngx_mdm_redis_op_t  *op;

    n = ngx_mdm_redis_wait_count(conn, reply);

    mdm_arena_destroy(arena);

    /* the smaller one of both counts */

    conn->replicas = ngx_min(conn->replicas, n);

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->peer.log, 0,
                   "mdm redis wait reply, replicas:%i ms:%M",
                   n, ngx_current_msec - conn->waited);

    if (--conn->acks != 0) {
        return NGX_AGAIN;
    }

    enough = (conn->replicas >= (ngx_int_t) conn->store->wait_replicas);

    conn->owner->replicated(conn, enough, conn->replicas);

    ngx_queue_init(&held);
    ngx_queue_add(&held, &conn->unacked);
    ngx_queue_init(&conn->unacked);

    generation = conn->peer.generation;

    while (!ngx_queue_empty(&held)) {

        q = ngx_queue_head(&held);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);
        op->state = NGX_MDM_REDIS_OP_OFF;

        if (!enough) {

            /* it may have been done, or not: the caller has to repeat it */

            ngx_mdm_redis_wait_discard(op);
            conn->owner->drop(conn, op);
            continue;
        }

        r = op->reply;
        a = op->arena;

        op->reply = NULL;
        op->arena = NULL;

        conn->owner->reply(conn, op, r, a);
    }

    if (conn->peer.generation != generation
        || conn->peer.state != NGX_MDM_PEER_READY)
    {
        return NGX_DONE;
    }

    if (!enough && conn->limit != 0) {
        ngx_mdm_redis_wait_refuse(conn, dead);
    }

    return NGX_OK;
}


/*
 * Writes that were there before this WAIT would have been part of its batch
 * but for the limit of the connection: they have waited as long in vain.
 */

static void
ngx_mdm_redis_wait_refuse(ngx_mdm_redis_conn_t *conn, ngx_queue_t *dead)
{
    ngx_queue_t         *q, *next;
    ngx_mdm_redis_op_t  *op;

    for (q = ngx_queue_head(&conn->waiting);
         q != ngx_queue_sentinel(&conn->waiting);
         q = next)
    {
        next = ngx_queue_next(q);

        op = ngx_queue_data(q, ngx_mdm_redis_op_t, queue);

        if (op->durable
            && (ngx_msec_int_t) (op->called - conn->waited) <= 0)
        {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(dead, q);
        }
    }
}


/*
 * How many replicas have it.  WAITAOF may tell that the server has it, but not
 * how many replicas do: then one more than was asked for.  -1: not even the
 * server has it.
 */

static ngx_int_t
ngx_mdm_redis_wait_count(ngx_mdm_redis_conn_t *conn, mdm_reply_t *reply)
{
    if (reply->type == MDM_REPLY_INTEGER) {
        return (ngx_int_t) reply->integer;
    }

    /* WAITAOF: fsynced here, fsynced by replicas */

    if (reply->type == MDM_REPLY_ARRAY && mdm_reply_int(reply, 0, 0) >= 1)
    {
        return (ngx_int_t) conn->store->wait_replicas + 1;
    }

    return -1;
}


void
ngx_mdm_redis_wait_discard(ngx_mdm_redis_op_t *op)
{
    mdm_arena_destroy(op->arena);

    op->reply = NULL;
    op->arena = NULL;
}
