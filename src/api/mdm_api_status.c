
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET /v1/status-values/ID[,ID…], /v1/status-errors/…,
 * /v1/declaration-status/…: an object with a list for each id.
 */


#include <stdlib.h>

#include "mdm_api.h"
#include "mdm_api_status.h"
#include "mdm_api_status_list.h"
#include "mdm_api_status_manifest.h"
#include "mdm_api_status_row.h"
#include "mdm_ddm_report.h"


#define MDM_API_STATUS_LIMIT      10   /* errors of an id */
#define MDM_API_STATUS_LIMIT_MAX  1000
#define MDM_API_STATUS_OFFSET     1000000

/* of declarations, which stand before the token */
#define MDM_API_STATUS_FIRST  MDM_RET_STATUS_GET_DECLARATIONS_ACTIVATIONS
#define MDM_API_STATUS_LISTS                                                  \
    (MDM_RET_STATUS_GET_DECLARATIONS_TOKEN - MDM_API_STATUS_FIRST)


typedef struct {
    mdm_api_status_list_t    *list;
    mdm_uint_t                kind;        /* mdm_api_status_lists[] */
    mdm_api_status_t          status;
    const mdm_api_status_manifest_t  *manifest;
    mdm_arena_t              *arena;       /* of this list */
    mdm_uint_t                skip;        /* rows of the page before */
    mdm_uint_t                row;
} mdm_api_status_declared_t;


static mdm_int_t mdm_api_status_values(mdm_exchange_t *x,
    mdm_api_status_list_t *list, mdm_uint_t i);
static mdm_int_t mdm_api_status_values_rows(mdm_exchange_t *x,
    mdm_api_status_list_t *list, mdm_uint_t i);
static mdm_int_t mdm_api_status_errors(mdm_exchange_t *x,
    mdm_api_status_list_t *list, mdm_uint_t i);
static mdm_int_t mdm_api_status_errors_rows(mdm_exchange_t *x,
    mdm_api_status_list_t *list, mdm_uint_t i);
static void mdm_api_status_error(mdm_json_out_t *j, const mdm_str_t *kept);
static mdm_int_t mdm_api_status_declarations(mdm_exchange_t *x,
    mdm_api_status_list_t *list, mdm_uint_t i);
static mdm_int_t mdm_api_status_declarations_rows(mdm_exchange_t *x,
    mdm_api_status_list_t *list, mdm_uint_t i);
static mdm_int_t mdm_api_status_declared(mdm_exchange_t *x,
    mdm_api_status_declared_t *d);
static mdm_int_t mdm_api_status_declaration(mdm_exchange_t *x,
    const mdm_api_status_declared_t *d, json_t *object);
static mdm_str_t mdm_api_status_member(json_t *object, const char *name);
static mdm_int_t mdm_api_status_listed(mdm_exchange_t *x,
    mdm_api_status_list_t *list, mdm_uint_t i, mdm_api_status_write_pt rows);
static void mdm_api_status_reported(mdm_api_status_t *s,
    const mdm_str_t *full);
static int mdm_api_status_by_place(const void *a, const void *b);


/* in the order of the script */

static const struct {
    const char               *list;        /* of the report */
    const char               *kind;        /* of declaration-items */
} mdm_api_status_lists[MDM_API_STATUS_LISTS] = {
    { "activations", "Activations" },
    { "configurations", "Configurations" },
    { "assets", "Assets" },
    { "management", "Management" }
};


mdm_int_t
mdm_api_status_values_step(mdm_exchange_t *x)
{
    mdm_int_t                 rc;
    mdm_str_t                 text;
    mdm_api_status_list_t    *list;
    mdm_api_status_prefix_t  *prefix;

    if (x->state != 0) {
        return mdm_api_status_replies(x);
    }

    rc = mdm_api_status_start(x, "values", NULL, mdm_api_status_values,
                              &list);

    if (rc == MDM_OK) {
        rc = mdm_api_arg(x, "prefix", &text);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    prefix = mdm_arena_zalloc(x->arena, sizeof(mdm_api_status_prefix_t));
    if (prefix == NULL) {
        return MDM_ERROR;
    }

    list->data = prefix;

    if (mdm_api_status_prefix(prefix, &text) != MDM_OK) {
        return mdm_exchange_refuse(x, 400, "the argument \"prefix\" has a "
                                   "\"%%\" and more than %d octets",
                                   MDM_API_STATUS_LIKE);
    }

    list->args[MDM_ARG_STATUS_GET_FIRST] = prefix->head;

    return mdm_api_status_round(x, list);
}


mdm_int_t
mdm_api_status_errors_step(mdm_exchange_t *x)
{
    int64_t                 limit, offset;
    mdm_int_t               rc;
    mdm_api_status_list_t  *list;

    if (x->state != 0) {
        return mdm_api_status_replies(x);
    }

    limit = MDM_API_STATUS_LIMIT;
    offset = 0;

    rc = mdm_api_status_start(x, "errors", NULL, mdm_api_status_errors,
                              &list);

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

    if (mdm_api_number(x, &list->args[MDM_ARG_STATUS_GET_FIRST], offset)
        != MDM_OK
        || mdm_api_number(x, &list->args[MDM_ARG_STATUS_GET_LAST],
                          offset + limit - 1)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_api_status_round(x, list);
}


mdm_int_t
mdm_api_status_declarations_step(mdm_exchange_t *x)
{
    mdm_int_t               rc;
    mdm_api_status_list_t  *list;

    if (x->state != 0) {
        return mdm_api_status_replies(x);
    }

    rc = mdm_api_status_start(x, "declarations", NULL,
                              mdm_api_status_declarations, &list);
    if (rc != MDM_OK) {
        return rc;
    }

    list->declarations = 1;

    return mdm_api_status_round(x, list);
}


/* one that is not enrolled reported nothing */

static mdm_int_t
mdm_api_status_listed(mdm_exchange_t *x, mdm_api_status_list_t *list,
    mdm_uint_t i, mdm_api_status_write_pt rows)
{
    mdm_int_t  rc;

    mdm_json_key(&list->json, &list->ids.ids[i].name);
    mdm_json_open(&list->json, NULL, '[');

    rc = (mdm_reply_code(list->ones[i].pieces->reply, 0) == 0)
         ? rows(x, list, i) : MDM_OK;

    mdm_json_close(&list->json, ']');

    return rc;
}


static mdm_int_t
mdm_api_status_values(mdm_exchange_t *x, mdm_api_status_list_t *list,
    mdm_uint_t i)
{
    return mdm_api_status_listed(x, list, i, mdm_api_status_values_rows);
}


static mdm_int_t
mdm_api_status_values_rows(mdm_exchange_t *x, mdm_api_status_list_t *list,
    mdm_uint_t i)
{
    size_t             k, n;
    mdm_int_t          rc;
    mdm_api_status_t  *values, *s;

    static const mdm_str_t  apart = mdm_string(MDM_DDM_DECLARATIONS ".");

    values = mdm_api_status_sorted(x, list, i, &n);
    if (values == NULL) {
        return MDM_ERROR;
    }

    for (k = 0; k < n; k++) {

        s = &values[k];

        /* they have a call of their own */

        if (s->path.len > apart.len
            && memcmp(s->path.data, apart.data, apart.len) == 0)
        {
            continue;
        }

        rc = mdm_api_status_rows(x, &list->json, s, list->data);
        if (rc != MDM_OK) {
            return rc;
        }

        if (mdm_api_status_full(list) && k + 1 < n) {
            list->behind = s->place;
            return MDM_DECLINED;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_status_errors(mdm_exchange_t *x, mdm_api_status_list_t *list,
    mdm_uint_t i)
{
    return mdm_api_status_listed(x, list, i, mdm_api_status_errors_rows);
}


static mdm_int_t
mdm_api_status_errors_rows(mdm_exchange_t *x, mdm_api_status_list_t *list,
    mdm_uint_t i)
{
    size_t                         k;
    mdm_str_t                      kept;
    mdm_uint_t                     n, skip;
    const mdm_api_status_piece_t  *piece;

    skip = mdm_api_status_skip(list);
    n = 0;

    for (piece = list->ones[i].pieces; piece != NULL; piece = piece->next) {

        for (k = MDM_RET_STATUS_GET_ERRORS_ROWS;
             k < mdm_reply_size(piece->reply);
             k++)
        {
            if (n++ < skip) {
                continue;
            }

            if (mdm_api_status_full(list)) {
                return (mdm_api_status_skipped(x, list, n - 1) == MDM_OK)
                       ? MDM_DECLINED : MDM_ERROR;
            }

            kept = mdm_reply_str(piece->reply, k);
            mdm_api_status_error(&list->json, &kept);
        }
    }

    return MDM_OK;
}


static void
mdm_api_status_error(mdm_json_out_t *j, const mdm_str_t *kept)
{
    u_char           *p;
    mdm_str_t         path;
    mdm_api_status_t  s;

    mdm_api_status_split(&s, kept, kept);

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


static mdm_int_t
mdm_api_status_declarations(mdm_exchange_t *x, mdm_api_status_list_t *list,
    mdm_uint_t i)
{
    return mdm_api_status_listed(x, list, i, mdm_api_status_declarations_rows);
}


static mdm_int_t
mdm_api_status_declarations_rows(mdm_exchange_t *x,
    mdm_api_status_list_t *list, mdm_uint_t i)
{
    mdm_int_t                   rc;
    mdm_str_t                   kept, full;
    const mdm_reply_t          *reply;
    mdm_api_status_declared_t   d;

    reply = list->ones[i].pieces->reply;
    full = mdm_reply_str(reply, MDM_RET_STATUS_GET_DECLARATIONS_FULL);

    memset(&d, 0, sizeof(mdm_api_status_declared_t));

    d.list = list;
    d.skip = mdm_api_status_skip(list);
    d.manifest = list->ones[i].manifest;

    for ( /* void */ ; d.kind < MDM_API_STATUS_LISTS; d.kind++) {
        kept = mdm_reply_str(reply, MDM_API_STATUS_FIRST + d.kind);

        if (kept.len == 0) {
            continue;
        }

        mdm_api_status_split(&d.status, &kept, &kept);
        mdm_str_set(&d.status.path, MDM_DDM_DECLARATIONS ".");
        mdm_api_status_reported(&d.status, &full);

        d.arena = mdm_arena_create(1024);
        if (d.arena == NULL) {
            return mdm_arena_no_memory(x->arena);
        }

        rc = mdm_api_status_declared(x, &d);

        mdm_arena_destroy(d.arena);

        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_status_declared(mdm_exchange_t *x, mdm_api_status_declared_t *d)
{
    size_t         k;
    json_t        *root, *object;
    mdm_int_t      rc;
    json_error_t   error;

    switch (mdm_json_read(d->arena, &d->status.json, JSON_ALLOW_NUL, &root,
                          &error))
    {

    case MDM_OK:
        break;

    case MDM_DECLINED:

        /* Redis has what we did not write */

        return MDM_OK;

    default: /* MDM_ERROR */
        return mdm_arena_no_memory(x->arena);
    }

    json_array_foreach(root, k, object) {

        if (d->row++ < d->skip) {
            continue;
        }

        if (mdm_api_status_full(d->list)) {
            return (mdm_api_status_skipped(x, d->list, d->row - 1) == MDM_OK)
                   ? MDM_DECLINED : MDM_ERROR;
        }

        rc = mdm_api_status_declaration(x, d, object);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_status_declaration(mdm_exchange_t *x,
    const mdm_api_status_declared_t *d, json_t *object)
{
    json_t          *reasons;
    mdm_str_t        id, token, valid, current, json;
    mdm_json_out_t  *j;

    id = mdm_api_status_member(object, "identifier");
    token = mdm_api_status_member(object, "server-token");
    valid = mdm_api_status_member(object, "valid");

    if (id.len == 0) {
        return MDM_OK;
    }

    current = mdm_api_status_manifest_token(d->manifest,
                                            mdm_api_status_lists[d->kind].kind,
                                            &id);
    j = &d->list->json;

    mdm_json_open(j, NULL, '{');
    mdm_json_str(j, "identifier", &id);
    mdm_json_bool(j, "active",
                  json_is_true(json_object_get(object, "active")));
    mdm_json_str(j, "valid", &valid);
    mdm_json_str(j, "server-token", &token);
    mdm_json_text(j, "ManifestType", mdm_api_status_lists[d->kind].list);
    mdm_json_bool(j, "current",
                  current.len != 0 && mdm_str_eq(&current, &token));

    mdm_api_status_when(j, "status_received", &d->status);

    reasons = json_object_get(object, "reasons");

    if (reasons != NULL && !json_is_null(reasons)) {

        if (mdm_json_dump(d->arena, reasons, 0, &json) != MDM_OK) {
            return mdm_arena_failed(x->arena, "json_dumpb");
        }

        mdm_json_base64(j, "ReasonsJSON", &json);
        mdm_json_value(j, "reasons", &json);
    }

    mdm_json_close(j, '}');

    return MDM_OK;
}


static mdm_str_t
mdm_api_status_member(json_t *object, const char *name)
{
    json_t     *value;
    mdm_str_t   s;

    value = json_object_get(object, name);

    s.data = (u_char *) (uintptr_t) json_string_value(value);
    s.len = json_string_length(value);

    return s;
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


/*
 * What a full report has said again was not written again: "full" has its id,
 * and those of the last ones that spoke of declarations and of what the client
 * can do, parted by commas.
 */

static void
mdm_api_status_reported(mdm_api_status_t *s, const mdm_str_t *full)
{
    u_char     *p, *end;
    mdm_str_t   id;
    mdm_uint_t  n;

    static const mdm_str_t  declarations = mdm_string(MDM_DDM_DECLARATIONS ".");

    n = 0;

    if (s->path.len >= declarations.len
        && memcmp(s->path.data, declarations.data, declarations.len) == 0)
    {
        n = 1;

    } else if (mdm_str_is(&s->path, MDM_DDM_CLIENT)) {
        n = 2;
    }

    id = *full;

    for ( /* void */ ; id.len != 0; n--) {
        end = id.data + id.len;
        p = memchr(id.data, ',', id.len);

        if (n == 0) {
            id.len = (p != NULL) ? (size_t) (p - id.data) : id.len;
            break;
        }

        id.data = (p != NULL) ? p + 1 : end;
        id.len = (size_t) (end - id.data);
    }

    if (id.len > s->id.len
        || (id.len == s->id.len && mdm_str_cmp(&id, &s->id) > 0))
    {
        s->id = id;
        s->seconds = id;
        s->seconds.len = (id.len > 6) ? id.len - 6 : 0;
    }
}


mdm_api_status_t *
mdm_api_status_sorted(mdm_exchange_t *x, const mdm_api_status_list_t *list,
    mdm_uint_t i, size_t *n)
{
    size_t                         k, pairs;
    mdm_str_t                      place, kept, full;
    mdm_api_status_t              *values, *s;
    const mdm_api_status_piece_t  *piece;

    pairs = 0;

    for (piece = list->ones[i].pieces; piece != NULL; piece = piece->next) {
        pairs += mdm_reply_size(piece->reply) / MDM_NRET_STATUS_GET_ROWS;
    }

    values = mdm_arena_alloc(x->arena, (pairs + 1) * sizeof(mdm_api_status_t));
    if (values == NULL) {
        return NULL;
    }

    s = values;

    for (piece = list->ones[i].pieces; piece != NULL; piece = piece->next) {

        full = mdm_reply_str(piece->reply, MDM_RET_STATUS_GET_VALUES_FULL);

        for (k = MDM_RET_STATUS_GET_VALUES_ROWS;
             mdm_reply_row(piece->reply, k, MDM_NRET_STATUS_GET_ROWS);
             k += MDM_NRET_STATUS_GET_ROWS)
        {
            place = mdm_reply_str(piece->reply,
                                  k + MDM_RET_STATUS_GET_ROWS_PLACE);
            kept = mdm_reply_str(piece->reply,
                                 k + MDM_RET_STATUS_GET_ROWS_VALUE);

            /* there is no empty place, but a reply may have anything */

            if (place.len == 0 || mdm_str_cmp(&place, &list->behind) <= 0) {
                continue;
            }

            mdm_api_status_split(s, &place, &kept);
            mdm_api_status_reported(s++, &full);
        }
    }

    pairs = (size_t) (s - values);

    qsort(values, pairs, sizeof(mdm_api_status_t), mdm_api_status_by_place);

    /* slices may have a value twice */

    *n = 0;

    for (k = 0; k < pairs; k++) {
        if (k == 0 || !mdm_str_eq(&values[k].place, &values[k - 1].place)) {
            values[(*n)++] = values[k];
        }
    }

    return values;
}


static int
mdm_api_status_by_place(const void *a, const void *b)
{
    const mdm_api_status_t *one = a;
    const mdm_api_status_t *two = b;

    return mdm_str_cmp(&one->place, &two->place);
}
