
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Goes through the keys of a store by SCAN, and seals each secret that is plain
 * or under an older key with the newest one, by compare-and-set: nginx goes on
 * serving meanwhile.  If it is interrupted, the next run finds what was left.
 */


#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "mdm_key_file.h"
#include "mdm_reencrypt.h"


#define MDM_WALK_PROBES       100


static void mdm_walk_options(mdm_walk_t *w, int argc, char **argv);
static void mdm_walk_usage(int rc);
static void mdm_walk_key_file(mdm_walk_t *w, const char *name);
static void mdm_walk_meta(mdm_walk_t *w);
static void mdm_walk_key_args(mdm_walk_t *w, mdm_str_t *args);
static int mdm_walk_report(mdm_walk_t *w, mdm_uint_t complete);
static mdm_uint_t mdm_walk_alone(mdm_walk_t *w);
static void mdm_walk_sealed(mdm_walk_t *w);
static void mdm_walk_retire(mdm_walk_t *w);
static void mdm_walk_stop(int signo);


volatile sig_atomic_t  mdm_walk_stopped;

const char  *mdm_program = "mdm-reencrypt";


int
main(int argc, char **argv)
{
    int                rc;
    mdm_uint_t         complete;
    static mdm_walk_t  w;

    mdm_walk_options(&w, argc, argv);

    (void) signal(SIGPIPE, SIG_IGN);

    mdm_server_connect(&w.server);
    mdm_walk_meta(&w);

    (void) signal(SIGINT, mdm_walk_stop);
    (void) signal(SIGTERM, mdm_walk_stop);

    mdm_cursor = w.cursor;

    complete = mdm_walk_scan(&w) && !w.partial;

    rc = mdm_walk_report(&w, complete);

    mdm_cursor = NULL;

    if (rc == 0 && w.meta && !w.sealed && (!w.check || w.retire)) {
        mdm_walk_sealed(&w);
    }

    if (w.retire) {

        if (rc == 0 && !w.masters && !mdm_walk_alone(&w)) {
            printf("this is one master of a cluster: none was retired; check "
                   "all of them, then add --all-masters\n");
            rc = MDM_EXIT_LEFT;

        } else if (rc == 0) {
            mdm_walk_retire(&w);

        } else {
            printf("older keys are still needed: none was retired\n");
        }
    }

    mdm_arena_destroy(w.arena);
    mdm_server_close(&w.server);
    mdm_secret_keys_clear(&w.keys);

    return rc;
}


static void
mdm_walk_options(mdm_walk_t *w, int argc, char **argv)
{
    int  c;

    static const struct option  options[] = {
        MDM_SERVER_LONG,
        { "key",           required_argument, NULL, 'k' },
        { "check",         no_argument,       NULL, 'c' },
        { "retire",        no_argument,       NULL, 'R' },
        { "all-masters",   no_argument,       NULL, 'M' },
        { "drop-events",   no_argument,       NULL, 'D' },
        { "seal-plain",    no_argument,       NULL, 'P' },
        { "batch",         required_argument, NULL, 'b' },
        { "wait",          required_argument, NULL, 'w' },
        { "cursor",        required_argument, NULL, 'o' },
        { "help",          no_argument,       NULL, 'h' },
        { NULL,            0,                 NULL, 0 }
    };

    w->server.server = "127.0.0.1:6379";
    w->batch = "100";
    (void) strcpy(w->cursor, "0");

    while ((c = getopt_long(argc, argv, MDM_SERVER_SHORT "k:cb:w:h", options,
                            NULL))
           != -1)
    {
        if (mdm_server_option(&w->server, c, optarg)) {
            continue;
        }

        switch (c) {

        case 'k': mdm_walk_key_file(w, optarg); break;
        case 'c': w->check = 1; break;
        case 'R': w->retire = 1; w->check = 1; break;
        case 'M': w->masters = 1; break;
        case 'D': w->drop = 1; break;
        case 'b': w->batch = mdm_number(optarg); break;
        case 'w': w->wait = atol(mdm_number(optarg)); break;
        case 'P': w->plain = 1; break;

        case 'o':
            w->partial = (strcmp(mdm_number(optarg), "0") != 0);
            (void) snprintf(w->cursor, sizeof(w->cursor), "%s", optarg);
            break;

        case 'h': mdm_walk_usage(0); break;
        default: mdm_walk_usage(MDM_EXIT_TROUBLE);
        }
    }

    if (optind != argc || w->keys.n == 0) {
        mdm_walk_usage(MDM_EXIT_TROUBLE);
    }
}


static void
mdm_walk_usage(int rc)
{
    (void) fprintf(rc ? stderr : stdout,
        "usage: mdm-reencrypt [OPTION ...] -k NEWEST [-k OLDER ...]\n"
        "\n"
        "Encrypts what a store of ngx_mdm_module keeps with its newest key.\n"
        "nginx may serve meanwhile; it has these keys already.  In a cluster\n"
        "it is called once for each master.\n"
        "\n"
        "  -k, --key FILE            key file; newest first\n"
        MDM_SERVER_USAGE
        "  -c, --check               count, change nothing\n"
        "      --retire              the same; if nothing is under an older\n"
        "                            key, it is forgotten in mdm:meta\n"
        "      --all-masters         in a cluster: all other masters have\n"
        "                            nothing left\n"
        "      --seal-plain          encrypt plain values, too, where a run\n"
        "                            before this one had nothing left\n"
        "      --drop-events         delete events that are plain or under\n"
        "                            an older key, which cannot be changed\n"
        "  -b, --batch N             keys looked at at once (100)\n"
        "  -w, --wait MS             pause behind each batch (0)\n"
        "      --cursor N            go on where a run was ended\n"
        "\n"
        "Ends with 0 if all is under the newest key, 1 if not, 2 on trouble."
        "\n");

    exit(rc);
}


static void
mdm_walk_key_file(mdm_walk_t *w, const char *name)
{
    mdm_key_file(&w->keys, name);

    w->files[w->keys.n - 1] = name;
}


/* its keys must fit the store, as those of a worker must */

static void
mdm_walk_meta(mdm_walk_t *w)
{
    mdm_str_t    argv[4], args[MDM_NARGS_META + MDM_SECRET_KEYS], key;
    redisReply  *reply, *partitions;

    mdm_str_set(&key, "mdm:meta");

    mdm_str_set(&argv[0], "HMGET");
    argv[1] = key;
    mdm_str_set(&argv[2], "partitions");
    mdm_str_set(&argv[3], "sealed");

    reply = mdm_server_command(&w->server, 4, argv);

    if (reply->type == REDIS_REPLY_ERROR
        && strncmp(reply->str, "MOVED ", 6) == 0 && !w->retire)
    {
        printf("mdm:meta is on another node of the cluster, the keys are not "
               "compared with it\n");
        freeReplyObject(reply);
        return;
    }

    (void) mdm_walk_reply(reply);

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING)
    {
        mdm_trouble("%s: there is no mdm:meta, so no store",
                    w->server.server);
    }

    w->meta = 1;
    w->sealed = (reply->element[1]->type == REDIS_REPLY_STRING);

    partitions = reply->element[0];

    args[MDM_ARG_META_NUMBER].data = (u_char *) partitions->str;
    args[MDM_ARG_META_NUMBER].len = partitions->len;

    /* the id of the store does not matter, and a store without one gets none */

    mdm_str_set(&args[MDM_ARG_META_EXPECTED], "");
    mdm_str_set(&args[MDM_ARG_META_NEW], "");
    mdm_str_set(&args[MDM_ARG_META_RELEASE], "");

    mdm_walk_key_args(w, &args[MDM_ARG_META_CHECKS]);

    if (!w->check) {
        partitions = mdm_walk_reply(mdm_server_eval(&w->server,
                                                    &mdm_script_meta, &key,
                                                    MDM_NARGS_META + w->keys.n,
                                                    args));

        if (partitions->type == REDIS_REPLY_STRING) {
            mdm_trouble("%s: %s", w->server.server, partitions->str);
        }

        if (partitions->type == REDIS_REPLY_ARRAY
            && partitions->elements == 3
            && partitions->element[0]->integer != 0)
        {
            mdm_trouble("%s: its keyspace is of version %s, which this "
                        "release does not know; see docs/upgrade.md",
                        w->server.server, partitions->element[1]->str);
        }

        freeReplyObject(partitions);
    }

    freeReplyObject(reply);
}


static void
mdm_walk_key_args(mdm_walk_t *w, mdm_str_t *args)
{
    mdm_uint_t     i;
    static u_char  buf[MDM_SECRET_KEYS][2 * MDM_SECRET_ID + 1
                                        + 2 * MDM_SECRET_CHECK];

    for (i = 0; i < w->keys.n; i++) {
        mdm_hex(buf[i], w->keys.keys[i].id, MDM_SECRET_ID);
        buf[i][2 * MDM_SECRET_ID] = ':';
        mdm_hex(buf[i] + 2 * MDM_SECRET_ID + 1, w->keys.keys[i].check,
                MDM_SECRET_CHECK);

        args[i].data = buf[i];
        args[i].len = sizeof(buf[i]);
    }
}


static int
mdm_walk_report(mdm_walk_t *w, mdm_uint_t complete)
{
    u_char      id[2 * MDM_SECRET_ID];
    mdm_uint_t  i, left;

    printf("keys %lu\n", (unsigned long) w->scanned);
    printf("rewritten %lu\n", (unsigned long) w->rewritten);

    if (w->drop) {
        printf("events_dropped %lu\n", (unsigned long) w->dropped);
    }

    left = 0;

    for (i = 0; i < w->keys.n; i++) {
        mdm_hex(id, w->keys.keys[i].id, MDM_SECRET_ID);

        printf("key %.*s %s values %lu events %lu %s\n", (int) sizeof(id), id,
               (i == 0) ? "newest" : "older", (unsigned long) w->values[i],
               (unsigned long) w->events[i], w->files[i]);

        left += (i == 0) ? 0 : w->values[i] + w->events[i];
    }

    printf("plain values %lu events %lu\n",
           (unsigned long) w->values[MDM_WALK_PLAIN],
           (unsigned long) w->events[MDM_WALK_PLAIN]);
    printf("unopened values %lu events %lu\n",
           (unsigned long) w->values[MDM_WALK_UNOPENED],
           (unsigned long) w->events[MDM_WALK_UNOPENED]);

    if (w->sealed && !w->plain && w->values[MDM_WALK_PLAIN] != 0) {
        printf("nothing was plain before: somebody without the key has put "
               "these there; --seal-plain encrypts them all the same\n");
    }

    for (i = MDM_WALK_PLAIN; i < MDM_WALK_UNDER; i++) {
        left += w->values[i] + w->events[i];
    }

    printf("left %lu\n", (unsigned long) left);
    printf("complete %s\n", complete ? "yes" : "no");

    if (mdm_walk_stopped && strcmp(w->cursor, "0") != 0) {
        printf("cursor %s\n", w->cursor);
    }

    return (left == 0 && complete) ? 0 : MDM_EXIT_LEFT;
}


/* 1: it has every slot, as far as some keys tell */

static mdm_uint_t
mdm_walk_alone(mdm_walk_t *w)
{
    char         key[32];
    mdm_str_t    argv[3];
    mdm_uint_t   i, moved;
    redisReply  *reply;

    moved = 0;

    mdm_str_set(&argv[0], "HGET");
    mdm_str_set(&argv[2], "body");

    for (i = 0; i < MDM_WALK_PROBES && !moved; i++) {
        argv[1].data = (u_char *) key;
        argv[1].len = (size_t) snprintf(key, sizeof(key), "mdm:probe:%lu",
                                        (unsigned long) i);

        reply = mdm_server_command(&w->server, 3, argv);

        moved = (reply->type == REDIS_REPLY_ERROR
                 && strncmp(reply->str, "MOVED ", 6) == 0);

        freeReplyObject(reply);
    }

    return !moved;
}


/* mdm:meta says that nothing is plain: what encryption_required asks for */

static void
mdm_walk_sealed(mdm_walk_t *w)
{
    u_char     id[2 * MDM_SECRET_ID];
    mdm_str_t  argv[4];

    if (!w->masters && !mdm_walk_alone(w)) {
        printf("this is one master of a cluster: for \"encryption_required\" "
               "check all of them, then call this again with "
               "--all-masters\n");
        return;
    }

    mdm_hex(id, w->keys.keys[0].id, MDM_SECRET_ID);

    mdm_str_set(&argv[0], "HSET");
    mdm_str_set(&argv[1], "mdm:meta");
    mdm_str_set(&argv[2], "sealed");
    argv[3].data = id;
    argv[3].len = sizeof(id);

    freeReplyObject(mdm_walk_reply(mdm_server_command(&w->server, 4, argv)));
}


/* mdm:meta names the newest key alone: workers do without the older ones */

static void
mdm_walk_retire(mdm_walk_t *w)
{
    mdm_str_t    argv[3], keys[MDM_SECRET_KEYS], key;
    mdm_str_t    swap[MDM_NARGS_SECRET_SWAP];
    redisReply  *old, *reply;

    mdm_str_set(&key, "mdm:meta");

    mdm_walk_key_args(w, keys);

    mdm_str_set(&argv[0], "HGET");
    argv[1] = key;
    mdm_str_set(&argv[2], "keys");

    old = mdm_walk_reply(mdm_server_command(&w->server, 3, argv));

    if (old->type != REDIS_REPLY_STRING) {
        mdm_trouble("%s: mdm:meta names no key", w->server.server);
    }

    if (memmem(old->str, old->len, keys[0].data, keys[0].len) == NULL) {
        mdm_trouble("%s: the newest key is not in use yet", w->server.server);
    }

    mdm_str_set(&swap[MDM_ARG_SECRET_SWAP_REST], "");
    mdm_str_set(&swap[MDM_ARG_SECRET_SWAP_FIELD], "keys");
    swap[MDM_ARG_SECRET_SWAP_OLD].data = (u_char *) old->str;
    swap[MDM_ARG_SECRET_SWAP_OLD].len = old->len;
    swap[MDM_ARG_SECRET_SWAP_NEW] = keys[0];
    mdm_str_set(&swap[MDM_ARG_SECRET_SWAP_LENGTH], "");

    reply = mdm_walk_reply(mdm_server_eval(&w->server,
                                           &mdm_script_secret_swap, &key,
                                           MDM_NARGS_SECRET_SWAP, swap));

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1
        || reply->element[0]->integer != 1)
    {
        mdm_trouble("%s: mdm:meta has changed meanwhile", w->server.server);
    }

    freeReplyObject(reply);
    freeReplyObject(old);

    printf("older keys are retired: their files can go\n");
}


static void
mdm_walk_stop(int signo)
{
    (void) signo;

    mdm_walk_stopped = 1;
}
