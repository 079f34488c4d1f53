
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The way through the keys.
 */


#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "mdm_reencrypt.h"


#define MDM_WALK_TRIES        5       /* attempts at a value that changes
                                         meanwhile */
#define MDM_WALK_SAY          10      /* seconds between two messages about the
                                         progress */
#define MDM_WALK_ENTRIES      "10"    /* entries of a stream that are read at
                                         once */
#define MDM_WALK_ARENA        65536


/* is a value compressed?  That binds it, too. */

typedef enum {
    MDM_WALK_BARE = 0,
    MDM_WALK_ASK,                /* field "z" says it */
    MDM_WALK_COMPRESSED
} mdm_walk_form_e;


static void mdm_walk_arena(mdm_walk_t *w);
static mdm_uint_t mdm_walk_bound(const mdm_str_t *key);
static void mdm_walk_key(mdm_walk_t *w, const mdm_str_t *key);
static void mdm_walk_field(mdm_walk_t *w, const mdm_str_t *key, size_t tag,
    const char *field, mdm_walk_form_e form);
static mdm_uint_t mdm_walk_value(mdm_walk_t *w, const mdm_str_t *key,
    size_t tag, const char *field, mdm_walk_form_e form);
static void mdm_walk_form(mdm_walk_t *w, mdm_secret_place_t *place,
    mdm_walk_form_e form);
static redisReply *mdm_walk_swap(mdm_walk_t *w,
    const mdm_secret_place_t *place, size_t tag, const mdm_str_t *field,
    const mdm_str_t *kept, const mdm_str_t *value, mdm_uint_t plain);
static redisReply *mdm_walk_swap_report(mdm_walk_t *w,
    const mdm_secret_place_t *place, size_t tag, const mdm_str_t *field,
    mdm_walk_form_e form, const mdm_str_t *kept, const mdm_str_t *value);
static void mdm_walk_reports(mdm_walk_t *w, const mdm_str_t *key,
    size_t tag);
static void mdm_walk_events(mdm_walk_t *w, const mdm_str_t *key, size_t tag);
static void mdm_walk_entry(mdm_walk_t *w, const mdm_str_t *key, size_t tag,
    const redisReply *entry);
static mdm_uint_t mdm_walk_under(mdm_walk_t *w, const mdm_secret_place_t *place,
    const mdm_str_t *kept, mdm_str_t *value);


mdm_uint_t
mdm_walk_scan(mdm_walk_t *w)
{
    size_t        i;
    time_t        said, now;
    mdm_str_t     argv[6], key;
    redisReply   *reply, *keys;

    said = time(NULL);

    mdm_str_set(&argv[0], "SCAN");
    mdm_str_set(&argv[2], "MATCH");
    mdm_str_set(&argv[3], "mdm:{*");
    mdm_str_set(&argv[4], "COUNT");
    argv[5].data = (u_char *) (uintptr_t) w->batch;
    argv[5].len = strlen(w->batch);

    do {
        argv[1].data = (u_char *) w->cursor;
        argv[1].len = strlen(w->cursor);

        reply = mdm_walk_reply(mdm_server_command(&w->server, 6, argv));

        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
            || reply->element[0]->type != REDIS_REPLY_STRING
            || reply->element[1]->type != REDIS_REPLY_ARRAY)
        {
            mdm_trouble("%s: not a reply to SCAN", w->server.server);
        }

        keys = reply->element[1];

        for (i = 0; i < keys->elements; i++) {
            key.data = (u_char *) keys->element[i]->str;
            key.len = keys->element[i]->len;

            mdm_walk_key(w, &key);
        }

        w->scanned += keys->elements;

        (void) snprintf(w->cursor, sizeof(w->cursor), "%s",
                        reply->element[0]->str);

        freeReplyObject(reply);

        if (strcmp(w->cursor, "0") == 0) {
            return 1;
        }

        now = time(NULL);

        if (now - said >= MDM_WALK_SAY) {
            said = now;
            (void) fprintf(stderr, "%lu keys, at cursor %s\n",
                           (unsigned long) w->scanned, w->cursor);
        }

        if (w->wait != 0) {
            (void) usleep((useconds_t) w->wait * 1000);
        }

    } while (!mdm_walk_stopped);

    return 0;
}


/* frees the value before */

static void
mdm_walk_arena(mdm_walk_t *w)
{
    mdm_arena_destroy(w->arena);

    w->arena = mdm_arena_create(MDM_WALK_ARENA);
    if (w->arena == NULL) {
        mdm_trouble("no memory");
    }
}


static void
mdm_walk_key(mdm_walk_t *w, const mdm_str_t *key)
{
    u_char     *brace;
    size_t      tag, len;
    mdm_str_t   rest;

    brace = memchr(key->data, '}', key->len);
    if (brace == NULL) {
        return;
    }

    tag = (size_t) (brace + 1 - key->data);

    rest.data = brace + 1;
    rest.len = key->len - tag;
    len = rest.len;

    /* the outbox, and what of it a webhook has not taken */

    if (mdm_str_is(&rest, ":events")
        || (len > 6 && memcmp(rest.data, ":dead:", 6) == 0))
    {
        mdm_walk_events(w, key, tag);
        return;
    }

    if (len > 4 && memcmp(rest.data, ":sr:", 4) == 0) {
        mdm_walk_reports(w, key, tag);
        return;
    }

    /* bindings of a challenge, a link, one in the list, or a certificate */

    if ((len == 0 && mdm_walk_bound(key)) || mdm_str_is(&rest, ":x")
        || (len > 6 && memcmp(rest.data, ":link:", 6) == 0))
    {
        mdm_walk_field(w, key, tag, "bind", MDM_WALK_BARE);
        return;
    }

    if (len < 3 || rest.data[0] != ':' || rest.data[2] != ':') {
        return;
    }

    switch (rest.data[1]) {

    case 'c':

        /* a push certificate, a challenge in the list, or a command */

        if (tag > 6 && memcmp(key->data + tag - 6, "/push}", 6) == 0) {
            mdm_walk_field(w, key, tag, "key", MDM_WALK_BARE);

        } else if (tag > 4 && memcmp(key->data + tag - 4, "/ca}", 4) == 0) {
            mdm_walk_field(w, key, tag, "bind", MDM_WALK_BARE);

        } else {
            mdm_walk_field(w, key, tag, "body", MDM_WALK_BARE);
        }

        break;

    case 'r':
        mdm_walk_field(w, key, tag, "body", MDM_WALK_ASK);
        break;

    case 's':

        /* a setup; of a partition it is what a channel has reported */

        if (tag > 6 && memcmp(key->data + tag - 6, "/prof}", 6) == 0) {
            mdm_walk_field(w, key, tag, "body", MDM_WALK_BARE);
        }

        break;

    case 'u':
        mdm_walk_field(w, key, tag, "unlock", MDM_WALK_BARE);
        mdm_walk_field(w, key, tag, "bootstrap", MDM_WALK_BARE);
        break;
    }
}


/*
 * "mdm:{tenant/chal:<sha256>}", "mdm:{tenant/link:<sha256>}",
 * "mdm:{tenant/dev:<serial>}"; a tenant's name has no slash
 */

static mdm_uint_t
mdm_walk_bound(const mdm_str_t *key)
{
    u_char  *slash;
    size_t   len;

    slash = memchr(key->data, '/', key->len);
    if (slash == NULL) {
        return 0;
    }

    len = (size_t) (key->data + key->len - slash);

    return (len > 6 && (memcmp(slash, "/chal:", 6) == 0
                        || memcmp(slash, "/link:", 6) == 0))
           || (len > 5 && memcmp(slash, "/dev:", 5) == 0);
}


/* field "l" names those that are kept: "time:digest:z", parted by blanks */

static void
mdm_walk_reports(mdm_walk_t *w, const mdm_str_t *key, size_t tag)
{
    char        *p, *digest, *z;
    mdm_str_t    argv[3];
    redisReply  *reply;

    mdm_str_set(&argv[0], "HGET");
    argv[1] = *key;
    mdm_str_set(&argv[2], "l");

    reply = mdm_server_command(&w->server, 3, argv);

    if (reply->type == REDIS_REPLY_ERROR
        && strncmp(reply->str, "WRONGTYPE", 9) == 0)
    {
        freeReplyObject(reply);
        return;
    }

    (void) mdm_walk_reply(reply);

    p = (reply->type == REDIS_REPLY_STRING) ? reply->str : NULL;

    for ( /* void */ ; p != NULL; p = strchr(z, ' ')) {

        digest = strchr(p, ':');
        z = (digest != NULL) ? strchr(digest + 1, ':') : NULL;

        if (z == NULL) {
            break;
        }

        *z++ = '\0';

        mdm_walk_field(w, key, tag, digest + 1,
                       (*z == '1') ? MDM_WALK_COMPRESSED : MDM_WALK_BARE);
    }

    freeReplyObject(reply);
}


static void
mdm_walk_field(mdm_walk_t *w, const mdm_str_t *key, size_t tag,
    const char *field, mdm_walk_form_e form)
{
    mdm_uint_t  i;

    for (i = 0; i < MDM_WALK_TRIES; i++) {

        if (mdm_walk_value(w, key, tag, field, form)) {
            return;
        }
    }

    (void) fprintf(stderr, "%s of %.*s changes all the time\n", field,
                   mdm_fmt(key));

    w->values[MDM_WALK_UNOPENED]++;
}


/* 0: the value has changed meanwhile */

static mdm_uint_t
mdm_walk_value(mdm_walk_t *w, const mdm_str_t *key, size_t tag,
    const char *field, mdm_walk_form_e form)
{
    mdm_str_t            argv[4], kept, value;
    mdm_uint_t           under, done;
    redisReply          *reply, *swap;
    mdm_secret_place_t   place;

    mdm_walk_arena(w);

    mdm_str_set(&argv[0], "HMGET");
    argv[1] = *key;
    argv[2].data = (u_char *) (uintptr_t) field;
    argv[2].len = strlen(field);
    mdm_str_set(&argv[3], "z");

    reply = mdm_server_command(&w->server, 4, argv);

    if (reply->type == REDIS_REPLY_ERROR
        && strncmp(reply->str, "WRONGTYPE", 9) == 0)
    {
        freeReplyObject(reply);
        return 1;
    }

    (void) mdm_walk_reply(reply);

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[0]->len == 0)
    {
        freeReplyObject(reply);
        return 1;
    }

    kept.data = (u_char *) reply->element[0]->str;
    kept.len = reply->element[0]->len;

    place.key = *key;
    place.field = argv[2];

    if (form == MDM_WALK_ASK
        && reply->element[1]->type == REDIS_REPLY_STRING
        && strcmp(reply->element[1]->str, "1") == 0)
    {
        form = MDM_WALK_COMPRESSED;
    }

    mdm_walk_form(w, &place, form);

    under = mdm_walk_under(w, &place, &kept, &value);

    /* a plain value among sealed ones may be planted: it is not sealed */

    if (under == 0 || under == MDM_WALK_UNOPENED || w->check
        || (under == MDM_WALK_PLAIN && w->sealed && !w->plain))
    {
        w->values[under]++;
        freeReplyObject(reply);
        return 1;
    }

    if (under == MDM_WALK_PLAIN && tag + 4 < key->len
        && memcmp(key->data + tag, ":sr:", 4) == 0)
    {
        swap = mdm_walk_swap_report(w, &place, tag, &argv[2], form, &kept,
                                    &value);

    } else {
        swap = mdm_walk_swap(w, &place, tag, &argv[2], &kept, &value,
                             under == MDM_WALK_PLAIN);
    }

    done = (swap->type == REDIS_REPLY_ARRAY && swap->elements == 1
            && swap->element[0]->integer == 1);

    if (done) {
        w->rewritten++;
        w->values[0]++;
    }

    freeReplyObject(swap);
    freeReplyObject(reply);

    return done;
}


/* what binds a compressed value */

static void
mdm_walk_form(mdm_walk_t *w, mdm_secret_place_t *place, mdm_walk_form_e form)
{
    mdm_str_t  field;

    if (form != MDM_WALK_COMPRESSED) {
        return;
    }

    field = place->field;

    if (mdm_printf(w->arena, &place->field, "%.*s:z", mdm_fmt(&field))
        != MDM_OK)
    {
        mdm_trouble("no memory");
    }
}


/* a plain value must not be an argument: it would be in SLOWLOG */

static redisReply *
mdm_walk_swap(mdm_walk_t *w, const mdm_secret_place_t *place, size_t tag,
    const mdm_str_t *field, const mdm_str_t *kept, const mdm_str_t *value,
    mdm_uint_t plain)
{
    mdm_str_t  args[MDM_NARGS_SECRET_SWAP], prefix;

    prefix.data = place->key.data;
    prefix.len = tag;

    args[MDM_ARG_SECRET_SWAP_REST].data = place->key.data + tag;
    args[MDM_ARG_SECRET_SWAP_REST].len = place->key.len - tag;
    args[MDM_ARG_SECRET_SWAP_FIELD] = *field;
    args[MDM_ARG_SECRET_SWAP_OLD] = *kept;

    if (plain) {
        args[MDM_ARG_SECRET_SWAP_OLD].len = 0;
    }

    if (mdm_printf(w->arena, &args[MDM_ARG_SECRET_SWAP_LENGTH], "%lu",
                   (unsigned long) kept->len)
        != MDM_OK
        || mdm_secret_seal(w->arena, &w->keys, place, value,
                           &args[MDM_ARG_SECRET_SWAP_NEW])
           != MDM_OK)
    {
        mdm_trouble("no memory");
    }

    return mdm_walk_reply(mdm_server_eval(&w->server,
                                          &mdm_script_secret_swap, &prefix,
                                          MDM_NARGS_SECRET_SWAP,
                                          args));
}


/* the name of a plain status report is its digest: it gets another one */

static redisReply *
mdm_walk_swap_report(mdm_walk_t *w, const mdm_secret_place_t *place,
    size_t tag, const mdm_str_t *field, mdm_walk_form_e form,
    const mdm_str_t *kept, const mdm_str_t *value)
{
    mdm_str_t           args[MDM_NARGS_STATUS_REPORT_SWAP], prefix;
    mdm_secret_place_t  to;

    prefix.data = place->key.data;
    prefix.len = tag;

    args[MDM_ARG_STATUS_REPORT_SWAP_ID].data = place->key.data + tag + 4;
    args[MDM_ARG_STATUS_REPORT_SWAP_ID].len = place->key.len - tag - 4;
    args[MDM_ARG_STATUS_REPORT_SWAP_NAME] = *field;

    if (mdm_secret_random(w->arena, &args[MDM_ARG_STATUS_REPORT_SWAP_NEW_NAME])
        != MDM_OK
        || mdm_printf(w->arena, &args[MDM_ARG_STATUS_REPORT_SWAP_LENGTH],
                      "%lu", (unsigned long) kept->len)
           != MDM_OK)
    {
        mdm_trouble("no memory");
    }

    to.key = place->key;
    to.field = args[MDM_ARG_STATUS_REPORT_SWAP_NEW_NAME];

    mdm_walk_form(w, &to, form);

    if (mdm_secret_seal(w->arena, &w->keys, &to, value,
                        &args[MDM_ARG_STATUS_REPORT_SWAP_NEW])
        != MDM_OK)
    {
        mdm_trouble("no memory");
    }

    return mdm_walk_reply(mdm_server_eval(&w->server,
                                          &mdm_script_status_report_swap,
                                          &prefix,
                                          MDM_NARGS_STATUS_REPORT_SWAP, args));
}


static void
mdm_walk_events(mdm_walk_t *w, const mdm_str_t *key, size_t tag)
{
    char         from[64];
    size_t       i, n;
    mdm_str_t    argv[6];
    redisReply  *reply, *entry;

    (void) strcpy(from, "-");

    mdm_str_set(&argv[0], "XRANGE");
    argv[1] = *key;
    mdm_str_set(&argv[3], "+");
    mdm_str_set(&argv[4], "COUNT");
    mdm_str_set(&argv[5], MDM_WALK_ENTRIES);

    do {
        argv[2].data = (u_char *) from;
        argv[2].len = strlen(from);

        reply = mdm_walk_reply(mdm_server_command(&w->server, 6, argv));

        n = (reply->type == REDIS_REPLY_ARRAY) ? reply->elements : 0;

        for (i = 0; i < n; i++) {
            entry = reply->element[i];

            if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2) {
                continue;
            }

            (void) snprintf(from, sizeof(from), "(%s",
                            entry->element[0]->str);

            mdm_walk_entry(w, key, tag, entry);
        }

        freeReplyObject(reply);

    } while (n != 0);
}


static void
mdm_walk_entry(mdm_walk_t *w, const mdm_str_t *key, size_t tag,
    const redisReply *entry)
{
    size_t               i;
    mdm_str_t            argv[3], raw, id, value;
    mdm_uint_t           under;
    redisReply         **pair;
    mdm_secret_place_t   place;

    mdm_walk_arena(w);

    mdm_str_null(&raw);
    mdm_str_null(&id);

    pair = entry->element[1]->element;

    for (i = 0; i + 1 < entry->element[1]->elements; i += 2) {

        if (strcmp(pair[i]->str, "raw") == 0) {
            raw.data = (u_char *) pair[i + 1]->str;
            raw.len = pair[i + 1]->len;

        } else if (strcmp(pair[i]->str, "id") == 0) {
            id.data = (u_char *) pair[i + 1]->str;
            id.len = pair[i + 1]->len;
        }
    }

    if (raw.len == 0) {
        return;
    }

    /* one that was put aside is kept as it came from the outbox */

    if (mdm_printf(w->arena, &place.key, "%.*s:events", (int) tag, key->data)
        != MDM_OK
        || mdm_printf(w->arena, &place.field, "raw:%.*s", mdm_fmt(&id))
           != MDM_OK)
    {
        mdm_trouble("no memory");
    }

    under = mdm_walk_under(w, &place, &raw, &value);

    if (under == 0 || under == MDM_WALK_UNOPENED || !w->drop || w->check) {
        w->events[under]++;
        return;
    }

    mdm_str_set(&argv[0], "XDEL");
    argv[1] = *key;
    argv[2].data = (u_char *) entry->element[0]->str;
    argv[2].len = entry->element[0]->len;

    freeReplyObject(mdm_walk_reply(mdm_server_command(&w->server, 3, argv)));

    w->dropped++;
}


/* opens a value: 0, it is under the newest key … */

static mdm_uint_t
mdm_walk_under(mdm_walk_t *w, const mdm_secret_place_t *place,
    const mdm_str_t *kept, mdm_str_t *value)
{
    mdm_int_t  rc, under;
    mdm_str_t  why;

    rc = mdm_secret_open(w->arena, &w->keys, place, kept, value, &under, &why);

    if (rc == MDM_ERROR) {
        mdm_trouble("no memory");
    }

    if (rc != MDM_OK) {
        (void) fprintf(stderr, "%.*s of %.*s cannot be opened: %.*s\n",
                       mdm_fmt(&place->field), mdm_fmt(&place->key),
                       mdm_fmt(&why));
        return MDM_WALK_UNOPENED;
    }

    return (under < 0) ? MDM_WALK_PLAIN : (mdm_uint_t) under;
}


redisReply *
mdm_walk_reply(redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        mdm_trouble("redis: %s", reply->str);
    }

    return reply;
}
