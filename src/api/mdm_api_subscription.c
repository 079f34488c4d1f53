
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET, PUT, DELETE /v1/status-subscriptions/NAME: the status items that a
 * set's channels, or one channel, report.  A name may be that of both: then
 * ?kind= has to say which is meant.
 */


#include <stdlib.h>

#include "mdm_api.h"
#include "mdm_api_ddm.h"
#include "mdm_api_given.h"
#include "mdm_ddm_declaration.h"
#include "mdm_ddm_item.h"
#include "mdm_key.h"


#define MDM_API_ITEMS         256     /* of one subscription */
#define MDM_API_ITEM          128     /* octets of a name */


enum {
    MDM_API_SUBSCRIPTION_LOOK = 0,
    MDM_API_SUBSCRIPTION_FOUND,
    MDM_API_SUBSCRIPTION_DONE
};


typedef struct {
    mdm_enrollment_t          en;
    mdm_uint_t                enrollment;  /* it may be one, and it is one */
    mdm_uint_t                set;         /* the same */
    mdm_str_t                 key;         /* key form of the name */
    mdm_str_t                 json;        /* what is put, or empty */
    mdm_str_t                *unknown;     /* items that the schema lacks */
    mdm_uint_t                nunknown;
} mdm_api_subscription_t;


static mdm_int_t mdm_api_subscription_begin(mdm_exchange_t *x);
static mdm_int_t mdm_api_subscription_name(mdm_exchange_t *x,
    mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_look(mdm_exchange_t *x,
    mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_found(mdm_exchange_t *x);
static mdm_int_t mdm_api_subscription_go(mdm_exchange_t *x,
    mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_enrollment(mdm_exchange_t *x,
    mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_set(mdm_exchange_t *x,
    mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_done(mdm_exchange_t *x);
static mdm_int_t mdm_api_subscription_show(mdm_exchange_t *x,
    const mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_warn(mdm_exchange_t *x,
    const mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_read(mdm_exchange_t *x,
    mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_items(mdm_exchange_t *x,
    mdm_api_subscription_t *s, json_t *list);
static mdm_int_t mdm_api_subscription_write(mdm_exchange_t *x,
    mdm_api_subscription_t *s, mdm_str_t *names, size_t n);


mdm_int_t
mdm_api_subscription_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_API_SUBSCRIPTION_LOOK:
        return mdm_api_subscription_begin(x);

    case MDM_API_SUBSCRIPTION_FOUND:
        return mdm_api_subscription_found(x);

    default: /* MDM_API_SUBSCRIPTION_DONE */
        return mdm_api_subscription_done(x);
    }
}


static mdm_int_t
mdm_api_subscription_begin(mdm_exchange_t *x)
{
    mdm_int_t                rc;
    mdm_str_t                kind;
    mdm_api_subscription_t  *s;

    s = mdm_arena_zalloc(x->arena, sizeof(mdm_api_subscription_t));
    if (s == NULL) {
        return MDM_ERROR;
    }

    x->ctx = s;

    rc = mdm_api_subscription_name(x, s);

    if (rc == MDM_OK && x->method == MDM_PUT) {
        rc = mdm_api_subscription_read(x, s);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_arg(x, "kind", &kind);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_str_is(&kind, "set")) {
        s->enrollment = 0;

    } else if (mdm_str_is(&kind, "enrollment")) {
        s->set = 0;

    } else if (kind.len != 0) {
        return mdm_exchange_refuse(x, 400, "the argument \"kind\" is neither "
                                   "set nor enrollment");
    }

    if (!s->set && !s->enrollment) {
        return mdm_exchange_refuse(x, 400, "the name is too long");
    }

    return (s->set && s->enrollment) ? mdm_api_subscription_look(x, s)
                                     : mdm_api_subscription_go(x, s);
}


static mdm_int_t
mdm_api_subscription_name(mdm_exchange_t *x, mdm_api_subscription_t *s)
{
    mdm_int_t  rc;
    mdm_str_t  segment, raw;

    rc = mdm_api_segment(x, 2, &segment);

    if (rc == MDM_OK) {
        rc = mdm_unescape(x->arena, &raw, &segment);
    }

    if (rc == MDM_OK && !mdm_utf8_valid(&raw)) {
        rc = MDM_DECLINED;
    }

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 400, "the name is a broken "
                                   "percent-encoding, or not UTF-8");
    }

    if (rc != MDM_OK) {
        return rc;
    }

    s->set = raw.len <= MDM_API_SET;

    rc = mdm_enrollment_from_id(x->arena, &raw, &x->tenant,
                                x->settings->partitions, &s->en);
    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    s->enrollment = rc == MDM_OK;

    return mdm_key_id(x->arena, &s->key, &raw);
}


static mdm_int_t
mdm_api_subscription_look(mdm_exchange_t *x, mdm_api_subscription_t *s)
{
    mdm_str_t  key, *id, *set;

    if (mdm_exchange_calls(x, 2, MDM_API_SUBSCRIPTION_FOUND) != MDM_CALL
        || mdm_key_declarations(x->arena, &key, &x->tenant) != MDM_OK)
    {
        return MDM_ERROR;
    }

    id = mdm_exchange_call(x, 0, &mdm_script_ddm_given, &s->en.tag, 1);
    set = mdm_exchange_call(x, 1, &mdm_script_ddm_rev, &key, 1);

    if (id == NULL || set == NULL) {
        return MDM_ERROR;
    }

    id[0] = s->en.id_key;
    set[0] = s->key;

    return MDM_CALL;
}


static mdm_int_t
mdm_api_subscription_found(mdm_exchange_t *x)
{
    mdm_uint_t               set;
    const mdm_reply_t       *reply;
    mdm_api_subscription_t  *s;

    s = x->ctx;

    reply = x->calls[0].reply;
    set = mdm_reply_int(x->calls[1].reply, 1, 0) == 1;

    /* one that will enroll counts, too */

    s->enrollment = mdm_reply_int(reply, 0, 0) == 1 || reply->nelements > 1;

    if (set && s->enrollment) {
        return mdm_exchange_refuse(x, 409, "\"%.*s\" is both a set and an "
                                   "enrollment: add ?kind=set or "
                                   "?kind=enrollment", mdm_fmt(&s->key));
    }

    s->set = !s->enrollment;

    return mdm_api_subscription_go(x, s);
}


static mdm_int_t
mdm_api_subscription_go(mdm_exchange_t *x, mdm_api_subscription_t *s)
{
    return s->set ? mdm_api_subscription_set(x, s)
                  : mdm_api_subscription_enrollment(x, s);
}


static mdm_int_t
mdm_api_subscription_enrollment(mdm_exchange_t *x, mdm_api_subscription_t *s)
{
    mdm_str_t        field;
    mdm_api_give_t   give;

    x->enrollment_id = s->en.id;

    if (x->method == MDM_GET) {
        return mdm_api_given_call(x, &s->en, MDM_API_SUBSCRIPTION_DONE);
    }

    give.en = s->en;

    if (mdm_api_give_init(x, &give, "api.StatusSubscriptions", 1) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_str_set(&field, "sub");
    mdm_api_give_add(&give, (s->json.len != 0) ? "set" : "delete", &field,
                     &s->json);

    return mdm_api_give_call(x, &give, MDM_API_SUBSCRIPTION_DONE);
}


static mdm_int_t
mdm_api_subscription_set(mdm_exchange_t *x, mdm_api_subscription_t *s)
{
    mdm_int_t   rc;
    mdm_str_t  *args;

    if (x->method == MDM_GET) {
        rc = mdm_api_ddm_read(x, &mdm_script_ddm_set_get, 2, &args);

        if (rc == MDM_OK) {
            args[0] = s->key;
            mdm_str_set(&args[1], "sub");
        }

    } else {
        rc = mdm_api_change(x, &mdm_script_ddm_set_put, MDM_API_CHANGE + 4,
                            &args);

        if (rc == MDM_OK) {
            args[MDM_API_CHANGE] = s->key;
            mdm_str_set(&args[MDM_API_CHANGE + 1], "sub");
            args[MDM_API_CHANGE + 2] = s->json;

            rc = mdm_api_number(x, &args[MDM_API_CHANGE + 3], MDM_DDM_SETS);
        }
    }

    if (rc != MDM_OK) {
        return rc;
    }

    x->state = MDM_API_SUBSCRIPTION_DONE;

    return MDM_CALL;
}


static mdm_int_t
mdm_api_subscription_done(mdm_exchange_t *x)
{
    int64_t                  code;
    mdm_int_t                rc;
    mdm_api_subscription_t  *s;

    s = x->ctx;

    if (x->method == MDM_GET) {
        return mdm_api_subscription_show(x, s);
    }

    if (s->set) {
        code = mdm_reply_int(x->calls[0].reply, 0, 0);

        if (code == -2) {
            return mdm_exchange_refuse(x, 409, "there are %d sets already, "
                                       "the most that a tenant has",
                                       MDM_DDM_SETS);
        }

        rc = mdm_api_changed(x, code == 1);

    } else {
        rc = mdm_api_give_answer(x);
    }

    if (rc == MDM_DONE && s->nunknown != 0
        && (x->status == 204 || x->status == 304))
    {
        return mdm_api_subscription_warn(x, s);
    }

    return rc;
}


static mdm_int_t
mdm_api_subscription_show(mdm_exchange_t *x, const mdm_api_subscription_t *s)
{
    size_t              i;
    mdm_str_t           json, field;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;

    mdm_str_null(&json);

    if (s->set) {
        json = mdm_reply_str(reply, 1);

    } else {

        for (i = 1; i + 1 < reply->nelements; i += 2) {
            field = mdm_reply_str(reply, i);

            if (mdm_str_is(&field, "sub")) {
                json = mdm_reply_str(reply, i + 1);
            }
        }
    }

    if (json.len == 0) {
        mdm_str_set(&json, "[]");
    }

    return mdm_exchange_body(x, 200, "application/json", &json);
}


/* it is done, with items that may be Apple's of next year */

static mdm_int_t
mdm_api_subscription_warn(mdm_exchange_t *x, const mdm_api_subscription_t *s)
{
    mdm_str_t       text;
    mdm_uint_t      i;
    mdm_api_json_t  j;

    mdm_api_json_init(&j, x->arena, 256);
    mdm_api_json_open(&j, NULL, '{');
    mdm_api_json_open(&j, "warnings", '[');

    for (i = 0; i < s->nunknown; i++) {

        if (mdm_printf(x->arena, &text, "unknown status item \"%.*s\"",
                       mdm_fmt(&s->unknown[i])) != MDM_OK)
        {
            return MDM_ERROR;
        }

        mdm_api_json_str(&j, NULL, &text);
    }

    mdm_api_json_close(&j, ']');
    mdm_api_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, 200);
}


/* ["name", …], or {"StatusItems":[{"Name":"name"}, …]} as in a declaration */

static mdm_int_t
mdm_api_subscription_read(mdm_exchange_t *x, mdm_api_subscription_t *s)
{
    json_t     *json, *list;
    mdm_int_t   rc;

    rc = mdm_api_body(x, "JSON", &json);
    if (rc != MDM_OK) {
        return rc;
    }

    list = json_is_object(json) ? json_object_get(json, "StatusItems") : json;

    if (!json_is_array(list)) {
        return mdm_exchange_refuse(x, 400, "the body is neither an array of "
                                   "status items nor an object with "
                                   "StatusItems");
    }

    if (json_array_size(list) > MDM_API_ITEMS) {
        return mdm_exchange_refuse(x, 400, "more than %d status items",
                                   MDM_API_ITEMS);
    }

    return mdm_api_subscription_items(x, s, list);
}


static mdm_int_t
mdm_api_subscription_items(mdm_exchange_t *x, mdm_api_subscription_t *s,
    json_t *list)
{
    size_t      i, n;
    json_t     *item;
    mdm_int_t   rc;
    mdm_str_t  *names, *name;
    mdm_uint_t  check;

    n = json_array_size(list);
    check = 1;

    rc = mdm_api_arg_flag(x, "validate", &check);
    if (rc != MDM_OK) {
        return rc;
    }

    if (x->settings->validate == MDM_VALIDATE_OFF) {
        check = 0;
    }

    names = mdm_arena_alloc(x->arena, n * sizeof(mdm_str_t));
    s->unknown = mdm_arena_alloc(x->arena, n * sizeof(mdm_str_t));

    if (names == NULL || s->unknown == NULL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        name = &names[i];
        item = json_array_get(list, i);

        if (json_is_object(item)) {
            item = json_object_get(item, "Name");
        }

        if (!json_is_string(item) || json_string_length(item) == 0
            || json_string_length(item) > MDM_API_ITEM)
        {
            return mdm_exchange_refuse(x, 400, "element %zu is not the name "
                                       "of a status item", i);
        }

        name->data = (u_char *) json_string_value(item);
        name->len = json_string_length(item);

        if (!check || mdm_ddm_item_find(name) != NULL) {
            continue;
        }

        if (x->settings->validate == MDM_VALIDATE_STRICT) {
            return mdm_exchange_refuse(x, 400, "unknown status item "
                                       "\"%.*s\"", mdm_fmt(name));
        }

        s->unknown[s->nunknown++] = *name;
    }

    return (n == 0) ? MDM_OK : mdm_api_subscription_write(x, s, names, n);
}


/* sorted, each once: the same list is the same text */

static mdm_int_t
mdm_api_subscription_write(mdm_exchange_t *x, mdm_api_subscription_t *s,
    mdm_str_t *names, size_t n)
{
    size_t          i;
    mdm_api_json_t  j;

    qsort(names, n, sizeof(mdm_str_t), mdm_str_order);

    mdm_api_json_init(&j, x->arena, 256);
    mdm_api_json_open(&j, NULL, '[');

    for (i = 0; i < n; i++) {

        if (i == 0 || !mdm_str_eq(&names[i], &names[i - 1])) {
            mdm_api_json_str(&j, NULL, &names[i]);
        }
    }

    mdm_api_json_close(&j, ']');

    if (j.failed) {
        return MDM_ERROR;
    }

    s->json.data = j.start;
    s->json.len = (size_t) (j.pos - j.start);

    return MDM_OK;
}
