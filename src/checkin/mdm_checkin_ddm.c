
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * DeclarativeManagement: a device asks for the token of its declarations,
 * for their list, for one of them, or reports its status.
 */


#include "mdm_checkin.h"
#include "mdm_ddm_body.h"
#include "mdm_ddm_status.h"
#include "mdm_ddm_token.h"
#include "mdm_ddm_withhold.h"
#include "mdm_key.h"


#define MDM_DDM_JSON          "application/json"

#define MDM_DDM_GONE          404   /* code of ddm_get */

/* bytes of declaration-items; the largest that a tenant can have is smaller */
#define MDM_DDM_ITEMS_MOST    ((size_t) 16 * 1024 * 1024)

#define MDM_DDM_NO_ITEMS                                                      \
    "{\"Declarations\":{\"Activations\":[],\"Assets\":[],"                    \
    "\"Configurations\":[],\"Management\":[]},\"DeclarationsToken\":\""       \
    MDM_DDM_EMPTY_TOKEN "\"}"


enum {
    MDM_DDM_ASK = 0,
    MDM_DDM_TOKENS,
    MDM_DDM_ITEMS,
    MDM_DDM_PIECES,
    MDM_DDM_TYPES,
    MDM_DDM_FOUND,
    MDM_DDM_BODY
};


/* a manifest that is being read */

typedef struct {
    mdm_str_t                 client;      /* digest of what it supports, */
    mdm_str_t                 said;        /* and that */
    mdm_str_t                 token;
    u_char                   *start;       /* declaration-items so far */
    size_t                    len;
    size_t                    size;
} mdm_ddm_manifest_t;


/* a declaration that is being fetched; "reply" is that of ddm_get */

typedef struct {
    const mdm_reply_t        *reply;
    mdm_str_t                 id_key;
    mdm_str_t                 template;
    mdm_str_t                 cached;      /* its key in the cache */
} mdm_ddm_fetch_t;


static mdm_int_t mdm_checkin_ddm_ask(mdm_exchange_t *x);
static mdm_int_t mdm_checkin_ddm_declaration(mdm_exchange_t *x,
    const mdm_str_t *rest);
static mdm_int_t mdm_checkin_ddm_tokens(mdm_exchange_t *x);
static mdm_str_t *mdm_checkin_ddm_items_call(mdm_exchange_t *x,
    mdm_int_t state);
static mdm_int_t mdm_checkin_ddm_items(mdm_exchange_t *x);
static mdm_int_t mdm_checkin_ddm_pieces(mdm_exchange_t *x,
    mdm_ddm_manifest_t *manifest);
static mdm_int_t mdm_checkin_ddm_manifest(mdm_exchange_t *x,
    const mdm_ddm_manifest_t *manifest);
static mdm_int_t mdm_checkin_ddm_types(mdm_exchange_t *x);
static mdm_int_t mdm_checkin_ddm_found(mdm_exchange_t *x);
static mdm_int_t mdm_checkin_ddm_fetched(mdm_exchange_t *x);
static mdm_int_t mdm_checkin_ddm_send(mdm_exchange_t *x,
    const mdm_ddm_fetch_t *f, mdm_ddm_body_t *body);
static mdm_int_t mdm_checkin_ddm_lost(mdm_exchange_t *x, const char *what,
    const mdm_str_t *key);
static mdm_int_t mdm_checkin_ddm_fetch(mdm_exchange_t *x,
    const mdm_reply_t *reply, const mdm_str_t *args, mdm_ddm_fetch_t *f);


static const char  *mdm_ddm_kinds[] = {
    "activation", "asset", "configuration", "management", NULL
};


mdm_int_t
mdm_checkin_declarative_management(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_DDM_ASK:
        return mdm_checkin_ddm_ask(x);

    case MDM_DDM_TOKENS:
        return mdm_checkin_ddm_tokens(x);

    case MDM_DDM_ITEMS:
    case MDM_DDM_PIECES:
        return mdm_checkin_ddm_items(x);

    case MDM_DDM_TYPES:
        return mdm_checkin_ddm_types(x);

    case MDM_DDM_FOUND:
        return mdm_checkin_ddm_found(x);

    default: /* MDM_DDM_BODY */
        return mdm_checkin_ddm_fetched(x);
    }
}


static mdm_int_t
mdm_checkin_ddm_ask(mdm_exchange_t *x)
{
    mdm_str_t       endpoint, *args;
    mdm_message_t  *m;

    m = x->ctx;

    if (mdm_plist_string(m->plist, "Endpoint", &endpoint) != MDM_OK) {
        return mdm_exchange_refuse(x, 400, "Endpoint is missing");
    }

    if (mdm_str_is(&endpoint, "status")) {
        return mdm_exchange_enter(x, mdm_ddm_status_step, m, MDM_DDM_ASK);
    }

    if (mdm_str_is(&endpoint, "tokens")) {
        return (mdm_message_call(x, &mdm_script_ddm_tokens, 0,
                                 MDM_DDM_TOKENS)
                == NULL)
               ? MDM_ERROR : MDM_CALL;
    }

    if (mdm_str_is(&endpoint, "declaration-items")) {
        args = mdm_checkin_ddm_items_call(x, MDM_DDM_ITEMS);

        return (args == NULL) ? MDM_ERROR : MDM_CALL;
    }

    if (endpoint.len > sizeof("declaration/") - 1
        && memcmp(endpoint.data, "declaration/", sizeof("declaration/") - 1)
           == 0)
    {
        endpoint.data += sizeof("declaration/") - 1;
        endpoint.len -= sizeof("declaration/") - 1;

        return mdm_checkin_ddm_declaration(x, &endpoint);
    }

    return mdm_exchange_refuse(x, 400, "unknown Endpoint \"%.*s\"",
                               mdm_fmt(&endpoint));
}


/* "rest" is kind/Identifier; an identifier may hold "/" */

static mdm_int_t
mdm_checkin_ddm_declaration(mdm_exchange_t *x, const mdm_str_t *rest)
{
    u_char      *slash;
    mdm_int_t    rc;
    mdm_str_t    kind, id, key, *args;
    mdm_uint_t   i;

    slash = memchr(rest->data, '/', rest->len);

    kind.data = rest->data;
    kind.len = (slash == NULL) ? rest->len : (size_t) (slash - rest->data);

    for (i = 0; mdm_ddm_kinds[i] != NULL; i++) {

        if (mdm_str_is(&kind, mdm_ddm_kinds[i])) {
            break;
        }
    }

    if (mdm_ddm_kinds[i] == NULL) {
        return mdm_exchange_refuse(x, 400, "unknown kind of declaration "
                                   "\"%.*s\"", mdm_fmt(&kind));
    }

    if (slash == NULL || slash == rest->data + rest->len - 1) {
        return mdm_exchange_refuse(x, 400, "the identifier of the "
                                   "declaration is missing");
    }

    id.data = slash + 1;
    id.len = (size_t) (rest->data + rest->len - id.data);

    args = mdm_message_call(x, &mdm_script_ddm_get, 0, MDM_DDM_FOUND);

    if (args == NULL
        || mdm_key_id(x->arena, &key, &id) != MDM_OK
        || mdm_printf(x->arena, &args[MDM_ARG_DDM_GET_KEY], "%.*s/%.*s",
                      mdm_fmt(&kind), mdm_fmt(&key)) != MDM_OK)
    {
        return MDM_ERROR;
    }

    /* some devices may percent-encode it: whatever is found was meant */

    if (memchr(id.data, '%', id.len) == NULL) {
        return MDM_CALL;
    }

    rc = mdm_unescape(x->arena, &id, &id);

    if (rc == MDM_DECLINED) {
        return MDM_CALL;
    }

    if (rc != MDM_OK
        || mdm_key_id(x->arena, &key, &id) != MDM_OK
        || mdm_printf(x->arena, &args[MDM_ARG_DDM_GET_OTHER], "%.*s/%.*s",
                      mdm_fmt(&kind), mdm_fmt(&key)) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_checkin_ddm_tokens(mdm_exchange_t *x)
{
    int64_t             code;
    mdm_str_t           token, time, client, json;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;
    code = mdm_reply_code(reply, MDM_CODE_CHANGED);

    if (code != MDM_CODE_NONE) {
        return mdm_message_refused(x, code);
    }

    token = mdm_reply_str(reply, MDM_RET_DDM_TOKENS_TOKEN);
    time = mdm_reply_str(reply, MDM_RET_DDM_TOKENS_TIME);
    client = mdm_reply_str(reply, MDM_RET_DDM_TOKENS_CLIENT);

    if (mdm_ddm_withhold_token(x, &client, &token) != MDM_OK
        || mdm_ddm_tokens(x->arena, &token, &time, &json) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_exchange_body(x, 200, MDM_DDM_JSON, &json);
}


static mdm_str_t *
mdm_checkin_ddm_items_call(mdm_exchange_t *x, mdm_int_t state)
{
    mdm_str_t  *args;

    args = mdm_message_call(x, &mdm_script_ddm_items, 0, state);

    if (args != NULL && x->settings->ddm_withhold) {
        mdm_str_set(&args[MDM_ARG_DDM_ITEMS_WITHHOLD], "1");
    }

    return args;
}


static mdm_int_t
mdm_checkin_ddm_items(mdm_exchange_t *x)
{
    int64_t              code;
    mdm_int_t            rc;
    mdm_message_t       *m;
    const mdm_reply_t   *reply;
    mdm_ddm_manifest_t  *manifest;

    m = x->ctx;
    reply = x->calls[0].reply;

    code = mdm_reply_code(reply, MDM_CODE_CHANGED);

    if (code == MDM_CODE_LOST) {
        return mdm_checkin_ddm_lost(x, "the manifest", &m->en.id_key);
    }

    if (code != MDM_CODE_NONE) {
        return mdm_message_refused(x, code);
    }

    if (x->state == MDM_DDM_ITEMS) {
        manifest = mdm_arena_zalloc(x->arena, sizeof(mdm_ddm_manifest_t));
        if (manifest == NULL) {
            return MDM_ERROR;
        }

        manifest->client = mdm_reply_str(reply, MDM_RET_DDM_ITEMS_CLIENT);
        manifest->said = mdm_reply_str(reply, MDM_RET_DDM_ITEMS_CAPABILITIES);
        manifest->token = mdm_reply_str(reply, MDM_RET_DDM_ITEMS_TOKEN);

        m->data = manifest;
    }

    manifest = m->data;

    rc = mdm_checkin_ddm_pieces(x, manifest);

    if (rc == MDM_DECLINED) {
        return mdm_exchange_odd(x, 0);
    }

    return (rc == MDM_OK) ? mdm_checkin_ddm_manifest(x, manifest) : rc;
}


/*
 * A reply's part of it.  MDM_OK: that was the last one; MDM_CALL: there is
 * more; MDM_DECLINED: the reply is none of its script's; MDM_ERROR.
 */

static mdm_int_t
mdm_checkin_ddm_pieces(mdm_exchange_t *x, mdm_ddm_manifest_t *manifest)
{
    u_char             *p;
    size_t              i, len;
    mdm_str_t           next, piece, *args;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;
    len = manifest->len;

    for (i = MDM_RET_DDM_ITEMS_ITEMS; i < mdm_reply_size(reply); i++) {
        piece = mdm_reply_str(reply, i);

        if (piece.len == 0) {
            continue;
        }

        if (piece.len > MDM_DDM_ITEMS_MOST - manifest->len) {
            return MDM_DECLINED;
        }

        if (piece.len > manifest->size - manifest->len) {
            manifest->size = 2 * (manifest->len + piece.len);

            p = mdm_arena_alloc(x->arena, manifest->size);
            if (p == NULL) {
                return MDM_ERROR;
            }

            if (manifest->len != 0) {
                memcpy(p, manifest->start, manifest->len);
            }

            manifest->start = p;
        }

        memcpy(manifest->start + manifest->len, piece.data, piece.len);
        manifest->len += piece.len;
    }

    next = mdm_reply_str(reply, MDM_RET_DDM_ITEMS_NEXT);

    if (next.len == 0) {
        return MDM_OK;
    }

    /* each has a good deal of it */

    if (manifest->len - len < MDM_EXCHANGE_LARGE) {
        return MDM_DECLINED;
    }

    args = mdm_checkin_ddm_items_call(x, MDM_DDM_PIECES);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_ITEMS_TOKEN] = manifest->token;
    args[MDM_ARG_DDM_ITEMS_FROM] = next;

    return MDM_CALL;
}


static mdm_int_t
mdm_checkin_ddm_manifest(mdm_exchange_t *x, const mdm_ddm_manifest_t *manifest)
{
    mdm_int_t            rc;
    mdm_str_t            items;
    mdm_message_t       *m;
    mdm_ddm_withhold_t  *w;

    m = x->ctx;

    items.data = manifest->start;
    items.len = manifest->len;

    if (items.len == 0) {
        mdm_str_set(&items, MDM_DDM_NO_ITEMS);

    } else if (x->settings->ddm_withhold && manifest->client.len != 0) {

        w = mdm_arena_alloc(x->arena, sizeof(mdm_ddm_withhold_t));
        if (w == NULL) {
            return MDM_ERROR;
        }

        rc = mdm_ddm_withhold_read(x, &items, &manifest->said,
                                   &manifest->client, w);

        if (rc == MDM_DECLINED) {
            return mdm_checkin_ddm_lost(x, "the manifest", &m->en.id_key);
        }

        if (rc != MDM_OK) {
            return rc;
        }

        m->data = w;

        return mdm_checkin_ddm_types(x);
    }

    return mdm_exchange_body(x, 200, MDM_DDM_JSON, &items);
}


/* without what the client does not support, if that is withheld */

static mdm_int_t
mdm_checkin_ddm_types(mdm_exchange_t *x)
{
    mdm_int_t            rc;
    mdm_str_t            items;
    mdm_message_t       *m;
    mdm_ddm_withhold_t  *w;

    m = x->ctx;
    w = m->data;

    rc = mdm_ddm_types_next(x, &w->types, MDM_DDM_TYPES);
    if (rc != MDM_OK) {
        return rc;
    }

    return (mdm_ddm_withhold_items(x, w, &items) == MDM_OK)
           ? mdm_exchange_body(x, 200, MDM_DDM_JSON, &items) : MDM_ERROR;
}


static mdm_int_t
mdm_checkin_ddm_found(mdm_exchange_t *x)
{
    u_char             *end;
    int64_t             code;
    mdm_int_t           rc;
    mdm_str_t           key, value, *args;
    mdm_message_t      *m;
    mdm_ddm_body_t      body;
    mdm_ddm_fetch_t    *f;

    m = x->ctx;

    code = mdm_reply_code(x->calls[0].reply, MDM_CODE_CHANGED);

    if (code == MDM_DDM_GONE) {
        return mdm_exchange_refuse(x, 404, "the declaration \"%.*s\" is not "
                                   "assigned",
                                   mdm_fmt(&x->calls[0].args
                                                  [MDM_ARG_DDM_GET_KEY]));
    }

    if (code != MDM_CODE_NONE) {
        return mdm_message_refused(x, code);
    }

    f = mdm_arena_zalloc(x->arena, sizeof(mdm_ddm_fetch_t));

    if (f == NULL) {
        return MDM_ERROR;
    }

    rc = mdm_checkin_ddm_fetch(x, x->calls[0].reply, x->calls[0].args, f);

    if (rc != MDM_OK) {
        return (rc == MDM_DECLINED) ? mdm_exchange_odd(x, 0) : MDM_ERROR;
    }

    if (mdm_str_is(&f->template, "-")) {
        mdm_str_null(&body.type);
        return mdm_checkin_ddm_send(x, f, &body);
    }

    /* an entry is: type, line end, payload */

    if (mdm_exchange_cache_get(x, &f->cached, &value) == MDM_OK) {
        end = memchr(value.data, '\n', value.len);

        if (end != NULL) {
            body.type.data = value.data;
            body.type.len = (size_t) (end - value.data);

            body.payload.data = end + 1;
            body.payload.len = value.len - body.type.len - 1;

            return mdm_checkin_ddm_send(x, f, &body);
        }
    }

    if (mdm_exchange_calls(x, 1, MDM_DDM_BODY) != MDM_CALL
        || mdm_key_declarations(x->arena, &key, &x->tenant) != MDM_OK)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_ddm_body, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_BODY_ID] = f->id_key;
    args[MDM_ARG_DDM_BODY_TOKEN] = f->template;

    m->data = f;

    return MDM_CALL;
}


static mdm_int_t
mdm_checkin_ddm_fetched(mdm_exchange_t *x)
{
    mdm_str_t           value;
    mdm_message_t      *m;
    mdm_ddm_body_t      body;
    mdm_ddm_fetch_t    *f;
    const mdm_reply_t  *reply;

    m = x->ctx;
    f = m->data;

    reply = x->calls[0].reply;

    if (mdm_reply_code(reply, 0) != 1) {
        return mdm_checkin_ddm_lost(x, "the declaration", &f->id_key);
    }

    body.type = mdm_reply_str(reply, MDM_RET_DDM_BODY_TYPE);
    body.payload = mdm_reply_str(reply, MDM_RET_DDM_BODY_PAYLOAD);

    if (x->cache != NULL) {

        if (mdm_printf(x->arena, &value, "%.*s\n%.*s", mdm_fmt(&body.type),
                       mdm_fmt(&body.payload)) != MDM_OK)
        {
            return MDM_ERROR;
        }

        mdm_exchange_cache_put(x, &f->cached, &value);
    }

    return mdm_checkin_ddm_send(x, f, &body);
}


/* "body" has type and payload; no type: it is one of the module's own */

static mdm_int_t
mdm_checkin_ddm_send(mdm_exchange_t *x, const mdm_ddm_fetch_t *f,
    mdm_ddm_body_t *body)
{
    mdm_int_t  rc;
    mdm_str_t  vars, subs, json;

    body->token = mdm_reply_str(f->reply, MDM_RET_DDM_GET_TOKEN);

    vars = mdm_reply_str(f->reply, MDM_RET_DDM_GET_VARS);
    subs = mdm_reply_str(f->reply, MDM_RET_DDM_GET_SUBS);

    rc = mdm_unescape(x->arena, &body->identifier, &f->id_key);

    if (rc == MDM_OK && body->type.len == 0) {
        rc = mdm_ddm_own(x->arena, body, &subs);
    }

    if (rc == MDM_OK) {
        rc = mdm_ddm_write(x->arena, &json, body, &vars);
    }

    if (rc == MDM_OK) {
        return mdm_exchange_body(x, 200, MDM_DDM_JSON, &json);
    }

    if (rc == MDM_DECLINED) {
        return mdm_checkin_ddm_lost(x, "what belongs to the declaration",
                                    &f->id_key);
    }

    return MDM_ERROR;
}


/* 503, not 404: that would make the device drop what it has */

static mdm_int_t
mdm_checkin_ddm_lost(mdm_exchange_t *x, const char *what,
    const mdm_str_t *key)
{
    mdm_exchange_log(x, MDM_LOG_ERROR, "%s \"%.*s\" is not in redis, or "
                     "cannot be read", what, mdm_fmt(key));

    return mdm_exchange_unavailable(x);
}


static mdm_int_t
mdm_checkin_ddm_fetch(mdm_exchange_t *x, const mdm_reply_t *reply,
    const mdm_str_t *args, mdm_ddm_fetch_t *f)
{
    u_char     *slash;
    mdm_str_t   key;

    key = args[mdm_reply_int(reply, MDM_RET_DDM_GET_OTHER, 0) == 1
               ? MDM_ARG_DDM_GET_OTHER : MDM_ARG_DDM_GET_KEY];

    slash = (key.len != 0) ? memchr(key.data, '/', key.len) : NULL;

    if (slash == NULL) {

        /* the reply for the second spelling, when there was only one */

        return MDM_DECLINED;
    }

    f->reply = reply;
    f->id_key.data = slash + 1;
    f->id_key.len = (size_t) (key.data + key.len - f->id_key.data);
    f->template = mdm_reply_str(reply, MDM_RET_DDM_GET_TEMPLATE);

    return mdm_printf(x->arena, &f->cached, "%.*s/%.*s/%.*s",
                      mdm_fmt(&x->tenant), mdm_fmt(&f->id_key),
                      mdm_fmt(&f->template));
}
