
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * POST /v1/status/query: enrollments by the value of a status item, from the
 * index.  Partitions are gone through in order, as for enrollments; a request
 * asks some hundred of them and then answers with what it has and a cursor.
 */


#include "mdm_api.h"
#include "mdm_api_json.h"
#include "mdm_api_scan.h"
#include "mdm_api_util.h"
#include "mdm_key.h"


#define MDM_API_STATUS_LIMIT      100  /* rows a page */
#define MDM_API_STATUS_LIMIT_MAX  1000

#define MDM_API_STATUS_WIDTH      32   /* calls in a round */
#define MDM_API_STATUS_LOOK       80   /* of the index, that a call looks at */


typedef struct {
    mdm_str_t                 item;
    mdm_str_t                 op;
    mdm_str_t                 value;       /* JSON */
    mdm_uint_t                limit;

    mdm_api_scan_t            scan;        /* behind a script's cursor */
    mdm_uint_t                rows;
    mdm_json_out_t            json;
} mdm_api_status_query_t;


static mdm_int_t mdm_api_status_query_start(mdm_exchange_t *x);
static mdm_int_t mdm_api_status_query_read(mdm_exchange_t *x,
    mdm_api_status_query_t *q);
static mdm_int_t mdm_api_status_query_item(mdm_exchange_t *x,
    mdm_api_status_query_t *q, json_t *item);
static mdm_int_t mdm_api_status_query_predicate(mdm_exchange_t *x,
    mdm_api_status_query_t *q, json_t *predicate);
static mdm_int_t mdm_api_status_query_page(mdm_exchange_t *x,
    mdm_api_status_query_t *q, json_t *limit, json_t *cursor);
static mdm_int_t mdm_api_status_query_known(mdm_exchange_t *x,
    json_t *object, const char *path, const char *const *known);
static mdm_int_t mdm_api_status_query_round(mdm_exchange_t *x,
    mdm_api_status_query_t *q);
static size_t mdm_api_status_query_rows(const mdm_reply_t *reply);
static mdm_int_t mdm_api_status_query_replies(mdm_exchange_t *x,
    mdm_api_status_query_t *q);
static mdm_int_t mdm_api_status_query_answer(mdm_exchange_t *x,
    mdm_api_status_query_t *q);


static const char *const  mdm_api_status_query_keys[] = {
    "item", "predicate", "limit", "cursor", NULL
};

static const char *const  mdm_api_status_predicate_keys[] = {
    "op", "value", NULL
};

static const char *const  mdm_api_status_ops[] = {
    "=", "!=", "<", "<=", ">", ">=", "begins", NULL
};


mdm_int_t
mdm_api_status_query_step(mdm_exchange_t *x)
{
    return (x->state == 0) ? mdm_api_status_query_start(x)
                           : mdm_api_status_query_replies(x, x->ctx);
}


static mdm_int_t
mdm_api_status_query_start(mdm_exchange_t *x)
{
    mdm_int_t                rc;
    mdm_api_status_query_t  *q;

    q = mdm_arena_zalloc(x->arena, sizeof(mdm_api_status_query_t));
    if (q == NULL) {
        return MDM_ERROR;
    }

    x->ctx = q;

    q->limit = MDM_API_STATUS_LIMIT;
    q->scan.width = 1;

    rc = mdm_api_status_query_read(x, q);
    if (rc != MDM_OK) {
        return rc;
    }

    mdm_json_init(&q->json, x->arena, 4096);
    mdm_json_open(&q->json, NULL, '{');
    mdm_json_open(&q->json, "enrollments", '[');

    return mdm_api_status_query_round(x, q);
}


static mdm_int_t
mdm_api_status_query_read(mdm_exchange_t *x, mdm_api_status_query_t *q)
{
    json_t     *root;
    mdm_int_t   rc;

    /* its strings are used until the exchange ends */

    rc = mdm_api_body(x, "a JSON object", &root);
    if (rc != MDM_OK) {
        return rc;
    }

    rc = mdm_api_status_query_known(x, root, "", mdm_api_status_query_keys);

    if (rc == MDM_OK) {
        rc = mdm_api_status_query_item(x, q, json_object_get(root, "item"));
    }

    if (rc == MDM_OK) {
        rc = mdm_api_status_query_predicate(x, q,
                                            json_object_get(root,
                                                            "predicate"));
    }

    if (rc == MDM_OK) {
        rc = mdm_api_status_query_page(x, q, json_object_get(root, "limit"),
                                       json_object_get(root, "cursor"));
    }

    return rc;
}


/* an unknown key would be a condition that is not kept */

static mdm_int_t
mdm_api_status_query_known(mdm_exchange_t *x, json_t *object,
    const char *path, const char *const *known)
{
    json_t       *value;
    mdm_uint_t    i;
    const char   *key;

    if (!json_is_object(object)) {
        return mdm_exchange_refuse(x, 400, "%s: an object expected",
                                   (*path == '\0') ? "the body" : path);
    }

    json_object_foreach(object, key, value) {

        (void) value;

        for (i = 0; known[i] != NULL && strcmp(key, known[i]) != 0; i++) {
            /* void */
        }

        if (known[i] == NULL) {
            return mdm_exchange_refuse(x, 400, "%s%s%.64s: unknown key", path,
                                       (*path == '\0') ? "" : ".", key);
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_status_query_item(mdm_exchange_t *x, mdm_api_status_query_t *q,
    json_t *item)
{
    mdm_uint_t  i;

    if (!json_is_string(item)) {
        return mdm_exchange_refuse(x, 400, "item: a string expected");
    }

    q->item.data = (u_char *) json_string_value(item);
    q->item.len = json_string_length(item);

    for (i = 0; i < x->settings->store->nstatus_index; i++) {
        if (mdm_str_eq(&x->settings->store->status_index[i], &q->item)) {
            return MDM_OK;
        }
    }

    return mdm_exchange_refuse(x, 400, "item: \"%.128s\" is not indexed: name "
                               "it in the directive \"mdm_status_index\"",
                               (char *) q->item.data);
}


static mdm_int_t
mdm_api_status_query_predicate(mdm_exchange_t *x, mdm_api_status_query_t *q,
    json_t *predicate)
{
    json_t      *value;
    mdm_int_t    rc;
    mdm_uint_t   i;
    const char  *op;

    rc = mdm_api_status_query_known(x, predicate, "predicate",
                                    mdm_api_status_predicate_keys);
    if (rc != MDM_OK) {
        return rc;
    }

    op = json_string_value(json_object_get(predicate, "op"));

    for (i = 0; op != NULL && mdm_api_status_ops[i] != NULL; i++) {
        if (strcmp(op, mdm_api_status_ops[i]) == 0) {
            break;
        }
    }

    if (op == NULL || mdm_api_status_ops[i] == NULL) {
        return mdm_exchange_refuse(x, 400, "predicate.op: one of = != < <= > "
                                   ">= begins expected");
    }

    q->op.data = (u_char *) (uintptr_t) mdm_api_status_ops[i];
    q->op.len = strlen(op);

    value = json_object_get(predicate, "value");

    if (!json_is_string(value)
        && (mdm_str_is(&q->op, "begins")
            || (!json_is_number(value) && !json_is_boolean(value))))
    {
        return mdm_exchange_refuse(x, 400, "predicate.value: a string%s "
                                   "expected", mdm_str_is(&q->op, "begins")
                                   ? "" : ", a number, true or false");
    }

    return mdm_json_dump(x->arena, value, 0, &q->value);
}


/* a cursor is "partition,cursor of the script" */

static mdm_int_t
mdm_api_status_query_page(mdm_exchange_t *x, mdm_api_status_query_t *q,
    json_t *limit, json_t *cursor)
{
    mdm_str_t  s;

    if (limit != NULL && !json_is_null(limit)) {

        if (!json_is_integer(limit) || json_integer_value(limit) < 1
            || json_integer_value(limit) > MDM_API_STATUS_LIMIT_MAX)
        {
            return mdm_exchange_refuse(x, 400, "limit: a number from 1 to %d "
                                       "expected", MDM_API_STATUS_LIMIT_MAX);
        }

        q->limit = (mdm_uint_t) json_integer_value(limit);
    }

    if (cursor == NULL || json_is_null(cursor)) {
        return MDM_OK;
    }

    if (!json_is_string(cursor)) {
        return mdm_exchange_refuse(x, 400, "cursor: a string expected");
    }

    s.data = (u_char *) json_string_value(cursor);
    s.len = json_string_length(cursor);

    return mdm_api_scan_read(x, &q->scan, &s);
}


static mdm_int_t
mdm_api_status_query_round(mdm_exchange_t *x, mdm_api_status_query_t *q)
{
    mdm_str_t   tag, *args;
    mdm_uint_t  i, n, rows;

    n = mdm_api_scan_round(x, &q->scan, q->rows == q->limit);

    if (n == 0) {
        return mdm_api_status_query_answer(x, q);
    }

    if (mdm_exchange_calls(x, n, 1) != MDM_CALL) {
        return MDM_ERROR;
    }

    rows = q->limit - q->rows;

    if (rows > MDM_API_STATUS_LOOK) {
        rows = MDM_API_STATUS_LOOK;
    }

    for (i = 0; i < n; i++) {

        if (mdm_api_scan_tag(x, &q->scan, i, &tag) != MDM_OK) {
            return MDM_ERROR;
        }

        args = mdm_exchange_call(x, i, &mdm_script_status_query, &tag, 0);
        if (args == NULL) {
            return MDM_ERROR;
        }

        args[MDM_ARG_STATUS_QUERY_ITEM] = q->item;
        args[MDM_ARG_STATUS_QUERY_OP] = q->op;
        args[MDM_ARG_STATUS_QUERY_JSON] = q->value;

        if (i == 0) {
            args[MDM_ARG_STATUS_QUERY_CURSOR] = q->scan.after;
        }

        if (mdm_api_number(x, &args[MDM_ARG_STATUS_QUERY_ROWS],
                           (int64_t) rows)
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static size_t
mdm_api_status_query_rows(const mdm_reply_t *reply)
{
    return (mdm_reply_size(reply) - MDM_RET_STATUS_QUERY_ROWS)
           / MDM_NRET_STATUS_QUERY_ROWS;
}


static mdm_int_t
mdm_api_status_query_replies(mdm_exchange_t *x, mdm_api_status_query_t *q)
{
    size_t              k;
    mdm_str_t           id, value;
    mdm_uint_t          i, found, most;
    const mdm_reply_t  *reply;

    found = 0;

    for (i = 0; i < x->ncalls; i++) {
        reply = x->calls[i].reply;

        if (mdm_reply_size(reply) < MDM_RET_STATUS_QUERY_ROWS) {
            return MDM_ERROR;
        }

        mdm_api_scan_count(&q->scan,
                           (int64_t) mdm_api_status_query_rows(reply));

        found += mdm_api_status_query_rows(reply);
    }

    for (i = 0; i < x->ncalls; i++) {
        reply = x->calls[i].reply;

        /*
         * A partition behind the first was asked for more than there is room
         * for by now: it is asked again, for as many as there is.
         */

        if (q->rows + mdm_api_status_query_rows(reply) > q->limit) {
            q->scan.width = 1;

            return mdm_api_status_query_round(x, q);
        }

        for (k = MDM_RET_STATUS_QUERY_ROWS;
             mdm_reply_row(reply, k, MDM_NRET_STATUS_QUERY_ROWS);
             k += MDM_NRET_STATUS_QUERY_ROWS)
        {
            id = mdm_reply_str(reply, k + MDM_RET_STATUS_QUERY_ROWS_ID);
            value = mdm_reply_str(reply, k + MDM_RET_STATUS_QUERY_ROWS_VALUE);

            q->rows++;

            mdm_json_open(&q->json, NULL, '{');
            mdm_json_id(&q->json, "id", &id);

            if (value.len != 0) {
                mdm_json_value(&q->json, "value", &value);
            }

            mdm_json_close(&q->json, '}');
        }

        if (mdm_reply_int(reply, MDM_RET_STATUS_QUERY_MORE, 0) != 0) {
            value = mdm_reply_str(reply, MDM_RET_STATUS_QUERY_CURSOR);
            mdm_api_scan_stay(&q->scan, &value);

            return mdm_api_status_query_round(x, q);
        }

        mdm_api_scan_leave(&q->scan);
    }

    /* as many partitions as will fill the page, if they are like these */

    q->scan.width *= 2;

    if (found != 0) {
        most = x->ncalls * (q->limit - q->rows) / found + 1;

        if (q->scan.width > most) {
            q->scan.width = most;
        }
    }

    if (q->scan.width > MDM_API_STATUS_WIDTH) {
        q->scan.width = MDM_API_STATUS_WIDTH;
    }

    return mdm_api_status_query_round(x, q);
}


static mdm_int_t
mdm_api_status_query_answer(mdm_exchange_t *x, mdm_api_status_query_t *q)
{
    mdm_str_t  cursor;

    mdm_json_close(&q->json, ']');

    if (q->scan.more) {

        if (mdm_api_scan_write(x, &q->scan, &cursor) != MDM_OK) {
            return MDM_ERROR;
        }

        mdm_json_str(&q->json, "next_cursor", &cursor);
    }

    mdm_json_close(&q->json, '}');

    return mdm_api_json_answer(&q->json, x, 200);
}
