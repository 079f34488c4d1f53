
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes identifiers: src/device/mdm_enrollment.c, src/exchange/mdm_key.c, the
 * percent coding of src/base/mdm_base.c, and how the API takes them out of a
 * path and a query.
 * The input is a line for each of UDID, EnrollmentID, UserID,
 * EnrollmentUserID and UserShortName ("-": not there), then the path and the
 * query of a call; all of it also is one id.
 */


#include <stdlib.h>

#include "mdm_api_ids.h"
#include "mdm_api_util.h"
#include "mdm_endpoint.h"
#include "mdm_enrollment.h"
#include "mdm_key.h"


#define FUZZ_KEYS             5


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void fuzz_line(mdm_str_t *line, const uint8_t **p,
    const uint8_t *last);
static void fuzz_plain(const mdm_str_t *key, const char *keep);
static void fuzz_escape(mdm_arena_t *arena, const mdm_str_t *raw);
static void fuzz_enrollment(mdm_arena_t *arena, const mdm_enrollment_t *en);
static void fuzz_message(mdm_arena_t *arena, const mdm_str_t *lines);
static void fuzz_api(mdm_uint_t method, const char *before,
    const mdm_str_t *path, const mdm_str_t *query);


static const mdm_str_t  fuzz_tenant = mdm_string("tenant-1");

static const mdm_store_settings_t  fuzz_store = {
    .partitions = 251
};

static const mdm_settings_t  fuzz_settings = {
    .store = &fuzz_store,
    .queue_limit = 1000,
    .result_ttl = 3600,
    .api_ids = 20,
    .plist_depth = 32,
    .plist_nodes = 1000
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t             i;
    mdm_str_t          raw, lines[FUZZ_KEYS], path, query;
    mdm_arena_t       *arena;
    const uint8_t     *p;
    mdm_enrollment_t   en;

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        return 0;
    }

    raw.data = (u_char *) data;
    raw.len = size;

    fuzz_escape(arena, &raw);

    if (mdm_enrollment_from_id(arena, &raw, &fuzz_tenant,
                               fuzz_store.partitions, &en)
        == MDM_OK)
    {
        fuzz_enrollment(arena, &en);
    }

    if (mdm_tenant_check(&raw) == MDM_OK) {
        fuzz_plain(&raw, "");
    }

    p = data;

    for (i = 0; i < FUZZ_KEYS; i++) {
        fuzz_line(&lines[i], &p, data + size);
    }

    fuzz_line(&path, &p, data + size);
    fuzz_line(&query, &p, data + size);

    fuzz_message(arena, lines);

    fuzz_api(MDM_GET, "/v1/queue/", &path, &query);
    fuzz_api(MDM_DELETE, "/v1/queue/", &path, &query);
    fuzz_api(MDM_GET, "/v1/enrollments/", &path, &query);
    fuzz_api(MDM_GET, "/", &path, &query);

    mdm_arena_destroy(arena);

    return 0;
}


static void
fuzz_line(mdm_str_t *line, const uint8_t **p, const uint8_t *last)
{
    const uint8_t  *end;

    line->data = (u_char *) *p;
    end = (*p != last) ? memchr(*p, '\n', (size_t) (last - *p)) : NULL;

    line->len = (size_t) (((end != NULL) ? end : last) - *p);
    *p = (end != NULL) ? end + 1 : last;
}


/* the bytes that a key, a hash tag and a log line can bear */

static void
fuzz_plain(const mdm_str_t *key, const char *keep)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < key->len; i++) {
        c = key->data[i];

        if (c <= 0x20 || c >= 0x7f || strchr("{}\"\\*?[]'/<>&", c) != NULL
            || (c == ':' && strchr(keep, ':') == NULL))
        {
            abort();
        }
    }
}


static void
fuzz_escape(mdm_arena_t *arena, const mdm_str_t *raw)
{
    mdm_str_t  key, back;

    if (mdm_key_uuid(arena, &key, raw) != MDM_OK
        || mdm_unescape(arena, &back, &key) != MDM_OK
        || !mdm_str_eq(&back, raw))
    {
        abort();
    }

    fuzz_plain(&key, "");

    if (mdm_key_id(arena, &key, raw) != MDM_OK
        || mdm_unescape(arena, &back, &key) != MDM_OK
        || !mdm_str_eq(&back, raw))
    {
        abort();
    }

    fuzz_plain(&key, ":");

    /* what someone else has encoded, and what is broken */

    if (mdm_unescape(arena, &back, raw) == MDM_OK) {

        if (back.len > raw->len || mdm_key_id(arena, &key, &back) != MDM_OK) {
            abort();
        }

        fuzz_plain(&key, ":");
    }
}


static void
fuzz_enrollment(mdm_arena_t *arena, const mdm_enrollment_t *en)
{
    size_t             i;
    mdm_str_t          back, tag;
    mdm_enrollment_t   other;

    if (en->device.len == 0 || en->device.len > en->id.len
        || en->id.len > 2 * MDM_ID_MAX + 1
        || memcmp(en->device.data, en->id.data, en->device.len) != 0
        || memchr(en->device.data, ':', en->device.len) != NULL
        || (en->id.len != en->device.len
            && (en->id.data[en->device.len] != ':'
                || en->id.len == en->device.len + 1)))
    {
        abort();
    }

    if (en->partition >= fuzz_store.partitions
        || mdm_key_partition(arena, &tag, &fuzz_tenant, en->partition)
           != MDM_OK
        || !mdm_str_eq(&tag, &en->tag))
    {
        abort();
    }

    /* the keys begin with the device's, and each is that of one id only */

    fuzz_plain(&en->id_key, ":");
    fuzz_plain(&en->device_key, "");

    if (mdm_unescape(arena, &back, &en->id_key) != MDM_OK
        || !mdm_str_eq(&back, &en->id)
        || mdm_unescape(arena, &back, &en->device_key) != MDM_OK
        || !mdm_str_eq(&back, &en->device))
    {
        abort();
    }

    for (i = 0; i < en->device_key.len; i++) {
        if (en->id_key.data[i] != en->device_key.data[i]) {
            abort();
        }
    }

    /* an administrator finds it by the same id */

    if (mdm_enrollment_from_id(arena, &en->id, &fuzz_tenant,
                               fuzz_store.partitions, &other)
        != MDM_OK
        || !mdm_str_eq(&other.id_key, &en->id_key)
        || !mdm_str_eq(&other.device_key, &en->device_key)
        || !mdm_str_eq(&other.tag, &en->tag))
    {
        abort();
    }
}


static void
fuzz_message(mdm_arena_t *arena, const mdm_str_t *lines)
{
    size_t             i;
    plist_t            message;
    mdm_int_t          rc;
    mdm_str_t          text;
    const char        *why;
    mdm_enrollment_t   en;

    static const char  *keys[FUZZ_KEYS] = {
        "UDID", "EnrollmentID", "UserID", "EnrollmentUserID", "UserShortName"
    };

    message = plist_new_dict();

    for (i = 0; i < FUZZ_KEYS; i++) {

        if (mdm_str_is(&lines[i], "-")) {
            continue;
        }

        if (mdm_printf(arena, &text, "%.*s", mdm_fmt(&lines[i])) != MDM_OK) {
            abort();
        }

        plist_dict_set_item(message, keys[i],
                            plist_new_string((char *) text.data));
    }

    why = NULL;

    rc = mdm_enrollment_resolve(arena, message, &fuzz_tenant,
                                fuzz_store.partitions, &en, &why);

    if (rc == MDM_OK) {
        fuzz_enrollment(arena, &en);

        if ((en.id.len != en.device.len) != mdm_enrollment_user(&en)
            || mdm_type_name(en.type).len == 0)
        {
            abort();
        }

    } else if (rc != MDM_DECLINED || why == NULL) {
        abort();
    }

    plist_free(message);
}


/* up to the first call, whose key and arguments are looked at */

static void
fuzz_api(mdm_uint_t method, const char *before, const mdm_str_t *path,
    const mdm_str_t *query)
{
    mdm_int_t        rc;
    mdm_uint_t       i;
    mdm_exchange_t  *x;

    x = mdm_exchange_create(&fuzz_settings);
    if (x == NULL) {
        abort();
    }

    x->kind = MDM_KIND_API;
    x->method = method;
    x->tenant = fuzz_tenant;
    x->query = *query;
    x->now = 1700000000;

    x->path.len = strlen(before) + path->len;
    x->path.data = mdm_arena_alloc(x->arena, x->path.len);

    if (x->path.data == NULL) {
        abort();
    }

    memcpy(x->path.data, before, strlen(before));

    if (path->len != 0) {
        memcpy(x->path.data + strlen(before), path->data, path->len);
    }

    mdm_endpoint_find(x);

    rc = mdm_exchange_run(x);

    if (rc == MDM_CALL) {

        if (x->ncalls == 0) {
            abort();
        }

        for (i = 0; i < x->ncalls; i++) {

            if (x->calls[i].key.len < sizeof("mdm:{tenant-1/0}") - 1
                || memcmp(x->calls[i].key.data, "mdm:{tenant-1/", 14) != 0
                || memchr(x->calls[i].key.data, '}', x->calls[i].key.len)
                   != x->calls[i].key.data + x->calls[i].key.len - 1)
            {
                abort();
            }
        }

    } else if (rc != MDM_DONE
               || (x->status != 200 && x->status / 100 != 4
                   && (x->status != 500 || method != MDM_DELETE)))
    {
        /* 500 is the answer to a list of ids of which none is one */

        abort();
    }

    mdm_arena_destroy(x->arena);
}
