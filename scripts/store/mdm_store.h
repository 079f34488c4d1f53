
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdm-store: looks after a store; each command is a row of its table.
 */


#ifndef _MDM_STORE_H_INCLUDED_
#define _MDM_STORE_H_INCLUDED_


#include "mdm_key.h"
#include "mdm_server.h"


/* "version" of mdm:meta that this release knows */

#define MDM_STORE_VERSION     MDM_KEYSPACE_VERSION


typedef struct {
    mdm_server_t              server;
    const char               *tenant;      /* of reindex; NULL: all */
    const char               *wait;        /* of reindex, milliseconds */
    int                       argc;        /* behind the command's name */
    char                    **argv;
} mdm_store_t;


typedef struct mdm_nodes_s  mdm_nodes_t;


/* what is wrong with the arguments goes to stderr, and ends the program */
void mdm_store_usage(int rc) __attribute__((noreturn));

/*
 * Sends a command or a script for a key, to the node of a cluster that has
 * it; an error ends the program.
 */
redisReply *mdm_store_eval(mdm_store_t *s, const mdm_script_t *script,
    const mdm_str_t *key, size_t argc, const mdm_str_t *argv);


/*
 * All masters of a store, from the one node that was named: without a cluster
 * that one.  mdm_node_command() sends to master i, which is connected to when
 * it is first asked; mdm_nodes_eval() to the one that has the key, also while
 * slots move.  A reply that is an error ends the program.
 */
mdm_nodes_t *mdm_nodes_create(mdm_store_t *s);
void mdm_nodes_destroy(mdm_nodes_t *nodes);
mdm_uint_t mdm_nodes_count(const mdm_nodes_t *nodes);
redisReply *mdm_node_command(mdm_nodes_t *nodes, mdm_uint_t i, size_t argc,
    const mdm_str_t *argv);
redisReply *mdm_nodes_eval(mdm_nodes_t *nodes, const mdm_script_t *script,
    const mdm_str_t *key, size_t argc, const mdm_str_t *argv);


/* the commands; they return the program's exit code */

int mdm_store_show(mdm_store_t *s);
int mdm_store_adopt(mdm_store_t *s);

/* of the server that was named; 1: something is wrong */
int mdm_store_check(mdm_store_t *s);

/* a line for each master: of the cluster, or that a Sentinel names */
int mdm_store_masters(mdm_store_t *s);

/* 1: it was ended before all was done */
int mdm_store_reindex(mdm_store_t *s);


#endif /* _MDM_STORE_H_INCLUDED_ */
