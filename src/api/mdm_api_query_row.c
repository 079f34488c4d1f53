
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The calls of a query for enrollments, and its answer, a row an enrollment.
 */


#include "mdm_api_audit.h"
#include "mdm_api_query.h"
#include "mdm_exchange_secret.h"


/* looked at by a script, and where each assignment has to be read */
#define MDM_API_QUERY_IDS        "500"
#define MDM_API_QUERY_ASSIGNED   "100"


static void mdm_api_query_device(mdm_json_out_t *j, const mdm_reply_t *row,
    const mdm_str_t *unlock);
static mdm_int_t mdm_api_query_cursor_write(mdm_exchange_t *x,
    mdm_api_query_t *q);


/* in the order of the script; "supervised" follows */

static const char  *mdm_api_query_facts[] = {
    "os_version", "build", "model", "model_name", "product", NULL
};


/* each call carries the lists of the filter */

mdm_uint_t
mdm_api_query_width(const mdm_api_query_t *q, mdm_uint_t n)
{
    size_t      bytes;
    mdm_uint_t  i, most;

    bytes = 1;

    for (i = 0; i < q->nfilter; i++) {
        bytes += q->filter[i].len + MDM_API_ARG_BYTES;
    }

    most = MDM_API_ROUND_BYTES / bytes + 1;

    return (n < most) ? n : most;
}


mdm_str_t *
mdm_api_query_args(mdm_exchange_t *x, mdm_api_query_t *q, mdm_uint_t i,
    const mdm_str_t *tag, mdm_uint_t nids)
{
    mdm_str_t   *args;
    mdm_uint_t   rows;

    args = mdm_exchange_call(x, i, &mdm_script_enrollment_query, tag,
                             q->nfilter + nids);
    if (args == NULL) {
        return NULL;
    }

    if (q->nserials != 0) {
        mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_BY], "serials");
        rows = MDM_API_QUERY_OFFSET;

    } else if (q->by_id) {
        mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_BY], "ids");
        rows = nids + 1;

    } else {
        mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_BY], "scan");
        rows = q->limit - q->rows + q->skip;
    }

    mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_MOST], MDM_API_QUERY_IDS);

    if (q->assigned) {
        mdm_str_set(&args[MDM_ARG_ENROLLMENT_QUERY_MOST],
                    MDM_API_QUERY_ASSIGNED);
    }

    if (mdm_api_number(x, &args[MDM_ARG_ENROLLMENT_QUERY_ROWS], (int64_t) rows)
        != MDM_OK)
    {
        return NULL;
    }

    args[MDM_ARG_ENROLLMENT_QUERY_ENABLED] = q->enabled;
    args[MDM_ARG_ENROLLMENT_QUERY_CERTIFICATE] = mdm_api_flag(q->include_cert);
    args[MDM_ARG_ENROLLMENT_QUERY_TOKEN] = mdm_api_flag(q->include_unlock);

    args[MDM_ARG_ENROLLMENT_QUERY_SUPERVISED] = q->supervised;
    args[MDM_ARG_ENROLLMENT_QUERY_PUSH_DEAD] = q->push_dead;

    args += MDM_ARG_ENROLLMENT_QUERY_FILTERS;

    memcpy(args, q->filter, q->nfilter * sizeof(mdm_str_t));

    return args + q->nfilter;
}


mdm_int_t
mdm_api_query_row(mdm_exchange_t *x, mdm_api_query_t *q, const mdm_str_t *tag,
    const mdm_reply_t *row)
{
    int64_t              tally;
    mdm_int_t            rc;
    mdm_str_t            s, unlock, name;
    mdm_json_out_t      *j;
    mdm_secret_where_t   where;

    if (q->skip != 0) {
        q->skip--;
        return MDM_OK;
    }

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_ID);
    unlock = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_UNLOCK);

    mdm_where_token(&where, tag, &s, "unlock");

    rc = mdm_exchange_open(x, &where, &unlock);
    if (rc != MDM_OK) {
        return rc;
    }

    if (unlock.len != 0
        && mdm_api_audit(x, tag, "unlock_token", &s, NULL) != MDM_OK)
    {
        return MDM_ERROR;
    }

    q->rows++;

    j = &q->json;

    mdm_json_open(j, NULL, '{');

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_ID);
    mdm_json_id(j, "id", &s);

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_TYPE);
    mdm_json_str(j, "type", &s);

    mdm_api_query_device(j, row, &unlock);

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_SHORT_NAME);
    name = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_LONG_NAME);

    if (s.len != 0 || name.len != 0) {
        mdm_json_open(j, "user", '{');
        mdm_json_opt_str(j, "user_short_name", &s);
        mdm_json_opt_str(j, "user_long_name", &name);
        mdm_json_close(j, '}');
    }

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_ENABLED);
    mdm_json_bool(j, "enabled", mdm_str_is(&s, "1"));

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_TALLY);

    if (mdm_atoi(&s, &tally) != MDM_OK) {
        tally = 0;
    }

    mdm_json_int(j, "token_update_tally", tally);

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_LAST_SEEN);
    mdm_json_opt_time(j, "last_seen", &s);

    if (mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_BLOCKED).len != 0) {
        mdm_json_bool(j, "blocked", 1);
    }

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_ERASED);
    mdm_json_opt_time(j, "erased", &s);

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_LAPSED);
    mdm_json_opt_time(j, "certificate_lapsed", &s);

    mdm_json_close(j, '}');

    return MDM_OK;
}


/* what is known of the device of a row, if anything is */

static void
mdm_api_query_device(mdm_json_out_t *j, const mdm_reply_t *row,
    const mdm_str_t *unlock)
{
    size_t      i;
    mdm_str_t   serial, der, s;
    mdm_uint_t  known;

    serial = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_SERIAL);
    der = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_DER);

    known = (serial.len != 0 || der.len != 0 || unlock->len != 0);

    for (i = MDM_RET_ENROLLMENT_QUERY_ROWS_OS; i < mdm_reply_size(row); i++) {
        known = known || mdm_reply_str(row, i).len != 0;
    }

    if (!known) {
        return;
    }

    mdm_json_open(j, "device", '{');
    mdm_json_opt_str(j, "serial_number", &serial);

    for (i = 0; mdm_api_query_facts[i] != NULL; i++) {
        s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_OS + i);
        mdm_json_opt_str(j, mdm_api_query_facts[i], &s);
    }

    s = mdm_reply_str(row, MDM_RET_ENROLLMENT_QUERY_ROWS_OS + i);

    if (s.len != 0) {
        mdm_json_bool(j, "supervised", mdm_str_is(&s, "1"));
    }

    if (der.len != 0) {
        mdm_json_pem(j, "device_cert", &der);
    }

    if (unlock->len != 0) {
        mdm_json_base64(j, "unlock_token", unlock);

        if (mdm_reply_int(row, MDM_RET_ENROLLMENT_QUERY_ROWS_HELD, 0) == 1) {
            mdm_json_bool(j, "unlock_token_withheld", 1);
        }
    }

    mdm_json_close(j, '}');
}


mdm_int_t
mdm_api_query_answer(mdm_exchange_t *x, mdm_api_query_t *q)
{
    mdm_json_close(&q->json, ']');

    if (q->scan.more && mdm_api_query_cursor_write(x, q) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_json_close(&q->json, '}');

    return mdm_api_audited(x, mdm_api_json_answer(&q->json, x, 200));
}


static mdm_int_t
mdm_api_query_cursor_write(mdm_exchange_t *x, mdm_api_query_t *q)
{
    mdm_str_t  s, cursor;

    if (mdm_printf(x->arena, &s, "%lu,%lu,%.*s",
                   (unsigned long) q->scan.partition, (unsigned long) q->skip,
                   mdm_fmt(&q->scan.after))
        != MDM_OK
        || mdm_api_cursor_write(x->arena, &cursor, &s) != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_json_str(&q->json, "next_cursor", &cursor);

    return MDM_OK;
}
