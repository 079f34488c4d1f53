
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET /v1/status-values/ID[,ID…], /v1/status-errors/…,
 * /v1/declaration-status/…: an object with a list for each id.
 */


#include <stdlib.h>

#include "mdm_api.h"
#include "mdm_api_ids.h"
#include "mdm_api_status.h"
#include "mdm_api_status_row.h"
#include "mdm_ddm_report.h"
#include "mdm_key.h"


#define MDM_API_STATUS_CHUNK      20   /* ids a call */

#define MDM_API_STATUS_LIMIT      10   /* errors of an id */
#define MDM_API_STATUS_LIMIT_MAX  1000
#define MDM_API_STATUS_OFFSET     1000000

/* of declarations, which stand before the manifest */
#define MDM_API_STATUS_LISTS      MDM_RET_STATUS_GET_DECLARATIONS_MANIFEST


typedef mdm_int_t (*mdm_api_status_pt)(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_reply_t *reply);


typedef struct {
    mdm_api_ids_t             ids;
    mdm_uint_t                next;        /* chunk */
    const mdm_reply_t       **replies;     /* of each id */
    mdm_api_status_prefix_t   prefix;      /* of values */
    mdm_str_t                 args[MDM_NARGS_STATUS_GET];
} mdm_api_status_ctx_t;


/* a declaration of a channel's manifest */

typedef struct {
    mdm_str_t                 name;        /* "kind/id", key form */
    mdm_str_t                 token;       /* ServerToken */
} mdm_api_status_token_t;


static mdm_int_t mdm_api_status_start(mdm_exchange_t *x, const char *what,
    mdm_api_status_ctx_t **pctx);
static mdm_int_t mdm_api_status_round(mdm_exchange_t *x,
    mdm_api_status_ctx_t *ctx);
static mdm_int_t mdm_api_status_list(mdm_exchange_t *x,
    mdm_api_status_pt write);
static mdm_int_t mdm_api_status_values(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_reply_t *reply);
static mdm_int_t mdm_api_status_errors(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_reply_t *reply);
static mdm_int_t mdm_api_status_declarations(mdm_exchange_t *x,
    mdm_json_out_t *j, const mdm_reply_t *reply);
static mdm_int_t mdm_api_status_declaration(mdm_exchange_t *x,
    mdm_json_out_t *j, json_t *object, mdm_uint_t list,
    const mdm_api_status_t *s, const mdm_api_status_token_t *tokens,
    size_t ntokens);
static int mdm_api_status_by_place(const void *a, const void *b);
static int mdm_api_status_by_name(const void *a, const void *b);


/* in the order of the script */

static const struct {
    const char               *list;        /* of the report */
    const char               *kind;        /* of the manifest */
} mdm_api_status_lists[MDM_API_STATUS_LISTS] = {
    { "activations", "activation" },
    { "configurations", "configuration" },
    { "assets", "asset" },
    { "management", "management" }
};


mdm_int_t
mdm_api_status_values_step(mdm_exchange_t *x)
{
    mdm_int_t              rc;
    mdm_str_t              prefix;
    mdm_api_status_ctx_t  *ctx;

    if (x->state != 0) {
        return mdm_api_status_list(x, mdm_api_status_values);
    }

    rc = mdm_api_status_start(x, "values", &ctx);

    if (rc == MDM_OK) {
        rc = mdm_api_arg(x, "prefix", &prefix);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_api_status_prefix(&ctx->prefix, &prefix) != MDM_OK) {
        return mdm_exchange_refuse(x, 400, "the argument \"prefix\" has a "
                                   "\"%%\" and more than %d octets",
                                   MDM_API_STATUS_LIKE);
    }

    ctx->args[MDM_ARG_STATUS_GET_FIRST] = ctx->prefix.head;

    return mdm_api_status_round(x, ctx);
}


mdm_int_t
mdm_api_status_errors_step(mdm_exchange_t *x)
{
    int64_t                limit, offset;
    mdm_int_t              rc;
    mdm_api_status_ctx_t  *ctx;

    if (x->state != 0) {
        return mdm_api_status_list(x, mdm_api_status_errors);
    }

    limit = MDM_API_STATUS_LIMIT;
    offset = 0;

    rc = mdm_api_status_start(x, "errors", &ctx);

    if (rc == MDM_OK) {
        rc = mdm_api_arg_number(x, "limit", 1, MDM_API_STATUS_LIMIT_MAX,
                                &limit);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_arg_number(x, "offset", 0, MDM_API_STATUS_OFFSET,
                                &offset);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_api_number(x, &ctx->args[MDM_ARG_STATUS_GET_FIRST], offset)
        != MDM_OK
        || mdm_api_number(x, &ctx->args[MDM_ARG_STATUS_GET_LAST],
                          offset + limit - 1)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_api_status_round(x, ctx);
}


mdm_int_t
mdm_api_status_declarations_step(mdm_exchange_t *x)
{
    mdm_int_t              rc;
    mdm_api_status_ctx_t  *ctx;

    if (x->state != 0) {
        return mdm_api_status_list(x, mdm_api_status_declarations);
    }

    rc = mdm_api_status_start(x, "declarations", &ctx);

    return (rc == MDM_OK) ? mdm_api_status_round(x, ctx) : rc;
}


static mdm_int_t
mdm_api_status_start(mdm_exchange_t *x, const char *what,
    mdm_api_status_ctx_t **pctx)
{
    mdm_int_t              rc;
    mdm_uint_t             i;
    mdm_api_status_ctx_t  *ctx;

    ctx = mdm_arena_zalloc(x->arena, sizeof(mdm_api_status_ctx_t));
    if (ctx == NULL) {
        return MDM_ERROR;
    }

    x->ctx = ctx;
    *pctx = ctx;

    ctx->args[MDM_ARG_STATUS_GET_WHAT].data = (u_char *) (uintptr_t) what;
    ctx->args[MDM_ARG_STATUS_GET_WHAT].len = strlen(what);

    rc = mdm_api_ids_read(x, 0, &ctx->ids);
    if (rc != MDM_OK) {
        return rc;
    }

    for (i = 0; i < ctx->ids.n; i++) {
        if (ctx->ids.ids[i].error != NULL) {
            return mdm_exchange_refuse(x, 400, "%s", ctx->ids.ids[i].error);
        }
    }

    ctx->replies = mdm_arena_zalloc(x->arena,
                                    ctx->ids.n * sizeof(mdm_reply_t *));
    if (ctx->replies == NULL) {
        return MDM_ERROR;
    }

    return mdm_api_ids_group(x, &ctx->ids, MDM_API_STATUS_CHUNK);
}


static mdm_int_t
mdm_api_status_round(mdm_exchange_t *x, mdm_api_status_ctx_t *ctx)
{
    mdm_str_t        *args;
    mdm_uint_t        i, k, n;
    mdm_api_chunk_t  *chunk;

    n = ctx->ids.nchunks - ctx->next;

    if (n > MDM_API_ROUND) {
        n = MDM_API_ROUND;
    }

    if (mdm_exchange_calls(x, n, 1) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        chunk = &ctx->ids.chunks[ctx->next + i];

        args = mdm_exchange_call(x, i, &mdm_script_status_get, &chunk->tag,
                                 chunk->n);
        if (args == NULL) {
            return MDM_ERROR;
        }

        memcpy(args, ctx->args, sizeof(ctx->args));

        for (k = 0; k < chunk->n; k++) {
            args[MDM_ARG_STATUS_GET_IDS + k] = chunk->ids[k]->key;
        }
    }

    return MDM_CALL;
}


/* takes the replies of a round; after the last one writes the answer */

static mdm_int_t
mdm_api_status_list(mdm_exchange_t *x, mdm_api_status_pt write)
{
    mdm_int_t              rc;
    mdm_uint_t             i, k;
    mdm_json_out_t         j;
    mdm_api_chunk_t       *chunk;
    mdm_api_status_ctx_t  *ctx;

    ctx = x->ctx;

    for (i = 0; i < x->ncalls; i++) {
        chunk = &ctx->ids.chunks[ctx->next++];

        for (k = 0; k < chunk->n; k++) {
            ctx->replies[chunk->ids[k] - ctx->ids.ids] =
                mdm_reply_at(x->calls[i].reply,
                             MDM_RET_STATUS_GET_CHANNELS + k);
        }
    }

    if (ctx->next != ctx->ids.nchunks) {
        return mdm_api_status_round(x, ctx);
    }

    mdm_json_init(&j, x->arena, 4096);
    mdm_json_open(&j, NULL, '{');

    for (i = 0; i < ctx->ids.n; i++) {
        mdm_json_key(&j, &ctx->ids.ids[i].name);
        mdm_json_open(&j, NULL, '[');

        /* one that is not enrolled reported nothing */

        if (mdm_reply_code(ctx->replies[i], 0) == 0) {
            rc = write(x, &j, ctx->replies[i]);
            if (rc != MDM_OK) {
                return rc;
            }
        }

        mdm_json_close(&j, ']');
    }

    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, 200);
}


static mdm_int_t
mdm_api_status_values(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_reply_t *reply)
{
    size_t                 i, n;
    mdm_int_t              rc;
    mdm_api_status_t      *list, *s;
    mdm_api_status_ctx_t  *ctx;

    static const mdm_str_t  apart = mdm_string(MDM_DDM_DECLARATIONS ".");

    ctx = x->ctx;

    list = mdm_api_status_sorted(x, reply, &n);
    if (list == NULL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {

        s = &list[i];

        /* they have a call of their own */

        if (s->path.len > apart.len
            && memcmp(s->path.data, apart.data, apart.len) == 0)
        {
            continue;
        }

        rc = mdm_api_status_rows(x, j, s, &ctx->prefix);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_status_errors(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_reply_t *reply)
{
    u_char           *p;
    size_t            i;
    mdm_str_t         kept, path;
    mdm_api_status_t  s;

    (void) x;

    for (i = 0; i < mdm_reply_size(reply); i++) {
        kept = mdm_reply_str(reply, i);

        mdm_api_status_split(&s, &kept, &kept);

        mdm_str_set(&path, ".Errors");

        /* one of a declaration has its own, which is no JSON */

        p = (s.json.len != 0 && s.json.data[0] == '.')
            ? memchr(s.json.data, ' ', s.json.len) : NULL;

        if (p != NULL) {
            path.data = s.json.data;
            path.len = (size_t) (p - s.json.data);

            s.json.len -= path.len + 1;
            s.json.data = p + 1;
        }

        mdm_json_open(j, NULL, '{');
        mdm_json_str(j, "path", &path);
        mdm_json_value(j, "error", &s.json);
        mdm_api_status_when(j, "timestamp", &s);
        mdm_json_close(j, '}');
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_status_declarations(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_reply_t *reply)
{
    u_char                  *space;
    size_t                   i, k, n;
    json_t                  *list;
    mdm_int_t                rc;
    mdm_str_t                kept;
    json_error_t             error;
    mdm_api_status_t         s;
    mdm_api_status_token_t  *tokens;

    if (mdm_reply_size(reply) < MDM_API_STATUS_LISTS) {
        return MDM_OK;
    }

    n = (mdm_reply_size(reply) - MDM_API_STATUS_LISTS)
        / MDM_NRET_STATUS_GET_MANIFEST;

    tokens = mdm_arena_zalloc(x->arena,
                              (n + 1) * sizeof(mdm_api_status_token_t));
    if (tokens == NULL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        k = MDM_API_STATUS_LISTS + MDM_NRET_STATUS_GET_MANIFEST * i;

        tokens[i].name = mdm_reply_str(reply,
                                       k + MDM_RET_STATUS_GET_MANIFEST_KEY);
        kept = mdm_reply_str(reply, k + MDM_RET_STATUS_GET_MANIFEST_TOKENS);

        space = (kept.len != 0) ? memchr(kept.data, ' ', kept.len) : NULL;

        if (space != NULL) {
            kept.len = (size_t) (space - kept.data);
        }

        tokens[i].token = kept;
    }

    qsort(tokens, n, sizeof(mdm_api_status_token_t), mdm_api_status_by_name);

    for (i = 0; i < MDM_API_STATUS_LISTS; i++) {
        kept = mdm_reply_str(reply, i);

        if (kept.len == 0) {
            continue;
        }

        mdm_api_status_split(&s, &kept, &kept);

        if (mdm_json_read(x->arena, &s.json, JSON_ALLOW_NUL, &list, &error)
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        for (k = 0; k < json_array_size(list); k++) {
            rc = mdm_api_status_declaration(x, j, json_array_get(list, k), i,
                                            &s, tokens, n);
            if (rc != MDM_OK) {
                return rc;
            }
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_status_declaration(mdm_exchange_t *x, mdm_json_out_t *j,
    json_t *object, mdm_uint_t list, const mdm_api_status_t *s,
    const mdm_api_status_token_t *tokens, size_t ntokens)
{
    json_t                        *reasons;
    mdm_str_t                      id, key, token, valid;
    mdm_api_status_token_t         name;
    const mdm_api_status_token_t  *found;

#define mdm_api_status_member(dst, member)                                    \
    (dst)->data = (u_char *) json_string_value(json_object_get(object,        \
                                                               member));      \
    (dst)->len = json_string_length(json_object_get(object, member))

    mdm_api_status_member(&id, "identifier");
    mdm_api_status_member(&token, "server-token");
    mdm_api_status_member(&valid, "valid");

#undef mdm_api_status_member

    if (id.len == 0) {
        return MDM_OK;
    }

    if (mdm_key_id(x->arena, &key, &id) != MDM_OK
        || mdm_printf(x->arena, &name.name, "%s/%.*s",
                      mdm_api_status_lists[list].kind, mdm_fmt(&key))
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    found = bsearch(&name, tokens, ntokens, sizeof(mdm_api_status_token_t),
                    mdm_api_status_by_name);

    mdm_json_open(j, NULL, '{');
    mdm_json_str(j, "identifier", &id);
    mdm_json_bool(j, "active",
                  json_is_true(json_object_get(object, "active")));
    mdm_json_str(j, "valid", &valid);
    mdm_json_str(j, "server-token", &token);
    mdm_json_text(j, "ManifestType", mdm_api_status_lists[list].list);
    mdm_json_bool(j, "current",
                  found != NULL && mdm_str_eq(&found->token, &token));

    mdm_api_status_when(j, "status_received", s);

    reasons = json_object_get(object, "reasons");

    if (reasons != NULL && !json_is_null(reasons)) {

        if (mdm_json_dump(x->arena, reasons, 0, &key) != MDM_OK) {
            return MDM_ERROR;
        }

        mdm_json_base64(j, "ReasonsJSON", &key);
        mdm_json_value(j, "reasons", &key);
    }

    mdm_json_close(j, '}');

    return MDM_OK;
}


void
mdm_api_status_split(mdm_api_status_t *s, const mdm_str_t *place,
    const mdm_str_t *kept)
{
    u_char  *p;

    memset(s, 0, sizeof(mdm_api_status_t));

    s->place = *place;
    s->path = *place;

    p = (place->len != 0) ? memchr(place->data, MDM_DDM_ELEMENT, place->len)
                          : NULL;

    if (p != NULL) {
        s->element = 1;
        s->path.len = (size_t) (p - place->data);
        s->identifier.data = p + 1;
        s->identifier.len = place->len - s->path.len - 1;
    }

    p = (kept->len != 0) ? memchr(kept->data, ' ', kept->len) : NULL;

    if (p == NULL) {
        mdm_str_set(&s->json, "null");
        return;
    }

    s->id.data = kept->data;
    s->id.len = (size_t) (p - kept->data);
    s->json.data = p + 1;
    s->json.len = kept->len - s->id.len - 1;

    s->seconds = s->id;
    s->seconds.len = (s->id.len > 6) ? s->id.len - 6 : 0;
}


mdm_api_status_t *
mdm_api_status_sorted(mdm_exchange_t *x, const mdm_reply_t *reply, size_t *n)
{
    size_t             i, pairs;
    mdm_str_t          place, kept;
    mdm_api_status_t  *list;

    *n = 0;
    pairs = mdm_reply_size(reply) / MDM_NRET_STATUS_GET_VALUES;

    list = mdm_arena_alloc(x->arena, (pairs + 1) * sizeof(mdm_api_status_t));
    if (list == NULL) {
        return NULL;
    }

    for (i = 0; i < pairs; i++) {
        place = mdm_reply_str(reply, MDM_NRET_STATUS_GET_VALUES * i
                                     + MDM_RET_STATUS_GET_VALUES_PLACE);
        kept = mdm_reply_str(reply, MDM_NRET_STATUS_GET_VALUES * i
                                    + MDM_RET_STATUS_GET_VALUES_VALUE);

        /* there is no such field, but a reply may have anything */

        if (place.len != 0) {
            mdm_api_status_split(&list[(*n)++], &place, &kept);
        }
    }

    qsort(list, *n, sizeof(mdm_api_status_t), mdm_api_status_by_place);

    return list;
}


static int
mdm_api_status_by_place(const void *a, const void *b)
{
    const mdm_api_status_t *one = a;
    const mdm_api_status_t *two = b;

    return mdm_str_cmp(&one->place, &two->place);
}


static int
mdm_api_status_by_name(const void *a, const void *b)
{
    const mdm_api_status_token_t *one = a;
    const mdm_api_status_token_t *two = b;

    return mdm_str_cmp(&one->name, &two->name);
}
