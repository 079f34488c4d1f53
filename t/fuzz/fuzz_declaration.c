
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes what administrators send about declarations: src/ddm's reader with
 * its schema, and the API's filters and watchers.
 */


#include <stdlib.h>

#include <jansson.h>

#include "mdm_ddm_declaration.h"
#include "mdm_endpoint.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void fuzz_read(const mdm_str_t *in, mdm_uint_t validate);
static void fuzz_again(mdm_arena_t *arena, const mdm_ddm_declaration_t *d);
static void fuzz_call(const mdm_str_t *in, const char *path);


static const mdm_limits_t  fuzz_limits = { MDM_PLIST_DEPTH,
                                                 MDM_PLIST_NODES };

static const mdm_store_settings_t  fuzz_store = {
    .partitions = 4
};

static const mdm_settings_t  fuzz_settings = {
    .store = &fuzz_store,
    .validate = MDM_VALIDATE_WARN,
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

    fuzz_read(&in, MDM_VALIDATE_OFF);
    fuzz_read(&in, MDM_VALIDATE_WARN);
    fuzz_read(&in, MDM_VALIDATE_STRICT);

    fuzz_call(&in, "/v1/declarations");
    fuzz_call(&in, "/v1/set-filters/s");
    fuzz_call(&in, "/v1/status-watchers/w");

    return 0;
}


static void
fuzz_read(const mdm_str_t *in, mdm_uint_t validate)
{
    mdm_int_t               rc;
    mdm_arena_t            *arena;
    mdm_ddm_declaration_t   d;

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        abort();
    }

    rc = mdm_ddm_declaration_read(arena, in, &fuzz_limits, validate, &d);

    if (rc == MDM_OK) {

        if (d.id.len == 0 || d.id.len > MDM_DDM_ID || d.key.len < d.id.len
            || !mdm_utf8_valid(&d.id) || d.kind.len != 1
            || d.payload.len < 2 || d.payload.data[0] != '{'
            || d.error.len != 0
            || (validate == MDM_VALIDATE_OFF && d.schema.nwarnings != 0))
        {
            abort();
        }

        fuzz_again(arena, &d);

    } else if (rc != MDM_DECLINED || d.error.len == 0) {
        abort();
    }

    mdm_arena_destroy(arena);
}


/* what was made of it is read as the same, so tokens stay what they are */

static void
fuzz_again(mdm_arena_t *arena, const mdm_ddm_declaration_t *d)
{
    mdm_str_t               json;
    mdm_ddm_declaration_t   again;

    if (mdm_printf(arena, &json, "{\"Payload\":%.*s,\"Type\":\"%.*s\","
                   "\"Identifier\":\"a\"}", mdm_fmt(&d->payload),
                   mdm_fmt(&d->type))
        != MDM_OK)
    {
        abort();
    }

    /* escapes may make it longer than a declaration may be */

    if (json.len > MDM_DDM_DECLARATION) {
        return;
    }

    if (mdm_ddm_declaration_read(arena, &json, &fuzz_limits, 0, &again)
        != MDM_OK
        || !mdm_str_eq(&again.payload, &d->payload)
        || !mdm_str_eq(&again.vars, &d->vars)
        || !mdm_str_eq(&again.refs, &d->refs))
    {
        abort();
    }
}


static void
fuzz_call(const mdm_str_t *in, const char *path)
{
    json_t          *root;
    mdm_int_t        rc;
    mdm_exchange_t  *x;

    x = mdm_exchange_create(&fuzz_settings);
    if (x == NULL) {
        abort();
    }

    x->kind = MDM_KIND_API;
    x->method = MDM_PUT;
    x->path.data = (u_char *) path;
    x->path.len = strlen(path);
    x->body = *in;
    x->now = 1700000000;

    mdm_str_set(&x->tenant, "default");
    mdm_str_set(&x->content_type, "application/json");

    mdm_endpoint_find(x);

    rc = mdm_exchange_run(x);

    if (rc == MDM_DONE) {

        if (x->status != 400) {
            abort();
        }

        root = json_loadb((char *) x->response.data, x->response.len,
                          JSON_REJECT_DUPLICATES, NULL);
        if (root == NULL) {
            abort();
        }

        json_decref(root);

    } else if (rc != MDM_CALL || x->ncalls != 2) {
        abort();
    }

    mdm_arena_destroy(x->arena);
}
