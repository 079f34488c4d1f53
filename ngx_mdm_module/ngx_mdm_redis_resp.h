
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * RESP: how calls are written, and a reader that turns what the server sends
 * into mdm_reply_t.
 */


#ifndef _NGX_MDM_REDIS_RESP_H_INCLUDED_
#define _NGX_MDM_REDIS_RESP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <hiredis/hiredis.h>

#include "mdm_exchange.h"
#include "ngx_mdm_peer_out.h"


/* a reply may take this much memory, more breaks the connection */
#define NGX_MDM_REDIS_REPLY_MAX  (64 * 1024 * 1024)


/* what arenas of a worker give back is kept for the next ones, so many bytes */
#define NGX_MDM_REDIS_ARENAS     (1024 * 1024)


typedef struct {
    redisReader              *hiredis;
    mdm_arena_t              *arena;       /* of the reply being read */
    size_t                    size;        /* memory that it takes */
    size_t                    fed;         /* bytes since it was made */
    const char               *error;
} ngx_mdm_redis_reader_t;


/* how a call is written */

/* with the script's body */
#define NGX_MDM_REDIS_EVAL    1

/*
 * With a second key of the same slot, which never exists either: while the
 * slot is on its way to another node neither of the two takes the call, and
 * the script does not run with half of the keys.
 */
#define NGX_MDM_REDIS_PAIR    2

/* behind ASKING, which has a reply of its own */
#define NGX_MDM_REDIS_ASKING  4


/* writes EVALSHA or EVAL; NGX_OK, or NGX_ERROR and nothing is written */
ngx_int_t ngx_mdm_redis_out_call(ngx_mdm_peer_out_t *out, mdm_call_t *call,
    ngx_uint_t flags);

/*
 * The same without a copy of what is long: the call's arguments stay where
 * they are until they have left, or were detached.  "owner" says whose they
 * are, and is not NULL.
 */
ngx_int_t ngx_mdm_redis_out_large(ngx_mdm_peer_out_t *out, mdm_call_t *call,
    ngx_uint_t flags, void *owner);

/* writes any command; NGX_OK or NGX_ERROR */
ngx_int_t ngx_mdm_redis_out_command(ngx_mdm_peer_out_t *out,
    const ngx_str_t *argv, ngx_uint_t argc);

/* writes AUTH, unless the password is empty; NGX_OK or NGX_ERROR */
ngx_int_t ngx_mdm_redis_out_auth(ngx_mdm_peer_out_t *out, ngx_str_t *user,
    ngx_str_t *password);


/* of this worker: arenas of replies and of exchanges, on the event loop only */
extern mdm_arena_pool_t  ngx_mdm_redis_arenas;


ngx_int_t ngx_mdm_redis_reader_init(ngx_mdm_redis_reader_t *reader);
void ngx_mdm_redis_reader_free(ngx_mdm_redis_reader_t *reader);

/* NGX_OK, or NGX_ERROR with reader->error */
ngx_int_t ngx_mdm_redis_reader_feed(ngx_mdm_redis_reader_t *reader,
    u_char *data, size_t len);

/*
 * Takes the next reply out.  NGX_OK: the arena is the caller's, and the
 * reply lives in it.  NGX_AGAIN: not complete yet.  NGX_ERROR with
 * reader->error: the stream is broken.
 */
ngx_int_t ngx_mdm_redis_reader_get(ngx_mdm_redis_reader_t *reader,
    mdm_reply_t **reply, mdm_arena_t **arena);

/* 1 if a part of the next reply has been read */
ngx_uint_t ngx_mdm_redis_reader_started(ngx_mdm_redis_reader_t *reader);

/* gives back the memory of a large reply once it has been taken out */
ngx_int_t ngx_mdm_redis_reader_shrink(ngx_mdm_redis_reader_t *reader);


#endif /* _NGX_MDM_REDIS_RESP_H_INCLUDED_ */
