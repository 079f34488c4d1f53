
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET /v1/enrollment-declarations/ID: the manifest of an enrollment, and what
 * its client does not support of it.
 */


#include "mdm_api.h"
#include "mdm_api_json.h"
#include "mdm_api_target.h"
#include "mdm_api_util.h"
#include "mdm_ddm_token.h"
#include "mdm_ddm_withhold.h"
#include "mdm_json.h"


/* declarations a page, about */
#define MDM_API_MANIFEST_PAGE  500

/* pages; more are none of the script's */
#define MDM_API_MANIFEST_MOST  1000


enum {
    MDM_API_MANIFEST_READ = 1,   /* of the partition */
    MDM_API_MANIFEST_PAGES,
    MDM_API_MANIFEST_TYPES
};


typedef struct {
    const char               *kind;
    const char               *array;       /* Apple's name */
} mdm_api_kind_t;


/* a declaration of the manifest */

typedef struct {
    mdm_str_t                 kind;
    mdm_str_t                 id;          /* key form */
    mdm_str_t                 token;       /* ServerToken */
    mdm_str_t                 reason;      /* why it is not supported, or
                                              empty */
    mdm_uint_t                withheld;
} mdm_api_declared_t;


typedef struct {
    const mdm_reply_t        *manifest;
    mdm_str_t                 refused;     /* when it refused, or empty */
    mdm_str_t                 digest;      /* of the client */
    mdm_ddm_client_t          client;
    mdm_ddm_target_t          target;      /* its device */
    mdm_ddm_types_t           types;
    mdm_api_declared_t       *list;        /* as many as types */
    size_t                    n;           /* so far */
    size_t                    room;
    mdm_uint_t                pages;
} mdm_api_manifest_t;


static mdm_int_t mdm_api_manifest_call(mdm_exchange_t *x);
static mdm_int_t mdm_api_manifest_ask(mdm_exchange_t *x, const mdm_str_t *tag,
    const mdm_str_t *id, const mdm_str_t *token, const mdm_str_t *cursor);
static mdm_int_t mdm_api_manifest_read(mdm_exchange_t *x);
static mdm_int_t mdm_api_manifest_page(mdm_exchange_t *x,
    mdm_api_manifest_t *m);
static mdm_int_t mdm_api_manifest_room(mdm_exchange_t *x,
    mdm_api_manifest_t *m, size_t n);
static mdm_int_t mdm_api_manifest_next(mdm_exchange_t *x,
    mdm_api_manifest_t *m, const mdm_str_t *cursor);
static int mdm_api_manifest_order(const void *one, const void *two);
static mdm_int_t mdm_api_manifest_whole(mdm_exchange_t *x,
    mdm_api_manifest_t *m);
static mdm_int_t mdm_api_manifest_types(mdm_exchange_t *x,
    mdm_api_manifest_t *m);
static mdm_int_t mdm_api_manifest_answer(mdm_exchange_t *x,
    mdm_api_manifest_t *m);
static void mdm_api_manifest_kind(mdm_json_out_t *j, mdm_api_manifest_t *m,
    const mdm_api_kind_t *kind);
static mdm_int_t mdm_api_manifest_items(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_str_t *subs);
static void mdm_api_manifest_unsupported(mdm_json_out_t *j,
    mdm_api_manifest_t *m);


static const mdm_api_kind_t  mdm_api_kinds[] = {
    { "activation", "Activations" },
    { "asset", "Assets" },
    { "configuration", "Configurations" },
    { "management", "Management" },
    { NULL, NULL }
};


mdm_int_t
mdm_api_enrollment_declarations_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case 0:
        return mdm_api_manifest_call(x);

    case MDM_API_MANIFEST_READ:
        return mdm_api_manifest_read(x);

    case MDM_API_MANIFEST_PAGES:
        return mdm_api_manifest_page(x, x->ctx);

    default: /* MDM_API_MANIFEST_TYPES */
        return mdm_api_manifest_types(x, x->ctx);
    }
}


static mdm_int_t
mdm_api_manifest_call(mdm_exchange_t *x)
{
    mdm_int_t          rc;
    mdm_str_t         *args, none;
    mdm_enrollment_t   en;

    rc = mdm_api_enrollment(x, 0, &en);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_exchange_calls(x, 2, MDM_API_MANIFEST_READ) != MDM_CALL) {
        return MDM_ERROR;
    }

    mdm_str_null(&none);

    if (mdm_api_manifest_ask(x, &en.tag, &en.id_key, &none, &none)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 1, &mdm_script_ddm_client, &en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_CLIENT_ID] = en.id_key;

    return MDM_CALL;
}


/* call 0 of the round */

static mdm_int_t
mdm_api_manifest_ask(mdm_exchange_t *x, const mdm_str_t *tag,
    const mdm_str_t *id, const mdm_str_t *token, const mdm_str_t *cursor)
{
    mdm_str_t  *args;

    args = mdm_exchange_call(x, 0, &mdm_script_ddm_manifest, tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_MANIFEST_ID] = *id;
    args[MDM_ARG_DDM_MANIFEST_TOKEN] = *token;
    args[MDM_ARG_DDM_MANIFEST_CURSOR] = *cursor;

    return mdm_api_number(x, &args[MDM_ARG_DDM_MANIFEST_MOST],
                          MDM_API_MANIFEST_PAGE);
}


static mdm_int_t
mdm_api_manifest_read(mdm_exchange_t *x)
{
    mdm_str_t            said, product, type, supervised;
    mdm_api_manifest_t  *m;
    const mdm_reply_t   *client;

    if (mdm_reply_code(x->calls[0].reply, 0) == 0) {
        return mdm_api_not_enrolled(x);
    }

    m = mdm_arena_zalloc(x->arena, sizeof(mdm_api_manifest_t));
    if (m == NULL) {
        return MDM_ERROR;
    }

    x->ctx = m;

    client = x->calls[1].reply;

    m->manifest = x->calls[0].reply;
    m->refused = mdm_reply_str(client, MDM_RET_DDM_CLIENT_REFUSED);

    m->digest = mdm_reply_str(client, MDM_RET_DDM_CLIENT_CLIENT);

    product = mdm_reply_str(client, MDM_RET_DDM_CLIENT_PRODUCT);

    type = mdm_reply_str(client, MDM_RET_DDM_CLIENT_TYPE);
    supervised = mdm_reply_str(client, MDM_RET_DDM_CLIENT_SUPERVISED);

    m->target.version = mdm_reply_str(client, MDM_RET_DDM_CLIENT_OS);

    mdm_api_target_set(&m->target.known, &product, &m->target.version, &type,
                       &supervised);

    said = mdm_reply_str(client, MDM_RET_DDM_CLIENT_CAPABILITIES);

    if (mdm_ddm_client_read(x->arena, &said, &m->client) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_api_manifest_page(x, m);
}


/* the declarations of a page */

static mdm_int_t
mdm_api_manifest_page(mdm_exchange_t *x, mdm_api_manifest_t *m)
{
    u_char               *p;
    size_t                i;
    mdm_str_t             key, cursor;
    const mdm_reply_t    *reply;
    mdm_api_declared_t   *d;

    reply = x->calls[0].reply;

    if (mdm_api_manifest_room(x, m, mdm_reply_size(reply)
                                    / MDM_NRET_DDM_MANIFEST_LIST)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    for (i = MDM_RET_DDM_MANIFEST_LIST;
         mdm_reply_row(reply, i, MDM_NRET_DDM_MANIFEST_LIST);
         i += MDM_NRET_DDM_MANIFEST_LIST)
    {
        key = mdm_reply_str(reply, i + MDM_RET_DDM_MANIFEST_LIST_KEY);

        p = (key.len != 0) ? memchr(key.data, '/', key.len) : NULL;

        if (p == NULL) {
            continue;
        }

        d = &m->list[m->n++];

        d->kind.data = key.data;
        d->kind.len = (size_t) (p - key.data);
        d->id.data = p + 1;
        d->id.len = key.len - d->kind.len - 1;
        d->token = mdm_reply_str(reply, i + MDM_RET_DDM_MANIFEST_LIST_TOKENS);

        p = (d->token.len != 0) ? memchr(d->token.data, ' ', d->token.len)
                                : NULL;

        if (p != NULL) {
            d->token.len = (size_t) (p - d->token.data);
        }
    }

    cursor = mdm_reply_str(reply, MDM_RET_DDM_MANIFEST_CURSOR);

    return (cursor.len != 0) ? mdm_api_manifest_next(x, m, &cursor)
                             : mdm_api_manifest_whole(x, m);
}


/* for n more */

static mdm_int_t
mdm_api_manifest_room(mdm_exchange_t *x, mdm_api_manifest_t *m, size_t n)
{
    mdm_api_declared_t  *list;

    if (m->room - m->n >= n) {
        return MDM_OK;
    }

    m->room = 2 * (m->n + n);

    list = mdm_arena_zalloc(x->arena, m->room * sizeof(mdm_api_declared_t));
    if (list == NULL) {
        return MDM_ERROR;
    }

    if (m->n != 0) {
        memcpy(list, m->list, m->n * sizeof(mdm_api_declared_t));
    }

    m->list = list;

    return MDM_OK;
}


static mdm_int_t
mdm_api_manifest_next(mdm_exchange_t *x, mdm_api_manifest_t *m,
    const mdm_str_t *cursor)
{
    mdm_str_t  tag, id, token;

    if (++m->pages > MDM_API_MANIFEST_MOST) {
        return mdm_exchange_odd(x, 0);
    }

    tag = x->calls[0].key;
    id = x->calls[0].args[MDM_ARG_DDM_MANIFEST_ID];
    token = mdm_reply_str(m->manifest, MDM_RET_DDM_MANIFEST_TOKEN);

    if (mdm_exchange_calls(x, 1, MDM_API_MANIFEST_PAGES) != MDM_CALL
        || mdm_api_manifest_ask(x, &tag, &id, &token, cursor) != MDM_OK)
    {
        return MDM_ERROR;
    }

    /* the last page sorts all of them */

    x->heavy = 1;

    return MDM_CALL;
}


static int
mdm_api_manifest_order(const void *one, const void *two)
{
    int                        rc;
    const mdm_api_declared_t  *a = one, *b = two;

    rc = mdm_str_cmp(&a->kind, &b->kind);

    return (rc != 0) ? rc : mdm_str_cmp(&a->id, &b->id);
}


static mdm_int_t
mdm_api_manifest_whole(mdm_exchange_t *x, mdm_api_manifest_t *m)
{
    size_t  i, n;

    if (m->n > 1) {
        qsort(m->list, m->n, sizeof(mdm_api_declared_t),
              mdm_api_manifest_order);
    }

    m->types.list = mdm_arena_zalloc(x->arena,
                                     m->n * sizeof(mdm_ddm_typed_t));
    if (m->types.list == NULL) {
        return MDM_ERROR;
    }

    n = 0;

    for (i = 0; i < m->n; i++) {

        if (n != 0 && mdm_api_manifest_order(&m->list[n - 1], &m->list[i])
                      == 0)
        {
            continue;
        }

        m->list[n] = m->list[i];
        m->types.list[n].id = m->list[n].id;
        n++;
    }

    m->types.n = n;

    /* there is nothing to compare with */

    if (!m->client.declarations && !m->client.status
        && m->target.known.system == MDM_SCHEMA_SYSTEMS)
    {
        return mdm_api_manifest_answer(x, m);
    }

    m->types.payloads = 1;

    return mdm_api_manifest_types(x, m);
}


static mdm_int_t
mdm_api_manifest_types(mdm_exchange_t *x, mdm_api_manifest_t *m)
{
    size_t      i;
    mdm_int_t   rc;
    mdm_str_t   subs;
    mdm_uint_t  type;

    rc = mdm_ddm_types_next(x, &m->types, MDM_API_MANIFEST_TYPES);
    if (rc != MDM_OK) {
        return rc;
    }

    subs = mdm_reply_str(m->manifest, MDM_RET_DDM_MANIFEST_SUBS);

    for (i = 0; i < m->types.n; i++) {
        rc = mdm_ddm_types_reason(x->arena, &m->client, &m->target,
                                  &m->types.list[i], &subs,
                                  &m->list[i].reason, &type);
        if (rc != MDM_OK) {
            return rc;
        }

        m->list[i].withheld = (type && x->settings->ddm_withhold);
    }

    return mdm_api_manifest_answer(x, m);
}


static mdm_int_t
mdm_api_manifest_answer(mdm_exchange_t *x, mdm_api_manifest_t *m)
{
    mdm_str_t              s;
    mdm_json_out_t         j;
    const mdm_api_kind_t  *kind;

    mdm_json_init(&j, x->arena, 1024);
    mdm_json_open(&j, NULL, '{');

    mdm_json_open(&j, "Declarations", '{');

    for (kind = mdm_api_kinds; kind->kind != NULL; kind++) {
        mdm_api_manifest_kind(&j, m, kind);
    }

    mdm_json_close(&j, '}');

    s = mdm_reply_str(m->manifest, MDM_RET_DDM_MANIFEST_TOKEN);

    if (mdm_ddm_withhold_token(x, &m->digest, &s) != MDM_OK) {
        return MDM_ERROR;
    }

    if (s.len == 0) {
        mdm_str_set(&s, MDM_DDM_EMPTY_TOKEN);
    }

    mdm_json_str(&j, "DeclarationsToken", &s);

    s = mdm_reply_str(m->manifest, MDM_RET_DDM_MANIFEST_TIME);
    mdm_json_opt_time(&j, "Timestamp", &s);

    s = mdm_reply_str(m->manifest, MDM_RET_DDM_MANIFEST_SUBS);

    if (mdm_api_manifest_items(x, &j, &s) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_api_manifest_unsupported(&j, m);

    mdm_json_opt_time(&j, "refused", &m->refused);
    mdm_json_bool(&j, "notification_queued",
                  mdm_reply_int(m->manifest, MDM_RET_DDM_MANIFEST_WAITS, 0)
                  == 1);
    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, 200);
}


static void
mdm_api_manifest_kind(mdm_json_out_t *j, mdm_api_manifest_t *m,
    const mdm_api_kind_t *kind)
{
    size_t               i;
    mdm_api_declared_t  *d;

    mdm_json_open(j, kind->array, '[');

    for (i = 0; i < m->types.n; i++) {
        d = &m->list[i];

        if (d->withheld || !mdm_str_is(&d->kind, kind->kind)) {
            continue;
        }

        mdm_json_open(j, NULL, '{');
        mdm_json_id(j, "Identifier", &d->id);
        mdm_json_str(j, "ServerToken", &d->token);
        mdm_json_close(j, '}');
    }

    mdm_json_close(j, ']');
}


/* the status items that are subscribed to */

static mdm_int_t
mdm_api_manifest_items(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_str_t *subs)
{
    size_t         i;
    json_t        *list, *item;
    json_error_t   error;

    mdm_json_open(j, "StatusItems", '[');

    if (subs->len != 0) {

        if (mdm_json_read(x->arena, subs, 0, &list, &error) != MDM_OK) {
            return MDM_ERROR;
        }

        json_array_foreach(list, i, item) {

            if (json_is_string(item)) {
                mdm_json_text(j, NULL, json_string_value(item));
            }
        }
    }

    mdm_json_close(j, ']');

    return MDM_OK;
}


static void
mdm_api_manifest_unsupported(mdm_json_out_t *j, mdm_api_manifest_t *m)
{
    size_t  i;

    mdm_json_open(j, "unsupported", '[');

    for (i = 0; i < m->types.n; i++) {

        if (m->list[i].reason.len != 0) {
            mdm_json_open(j, NULL, '{');
            mdm_json_id(j, "identifier", &m->list[i].id);
            mdm_json_str(j, "reason", &m->list[i].reason);
            mdm_json_close(j, '}');
        }
    }

    mdm_json_close(j, ']');
}
