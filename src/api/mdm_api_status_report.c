
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET /v1/status-report/ID: a report as it came; GET /v1/status/ID: what all
 * of them say together.
 */


#include "mdm_api.h"
#include "mdm_api_audit.h"
#include "mdm_api_status.h"
#include "mdm_api_status_list.h"
#include "mdm_api_util.h"
#include "mdm_deflate.h"
#include "mdm_exchange_secret.h"


#define MDM_API_STATUS_INDEX  1000000


static mdm_int_t mdm_api_status_report_call(mdm_exchange_t *x);
static mdm_int_t mdm_api_status_report_answer(mdm_exchange_t *x);
static mdm_int_t mdm_api_status_report_headers(mdm_exchange_t *x,
    const mdm_reply_t *reply);
static mdm_int_t mdm_api_status_document(mdm_exchange_t *x,
    mdm_api_status_list_t *list, mdm_uint_t i);
static size_t mdm_api_status_fitting(const mdm_api_status_t *values,
    size_t all);
static void mdm_api_status_nested(mdm_json_out_t *j,
    const mdm_api_status_t *list, size_t n);
static size_t mdm_api_status_common(const mdm_str_t *a, const mdm_str_t *b);
static void mdm_api_status_times(mdm_json_out_t *j,
    const mdm_api_status_t *list, size_t n);


mdm_int_t
mdm_api_status_report_step(mdm_exchange_t *x)
{
    return (x->state == 0) ? mdm_api_status_report_call(x)
                           : mdm_api_status_report_answer(x);
}


static mdm_int_t
mdm_api_status_report_call(mdm_exchange_t *x)
{
    int64_t            n;
    mdm_int_t          rc;
    mdm_str_t          id, *args;
    mdm_enrollment_t   en;

    n = 0;
    mdm_str_null(&id);

    rc = mdm_api_enrollment(x, 0, &en);

    if (rc == MDM_OK) {
        rc = mdm_api_arg_number(x, "index", 0, MDM_API_STATUS_INDEX, &n);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_arg(x, "status_id", &id);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_exchange_calls(x, 1, 1) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_status_report, &en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_STATUS_REPORT_ID] = en.id_key;

    if (id.len != 0) {
        mdm_str_set(&args[MDM_ARG_STATUS_REPORT_BY], "id");
        args[MDM_ARG_STATUS_REPORT_WHICH] = id;

        return MDM_CALL;
    }

    mdm_str_set(&args[MDM_ARG_STATUS_REPORT_BY], "index");

    return (mdm_api_number(x, &args[MDM_ARG_STATUS_REPORT_WHICH], n) == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_api_status_report_answer(mdm_exchange_t *x)
{
    int64_t              code;
    mdm_int_t            rc;
    mdm_str_t            z, digest, body;
    mdm_uint_t           compressed;
    mdm_secret_where_t   where;
    const mdm_reply_t   *reply;

    reply = x->calls[0].reply;
    code = mdm_reply_code(reply, -1);

    if (code < 0) {
        return mdm_api_not_enrolled(x);
    }

    if (code == 0) {
        return mdm_exchange_refuse(x, 404, "no such status report is kept");
    }

    digest = mdm_reply_str(reply, MDM_RET_STATUS_REPORT_DIGEST);
    z = mdm_reply_str(reply, MDM_RET_STATUS_REPORT_Z);
    body = mdm_reply_str(reply, MDM_RET_STATUS_REPORT_BODY);

    compressed = mdm_str_is(&z, "1");

    /* with the NUL that a field's name needs */

    if (mdm_printf(x->arena, &digest, "%.*s", mdm_fmt(&digest)) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_where_status(&where, &x->calls[0].key,
                     &x->calls[0].args[MDM_ARG_STATUS_REPORT_ID],
                     (char *) digest.data, compressed);

    rc = mdm_exchange_open(x, &where, &body);
    if (rc != MDM_OK) {
        return rc;
    }

    if (compressed) {
        z = body;

        if (mdm_inflate(x->arena, &z, &body) != MDM_OK) {
            mdm_exchange_log(x, MDM_LOG_ERROR, "a status report that is "
                             "kept compressed cannot be read");
            return MDM_ERROR;
        }
    }

    if (mdm_api_status_report_headers(x, reply) != MDM_OK) {
        return MDM_ERROR;
    }

    if (x->settings->audit_reads
        && mdm_api_audit(x, &x->calls[0].key, "status_report",
                         &x->calls[0].args[MDM_ARG_STATUS_REPORT_ID], NULL)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_api_audited(x, mdm_exchange_body(x, 200, "application/json",
                                                &body));
}


static mdm_int_t
mdm_api_status_report_headers(mdm_exchange_t *x, const mdm_reply_t *reply)
{
    int64_t    us;
    mdm_str_t  id, n;

    id = mdm_reply_str(reply, MDM_RET_STATUS_REPORT_ID);

    if (mdm_atoi(&id, &us) == MDM_OK) {
        x->last_modified = us / 1000000;
    }

    if (mdm_api_number(x, &n,
                       mdm_reply_int(reply, MDM_RET_STATUS_REPORT_INDEX, 0))
        != MDM_OK
        || mdm_exchange_header(x, "X-Status-Report-ID", &id) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_exchange_header(x, "X-Status-Report-Index", &n);
}


mdm_int_t
mdm_api_status_get_step(mdm_exchange_t *x)
{
    mdm_int_t               rc;
    mdm_enrollment_t        en;
    mdm_api_status_list_t  *list;

    list = NULL;

    if (x->state != 0) {
        return mdm_api_status_replies(x);
    }

    rc = mdm_api_enrollment(x, 0, &en);

    if (rc == MDM_OK) {
        rc = mdm_api_status_start(x, "values", &x->enrollment_id,
                                  mdm_api_status_document, &list);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    list->document = 1;

    return mdm_api_status_round(x, list);
}


static mdm_int_t
mdm_api_status_document(mdm_exchange_t *x, mdm_api_status_list_t *list,
    mdm_uint_t i)
{
    size_t             n, all;
    mdm_str_t          cursor;
    mdm_json_out_t    *j;
    mdm_api_status_t  *values;

    if (mdm_reply_code(list->ones[i].pieces->reply, 0) != 0) {
        return mdm_api_not_enrolled(x);
    }

    values = mdm_api_status_sorted(x, list, i, &all);
    if (values == NULL) {
        return MDM_ERROR;
    }

    n = mdm_api_status_fitting(values, all);
    j = &list->json;

    mdm_json_open(j, NULL, '{');
    mdm_json_str(j, "id", &x->enrollment_id);

    mdm_json_open(j, "status", '{');
    mdm_api_status_nested(j, values, n);
    mdm_json_close(j, '}');

    mdm_json_open(j, "times", '{');
    mdm_api_status_times(j, values, n);
    mdm_json_close(j, '}');

    if (n != all) {
        list->behind = values[n - 1].place;

        if (mdm_api_status_cursor(x, list, &cursor) != MDM_OK) {
            return MDM_ERROR;
        }

        mdm_json_str(j, "next_cursor", &cursor);

        return MDM_DECLINED;
    }

    return MDM_OK;
}


/* how many of the values an answer has room for, one at least */

static size_t
mdm_api_status_fitting(const mdm_api_status_t *values, size_t all)
{
    size_t  n, bytes;

    bytes = 0;

    for (n = 0; n < all && bytes < MDM_API_STATUS_BYTES; n++) {

        /* its name, what is around it, and its time */

        bytes += values[n].json.len + 2 * values[n].path.len + 32;
    }

    return n;
}


/*
 * The places are sorted, so that those of one object, and the elements of one
 * array, stand together.
 */

static void
mdm_api_status_nested(mdm_json_out_t *j, const mdm_api_status_t *list,
    size_t n)
{
    u_char                  *p, *dot, *end;
    size_t                   i, depth, same;
    mdm_str_t                none, name;
    const mdm_str_t         *before;
    const mdm_api_status_t  *s;

    mdm_str_null(&none);

    before = &none;
    depth = 0;

    for (i = 0; i < n; i++) {
        s = &list[i];

        if (s->element && i != 0 && list[i - 1].element
            && mdm_str_eq(&s->path, &list[i - 1].path))
        {
            mdm_json_value(j, NULL, &s->json);
            continue;
        }

        if (i != 0 && list[i - 1].element) {
            mdm_json_close(j, ']');
        }

        /* objects that both are in stay open */

        same = mdm_api_status_common(before, &s->path);
        before = &s->path;

        p = s->path.data;
        end = p + s->path.len;

        for ( /* void */ ; depth > same; depth--) {
            mdm_json_close(j, '}');
        }

        for (same = 0; /* void */ ; same++) {
            dot = (p != end) ? memchr(p, '.', (size_t) (end - p)) : NULL;

            name.data = p;
            name.len = (size_t) (((dot != NULL) ? dot : end) - p);

            if (same >= depth) {
                mdm_json_key(j, &name);
            }

            if (dot == NULL) {
                break;
            }

            if (same >= depth) {
                mdm_json_open(j, NULL, '{');
                depth++;
            }

            p = dot + 1;
        }

        if (!s->element) {
            mdm_json_value(j, NULL, &s->json);
            continue;
        }

        mdm_json_open(j, NULL, '[');

        /* the array itself comes first, and is none of its elements */

        if (s->identifier.len != 0) {
            mdm_json_value(j, NULL, &s->json);
        }
    }

    if (n != 0 && list[n - 1].element) {
        mdm_json_close(j, ']');
    }

    for ( /* void */ ; depth != 0; depth--) {
        mdm_json_close(j, '}');
    }
}


/* the number of objects that two paths share */

static size_t
mdm_api_status_common(const mdm_str_t *a, const mdm_str_t *b)
{
    size_t  i, n;

    n = 0;

    for (i = 0; i < a->len && i < b->len && a->data[i] == b->data[i]; i++) {
        if (a->data[i] == '.') {
            n++;
        }
    }

    return n;
}


/* of an array, that of the element that was reported last */

static void
mdm_api_status_times(mdm_json_out_t *j, const mdm_api_status_t *list,
    size_t n)
{
    size_t                   i;
    int64_t                  t, newest;
    const mdm_api_status_t  *last;

    for (i = 0; i < n; i++) {
        last = &list[i];

        if (mdm_atoi(&last->id, &newest) != MDM_OK) {
            newest = 0;
        }

        while (i + 1 < n && list[i + 1].element
               && mdm_str_eq(&list[i + 1].path, &list[i].path))
        {
            i++;

            if (mdm_atoi(&list[i].id, &t) == MDM_OK && t > newest) {
                newest = t;
                last = &list[i];
            }
        }

        if (last->seconds.len != 0) {
            mdm_json_key(j, &last->path);
            mdm_json_opt_time(j, NULL, &last->seconds);
        }
    }
}
