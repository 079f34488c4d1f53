
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Starts a redis-server, and runs exchanges against it.
 */


#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "mdm_unit_redis.h"


#define MDM_UNIT_REDIS_TRIES  500     /* of 20 ms */


static void mdm_unit_redis_die(mdm_unit_redis_t *redis, const char *what);
static void mdm_unit_redis_exec(mdm_unit_redis_t *redis);
static void mdm_unit_redis_connect(mdm_unit_redis_t *redis);
static void mdm_unit_redis_round(mdm_unit_redis_t *redis, mdm_exchange_t *x);
static void mdm_unit_redis_send(mdm_unit_redis_t *redis,
    redisContext *context, mdm_call_t *call, int sha);
static void mdm_unit_redis_read(mdm_unit_redis_t *redis, mdm_arena_t *arena,
    mdm_call_t *call);
static void mdm_unit_redis_push(mdm_unit_redis_t *redis, mdm_call_t *call);
static void mdm_unit_redis_http(mdm_unit_redis_t *redis, mdm_call_t *call);
static redisReply *mdm_unit_redis_eval_body(mdm_unit_redis_t *redis,
    mdm_call_t *call);
static redisReply *mdm_unit_redis_reply(mdm_unit_redis_t *redis,
    redisContext *context);
static mdm_reply_t *mdm_unit_redis_convert(mdm_unit_redis_t *redis,
    mdm_arena_t *arena, redisReply *from);
static mdm_call_e mdm_unit_redis_error(const char *text);


static void
mdm_unit_redis_die(mdm_unit_redis_t *redis, const char *what)
{
    fprintf(stderr, "mdm_unit_redis: %s: %s\n", what,
            (redis->context != NULL && redis->context->err)
            ? redis->context->errstr : strerror(errno));

    if (redis->pid > 0) {
        (void) kill(redis->pid, SIGKILL);
    }

    exit(1);
}


mdm_unit_redis_t *
mdm_unit_redis_start(void)
{
    pid_t              parent;
    const char        *tmp;
    redisReply        *reply;
    mdm_unit_redis_t  *redis;

    redis = calloc(1, sizeof(mdm_unit_redis_t));
    if (redis == NULL) {
        abort();
    }

    tmp = getenv("TMPDIR");

    if (tmp == NULL || strlen(tmp) > 30) {
        tmp = "/tmp";
    }

    (void) snprintf(redis->dir, sizeof(redis->dir), "%s/mdm_unit.XXXXXX", tmp);

    if (mkdtemp(redis->dir) == NULL) {
        mdm_unit_redis_die(redis, "mkdtemp");
    }

    (void) snprintf(redis->socket, sizeof(redis->socket), "%s/redis.sock",
                    redis->dir);

    parent = getpid();

    redis->pid = fork();

    if (redis->pid == -1) {
        mdm_unit_redis_die(redis, "fork");
    }

    if (redis->pid == 0) {

        /* the server does not outlive a test program that crashed */

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);

        if (getppid() == parent) {
            mdm_unit_redis_exec(redis);
        }

        _exit(127);
    }

    mdm_unit_redis_connect(redis);

    reply = mdm_unit_redis_command(redis, "COMMAND INFO evalsha_ro");
    redis->readonly = (reply->type == REDIS_REPLY_ARRAY
                       && reply->elements == 1
                       && reply->element[0]->type == REDIS_REPLY_ARRAY);
    freeReplyObject(reply);

    return redis;
}


static void
mdm_unit_redis_exec(mdm_unit_redis_t *redis)
{
    char        log[96];
    const char  *name;

    name = getenv("MDM_REDIS");

    if (name == NULL) {
        name = "redis-server";
    }

    (void) snprintf(log, sizeof(log), "%s/redis.log", redis->dir);

    (void) execlp(name, name, "--port", "0", "--unixsocket", redis->socket,
                  "--save", "", "--appendonly", "no", "--daemonize", "no",
                  "--dir", redis->dir, "--logfile", log, (char *) NULL);

    fprintf(stderr, "mdm_unit_redis: cannot run %s: %s\n", name,
            strerror(errno));
}


static void
mdm_unit_redis_connect(mdm_unit_redis_t *redis)
{
    int              i, status;
    redisReply      *reply;
    struct timespec  ts;

    ts.tv_sec = 0;
    ts.tv_nsec = 20 * 1000 * 1000;

    for (i = 0; i < MDM_UNIT_REDIS_TRIES; i++) {

        if (waitpid(redis->pid, &status, WNOHANG) == redis->pid) {
            redis->pid = 0;
            mdm_unit_redis_die(redis, "redis-server ended at once");
        }

        redis->context = redisConnectUnix(redis->socket);

        if (redis->context != NULL && redis->context->err == 0) {
            reply = redisCommand(redis->context, "PING");

            if (reply != NULL && reply->type == REDIS_REPLY_STATUS) {
                freeReplyObject(reply);
                return;
            }

            freeReplyObject(reply);
        }

        redisFree(redis->context);
        redis->context = NULL;

        (void) nanosleep(&ts, NULL);
    }

    mdm_unit_redis_die(redis, "redis-server does not answer");
}


void
mdm_unit_redis_stop(mdm_unit_redis_t *redis)
{
    int   status;
    char  file[128];

    redisFree(redis->context);

    (void) kill(redis->pid, SIGKILL);
    (void) waitpid(redis->pid, &status, 0);

    (void) unlink(redis->socket);
    (void) snprintf(file, sizeof(file), "%s/redis.log", redis->dir);
    (void) unlink(file);
    (void) rmdir(redis->dir);

    free(redis);
}


int
mdm_unit_redis_setup(void **state)
{
    *state = mdm_unit_redis_start();

    return 0;
}


int
mdm_unit_redis_teardown(void **state)
{
    mdm_unit_redis_stop(*state);

    return 0;
}


/* a step that takes long runs in a thread of its own, as in nginx */

static void *
mdm_unit_redis_thread(void *data)
{
    return (void *) (intptr_t) mdm_exchange_run(data);
}


static mdm_int_t
mdm_unit_redis_step(mdm_unit_redis_t *redis, mdm_exchange_t *x)
{
    void       *rc = NULL;
    pthread_t   thread;

    if (!mdm_exchange_heavy(x) || mdm_exchange_away(x) != MDM_OK) {
        return mdm_exchange_run(x);
    }

    redis->threads++;

    if (pthread_create(&thread, NULL, mdm_unit_redis_thread, x) != 0
        || pthread_join(thread, &rc) != 0)
    {
        mdm_unit_redis_die(redis, "a thread");
    }

    mdm_exchange_back(x);

    return (mdm_int_t) (intptr_t) rc;
}


void
mdm_unit_redis_run(mdm_unit_redis_t *redis, mdm_exchange_t *x)
{
    mdm_int_t  rc;

    redis->rounds = 0;
    redis->round_calls = 0;
    redis->threads = 0;

    for ( ;; ) {
        rc = mdm_unit_redis_step(redis, x);

        if (rc == MDM_DONE) {
            return;
        }

        if (rc != MDM_CALL || x->ncalls == 0) {
            mdm_unit_redis_die(redis, "a step neither called nor was done");
        }

        redis->rounds++;

        if (x->ncalls > redis->round_calls) {
            redis->round_calls = x->ncalls;
        }

        mdm_unit_redis_round(redis, x);
    }
}


static void
mdm_unit_redis_round(mdm_unit_redis_t *redis, mdm_exchange_t *x)
{
    mdm_uint_t         i, k;
    mdm_call_t        *call;
    mdm_unit_fault_e  *faults;

    faults = calloc(x->ncalls, sizeof(mdm_unit_fault_e));
    if (faults == NULL) {
        abort();
    }

    /* one pipeline: all are sent before the first reply is read */

    for (i = 0; i < x->ncalls; i++) {
        call = &x->calls[i];

        if (call->kind == MDM_CALL_KIND_WORK) {
            mdm_call_work(call);
            continue;
        }

        if (call->kind == MDM_CALL_KIND_PUSH) {
            mdm_unit_redis_push(redis, call);
            continue;
        }

        if (call->kind == MDM_CALL_KIND_HTTP) {
            mdm_unit_redis_http(redis, call);
            continue;
        }

        if (redis->fault != NULL) {
            faults[i] = redis->fault(call, redis->calls, redis->fault_data);
        }

        redis->calls++;

        redis->bytes += call->key.len;

        for (k = 0; k < call->nargs; k++) {
            redis->bytes += call->args[k].len;
        }

        if (faults[i] == MDM_UNIT_FAULT_NONE
            || faults[i] == MDM_UNIT_FAULT_AFTER)
        {
            mdm_unit_redis_send(redis, redis->context, call, 1);
        }
    }

    for (i = 0; i < x->ncalls; i++) {
        call = &x->calls[i];

        if (call->kind != MDM_CALL_KIND_REDIS) {
            continue;
        }

        switch (faults[i]) {

        case MDM_UNIT_FAULT_NONE:
            mdm_unit_redis_read(redis, x->arena, call);
            break;

        case MDM_UNIT_FAULT_AFTER:
            mdm_unit_redis_read(redis, x->arena, call);
            call->rc = MDM_CALL_UNAVAILABLE;
            call->reply = NULL;
            break;

        case MDM_UNIT_FAULT_BEFORE:
            call->rc = MDM_CALL_UNAVAILABLE;
            break;

        case MDM_UNIT_FAULT_SCRIPT:
            call->rc = MDM_CALL_FAILED;
            break;
        }
    }

    free(faults);
}


/* as the real one does, it wants what APNs would take */

static void
mdm_unit_redis_push(mdm_unit_redis_t *redis, mdm_call_t *call)
{
    mdm_push_t  *push;

    push = call->push;

    if (push->topic.len == 0 || push->token.len == 0
        || push->token.len > MDM_PUSH_TOKEN || push->payload.len == 0
        || push->payload.len > MDM_PUSH_PAYLOAD || push->apns_id.len != 36)
    {
        mdm_unit_redis_die(redis, "a push that APNs would not take");
    }

    redis->pushes++;

    call->rc = MDM_CALL_OK;
    push->outcome = MDM_PUSH_OFF;

    if (redis->push != NULL) {
        redis->push(push, redis->push_data);
    }
}


static void
mdm_unit_redis_http(mdm_unit_redis_t *redis, mdm_call_t *call)
{
    mdm_http_t  *http;

    http = call->http;

    if (http->method.len == 0 || http->url.len == 0
        || http->limit > MDM_HTTP_LIMIT_MAX)
    {
        mdm_unit_redis_die(redis, "an HTTP request that cannot be sent");
    }

    redis->https++;

    call->rc = MDM_CALL_OK;
    http->outcome = MDM_HTTP_OFF;

    if (redis->http != NULL) {
        redis->http(http, redis->http_data);
    }
}


mdm_call_e
mdm_unit_redis_eval(mdm_unit_redis_t *redis, mdm_arena_t *arena,
    mdm_call_t *call)
{
    if (call->kind == MDM_CALL_KIND_WORK) {
        mdm_call_work(call);
        return call->rc;
    }

    if (call->kind == MDM_CALL_KIND_PUSH) {
        mdm_unit_redis_push(redis, call);
        return call->rc;
    }

    if (call->kind == MDM_CALL_KIND_HTTP) {
        mdm_unit_redis_http(redis, call);
        return call->rc;
    }

    redis->calls++;

    mdm_unit_redis_send(redis, redis->context, call, 1);
    mdm_unit_redis_read(redis, arena, call);

    return call->rc;
}


static void
mdm_unit_redis_send(mdm_unit_redis_t *redis, redisContext *context,
    mdm_call_t *call, int sha)
{
    int           rc;
    size_t       *lens, n;
    mdm_uint_t    i;
    const char  **args, *name;

    /* one that forgets an argument, or has one too many, is found here */

    if (call->nargs < call->script->nargs || call->nargs > call->script->most)
    {
        mdm_unit_redis_die(redis, (char *) call->script->name.data);
    }

    n = call->nargs + 4;

    args = calloc(n, sizeof(char *));
    lens = calloc(n, sizeof(size_t));

    if (args == NULL || lens == NULL) {
        abort();
    }

    if (!call->script->write && redis->readonly) {
        name = sha ? "EVALSHA_RO" : "EVAL_RO";

    } else {
        name = sha ? "EVALSHA" : "EVAL";
    }

    args[0] = name;
    lens[0] = strlen(name);

    args[1] = (char *) (sha ? call->script->sha1.data
                            : call->script->body.data);
    lens[1] = sha ? call->script->sha1.len : call->script->body.len;

    args[2] = "1";
    lens[2] = 1;

    args[3] = (char *) call->key.data;
    lens[3] = call->key.len;

    for (i = 0; i < call->nargs; i++) {
        args[4 + i] = (call->args[i].data != NULL)
                      ? (char *) call->args[i].data : "";
        lens[4 + i] = call->args[i].len;
    }

    rc = redisAppendCommandArgv(context, (int) n, args, lens);

    free(args);
    free(lens);

    if (rc != REDIS_OK) {
        mdm_unit_redis_die(redis, "send");
    }
}


static void
mdm_unit_redis_read(mdm_unit_redis_t *redis, mdm_arena_t *arena,
    mdm_call_t *call)
{
    size_t       used;
    redisReply  *reply;

    reply = mdm_unit_redis_reply(redis, redis->context);

    if (reply->type == REDIS_REPLY_ERROR
        && strncmp(reply->str, "NOSCRIPT", 8) == 0)
    {
        freeReplyObject(reply);
        reply = mdm_unit_redis_eval_body(redis, call);
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        (void) snprintf(redis->error, sizeof(redis->error), "%s", reply->str);

        call->rc = mdm_unit_redis_error(reply->str);

        if (call->rc == MDM_CALL_FAILED) {
            fprintf(stderr, "mdm_unit_redis: %.*s: %s\n",
                    mdm_fmt(&call->script->name), reply->str);
        }

    } else {
        call->rc = MDM_CALL_OK;
    }

    used = mdm_arena_used(arena);
    call->reply = mdm_unit_redis_convert(redis, arena, reply);
    call->bytes = mdm_arena_used(arena) - used;

    freeReplyObject(reply);
}


/* over a connection of its own, since replies are due on the other one */

static redisReply *
mdm_unit_redis_eval_body(mdm_unit_redis_t *redis, mdm_call_t *call)
{
    redisReply    *reply;
    redisContext  *context;

    context = redisConnectUnix(redis->socket);

    if (context == NULL || context->err) {
        mdm_unit_redis_die(redis, "connect");
    }

    mdm_unit_redis_send(redis, context, call, 0);
    reply = mdm_unit_redis_reply(redis, context);

    redisFree(context);

    return reply;
}


static redisReply *
mdm_unit_redis_reply(mdm_unit_redis_t *redis, redisContext *context)
{
    void  *reply;

    if (redisGetReply(context, &reply) != REDIS_OK) {
        mdm_unit_redis_die(redis, "read");
    }

    return reply;
}


static mdm_reply_t *
mdm_unit_redis_convert(mdm_unit_redis_t *redis, mdm_arena_t *arena,
    redisReply *from)
{
    size_t        i;
    mdm_str_t     s;
    mdm_reply_t  *reply;

    reply = mdm_arena_zalloc(arena, sizeof(mdm_reply_t));
    if (reply == NULL) {
        abort();
    }

    switch (from->type) {

    case REDIS_REPLY_NIL:
        reply->type = MDM_REPLY_NIL;
        break;

    case REDIS_REPLY_INTEGER:
        reply->type = MDM_REPLY_INTEGER;
        reply->integer = from->integer;
        break;

    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
        reply->type = (from->type == REDIS_REPLY_ERROR) ? MDM_REPLY_ERROR
                                                        : MDM_REPLY_STRING;
        s.data = (u_char *) from->str;
        s.len = from->len;

        if (mdm_str_dup(arena, &reply->str, &s) != MDM_OK) {
            abort();
        }

        break;

    case REDIS_REPLY_ARRAY:
        reply->type = MDM_REPLY_ARRAY;
        reply->nelements = from->elements;
        reply->elements = mdm_arena_zalloc(arena, from->elements
                                                  * sizeof(mdm_reply_t *));
        if (reply->elements == NULL) {
            abort();
        }

        for (i = 0; i < from->elements; i++) {
            reply->elements[i] = mdm_unit_redis_convert(redis, arena,
                                                        from->element[i]);
        }

        break;

    default:
        mdm_unit_redis_die(redis, "a reply of an unknown type");
    }

    return reply;
}


static mdm_call_e
mdm_unit_redis_error(const char *text)
{
    mdm_uint_t  i;

    static const char  *unavailable[] = {
        "LOADING", "READONLY", "OOM", "CLUSTERDOWN", "MASTERDOWN", "MISCONF",
        "NOREPLICAS", "TRYAGAIN", "BUSY", NULL
    };

    for (i = 0; unavailable[i] != NULL; i++) {
        if (strncmp(text, unavailable[i], strlen(unavailable[i])) == 0) {
            return MDM_CALL_UNAVAILABLE;
        }
    }

    return MDM_CALL_FAILED;
}


redisReply *
mdm_unit_redis_command(mdm_unit_redis_t *redis, const char *fmt, ...)
{
    va_list      args;
    redisReply  *reply;

    va_start(args, fmt);
    reply = redisvCommand(redis->context, fmt, args);
    va_end(args);

    if (reply == NULL) {
        mdm_unit_redis_die(redis, fmt);
    }

    return reply;
}


long long
mdm_unit_redis_int(mdm_unit_redis_t *redis, const char *fmt, ...)
{
    va_list      args;
    long long    n;
    redisReply  *reply;

    va_start(args, fmt);
    reply = redisvCommand(redis->context, fmt, args);
    va_end(args);

    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        mdm_unit_redis_die(redis, fmt);
    }

    n = reply->integer;

    if (reply->type == REDIS_REPLY_STRING) {
        n = atoll(reply->str);
    }

    freeReplyObject(reply);

    return n;
}


char *
mdm_unit_redis_str(mdm_unit_redis_t *redis, mdm_arena_t *arena,
    const char *fmt, ...)
{
    char        *text;
    va_list      args;
    redisReply  *reply;

    va_start(args, fmt);
    reply = redisvCommand(redis->context, fmt, args);
    va_end(args);

    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        mdm_unit_redis_die(redis, fmt);
    }

    if (reply->type != REDIS_REPLY_STRING
        && reply->type != REDIS_REPLY_STATUS)
    {
        freeReplyObject(reply);
        return "";
    }

    text = mdm_arena_zalloc(arena, reply->len + 1);
    if (text == NULL) {
        abort();
    }

    memcpy(text, reply->str, reply->len);

    freeReplyObject(reply);

    return text;
}


void
mdm_unit_redis_clean(mdm_unit_redis_t *redis)
{
    freeReplyObject(mdm_unit_redis_command(redis, "FLUSHALL"));

    redis->fault = NULL;
    redis->push = NULL;
    redis->pushes = 0;
    redis->http = NULL;
    redis->https = 0;
    redis->fault_data = NULL;
    redis->calls = 0;
    redis->error[0] = '\0';
}
