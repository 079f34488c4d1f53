
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The masters of a store, for commands that go through all of it.
 */


#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mdm_key.h"
#include "mdm_store.h"


#define MDM_NODES_MAX         1000
#define MDM_NODES_HOPS        5       /* how often it follows a MOVED */
#define MDM_NODES_TRIES       300     /* attempts while a slot moves */
#define MDM_NODES_PAUSE       100000  /* microseconds between these */


struct mdm_nodes_s {
    mdm_server_t              server;      /* how to reach them */
    mdm_server_t             *list[MDM_NODES_MAX];
    mdm_uint_t                n;
    mdm_uint_t                masters;     /* the first ones: known as such */
    mdm_uint_t                cluster;     /* 1: there is a map of slots */
    uint16_t                  slots[MDM_SLOTS];    /* who has them */
};


static void mdm_nodes_slots(mdm_nodes_t *nodes, const redisReply *reply);
static mdm_uint_t mdm_nodes_master(mdm_nodes_t *nodes,
    const redisReply *range);
static mdm_uint_t mdm_nodes_find(mdm_nodes_t *nodes, const char *host,
    size_t len, const char *port);
static mdm_uint_t mdm_nodes_add(mdm_nodes_t *nodes, char *address);
static mdm_server_t *mdm_nodes_connected(mdm_nodes_t *nodes, mdm_uint_t i);
static mdm_uint_t mdm_nodes_moved(mdm_nodes_t *nodes, const char *error);


mdm_nodes_t *
mdm_nodes_create(mdm_store_t *s)
{
    mdm_str_t     argv[2];
    redisReply   *reply;
    mdm_nodes_t  *nodes;

    nodes = calloc(1, sizeof(mdm_nodes_t));
    if (nodes == NULL) {
        mdm_trouble("no memory");
    }

    nodes->server = s->server;
    nodes->server.ssl = NULL;

    mdm_str_set(&argv[0], "CLUSTER");
    mdm_str_set(&argv[1], "SLOTS");

    reply = mdm_server_command(&s->server, 2, argv);

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements != 0) {
        mdm_nodes_slots(nodes, reply);

    } else if (reply->type == REDIS_REPLY_ERROR
               && strncmp(reply->str, "NOPERM", 6) != 0)
    {

        /* "This instance has cluster support disabled" */

        (void) mdm_nodes_add(nodes, strdup(s->server.server));

    } else {

        /*
         * if a node were taken for the whole of a cluster, only a part would be
         * done
         */

        mdm_trouble("%s: CLUSTER SLOTS: %s", s->server.server,
                    (reply->str != NULL) ? reply->str : "no slots");
    }

    freeReplyObject(reply);

    nodes->masters = nodes->n;

    return nodes;
}


/* {from, to, {address, port, …}, …}, …: the master is the first one */

static void
mdm_nodes_slots(mdm_nodes_t *nodes, const redisReply *reply)
{
    size_t             i;
    long long          slot;
    mdm_uint_t         n;
    const redisReply  *range;

    nodes->cluster = 1;

    memset(nodes->slots, 0xff, sizeof(nodes->slots));

    for (i = 0; i < reply->elements; i++) {
        range = reply->element[i];

        if (range->type != REDIS_REPLY_ARRAY || range->elements < 3
            || range->element[0]->type != REDIS_REPLY_INTEGER
            || range->element[1]->type != REDIS_REPLY_INTEGER
            || range->element[0]->integer < 0
            || range->element[1]->integer >= MDM_SLOTS)
        {
            mdm_trouble("%s: not a reply to CLUSTER SLOTS",
                        nodes->server.server);
        }

        n = mdm_nodes_master(nodes, range->element[2]);

        for (slot = range->element[0]->integer;
             slot <= range->element[1]->integer;
             slot++)
        {
            nodes->slots[slot] = (uint16_t) n;
        }
    }

    for (i = 0; i < MDM_SLOTS; i++) {
        if (nodes->slots[i] == 0xffff) {
            mdm_trouble("%s: slot %zu of the cluster is on no node",
                        nodes->server.server, i);
        }
    }
}


static mdm_uint_t
mdm_nodes_master(mdm_nodes_t *nodes, const redisReply *node)
{
    char  port[32];

    if (node->type != REDIS_REPLY_ARRAY || node->elements < 2
        || node->element[1]->type != REDIS_REPLY_INTEGER)
    {
        mdm_trouble("%s: not a reply to CLUSTER SLOTS", nodes->server.server);
    }

    (void) snprintf(port, sizeof(port), "%lld", node->element[1]->integer);

    if (node->element[0]->type != REDIS_REPLY_STRING) {
        return mdm_nodes_find(nodes, "", 0, port);
    }

    return mdm_nodes_find(nodes, node->element[0]->str, node->element[0]->len,
                          port);
}


/* a node that does not tell its address has that of the one that was named */

static mdm_uint_t
mdm_nodes_find(mdm_nodes_t *nodes, const char *host, size_t len,
    const char *port)
{
    int          n, bare;
    char        *address;
    const char  *colon;
    mdm_uint_t   i;

    if (len == 0) {
        host = nodes->server.server;

        if (strncmp(host, "unix:", 5) == 0) {
            mdm_trouble("%s: its nodes do not tell their addresses, call it "
                        "by host:port", host);
        }

        colon = strrchr(host, ':');
        len = (colon != NULL) ? (size_t) (colon - host) : strlen(host);
    }

    bare = (memchr(host, ':', len) != NULL && host[0] != '[');

    n = asprintf(&address, bare ? "[%.*s]:%s" : "%.*s:%s", (int) len, host,
                 port);
    if (n == -1) {
        mdm_trouble("no memory");
    }

    for (i = 0; i < nodes->n; i++) {

        if (strcmp(nodes->list[i]->server, address) == 0) {
            free(address);
            return i;
        }
    }

    return mdm_nodes_add(nodes, address);
}


/* owns the address */

static mdm_uint_t
mdm_nodes_add(mdm_nodes_t *nodes, char *address)
{
    mdm_server_t  *server;

    server = malloc(sizeof(mdm_server_t));

    if (server == NULL || address == NULL) {
        mdm_trouble("no memory");
    }

    if (nodes->n == MDM_NODES_MAX) {
        mdm_trouble("more than %d masters", MDM_NODES_MAX);
    }

    *server = nodes->server;
    server->server = address;
    server->reader = NULL;

    nodes->list[nodes->n] = server;

    return nodes->n++;
}


void
mdm_nodes_destroy(mdm_nodes_t *nodes)
{
    mdm_uint_t  i;

    for (i = 0; i < nodes->n; i++) {

        if (nodes->list[i]->reader != NULL) {
            mdm_server_close(nodes->list[i]);
        }

        free((void *) (uintptr_t) nodes->list[i]->server);
        free(nodes->list[i]);
    }

    free(nodes);
}


mdm_uint_t
mdm_nodes_count(const mdm_nodes_t *nodes)
{
    return nodes->masters;
}


static mdm_server_t *
mdm_nodes_connected(mdm_nodes_t *nodes, mdm_uint_t i)
{
    if (nodes->list[i]->reader == NULL) {
        mdm_server_connect(nodes->list[i]);
    }

    return nodes->list[i];
}


redisReply *
mdm_node_command(mdm_nodes_t *nodes, mdm_uint_t i, size_t argc,
    const mdm_str_t *argv)
{
    redisReply    *reply;
    mdm_server_t  *server;

    server = mdm_nodes_connected(nodes, i);

    reply = mdm_server_command(server, argc, argv);

    if (reply->type == REDIS_REPLY_ERROR) {
        mdm_trouble("%s: %s", server->server, reply->str);
    }

    return reply;
}


redisReply *
mdm_nodes_eval(mdm_nodes_t *nodes, const mdm_script_t *script,
    const mdm_str_t *key, size_t argc, const mdm_str_t *argv)
{
    uint32_t       slot;
    mdm_uint_t     hops, tries;
    redisReply    *reply;
    mdm_server_t  *server;

    slot = mdm_key_slot(key);
    hops = 0;
    tries = 0;

    for ( ;; ) {
        server = mdm_nodes_connected(nodes, nodes->slots[slot]);

        reply = mdm_server_eval(server, script, key, argc, argv);

        if (reply->type != REDIS_REPLY_ERROR) {
            return reply;
        }

        if (strncmp(reply->str, "MOVED ", 6) == 0 && nodes->cluster
            && hops < MDM_NODES_HOPS)
        {
            hops++;
            nodes->slots[slot] = (uint16_t) mdm_nodes_moved(nodes, reply->str);

        /*
         * While a slot moves neither node has all of its keys, so this waits
         * for it rather than to see a part of them.
         */

        } else if ((strncmp(reply->str, "ASK ", 4) == 0
                    || strncmp(reply->str, "TRYAGAIN", 8) == 0)
                   && tries < MDM_NODES_TRIES)
        {
            tries++;
            (void) usleep(MDM_NODES_PAUSE);

        } else {
            mdm_trouble("%s: %s", server->server, reply->str);
        }

        freeReplyObject(reply);
    }
}


/* "MOVED 1234 host:port" */

static mdm_uint_t
mdm_nodes_moved(mdm_nodes_t *nodes, const char *error)
{
    const char  *address, *colon;

    address = strrchr(error, ' ') + 1;
    colon = strrchr(address, ':');

    if (colon == NULL) {
        mdm_trouble("%s: it makes no sense", error);
    }

    return mdm_nodes_find(nodes, address, (size_t) (colon - address),
                          colon + 1);
}
