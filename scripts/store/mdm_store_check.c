
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Is a server fit for a worker?  For scripts/mdm-check, which calls it once
 * for each server: a line "ok|warn|fail TAB what TAB text" a check.
 */


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mdm_key.h"
#include "mdm_key_file.h"
#include "mdm_store.h"


#define MDM_CHECK_CLOCK       2       /* seconds that clocks may differ */
#define MDM_CHECK_CLOCK_FAR   60


/* what the configuration says of the store */

typedef struct {
    const char               *partitions;
    const char               *store_id;
    const char               *replicas;    /* of "durability wait" */
    mdm_uint_t                cluster;
    mdm_uint_t                sealed;      /* "encryption_required on" */
    mdm_secret_keys_t         keys;
} mdm_check_t;


static void mdm_check_arg(mdm_check_t *c, char *arg);
static mdm_uint_t mdm_check_line(const char *level, const char *what,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static mdm_uint_t mdm_check_info(mdm_store_t *s, mdm_check_t *c);
static const char *mdm_check_field(const redisReply *info, const char *name,
    char *buf, size_t size);
static mdm_uint_t mdm_check_clock(mdm_store_t *s);
static mdm_uint_t mdm_check_acl(mdm_store_t *s, mdm_check_t *c);
static mdm_uint_t mdm_check_probe_key(mdm_store_t *s, mdm_check_t *c,
    mdm_str_t *key, u_char *buf, size_t size);
static mdm_uint_t mdm_check_meta(mdm_store_t *s, mdm_check_t *c);
static mdm_uint_t mdm_check_partitions(mdm_check_t *c,
    const redisReply *meta);
static mdm_uint_t mdm_check_id(mdm_check_t *c, const redisReply *meta);
static mdm_uint_t mdm_check_keys(mdm_check_t *c, const redisReply *meta);
static mdm_uint_t mdm_check_key(mdm_check_t *c, const char *known);
static const char *mdm_check_meta_field(const redisReply *meta,
    const char *name);
static redisReply *mdm_check_command(mdm_store_t *s, mdm_uint_t n, ...);


int
mdm_store_check(mdm_store_t *s)
{
    int          i;
    mdm_uint_t   failed;
    mdm_check_t  c;

    memset(&c, 0, sizeof(mdm_check_t));

    for (i = 0; i < s->argc; i++) {
        mdm_check_arg(&c, s->argv[i]);
    }

    mdm_server_connect(&s->server);

    failed = mdm_check_line("ok", "reachable", "%s", s->server.server);

    failed |= mdm_check_info(s, &c);
    failed |= mdm_check_clock(s);
    failed |= mdm_check_acl(s, &c);
    failed |= mdm_check_meta(s, &c);

    mdm_secret_keys_clear(&c.keys);

    return failed ? 1 : 0;
}


static void
mdm_check_arg(mdm_check_t *c, char *arg)
{
    char  *value;

    value = strchr(arg, '=');

    if (value == NULL) {
        mdm_store_usage(MDM_EXIT_TROUBLE);
    }

    *value++ = '\0';

    if (strcmp(arg, "partitions") == 0) {
        c->partitions = mdm_number(value);

    } else if (strcmp(arg, "replicas") == 0) {
        c->replicas = mdm_number(value);

    } else if (strcmp(arg, "store_id") == 0) {
        c->store_id = value;

    } else if (strcmp(arg, "sealed") == 0) {
        c->sealed = (strcmp(value, "1") == 0);

    } else if (strcmp(arg, "cluster") == 0) {
        c->cluster = (strcmp(value, "1") == 0);

    } else if (strcmp(arg, "key") == 0) {
        mdm_key_file(&c->keys, value);

    } else {
        mdm_store_usage(MDM_EXIT_TROUBLE);
    }
}


/* returns 1 if that fails the check as a whole */

static mdm_uint_t
mdm_check_line(const char *level, const char *what, const char *fmt, ...)
{
    va_list  args;

    printf("%s\t%s\t", level, what);

    va_start(args, fmt);
    (void) vprintf(fmt, args);
    va_end(args);

    (void) putchar('\n');

    return strcmp(level, "fail") == 0;
}


static mdm_uint_t
mdm_check_info(mdm_store_t *s, mdm_check_t *c)
{
    char         value[128];
    mdm_uint_t   failed;
    redisReply  *info;

    info = mdm_check_command(s, 1, "INFO");

    if (info->type != REDIS_REPLY_STRING) {
        failed = mdm_check_line("fail", "acl", "INFO is refused: %s",
                                (info->str != NULL) ? info->str : "no text");
        freeReplyObject(info);
        return failed;
    }

    failed = 0;

    if (strcmp(mdm_check_field(info, "loading", value, sizeof(value)), "1")
        == 0)
    {
        failed |= mdm_check_line("fail", "persistence", "it is loading its "
                                 "data");
    }

    (void) mdm_check_field(info, "role", value, sizeof(value));

    if (value[0] != '\0' && strcmp(value, "master") != 0) {
        failed |= mdm_check_line("fail", "role", "it is a %s: a worker writes",
                                 value);
    }

    (void) mdm_check_field(info, "maxmemory_policy", value, sizeof(value));

    if (value[0] != '\0' && strcmp(value, "noeviction") != 0) {
        failed |= mdm_check_line("fail", "persistence", "maxmemory-policy is "
                                 "\"%s\": enrollments and commands would be "
                                 "evicted, set noeviction", value);
    }

    (void) mdm_check_field(info, "aof_enabled", value, sizeof(value));

    if (strcmp(value, "1") == 0) {
        failed |= mdm_check_line("ok", "persistence", "append-only file");

    } else {
        failed |= mdm_check_line("warn", "persistence", "appendonly is \"no\": "
                                 "a restart loses what came since the last "
                                 "snapshot");
    }

    if (c->replicas != NULL) {
        (void) mdm_check_field(info, "connected_slaves", value, sizeof(value));

        failed |= (strtol(value, NULL, 10) < strtol(c->replicas, NULL, 10))
                  ? mdm_check_line("fail", "replicas", "\"durability wait "
                                   "%s\", but it has %s: each write is "
                                   "answered 503", c->replicas, value)
                  : mdm_check_line("ok", "replicas", "%s", value);
    }

    freeReplyObject(info);

    return failed;
}


/* "name:value" on a line of its own; returns buf, empty: it is not there */

static const char *
mdm_check_field(const redisReply *info, const char *name, char *buf,
    size_t size)
{
    size_t       len, n;
    const char  *p;

    buf[0] = '\0';
    len = strlen(name);

    for (p = info->str; p != NULL; p = strchr(p, '\n')) {

        p += (*p == '\n');

        if (strncmp(p, name, len) == 0 && p[len] == ':') {
            p += len + 1;
            n = strcspn(p, "\r\n");

            (void) snprintf(buf, size, "%.*s", (int) n, p);
            break;
        }
    }

    return buf;
}


static mdm_uint_t
mdm_check_clock(mdm_store_t *s)
{
    long long    theirs, apart;
    redisReply  *reply;

    reply = mdm_check_command(s, 1, "TIME");

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING)
    {
        freeReplyObject(reply);
        return mdm_check_line("fail", "acl", "TIME is refused");
    }

    theirs = strtoll(reply->element[0]->str, NULL, 10);
    apart = theirs - (long long) time(NULL);

    freeReplyObject(reply);

    if (apart < 0) {
        apart = -apart;
    }

    if (apart <= MDM_CHECK_CLOCK) {
        return mdm_check_line("ok", "clock", "%lld s apart", apart);
    }

    return mdm_check_line((apart <= MDM_CHECK_CLOCK_FAR) ? "warn" : "fail",
                          "clock", "its clock and this host's are %lld s "
                          "apart", apart);
}


static mdm_uint_t
mdm_check_acl(mdm_store_t *s, mdm_check_t *c)
{
    char         names[1024];
    u_char       buf[64];
    size_t       i, n;
    mdm_str_t    key;
    mdm_uint_t   failed;
    redisReply  *reply;

    if (!mdm_check_probe_key(s, c, &key, buf, sizeof(buf))) {
        return mdm_check_line("ok", "acl", "no slot of the cluster is its: "
                              "not tried");
    }

    reply = mdm_server_eval(&s->server, &mdm_script_probe, &key, 0, NULL);

    if (reply->type == REDIS_REPLY_ERROR) {
        failed = mdm_check_line("fail", "acl", "%s", reply->str);

    } else if (reply->type == REDIS_REPLY_ARRAY && reply->elements != 0) {

        for (n = 0, i = 0; i < reply->elements && n < sizeof(names); i++) {
            n += (size_t) snprintf(names + n, sizeof(names) - n, "%s%s",
                                   i ? " " : "", reply->element[i]->str);
        }

        failed = mdm_check_line("fail", "acl", "the user may not call: %s",
                                names);

    } else {
        failed = mdm_check_line("ok", "acl", "all commands of the scripts");
    }

    freeReplyObject(reply);

    return failed;
}


/* in a cluster a key of a slot of this very node; 0: it has none */

static mdm_uint_t
mdm_check_probe_key(mdm_store_t *s, mdm_check_t *c, mdm_str_t *key,
    u_char *buf, size_t size)
{
    mdm_uint_t   n, found;
    redisReply  *reply;

    mdm_str_set(key, "mdm:probe");

    if (!c->cluster) {
        return 1;
    }

    found = 0;

    for (n = 0; n < 4096 && !found; n++) {
        key->data = buf;
        key->len = (size_t) snprintf((char *) buf, size, "mdm:{probe%lu}",
                                     (unsigned long) n);

        reply = mdm_check_command(s, 2, "EXISTS", (char *) buf);

        /* MOVED: the slot is another node's */

        found = (reply->type == REDIS_REPLY_INTEGER);

        freeReplyObject(reply);
    }

    return found;
}


static mdm_uint_t
mdm_check_meta(mdm_store_t *s, mdm_check_t *c)
{
    mdm_str_t            key;
    mdm_uint_t           failed;
    redisReply          *meta;
    const char          *version;
    const mdm_script_t   script = {
        .name = mdm_string("show"),
        .body = mdm_string("return redis.call('HGETALL', KEYS[1])\n")
    };

    mdm_str_set(&key, "mdm:meta");

    meta = mdm_server_eval(&s->server, &script, &key, 0, NULL);

    if (meta->type == REDIS_REPLY_ERROR
        && strncmp(meta->str, "MOVED ", 6) == 0)
    {
        freeReplyObject(meta);
        return 0;
    }

    if (meta->type != REDIS_REPLY_ARRAY) {
        failed = mdm_check_line("fail", "store", "mdm:meta: %s",
                                (meta->str != NULL) ? meta->str : "no text");
        freeReplyObject(meta);
        return failed;
    }

    if (meta->elements == 0) {
        freeReplyObject(meta);

        if (c->store_id != NULL) {
            return mdm_check_line("fail", "store id", "there is no store, "
                                  "\"store_id\" wants %s", c->store_id);
        }

        return mdm_check_line("warn", "store", "there is none yet: the first "
                              "worker makes it");
    }

    version = mdm_check_meta_field(meta, "version");

    failed = (version == NULL || strcmp(version, MDM_STORE_VERSION) == 0)
             ? mdm_check_line("ok", "version", "%s", MDM_STORE_VERSION)
             : mdm_check_line("fail", "version", "the keyspace has version "
                              "%s, this release needs %s", version,
                              MDM_STORE_VERSION);

    failed |= mdm_check_partitions(c, meta);
    failed |= mdm_check_id(c, meta);
    failed |= mdm_check_keys(c, meta);

    if (c->sealed && mdm_check_meta_field(meta, "sealed") == NULL) {
        failed |= mdm_check_line("fail", "encryption required", "it may hold "
                                 "values that are not encrypted: call "
                                 "mdm-reencrypt until it says \"left 0\"");
    }

    freeReplyObject(meta);

    return failed;
}


static mdm_uint_t
mdm_check_partitions(mdm_check_t *c, const redisReply *meta)
{
    const char  *partitions;

    partitions = mdm_check_meta_field(meta, "partitions");

    if (partitions == NULL || c->partitions == NULL
        || strcmp(partitions, c->partitions) == 0)
    {
        return mdm_check_line("ok", "partitions", "%s",
                              (partitions != NULL) ? partitions : "not set");
    }

    return mdm_check_line("fail", "partitions", "the store has %s, the "
                          "configuration says %s", partitions, c->partitions);
}


static mdm_uint_t
mdm_check_id(mdm_check_t *c, const redisReply *meta)
{
    const char  *id, *adopted;

    id = mdm_check_meta_field(meta, "store_id");
    adopted = mdm_check_meta_field(meta, "adopted");

    if (c->store_id == NULL) {
        return mdm_check_line("ok", "store id", "%s",
                              (id != NULL) ? id : "none yet");
    }

    /* ids are of one length and have no blanks */

    if (id != NULL
        && (strcmp(id, c->store_id) == 0
            || (adopted != NULL && strstr(adopted, c->store_id) != NULL)))
    {
        return mdm_check_line("ok", "store id", "%s", id);
    }

    return mdm_check_line("fail", "store id", "it is store %s, \"store_id\" "
                          "wants %s (mdm-store adopt)",
                          (id != NULL) ? id : "without an id", c->store_id);
}


/* "id:check id:check …", newest first */

static mdm_uint_t
mdm_check_keys(mdm_check_t *c, const redisReply *meta)
{
    char        *known, *save, *one;
    mdm_uint_t   failed;
    const char  *keys;

    keys = mdm_check_meta_field(meta, "keys");

    if (keys == NULL || keys[0] == '\0') {
        return (c->keys.n == 0)
               ? mdm_check_line("ok", "encryption key", "none")
               : mdm_check_line("ok", "encryption key", "the first one will "
                                "be entered");
    }

    known = strdup(keys);
    if (known == NULL) {
        mdm_trouble("no memory");
    }

    failed = 0;

    for (one = strtok_r(known, " ", &save);
         one != NULL;
         one = strtok_r(NULL, " ", &save))
    {
        failed |= mdm_check_key(c, one);
    }

    free(known);

    return failed;
}


static mdm_uint_t
mdm_check_key(mdm_check_t *c, const char *known)
{
    u_char       id[2 * MDM_SECRET_ID], check[2 * MDM_SECRET_CHECK];
    mdm_uint_t   i;

    for (i = 0; i < c->keys.n; i++) {
        mdm_hex(id, c->keys.keys[i].id, MDM_SECRET_ID);
        mdm_hex(check, c->keys.keys[i].check, MDM_SECRET_CHECK);

        if (strncmp(known, (char *) id, sizeof(id)) != 0) {
            continue;
        }

        if (strlen(known) == sizeof(id) + 1 + sizeof(check)
            && memcmp(known + sizeof(id) + 1, check, sizeof(check)) == 0)
        {
            return mdm_check_line("ok", "encryption key", "%.16s", known);
        }

        return mdm_check_line("fail", "encryption key", "the check value of "
                              "key %.16s in mdm:meta is another one", known);
    }

    return mdm_check_line("fail", "encryption key", "values are under key "
                          "%.16s, which is in no file of \"encryption_key\"",
                          known);
}


static const char *
mdm_check_meta_field(const redisReply *meta, const char *name)
{
    size_t  i;

    for (i = 0; i + 1 < meta->elements; i += 2) {
        if (meta->element[i]->type == REDIS_REPLY_STRING
            && meta->element[i + 1]->type == REDIS_REPLY_STRING
            && strcmp(meta->element[i]->str, name) == 0)
        {
            return meta->element[i + 1]->str;
        }
    }

    return NULL;
}


int
mdm_store_masters(mdm_store_t *s)
{
    size_t             i;
    redisReply        *reply, *node;

    mdm_server_connect(&s->server);

    /* of a cluster: {from, to, {address, port, …}, …}, … */

    if (s->argc == 0) {
        reply = mdm_check_command(s, 2, "CLUSTER", "SLOTS");

        if (reply->type != REDIS_REPLY_ARRAY) {
            mdm_trouble("%s: CLUSTER SLOTS: %s", s->server.server,
                        (reply->str != NULL) ? reply->str : "no text");
        }

        for (i = 0; i < reply->elements; i++) {
            node = reply->element[i];

            if (node->type == REDIS_REPLY_ARRAY && node->elements > 2
                && node->element[2]->type == REDIS_REPLY_ARRAY
                && node->element[2]->elements > 1
                && node->element[2]->element[0]->type == REDIS_REPLY_STRING)
            {
                printf("%s:%lld\n", node->element[2]->element[0]->str,
                       node->element[2]->element[1]->integer);
            }
        }

        freeReplyObject(reply);

        return 0;
    }

    reply = mdm_check_command(s, 3, "SENTINEL", "get-master-addr-by-name",
                              s->argv[0]);

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        mdm_trouble("%s: it does not know a master \"%s\"", s->server.server,
                    s->argv[0]);
    }

    printf("%s:%s\n", reply->element[0]->str, reply->element[1]->str);

    freeReplyObject(reply);

    return 0;
}


/* a command of n words, which are const char * */

static redisReply *
mdm_check_command(mdm_store_t *s, mdm_uint_t n, ...)
{
    va_list      args;
    mdm_str_t    argv[4];
    mdm_uint_t   i;

    va_start(args, n);

    for (i = 0; i < n; i++) {
        argv[i].data = (u_char *) (uintptr_t) va_arg(args, const char *);
        argv[i].len = strlen((char *) argv[i].data);
    }

    va_end(args);

    return mdm_server_command(&s->server, n, argv);
}
