
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdm-reencrypt: brings the secrets of a store under its newest key.
 */


#ifndef _MDM_REENCRYPT_H_INCLUDED_
#define _MDM_REENCRYPT_H_INCLUDED_


#include <signal.h>

#include <hiredis/hiredis.h>
#include <openssl/ssl.h>

#include "mdm_script.h"
#include "mdm_secret.h"


#define MDM_EXIT_LEFT         1       /* not all is under the newest key */
#define MDM_EXIT_TROUBLE      2

#define MDM_ARGS              16


/* how to reach Redis, and the connection */

typedef struct {
    const char               *server;      /* "host:port" or "unix:path" */
    const char               *user;
    const char               *password_file;
    const char               *database;
    const char               *tls_ca;      /* NULL: no TLS */
    const char               *tls_cert;
    const char               *tls_key;
    const char               *tls_name;

    int                       fd;
    SSL                      *ssl;
    redisReader              *reader;
} mdm_server_t;


/* connects, authenticates, selects the database */
void mdm_server_connect(mdm_server_t *s);

void mdm_server_close(mdm_server_t *s);

/*
 * Sends a command, returns its reply, which may be an error's; to be freed
 * by freeReplyObject().  A connection that breaks ends the program.
 */
redisReply *mdm_server_command(mdm_server_t *s, size_t argc,
    const mdm_str_t *argv);

/* the same of a script with KEYS[1] */
redisReply *mdm_server_eval(mdm_server_t *s, const mdm_script_t *script,
    const mdm_str_t *key, size_t argc, const mdm_str_t *argv);

/* a file of at most size bytes, or the end of the program */
size_t mdm_read_file(const char *name, u_char *buf, size_t size);

/* says why on stderr, and ends the program; where the walk stood, too */
void mdm_trouble(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/* the cursor that the program is to be called with to go on, or NULL */
extern const char  *mdm_cursor;


/* values by what they are under: a key of ours, plain, or neither */

#define MDM_WALK_PLAIN        MDM_SECRET_KEYS
#define MDM_WALK_UNOPENED     (MDM_SECRET_KEYS + 1)
#define MDM_WALK_UNDER        (MDM_SECRET_KEYS + 2)


typedef struct {
    mdm_server_t              server;
    mdm_secret_keys_t         keys;
    const char               *files[MDM_SECRET_KEYS];

    const char               *batch;       /* keys a SCAN looks at */
    long                      wait;        /* milliseconds behind it */
    mdm_uint_t                check;       /* 1: only count */
    mdm_uint_t                retire;
    mdm_uint_t                masters;     /* 1: all were checked */
    mdm_uint_t                drop;        /* events */
    mdm_uint_t                partial;     /* begun in the middle */

    char                      cursor[32];
    mdm_arena_t              *arena;       /* of one value */
    mdm_uint_t                scanned;
    mdm_uint_t                rewritten;
    mdm_uint_t                dropped;
    mdm_uint_t                values[MDM_WALK_UNDER];    /* as they are left */
    mdm_uint_t                events[MDM_WALK_UNDER];
} mdm_walk_t;


/* goes through the keys from w->cursor on; 1: it came to the end */
mdm_uint_t mdm_walk_scan(mdm_walk_t *w);

/* the reply itself; an error ends the program */
redisReply *mdm_walk_reply(redisReply *reply);

/* set by a signal: the walk ends behind the batch */
extern volatile sig_atomic_t  mdm_walk_stopped;


#endif /* _MDM_REENCRYPT_H_INCLUDED_ */
