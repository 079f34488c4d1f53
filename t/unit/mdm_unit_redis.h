
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Runs exchanges against a real redis-server of its own: on a Unix socket in
 * a temporary directory, started and ended by the test program.
 */


#ifndef _MDM_UNIT_REDIS_H_INCLUDED_
#define _MDM_UNIT_REDIS_H_INCLUDED_


#include <sys/types.h>

#include <hiredis/hiredis.h>

#include "mdm_exchange.h"


typedef struct mdm_unit_redis_s  mdm_unit_redis_t;


/* what befalls a call */

typedef enum {
    MDM_UNIT_FAULT_NONE = 0,
    MDM_UNIT_FAULT_BEFORE,       /* never sent: MDM_CALL_UNAVAILABLE */
    MDM_UNIT_FAULT_AFTER,        /* ran, the reply is lost: the same */
    MDM_UNIT_FAULT_SCRIPT        /* never sent: MDM_CALL_FAILED */
} mdm_unit_fault_e;

/* asked for each call; "n" counts the calls of the server */
typedef mdm_unit_fault_e (*mdm_unit_fault_pt)(mdm_call_t *call, mdm_uint_t n,
    void *data);


/* what APNs makes of a push: fills in its outcome */
typedef void (*mdm_unit_push_pt)(mdm_push_t *push, void *data);

/* what another server makes of an HTTP request: the same */
typedef void (*mdm_unit_http_pt)(mdm_http_t *http, void *data);


struct mdm_unit_redis_s {
    pid_t                     pid;
    char                      dir[64];
    char                      socket[96];
    redisContext             *context;
    mdm_uint_t                readonly;    /* EVALSHA_RO is there */

    mdm_unit_fault_pt         fault;       /* or NULL */
    void                     *fault_data;

    mdm_unit_push_pt          push;        /* or NULL: push is off */
    void                     *push_data;
    mdm_uint_t                pushes;      /* so far */
    mdm_unit_http_pt          http;        /* or NULL: MDM_HTTP_OFF */
    void                     *http_data;
    mdm_uint_t                https;       /* so far */

    mdm_uint_t                calls;       /* so far */
    size_t                    bytes;       /* keys and arguments */
    mdm_uint_t                rounds;      /* of the last exchange */
    mdm_uint_t                round_calls; /* the most calls in one */
    mdm_uint_t                threads;     /* steps that a thread has run */
    char                      error[256];  /* last error of a script */
};


/* starts a server and connects; ends the program where that fails */
mdm_unit_redis_t *mdm_unit_redis_start(void);

/* ends the server, by its pid, and removes its directory */
void mdm_unit_redis_stop(mdm_unit_redis_t *redis);

/* a connected server for a test of cmocka: group setup and teardown */
int mdm_unit_redis_setup(void **state);
int mdm_unit_redis_teardown(void **state);

/*
 * Runs an exchange to its end.  Each call goes out as the real client sends
 * it: EVALSHA, after NOSCRIPT EVAL; a script marked read-only by the _RO
 * forms, so that a write in it fails.  Work is done in place, redis->push and
 * redis->http say what becomes of pushes and of HTTP requests.
 */
void mdm_unit_redis_run(mdm_unit_redis_t *redis, mdm_exchange_t *x);

/* one script call outside any exchange; the reply lives in the arena */
mdm_call_e mdm_unit_redis_eval(mdm_unit_redis_t *redis, mdm_arena_t *arena,
    mdm_call_t *call);

/* a plain command; ends the program on a connection error; to be freed */
redisReply *mdm_unit_redis_command(mdm_unit_redis_t *redis, const char *fmt,
    ...);

/* the same for its integer, and for its string: "" where it is nil */
long long mdm_unit_redis_int(mdm_unit_redis_t *redis, const char *fmt, ...);
char *mdm_unit_redis_str(mdm_unit_redis_t *redis, mdm_arena_t *arena,
    const char *fmt, ...);

/* FLUSHALL, and forgets faults and counters */
void mdm_unit_redis_clean(mdm_unit_redis_t *redis);


#endif /* _MDM_UNIT_REDIS_H_INCLUDED_ */
