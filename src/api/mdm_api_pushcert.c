
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET /v1/pushcert and /v1/pushcerts, DELETE /v1/pushcert: what is known of
 * push certificates.
 */


#include "mdm_api.h"
#include "mdm_api_ddm.h"
#include "mdm_api_pushcert.h"
#include "mdm_date.h"
#include "mdm_key.h"
#include "mdm_push_certificate.h"
#include "mdm_push_expiry.h"


static mdm_int_t mdm_api_pushcert_topic(mdm_exchange_t *x, mdm_str_t *topic,
    mdm_str_t *key);
static mdm_int_t mdm_api_pushcert_read(mdm_exchange_t *x,
    const mdm_str_t *key, const mdm_push_file_t *only);
static mdm_int_t mdm_api_pushcert_call(mdm_exchange_t *x,
    const mdm_script_t *script, mdm_str_t **args);
static mdm_int_t mdm_api_pushcert_none(mdm_exchange_t *x);
static void mdm_api_pushcert_row(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_reply_t *reply, size_t row);
static mdm_int_t mdm_api_pushcert_row_file(mdm_exchange_t *x,
    mdm_json_out_t *j, const mdm_push_file_t *file,
    const mdm_reply_t *reply);
static void mdm_api_pushcert_state(mdm_exchange_t *x, mdm_json_out_t *j,
    int64_t not_after, const mdm_reply_t *reply, size_t row);


const mdm_push_file_t *
mdm_api_pushcert_file(const mdm_exchange_t *x, const mdm_str_t *topic)
{
    mdm_uint_t              i;
    const mdm_push_file_t  *file;

    for (i = 0; i < x->settings->npush_files; i++) {
        file = &x->settings->push_files[i];

        if (mdm_str_eq(&file->tenant, &x->tenant)
            && mdm_str_eq(&file->topic, topic))
        {
            return file;
        }
    }

    return NULL;
}


mdm_int_t
mdm_api_pushcert_fixed(mdm_exchange_t *x, const mdm_str_t *topic)
{
    mdm_quote_t  quote;

    return mdm_exchange_refuse(x, 409, "the push certificate of topic \"%s\" "
                               "comes from a file (mdm_push_certificate)",
                               mdm_quote(&quote, (const char *) topic->data,
                                         topic->len));
}


void
mdm_api_pushcert_facts(mdm_json_out_t *j, const mdm_str_t *topic,
    int64_t not_after)
{
    u_char     buf[MDM_DATE_LEN];
    mdm_str_t  date;

    mdm_json_str(j, "topic", topic);

    if (mdm_date_unix(buf, not_after) == MDM_OK) {
        date.data = buf;
        date.len = MDM_DATE_LEN;

        mdm_json_str(j, "not_after", &date);
    }
}


/* the argument, as it is and in key form */

static mdm_int_t
mdm_api_pushcert_topic(mdm_exchange_t *x, mdm_str_t *topic, mdm_str_t *key)
{
    mdm_int_t  rc;

    rc = mdm_api_arg_name(x, "topic", MDM_PUSH_TOPIC, key);

    return (rc == MDM_OK) ? mdm_api_arg(x, "topic", topic) : rc;
}


static mdm_int_t
mdm_api_pushcert_call(mdm_exchange_t *x, const mdm_script_t *script,
    mdm_str_t **args)
{
    mdm_str_t  key;

    if (mdm_key_push(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, 1) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    *args = mdm_exchange_call(x, 0, script, &key, 0);

    return (*args != NULL) ? MDM_CALL : MDM_ERROR;
}


/*
 * What Redis knows of one topic, or of all; of topics whose certificate comes
 * from a file, or of one of them, that they are stopped.
 */

static mdm_int_t
mdm_api_pushcert_read(mdm_exchange_t *x, const mdm_str_t *topic,
    const mdm_push_file_t *only)
{
    mdm_str_t               key, *args;
    mdm_uint_t              i, n;
    const mdm_push_file_t  *file;

    n = 0;

    for (i = 0; i < x->settings->npush_files; i++) {
        n += mdm_str_eq(&x->settings->push_files[i].tenant, &x->tenant);
    }

    if (mdm_key_push(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, 1) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_push_cert_get, &key,
                             (only != NULL) ? 1 : n);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_PUSH_CERT_GET_TOPIC] = *topic;
    args += MDM_ARG_PUSH_CERT_GET_FILES;

    for (i = 0; i < x->settings->npush_files; i++) {
        file = &x->settings->push_files[i];

        if ((only == NULL) ? !mdm_str_eq(&file->tenant, &x->tenant)
                           : file != only)
        {
            continue;
        }

        if (mdm_key_id(x->arena, args++, &file->topic) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_pushcert_none(mdm_exchange_t *x)
{
    return mdm_exchange_refuse(x, 404, "there is no push certificate for this "
                               "topic");
}


mdm_int_t
mdm_api_pushcert_get_step(mdm_exchange_t *x)
{
    mdm_int_t               rc;
    mdm_str_t               topic, key;
    mdm_json_out_t          j;
    const mdm_reply_t      *reply;
    const mdm_push_file_t  *file;

    rc = mdm_api_pushcert_topic(x, &topic, &key);
    if (rc != MDM_OK) {
        return rc;
    }

    file = mdm_api_pushcert_file(x, &topic);

    if (x->state == 0) {
        return mdm_api_pushcert_read(x, &key, file);
    }

    reply = x->calls[0].reply;

    mdm_json_init(&j, x->arena, 256);

    if (file != NULL) {

        if (mdm_api_pushcert_row_file(x, &j, file, reply) != MDM_OK) {
            return MDM_ERROR;
        }

    } else if (mdm_reply_row(reply, MDM_RET_PUSH_CERT_GET_CERTS,
                             MDM_NRET_PUSH_CERT_GET_CERTS))
    {
        mdm_api_pushcert_row(x, &j, reply, MDM_RET_PUSH_CERT_GET_CERTS);

    } else {
        return mdm_api_pushcert_none(x);
    }

    return mdm_api_json_answer(&j, x, 200);
}


mdm_int_t
mdm_api_pushcert_list_step(mdm_exchange_t *x)
{
    size_t                  row;
    mdm_str_t               all, name;
    mdm_uint_t              i;
    mdm_json_out_t          j;
    const mdm_reply_t      *reply;
    const mdm_push_file_t  *file;

    if (x->state == 0) {
        mdm_str_null(&all);

        return mdm_api_pushcert_read(x, &all, NULL);
    }

    reply = x->calls[0].reply;

    mdm_json_init(&j, x->arena, 64 + 48 * mdm_reply_size(reply));
    mdm_json_open(&j, NULL, '{');
    mdm_json_open(&j, "pushcerts", '[');

    for (i = 0; i < x->settings->npush_files; i++) {
        file = &x->settings->push_files[i];

        if (mdm_str_eq(&file->tenant, &x->tenant)
            && mdm_api_pushcert_row_file(x, &j, file, reply) != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    for (row = MDM_RET_PUSH_CERT_GET_CERTS;
         mdm_reply_row(reply, row, MDM_NRET_PUSH_CERT_GET_CERTS);
         row += MDM_NRET_PUSH_CERT_GET_CERTS)
    {
        name = mdm_reply_str(reply,
                             row + MDM_RET_PUSH_CERT_GET_CERTS_NOT_AFTER);

        /* those of files were in front */

        if (name.len != 0) {
            mdm_api_pushcert_row(x, &j, reply, row);
        }
    }

    mdm_json_close(&j, ']');
    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, 200);
}


static void
mdm_api_pushcert_row(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_reply_t *reply, size_t row)
{
    int64_t     not_after;
    mdm_str_t   topic, value;

    topic = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_TOPIC);
    value = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_NOT_AFTER);

    if (mdm_unescape(x->arena, &topic, &topic) != MDM_OK
        || mdm_atoi(&value, &not_after) != MDM_OK)
    {
        not_after = 0;
    }

    mdm_json_open(j, NULL, '{');
    mdm_api_pushcert_facts(j, &topic, not_after);
    mdm_api_pushcert_state(x, j, not_after, reply, row);

    value = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_SHA256);
    mdm_json_opt_str(j, "sha256", &value);
    value = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_TIME);
    mdm_json_opt_time(j, "time", &value);
    value = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_BY);
    mdm_json_opt_str(j, "by", &value);

    mdm_json_close(j, '}');
}


/* stopped, if there is a row that says so of the certificate in this file */

static mdm_int_t
mdm_api_pushcert_row_file(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_push_file_t *file, const mdm_reply_t *reply)
{
    size_t     row, found;
    mdm_str_t  key, topic, sha256;

    if (mdm_key_id(x->arena, &key, &file->topic) != MDM_OK) {
        return MDM_ERROR;
    }

    found = mdm_reply_size(reply);

    for (row = MDM_RET_PUSH_CERT_GET_CERTS;
         mdm_reply_row(reply, row, MDM_NRET_PUSH_CERT_GET_CERTS);
         row += MDM_NRET_PUSH_CERT_GET_CERTS)
    {
        topic = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_TOPIC);
        sha256 = mdm_reply_str(reply,
                               row + MDM_RET_PUSH_CERT_GET_CERTS_SHA256);

        if (mdm_str_eq(&topic, &key) && mdm_str_eq(&sha256, &file->sha256)) {
            found = row;
        }
    }

    mdm_json_open(j, NULL, '{');
    mdm_api_pushcert_facts(j, &file->topic, file->not_after);
    mdm_api_pushcert_state(x, j, file->not_after, reply, found);
    mdm_json_str(j, "sha256", &file->sha256);
    mdm_json_bool(j, "file", 1);
    mdm_json_close(j, '}');

    return MDM_OK;
}


/* with a row behind the last one it is not stopped */

static void
mdm_api_pushcert_state(mdm_exchange_t *x, mdm_json_out_t *j,
    int64_t not_after, const mdm_reply_t *reply, size_t row)
{
    mdm_str_t  stop, since;

    stop = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_STOP);
    since = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_SINCE);

    mdm_json_text(j, "state",
                  mdm_push_state_name(mdm_push_state(not_after, x->now,
                                                     stop.len != 0)));

    if (stop.len != 0) {
        mdm_json_open(j, "stopped", '{');
        mdm_json_str(j, "reason", &stop);
        mdm_json_opt_time(j, "since", &since);
        mdm_json_close(j, '}');
    }
}


mdm_int_t
mdm_api_pushcert_delete_step(mdm_exchange_t *x)
{
    mdm_int_t  rc;
    mdm_str_t  topic, key, *args;

    if (x->state != 0) {
        return (mdm_reply_code(x->calls[0].reply, 0) == 1)
               ? mdm_exchange_empty(x, 204) : mdm_api_pushcert_none(x);
    }

    rc = mdm_api_pushcert_topic(x, &topic, &key);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_api_pushcert_file(x, &topic) != NULL) {
        return mdm_api_pushcert_fixed(x, &topic);
    }

    rc = mdm_api_pushcert_call(x, &mdm_script_push_cert_delete, &args);

    if (rc == MDM_CALL) {
        args[MDM_ARG_PUSH_CERT_DELETE_TOPIC] = key;
    }

    return rc;
}
