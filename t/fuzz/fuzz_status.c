
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes status reports (src/ddm/mdm_ddm_report.c): what is taken apart must
 * come out of the API's document (src/api/mdm_api_status_report.c) and of its
 * lists (src/api/mdm_api_status.c) as JSON again.  The input also is a query
 * (src/api/mdm_api_status_query.c).
 */


#include <stdlib.h>

#include <jansson.h>

#include "mdm_ddm_report.h"
#include "mdm_endpoint.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void fuzz_value(const mdm_ddm_value_t *v);
static void fuzz_error(mdm_str_t error);
static void fuzz_document(mdm_arena_t *arena, const mdm_ddm_report_t *report,
    const char *path);
static mdm_exchange_t *fuzz_call(const mdm_str_t *body, mdm_uint_t method,
    const char *path);
static void fuzz_valid(const mdm_str_t *json);
static mdm_reply_t *fuzz_reply(mdm_arena_t *arena, mdm_reply_e type,
    size_t n);


static const mdm_limits_t  fuzz_limits = { MDM_PLIST_DEPTH, 5000 };

static const mdm_str_t  fuzz_index[] = { mdm_string("device.model.family") };

static const mdm_store_settings_t  fuzz_store = {
    .partitions = 4,
    .status_index = fuzz_index,
    .nstatus_index = 1
};

static const mdm_settings_t  fuzz_settings = {
    .store = &fuzz_store,
    .queue_limit = 1000,
    .result_ttl = 3600,
    .api_ids = 100,
    .status_reports = 10,
    .status_errors = 10,
    .plist_depth = MDM_PLIST_DEPTH,
    .plist_nodes = 5000
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mdm_int_t          rc;
    mdm_str_t          in;
    mdm_uint_t         i;
    const char        *why;
    mdm_arena_t       *arena;
    mdm_exchange_t    *x;
    mdm_ddm_report_t   report;

    in.data = (u_char *) data;
    in.len = size;

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        abort();
    }

    rc = mdm_ddm_report_read(arena, &in, &fuzz_limits, 10, &report, &why);

    if (rc == MDM_OK) {

        if (report.nvalues > MDM_DDM_VALUES || report.nerrors > 10) {
            abort();
        }

        for (i = 0; i < report.nvalues; i++) {
            fuzz_value(&report.values[i]);
        }

        for (i = 0; i < report.nerrors; i++) {
            fuzz_error(report.errors[i]);
        }

        fuzz_document(arena, &report, "/v1/status/A");
        fuzz_document(arena, &report, "/v1/status-values/A");

    } else if (rc != MDM_DECLINED || why == NULL) {
        abort();
    }

    mdm_arena_destroy(arena);

    x = fuzz_call(&in, MDM_POST, "/v1/status/query");
    rc = mdm_exchange_run(x);

    if (rc == MDM_DONE && x->status != 400) {
        abort();
    }

    if (rc == MDM_CALL) {
        fuzz_valid(&x->calls[0].args[MDM_ARG_STATUS_QUERY_JSON]);

    } else {
        fuzz_valid(&x->response);
    }

    mdm_arena_destroy(x->arena);

    return 0;
}


static void
fuzz_value(const mdm_ddm_value_t *v)
{
    size_t   i, path;
    u_char  *p;

    p = memchr(v->place.data, MDM_DDM_ELEMENT, v->place.len);
    path = (p != NULL) ? (size_t) (p - v->place.data) : v->place.len;

    if (path == 0 || path > MDM_DDM_PATH_MAX
        || v->place.len - path > MDM_DDM_ID_MAX + 1
        || v->place.data[0] == '.' || v->place.data[path - 1] == '.')
    {
        abort();
    }

    for (i = 0; i < path; i++) {
        if (v->place.data[i] < 0x20
            || (v->place.data[i] == '.' && v->place.data[i + 1] == '.'))
        {
            abort();
        }
    }

    switch (v->type) {

    case MDM_DDM_REMOVE:
        if (v->json.len != 0 || p == NULL) {
            abort();
        }

        break;

    case MDM_DDM_ARRAY:
        if (p == NULL || v->place.len != path + 1) {
            abort();
        }

        /* fall through */

    case MDM_DDM_SET:
    case MDM_DDM_EMPTY:
    case MDM_DDM_PLAIN:
        fuzz_valid(&v->json);
        break;

    default:
        abort();
    }
}


/* JSON, or a path, a blank and JSON */

static void
fuzz_error(mdm_str_t error)
{
    u_char  *p;

    if (error.len != 0 && error.data[0] == '.') {
        p = memchr(error.data, ' ', error.len);

        if (p == NULL) {
            abort();
        }

        error.len -= (size_t) (p + 1 - error.data);
        error.data = p + 1;
    }

    fuzz_valid(&error);
}


/* as the script would keep it, if nothing was there */

static void
fuzz_document(mdm_arena_t *arena, const mdm_ddm_report_t *report,
    const char *path)
{
    mdm_str_t        none, tag;
    mdm_uint_t       i;
    mdm_reply_t     *reply, *one, *s;
    mdm_exchange_t  *x;

    mdm_str_null(&none);

    x = fuzz_call(&none, MDM_GET, path);

    if (mdm_exchange_run(x) != MDM_CALL || x->ncalls != 1) {
        abort();
    }

    reply = fuzz_reply(arena, MDM_REPLY_ARRAY,
                       MDM_RET_STATUS_GET_CHANNELS + 1);
    one = fuzz_reply(arena, MDM_REPLY_ARRAY, 2 * report->nvalues + 1);

    s = fuzz_reply(arena, MDM_REPLY_INTEGER, 0);
    s->integer = 1;
    reply->elements[MDM_RET_STATUS_GET_DONE] = s;

    s = fuzz_reply(arena, MDM_REPLY_STRING, 0);
    mdm_str_set(&s->str, "");
    reply->elements[MDM_RET_STATUS_GET_CURSOR] = s;
    reply->elements[MDM_RET_STATUS_GET_CHANNELS] = one;

    s = fuzz_reply(arena, MDM_REPLY_STRING, 0);
    mdm_str_set(&s->str, "1700000000000001,1700000000000001,");
    one->elements[MDM_RET_STATUS_GET_VALUES_FULL] = s;
    one->nelements = MDM_RET_STATUS_GET_VALUES_ROWS;

    for (i = 0; i < report->nvalues; i++) {

        if (report->values[i].type == MDM_DDM_REMOVE) {
            continue;
        }

        s = fuzz_reply(arena, MDM_REPLY_STRING, 0);
        s->str = report->values[i].place;
        one->elements[one->nelements++] = s;

        /* mdm_printf() would end at a NUL, which JSON does not hold */

        if (mdm_printf(arena, &tag, "1700000000000000 %.*s",
                       mdm_fmt(&report->values[i].json))
            != MDM_OK)
        {
            abort();
        }

        s = fuzz_reply(arena, MDM_REPLY_STRING, 0);
        s->str = tag;
        one->elements[one->nelements++] = s;
    }

    x->calls[0].rc = MDM_CALL_OK;
    x->calls[0].reply = reply;

    if (mdm_exchange_run(x) != MDM_DONE || x->status != 200) {
        abort();
    }

    fuzz_valid(&x->response);

    mdm_arena_destroy(x->arena);
}


static mdm_exchange_t *
fuzz_call(const mdm_str_t *body, mdm_uint_t method, const char *path)
{
    mdm_exchange_t  *x;

    x = mdm_exchange_create(&fuzz_settings);
    if (x == NULL) {
        abort();
    }

    x->kind = MDM_KIND_API;
    x->method = method;
    x->path.data = (u_char *) path;
    x->path.len = strlen(path);
    x->body = *body;
    x->now = 1700000000;

    mdm_str_set(&x->tenant, "default");
    mdm_str_set(&x->content_type, "application/json");

    mdm_endpoint_find(x);

    return x;
}


static void
fuzz_valid(const mdm_str_t *json)
{
    json_t  *root;

    root = json_loadb((char *) json->data, json->len,
                      JSON_DECODE_ANY|JSON_ALLOW_NUL, NULL);
    if (root == NULL) {
        abort();
    }

    json_decref(root);
}


static mdm_reply_t *
fuzz_reply(mdm_arena_t *arena, mdm_reply_e type, size_t n)
{
    mdm_reply_t  *reply;

    reply = mdm_arena_zalloc(arena, sizeof(mdm_reply_t));
    if (reply == NULL) {
        abort();
    }

    reply->type = type;
    reply->nelements = n;

    reply->elements = mdm_arena_zalloc(arena, n * sizeof(mdm_reply_t *));
    if (reply->elements == NULL) {
        abort();
    }

    return reply;
}
