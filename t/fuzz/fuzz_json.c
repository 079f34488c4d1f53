
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes the API's JSON: commands (src/device/mdm_command_json.c), queries for
 * enrollments (src/api/mdm_api_query_read.c) and the writer
 * (src/base/mdm_json_write.c), whose output jansson must be able to read.
 */


#include <stdlib.h>

#include <jansson.h>

#include "mdm_api_json.h"
#include "mdm_command.h"
#include "mdm_endpoint.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void fuzz_command(const mdm_str_t *in, mdm_uint_t validate);
static void fuzz_call(const mdm_str_t *in, mdm_uint_t method,
    const char *path);
static void fuzz_writer(const mdm_str_t *in);
static void fuzz_valid(const mdm_str_t *json);


static const mdm_limits_t  fuzz_limits = { MDM_PLIST_DEPTH,
                                                 MDM_PLIST_NODES };

static const mdm_store_settings_t  fuzz_store = {
    .partitions = 4
};

static const mdm_settings_t  fuzz_settings = {
    .store = &fuzz_store,
    .validate = MDM_VALIDATE_WARN,
    .queue_limit = 1000,
    .result_ttl = 3600,
    .api_ids = 100,
    .plist_depth = MDM_PLIST_DEPTH,
    .plist_nodes = MDM_PLIST_NODES
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mdm_str_t  in;

    in.data = (u_char *) data;
    in.len = size;

    fuzz_command(&in, MDM_VALIDATE_OFF);
    fuzz_command(&in, MDM_VALIDATE_WARN);
    fuzz_command(&in, MDM_VALIDATE_STRICT);

    fuzz_call(&in, MDM_PUT, "/v1/enqueue/A,B");
    fuzz_call(&in, MDM_POST, "/v1/enrollments/query");

    fuzz_writer(&in);

    return 0;
}


static void
fuzz_command(const mdm_str_t *in, mdm_uint_t validate)
{
    plist_t         root;
    mdm_int_t       rc;
    mdm_str_t       s;
    const char     *why;
    mdm_arena_t    *arena;
    mdm_command_t   command;

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        abort();
    }

    rc = mdm_command_read(arena, in, 1, validate, &fuzz_limits, &command);

    if (rc == MDM_OK) {

        /* the device gets what the administrator was told */

        if (mdm_plist_parse(arena, &command.body, &fuzz_limits, &root, &why)
            != MDM_OK
            || mdm_plist_string(root, "CommandUUID", &s) != MDM_OK
            || !mdm_str_eq(&s, &command.uuid)
            || s.len == 0 || s.len > MDM_COMMAND_UUID_MAX
            || command.request_type.len == 0 || command.error.len != 0)
        {
            abort();
        }

        root = plist_dict_get_item(root, "Command");

        if (root == NULL
            || mdm_plist_string(root, "RequestType", &s) != MDM_OK
            || !mdm_str_eq(&s, &command.request_type))
        {
            abort();
        }

    } else if (rc != MDM_DECLINED || command.error.len == 0) {
        abort();
    }

    mdm_arena_destroy(arena);
}


static void
fuzz_call(const mdm_str_t *in, mdm_uint_t method, const char *path)
{
    mdm_int_t        rc;
    mdm_exchange_t  *x;

    x = mdm_exchange_create(&fuzz_settings);
    if (x == NULL) {
        abort();
    }

    x->kind = MDM_KIND_API;
    x->method = method;
    x->path.data = (u_char *) path;
    x->path.len = strlen(path);
    x->body = *in;
    x->now = 1700000000;

    mdm_str_set(&x->tenant, "default");
    mdm_str_set(&x->content_type, "application/json");

    mdm_endpoint_find(x);

    rc = mdm_exchange_run(x);

    if (rc == MDM_DONE) {

        if (x->status != 200 && (x->status < 400 || x->status > 499)) {
            abort();
        }

        fuzz_valid(&x->response);

    } else if (rc != MDM_CALL || x->ncalls == 0) {
        abort();
    }

    mdm_arena_destroy(x->arena);
}


/* any bytes, in every place */

static void
fuzz_writer(const mdm_str_t *in)
{
    size_t           half;
    mdm_str_t        a, b;
    mdm_exchange_t  *x;
    mdm_json_out_t   j;

    x = mdm_exchange_create(&fuzz_settings);
    if (x == NULL) {
        abort();
    }

    half = in->len / 2;

    a.data = in->data;
    a.len = half;
    b.data = in->data + half;
    b.len = in->len - half;

    mdm_json_init(&j, x->arena, 0);
    mdm_json_open(&j, NULL, '{');
    mdm_json_str(&j, "str", &a);
    mdm_json_opt_str(&j, "opt", &b);
    mdm_json_opt_time(&j, "time", &b);
    mdm_json_hex(&j, "hex", &a);
    mdm_json_base64(&j, "base64", &b);
    mdm_json_pem(&j, "pem", &a);
    mdm_json_id(&j, "id", &b);
    mdm_api_json_not_now(&j, &a);
    mdm_json_int(&j, "int", (int64_t) in->len);
    mdm_json_open(&j, "list", '[');
    mdm_json_str(&j, NULL, &b);
    mdm_json_id(&j, NULL, &a);
    mdm_json_close(&j, ']');
    mdm_json_open(&j, "names", '{');

    if (memchr(in->data, 0, in->len) == NULL) {

        /* jansson takes no NUL in a key */

        mdm_json_key(&j, in);
        mdm_json_bool(&j, NULL, 1);
    }

    mdm_json_close(&j, '}');
    mdm_json_close(&j, '}');

    if (mdm_api_json_answer(&j, x, 200) != MDM_DONE) {
        abort();
    }

    fuzz_valid(&x->response);

    mdm_arena_destroy(x->arena);
}


static void
fuzz_valid(const mdm_str_t *json)
{
    json_t  *root;

    root = json_loadb((char *) json->data, json->len,
                      JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL, NULL);
    if (root == NULL) {
        abort();
    }

    json_decref(root);
}
