
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Which store it is, and which one it takes the place of.
 */


#include <stdio.h>

#include <openssl/rand.h>

#include "mdm_store.h"


#define MDM_STORE_ID          32


static void mdm_store_print(const redisReply *reply);


int
mdm_store_show(mdm_store_t *s)
{
    mdm_str_t            key;
    redisReply          *reply;
    const mdm_script_t   script = {
        .name = mdm_string("show"),
        .body = mdm_string("return redis.call('HGETALL', KEYS[1])\n")
    };

    if (s->argc != 0) {
        mdm_store_usage(MDM_EXIT_TROUBLE);
    }

    mdm_server_connect(&s->server);

    mdm_str_set(&key, "mdm:meta");

    reply = mdm_store_eval(s, &script, &key, 0, NULL);

    if (reply->elements == 0) {
        printf("there is no store\n");
    }

    mdm_store_print(reply);

    freeReplyObject(reply);

    return 0;
}


/* a line for each field, but not the check values of keys */

static void
mdm_store_print(const redisReply *reply)
{
    size_t  i;

    for (i = 0; i + 1 < reply->elements; i += 2) {
        if (strcmp(reply->element[i]->str, "keys") != 0) {
            printf("%s %s\n", reply->element[i]->str,
                   reply->element[i + 1]->str);
        }
    }
}


int
mdm_store_adopt(mdm_store_t *s)
{
    u_char       id[MDM_STORE_ID], raw[MDM_STORE_ID / 2];
    mdm_str_t    key, args[MDM_NARGS_STORE_ADOPT], *old;
    redisReply  *reply;

    if (s->argc != 1) {
        mdm_store_usage(MDM_EXIT_TROUBLE);
    }

    old = &args[MDM_ARG_STORE_ADOPT_OLD];
    old->data = (u_char *) s->argv[0];
    old->len = strlen(s->argv[0]);

    if (old->len != MDM_STORE_ID
        || strspn(s->argv[0], "0123456789abcdef") != MDM_STORE_ID)
    {
        mdm_trouble("\"%s\" is no id of a store: nginx's alert and \"mdm-store "
                    "show\" have it", s->argv[0]);
    }

    if (RAND_bytes(raw, sizeof(raw)) != 1) {
        mdm_trouble("there are no random numbers");
    }

    mdm_hex(id, raw, sizeof(raw));

    args[MDM_ARG_STORE_ADOPT_NEW_ID].data = id;
    args[MDM_ARG_STORE_ADOPT_NEW_ID].len = sizeof(id);

    mdm_server_connect(&s->server);

    mdm_str_set(&key, "mdm:meta");

    reply = mdm_store_eval(s, &mdm_script_store_adopt, &key,
                           MDM_NARGS_STORE_ADOPT, args);

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING)
    {
        mdm_trouble("%s: its reply makes no sense", s->server.server);
    }

    printf("store %s takes the place of %s%s\n", reply->element[0]->str,
           s->argv[0], reply->element[1]->integer ? "" : ", as it did before");

    freeReplyObject(reply);

    return 0;
}
