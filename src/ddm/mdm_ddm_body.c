
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Makes a declaration what a device gets: fills in its variables.
 */


#include "mdm_ddm_body.h"
#include "mdm_json.h"
#include "mdm_json_write.h"
#include "mdm_key.h"


/* what names of variables are of */
#define MDM_DDM_NAME_OF                                                       \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."


/* a text that grows */

typedef struct {
    mdm_arena_t              *arena;
    u_char                   *start;
    size_t                    len;
    size_t                    size;
} mdm_ddm_text_t;


static mdm_int_t mdm_ddm_put(mdm_ddm_text_t *t, const u_char *data,
    size_t len);
static mdm_int_t mdm_ddm_fill(mdm_ddm_text_t *t, const mdm_str_t *payload,
    json_t *vars);
static mdm_int_t mdm_ddm_value(mdm_ddm_text_t *t, const mdm_str_t *name,
    json_t *vars);


mdm_int_t
mdm_ddm_substitute(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *payload, const mdm_str_t *vars)
{
    json_t          *json;
    mdm_int_t        rc;
    json_error_t     error;
    mdm_ddm_text_t   t;

    json = NULL;

    if (vars->len != 0) {
        rc = mdm_json_read(arena, vars, 0, &json, &error);
        if (rc != MDM_OK) {
            return rc;
        }

        if (!json_is_object(json)) {
            return MDM_DECLINED;
        }
    }

    t.arena = arena;
    t.len = 0;
    t.size = payload->len + 256;

    t.start = mdm_arena_alloc(arena, t.size);
    if (t.start == NULL) {
        return MDM_ERROR;
    }

    if (mdm_ddm_fill(&t, payload, json) != MDM_OK) {
        return MDM_ERROR;
    }

    dst->data = t.start;
    dst->len = t.len;

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_fill(mdm_ddm_text_t *t, const mdm_str_t *payload, json_t *vars)
{
    u_char     *p, *last, *dollar, *close;
    mdm_str_t   name;

    if (payload->len == 0) {
        return MDM_OK;
    }

    p = payload->data;
    last = p + payload->len;

    while (p != last) {
        dollar = memchr(p, '$', (size_t) (last - p));

        if (dollar == NULL) {
            return mdm_ddm_put(t, p, (size_t) (last - p));
        }

        if (mdm_ddm_put(t, p, (size_t) (dollar - p)) != MDM_OK) {
            return MDM_ERROR;
        }

        p = dollar;

        if (last - p >= 3 && p[1] == '$' && p[2] == '{') {

            if (mdm_ddm_put(t, p + 1, 2) != MDM_OK) {
                return MDM_ERROR;
            }

            p += 3;
            continue;
        }

        if (last - p >= 2 && p[1] == '{') {
            close = memchr(p, '}', (size_t) (last - p));

            if (close != NULL) {
                name.data = p + 2;
                name.len = (size_t) (close - name.data);

                switch (mdm_ddm_value(t, &name, vars)) {

                case MDM_OK:
                    p = close + 1;
                    continue;

                case MDM_DECLINED:
                    break;

                default:
                    return MDM_ERROR;
                }
            }
        }

        if (mdm_ddm_put(t, p++, 1) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_value(mdm_ddm_text_t *t, const mdm_str_t *name, json_t *vars)
{
    json_t     *value;
    mdm_str_t   key, s;

    if (mdm_key_id(t->arena, &key, name) != MDM_OK
        || mdm_printf(t->arena, &s, "%.*s", mdm_fmt(&key)) != MDM_OK)
    {
        return MDM_ERROR;
    }

    value = json_object_get(vars, (const char *) s.data);

    /* one without a value is not kept */

    if (vars != NULL && value == NULL && s.len != 0
        && strspn((const char *) s.data, MDM_DDM_NAME_OF) == s.len)
    {
        return MDM_OK;
    }

    if (!json_is_string(value)) {
        return MDM_DECLINED;
    }

    s.data = (u_char *) json_string_value(value);
    s.len = json_string_length(value);

    if (mdm_json_escape(t->arena, &s, &s) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_ddm_put(t, s.data, s.len);
}


static mdm_int_t
mdm_ddm_put(mdm_ddm_text_t *t, const u_char *data, size_t len)
{
    u_char  *p;

    if (len > t->size - t->len) {

        p = mdm_arena_alloc(t->arena, (t->size + len) * 2);
        if (p == NULL) {
            return MDM_ERROR;
        }

        memcpy(p, t->start, t->len);

        t->start = p;
        t->size = (t->size + len) * 2;
    }

    if (len != 0) {
        memcpy(t->start + t->len, data, len);
        t->len += len;
    }

    return MDM_OK;
}


mdm_int_t
mdm_ddm_write(mdm_arena_t *arena, mdm_str_t *dst, const mdm_ddm_body_t *body,
    const mdm_str_t *vars)
{
    mdm_int_t       rc;
    mdm_str_t       payload;
    mdm_json_out_t  j;

    rc = mdm_ddm_substitute(arena, &payload, &body->payload, vars);
    if (rc != MDM_OK) {
        return rc;
    }

    mdm_json_init(&j, arena, payload.len + 256);
    mdm_json_open(&j, NULL, '{');
    mdm_json_str(&j, "Type", &body->type);
    mdm_json_str(&j, "Identifier", &body->identifier);
    mdm_json_str(&j, "ServerToken", &body->token);
    mdm_json_value(&j, "Payload", &payload);
    mdm_json_close(&j, '}');

    return mdm_json_end(&j, dst);
}


mdm_int_t
mdm_ddm_own(mdm_arena_t *arena, mdm_ddm_body_t *body, const mdm_str_t *subs)
{
    size_t           i;
    json_t          *json, *item;
    mdm_int_t        rc;
    mdm_str_t        s;
    json_error_t     error;
    mdm_json_out_t   j;

    if (mdm_str_is(&body->identifier, MDM_DDM_ACTIVATION)) {
        mdm_str_set(&body->type, "com.apple.activation.simple");
        mdm_str_set(&body->payload, "{\"StandardConfigurations\":[\""
                                    MDM_DDM_SUBSCRIPTIONS "\"]}");
        return MDM_OK;
    }

    if (!mdm_str_is(&body->identifier, MDM_DDM_SUBSCRIPTIONS)) {
        return MDM_DECLINED;
    }

    rc = mdm_json_read(arena, subs, 0, &json, &error);
    if (rc != MDM_OK) {
        return rc;
    }

    if (!json_is_array(json)) {
        return MDM_DECLINED;
    }

    mdm_json_init(&j, arena, subs->len * 2 + 64);
    mdm_json_open(&j, NULL, '{');
    mdm_json_open(&j, "StatusItems", '[');

    json_array_foreach(json, i, item) {

        if (!json_is_string(item)) {
            continue;
        }

        s.data = (u_char *) json_string_value(item);
        s.len = json_string_length(item);

        mdm_json_open(&j, NULL, '{');
        mdm_json_str(&j, "Name", &s);
        mdm_json_close(&j, '}');
    }

    mdm_json_close(&j, ']');
    mdm_json_close(&j, '}');

    mdm_str_set(&body->type,
                "com.apple.configuration.management.status-subscriptions");

    return mdm_json_end(&j, &body->payload);
}
