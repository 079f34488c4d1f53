
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdm-reencrypt: brings the secrets of a store under its newest key.
 */


#ifndef _MDM_REENCRYPT_H_INCLUDED_
#define _MDM_REENCRYPT_H_INCLUDED_


#include <signal.h>

#include "mdm_secret.h"
#include "mdm_server.h"


#define MDM_EXIT_LEFT         1       /* not all is under the newest key */


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
    mdm_uint_t                plain;       /* 1: seal what is plain though
                                              "sealed" */
    mdm_uint_t                meta;        /* 1: mdm:meta is here, */
    mdm_uint_t                sealed;      /* 1: and says nothing is plain */
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
