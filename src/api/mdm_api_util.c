
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the API's steps share: arguments, cursors, bodies and answers.
 */


#include "mdm_api_json.h"
#include "mdm_api_util.h"
#include "mdm_command.h"
#include "mdm_key.h"
#include "mdm_number.h"


#define MDM_API_BODY_LISTS    8
#define MDM_API_BODY_LINE     "JSON: line "


mdm_int_t
mdm_api_param(mdm_exchange_t *x, mdm_uint_t i, mdm_str_t *raw)
{
    return mdm_unescape(x->arena, raw, &x->param[i]);
}


mdm_int_t
mdm_api_enrollment(mdm_exchange_t *x, mdm_uint_t i, mdm_enrollment_t *en)
{
    mdm_int_t  rc;
    mdm_str_t  id;

    rc = mdm_api_param(x, i, &id);

    if (rc == MDM_OK) {
        rc = mdm_enrollment_from_id(x->arena, &id, &x->tenant,
                                    x->settings->store->partitions, en);
    }

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 400, MDM_API_NO_ID);
    }

    if (rc == MDM_OK) {
        x->enrollment_id = en->id;
    }

    return rc;
}


mdm_int_t
mdm_api_uuid(mdm_exchange_t *x, mdm_uint_t i, mdm_str_t *key)
{
    mdm_int_t  rc;
    mdm_str_t  uuid;

    rc = mdm_api_param(x, i, &uuid);

    if (rc == MDM_DECLINED || (rc == MDM_OK && uuid.len > MDM_COMMAND_UUID_MAX))
    {
        return mdm_exchange_refuse(x, 400, "not a CommandUUID: too long, or "
                                   "a broken percent-encoding");
    }

    if (rc != MDM_OK) {
        return rc;
    }

    x->command_uuid = uuid;

    return mdm_key_uuid(x->arena, key, &uuid);
}


mdm_int_t
mdm_api_arg(mdm_exchange_t *x, const char *name, mdm_str_t *value)
{
    u_char     *p, *end, *last;
    size_t      len;
    mdm_int_t   rc;
    mdm_str_t   s;

    mdm_str_null(value);

    if (x->query.len == 0) {
        return MDM_OK;
    }

    len = strlen(name);
    p = x->query.data;
    last = p + x->query.len;

    while (p != last) {
        end = memchr(p, '&', (size_t) (last - p));

        if (end == NULL) {
            end = last;
        }

        if ((size_t) (end - p) >= len && memcmp(p, name, len) == 0
            && (p + len == end || p[len] == '='))
        {
            s.data = (p + len == end) ? end : p + len + 1;
            s.len = (size_t) (end - s.data);

            rc = mdm_unescape(x->arena, value, &s);

            if (rc == MDM_DECLINED) {
                return mdm_exchange_refuse(x, 400, "the argument \"%s\" is "
                                           "a broken percent-encoding", name);
            }

            return rc;
        }

        p = (end == last) ? last : end + 1;
    }

    return MDM_OK;
}


mdm_int_t
mdm_api_arg_number(mdm_exchange_t *x, const char *name, int64_t min,
    int64_t max, int64_t *value)
{
    int64_t    n;
    mdm_int_t  rc;
    mdm_str_t  s;

    rc = mdm_api_arg(x, name, &s);

    if (rc != MDM_OK || s.len == 0) {
        return rc;
    }

    if (mdm_atoi(&s, &n) != MDM_OK || n < min || n > max) {
        return mdm_exchange_refuse(x, 400, "the argument \"%s\" is not a "
                                   "number from %lld to %lld", name,
                                   (long long) min, (long long) max);
    }

    *value = n;

    return MDM_OK;
}


mdm_int_t
mdm_api_arg_flag(mdm_exchange_t *x, const char *name, mdm_uint_t *value)
{
    mdm_int_t  rc;
    mdm_str_t  s;

    rc = mdm_api_arg(x, name, &s);

    if (rc != MDM_OK || s.len == 0) {
        return rc;
    }

    if (mdm_str_is(&s, "1") || mdm_str_is(&s, "true")) {
        *value = 1;

    } else if (mdm_str_is(&s, "0") || mdm_str_is(&s, "false")) {
        *value = 0;

    } else {
        return mdm_exchange_refuse(x, 400, "the argument \"%s\" is neither 0 "
                                   "nor 1", name);
    }

    return MDM_OK;
}


mdm_int_t
mdm_api_body(mdm_exchange_t *x, const char *what, json_t **root)
{
    mdm_int_t           rc;
    mdm_str_t           error;
    mdm_limits_t  limits;

    limits.depth = x->settings->plist_depth;
    limits.nodes = x->settings->plist_nodes;

    /* a filter has several lists of ids */

    if (limits.nodes / MDM_API_BODY_LISTS < x->settings->api_ids) {
        limits.nodes = x->settings->api_ids * MDM_API_BODY_LISTS;
    }

    rc = mdm_json_load(x->arena, &x->body, &limits, root, &error);

    if (rc != MDM_DECLINED) {
        return rc;
    }

    if (mdm_str_begins_i(&error, MDM_API_BODY_LINE)) {
        error.data += sizeof("JSON: ") - 1;
        error.len -= sizeof("JSON: ") - 1;

        return mdm_exchange_refuse(x, 400, "the body is not %s: %.*s", what,
                                   mdm_fmt(&error));
    }

    return mdm_exchange_refuse(x, 400, "%.*s", mdm_fmt(&error));
}


mdm_int_t
mdm_api_body_load(mdm_exchange_t *x, json_t **root)
{
    mdm_int_t           rc;
    mdm_str_t           error;
    mdm_limits_t  limits;

    limits.depth = x->settings->plist_depth;
    limits.nodes = x->settings->plist_nodes;

    rc = mdm_json_load(x->arena, &x->body, &limits, root, &error);

    return (rc == MDM_DECLINED)
           ? mdm_exchange_refuse(x, 400, "%.*s", mdm_fmt(&error)) : rc;
}


mdm_int_t
mdm_api_cursor_write(mdm_arena_t *arena, mdm_str_t *dst, const mdm_str_t *src)
{
    return mdm_base64url_encode(arena, dst, src);
}


mdm_int_t
mdm_api_cursor_read(mdm_exchange_t *x, mdm_str_t *dst, const mdm_str_t *src)
{
    mdm_int_t  rc;

    rc = mdm_base64url_decode(x->arena, dst, src);

    return (rc == MDM_DECLINED) ? mdm_api_cursor_refuse(x) : rc;
}


mdm_int_t
mdm_api_cursor_refuse(mdm_exchange_t *x)
{
    return mdm_exchange_refuse(x, 400, "the cursor is not one of this API");
}


mdm_int_t
mdm_api_page_args(mdm_exchange_t *x, int64_t most, int64_t *limit,
    mdm_str_t *cursor)
{
    mdm_int_t  rc;

    mdm_str_null(cursor);

    rc = mdm_api_arg_number(x, "limit", 1, most, limit);

    if (rc == MDM_OK) {
        rc = mdm_api_arg(x, "cursor", cursor);
    }

    if (rc == MDM_OK && cursor->len != 0) {
        rc = mdm_api_cursor_read(x, cursor, cursor);
    }

    return rc;
}


mdm_int_t
mdm_api_page_end(mdm_exchange_t *x, mdm_json_out_t *j, const mdm_str_t *next)
{
    mdm_str_t  cursor;

    mdm_json_close(j, ']');

    if (next->len != 0) {

        if (mdm_api_cursor_write(x->arena, &cursor, next) != MDM_OK) {
            return MDM_ERROR;
        }

        mdm_json_str(j, "next_cursor", &cursor);
    }

    mdm_json_close(j, '}');

    return mdm_api_json_answer(j, x, 200);
}


/* no mdm_printf() of "after": it would end at a NUL */

mdm_int_t
mdm_api_cursor_place_write(mdm_exchange_t *x, mdm_str_t *dst,
    mdm_uint_t number, const mdm_str_t *after)
{
    u_char     *p;
    mdm_str_t   s, head;

    if (mdm_printf(x->arena, &head, "%lu,", (unsigned long) number) != MDM_OK) {
        return MDM_ERROR;
    }

    s.len = head.len + after->len;

    p = mdm_arena_alloc(x->arena, s.len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    s.data = p;

    memcpy(p, head.data, head.len);

    if (after->len != 0) {
        memcpy(p + head.len, after->data, after->len);
    }

    return mdm_api_cursor_write(x->arena, dst, &s);
}


mdm_int_t
mdm_api_cursor_place_read(mdm_exchange_t *x, const mdm_str_t *src,
    mdm_uint_t limit, mdm_uint_t *number, mdm_str_t *after)
{
    u_char     *comma;
    int64_t     n;
    mdm_int_t   rc;
    mdm_str_t   s, digits;

    rc = mdm_api_cursor_read(x, &s, src);
    if (rc != MDM_OK) {
        return rc;
    }

    comma = (s.len != 0) ? memchr(s.data, ',', s.len) : NULL;

    if (comma == NULL) {
        return mdm_api_cursor_refuse(x);
    }

    digits.data = s.data;
    digits.len = (size_t) (comma - s.data);

    if (mdm_atoi(&digits, &n) != MDM_OK || n >= (int64_t) limit) {
        return mdm_api_cursor_refuse(x);
    }

    *number = (mdm_uint_t) n;
    after->data = comma + 1;
    after->len = s.len - digits.len - 1;

    return MDM_OK;
}


mdm_int_t
mdm_api_seconds(const json_t *value, int64_t most, int64_t *seconds)
{
    int64_t    n, unit;
    mdm_str_t  s;

    unit = 1;

    if (json_is_string(value)) {
        s.data = (u_char *) (uintptr_t) json_string_value(value);
        s.len = json_string_length(value);

        switch ((s.len != 0) ? s.data[s.len - 1] : 0) {

        case 's':
            s.len--;
            break;

        case 'm':
            unit = 60;
            s.len--;
            break;

        case 'h':
            unit = 60 * 60;
            s.len--;
            break;

        case 'd':
            unit = 24 * 60 * 60;
            s.len--;
            break;

        default:
            break;
        }

        if (mdm_atoi(&s, &n) != MDM_OK) {
            return MDM_DECLINED;
        }

    } else if (json_is_integer(value)) {
        n = json_integer_value(value);

    } else {
        return MDM_DECLINED;
    }

    if (n < 1 || n > most / unit) {
        return MDM_DECLINED;
    }

    *seconds = n * unit;

    return MDM_OK;
}


mdm_int_t
mdm_api_number(mdm_exchange_t *x, mdm_str_t *dst, int64_t n)
{
    return mdm_itoa(x->arena, dst, n);
}


mdm_str_t
mdm_api_flag(mdm_uint_t flag)
{
    static const mdm_str_t  flags[2] = { mdm_string("0"), mdm_string("1") };

    return flags[flag != 0];
}


mdm_int_t
mdm_api_not_enrolled(mdm_exchange_t *x)
{
    x->unknown = 1;

    return mdm_exchange_refuse(x, 404, MDM_API_NOT_ENROLLED);
}
