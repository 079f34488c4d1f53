
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdm-store: main program, options and the table of subcommands.
 */


#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "mdm_store.h"


typedef struct {
    const char               *name;
    int                     (*run)(mdm_store_t *s);
    const char               *usage;
} mdm_store_command_t;


static void mdm_store_moved(mdm_store_t *s, const char *error);


const char  *mdm_program = "mdm-store";


static const mdm_store_command_t  mdm_store_commands[] = {
    { "show", mdm_store_show,
      "  show        prints the id of the store, and what it was set up with"
      "\n" },
    { "adopt", mdm_store_adopt,
      "  adopt ID    this store takes the place of store ID: nginx goes on"
      " with it\n" },
    { "reindex", mdm_store_reindex,
      "  reindex     enters all devices in the index of serial numbers; nginx"
      "\n              may serve meanwhile\n"
      "      --tenant NAME         those of one tenant alone\n"
      "  -w, --wait MS             pause behind each 200 of them (0)\n" },
    { "check", mdm_store_check,
      "  check [NAME=VALUE ...]\n"
      "              for mdm-check: is the server fit for a worker?  Names:"
      "\n              partitions, store_id, key, replicas, cluster,"
      "\n              sealed\n" },
    { "masters", mdm_store_masters,
      "  masters [NAME]\n"
      "              for mdm-check: the masters of a cluster, or of a "
      "Sentinel\n" },
    { NULL, NULL, NULL }
};


int
main(int argc, char **argv)
{
    int                         c, rc;
    const mdm_store_command_t  *cmd;
    static mdm_store_t          s;

    static const struct option  options[] = {
        MDM_SERVER_LONG,
        { "tenant",        required_argument, NULL, 't' },
        { "wait",          required_argument, NULL, 'w' },
        { "help",          no_argument,       NULL, 'h' },
        { NULL,            0,                 NULL, 0 }
    };

    s.server.server = "127.0.0.1:6379";

    while ((c = getopt_long(argc, argv, MDM_SERVER_SHORT "w:h", options,
                            NULL))
           != -1)
    {
        if (mdm_server_option(&s.server, c, optarg)) {
            continue;
        }

        switch (c) {

        case 't': s.tenant = optarg; break;
        case 'w': s.wait = mdm_number(optarg); break;
        case 'h': mdm_store_usage(0); break;
        default: mdm_store_usage(MDM_EXIT_TROUBLE);
        }
    }

    if (optind == argc) {
        mdm_store_usage(MDM_EXIT_TROUBLE);
    }

    for (cmd = mdm_store_commands; cmd->name != NULL; cmd++) {
        if (strcmp(cmd->name, argv[optind]) == 0) {
            break;
        }
    }

    if (cmd->name == NULL
        || ((s.tenant != NULL || s.wait != NULL)
            && cmd->run != mdm_store_reindex))
    {
        mdm_store_usage(MDM_EXIT_TROUBLE);
    }

    s.argc = argc - optind - 1;
    s.argv = &argv[optind + 1];

    (void) signal(SIGPIPE, SIG_IGN);

    rc = cmd->run(&s);

    mdm_server_close(&s.server);

    return rc;
}


void
mdm_store_usage(int rc)
{
    FILE                       *out;
    const mdm_store_command_t  *cmd;

    out = rc ? stderr : stdout;

    (void) fputs("usage: mdm-store COMMAND [OPTION ...]\n"
                 "\n"
                 "Looks after a store of ngx_mdm_module.\n"
                 "\n", out);

    for (cmd = mdm_store_commands; cmd->name != NULL; cmd++) {
        (void) fputs(cmd->usage, out);
    }

    (void) fputs("\n"
                 MDM_SERVER_USAGE
                 "\n"
                 "In a cluster any node is enough; with Sentinel it is the "
                 "master.\n"
                 "Ends with 0, 2 on trouble; reindex with 1 if it was ended "
                 "early.\n", out);

    exit(rc);
}


redisReply *
mdm_store_eval(mdm_store_t *s, const mdm_script_t *script,
    const mdm_str_t *key, size_t argc, const mdm_str_t *argv)
{
    mdm_uint_t   hops;
    redisReply  *reply;

    for (hops = 0; ; hops++) {
        reply = mdm_server_eval(&s->server, script, key, argc, argv);

        if (reply->type != REDIS_REPLY_ERROR) {
            return reply;
        }

        if (hops == 5 || strncmp(reply->str, "MOVED ", 6) != 0) {
            mdm_trouble("%s: %s", s->server.server, reply->str);
        }

        mdm_store_moved(s, reply->str);

        freeReplyObject(reply);
    }
}


/* "MOVED 1234 host:port" */

static void
mdm_store_moved(mdm_store_t *s, const char *error)
{
    char  *server;

    server = strdup(strrchr(error, ' ') + 1);
    if (server == NULL) {
        mdm_trouble("no memory");
    }

    if (server[0] == ':') {
        mdm_trouble("%s: it does not tell its own address, call the node of "
                    "port %s", s->server.server, server + 1);
    }

    mdm_server_close(&s->server);

    s->server.ssl = NULL;
    s->server.server = server;

    mdm_server_connect(&s->server);
}
