
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the API's calls about declarations share.
 */


#include "mdm_api_ddm.h"
#include "mdm_ddm_rollout.h"
#include "mdm_key.h"


static mdm_int_t mdm_api_name_check(mdm_exchange_t *x, const char *what,
    size_t max, const mdm_str_t *raw, mdm_str_t *key);
static mdm_int_t mdm_api_names(mdm_exchange_t *x, const mdm_reply_t *reply);


mdm_int_t
mdm_api_name(mdm_exchange_t *x, mdm_uint_t i, size_t max, mdm_str_t *key)
{
    mdm_int_t  rc;
    mdm_str_t  raw;

    rc = mdm_api_param(x, i, &raw);

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 400, "a part of the path is no "
                                   "percent-encoding");
    }

    return (rc == MDM_OK) ? mdm_api_name_check(x, "the name", max, &raw, key)
                          : MDM_ERROR;
}


mdm_int_t
mdm_api_arg_name(mdm_exchange_t *x, const char *name, size_t max,
    mdm_str_t *key)
{
    mdm_int_t  rc;
    mdm_str_t  raw;

    rc = mdm_api_arg(x, name, &raw);
    if (rc != MDM_OK) {
        return rc;
    }

    if (raw.len == 0) {
        return mdm_exchange_refuse(x, 400, "the argument \"%s\" is missing",
                                   name);
    }

    return mdm_api_name_check(x, name, max, &raw, key);
}


mdm_int_t
mdm_api_name_plain(mdm_exchange_t *x, const char *what, const mdm_str_t *raw)
{
    if (!mdm_utf8_control(raw)) {
        return MDM_OK;
    }

    return mdm_exchange_refuse(x, 400, "%s must not hold line ends or other "
                               "control characters", what);
}


static mdm_int_t
mdm_api_name_check(mdm_exchange_t *x, const char *what, size_t max,
    const mdm_str_t *raw, mdm_str_t *key)
{
    mdm_int_t  rc;

    /* one that is there already can be asked for, and taken away */

    if (x->method == MDM_PUT || x->method == MDM_POST) {
        rc = mdm_api_name_plain(x, what, raw);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    if (raw->len > max || !mdm_utf8_valid(raw)) {
        return mdm_exchange_refuse(x, 400, "%s has to be UTF-8 and %zu octets "
                                   "at most", what, max);
    }

    return mdm_key_id(x->arena, key, raw);
}


const char *
mdm_api_shown(mdm_exchange_t *x, const mdm_str_t *key,
    mdm_quote_t *quote)
{
    mdm_str_t  raw;

    if (mdm_unescape(x->arena, &raw, key) != MDM_OK) {
        raw = *key;
    }

    return mdm_quote(quote, (const char *) raw.data, raw.len);
}


mdm_int_t
mdm_api_change(mdm_exchange_t *x, const mdm_script_t *script,
    mdm_str_t **args)
{
    mdm_int_t   rc;
    mdm_str_t   key;
    mdm_uint_t  nonotify;

    nonotify = 0;

    rc = mdm_api_arg_flag(x, "nonotify", &nonotify);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_key_declarations(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 2, 1) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    *args = mdm_exchange_call(x, 0, script, &key, 0);

    if (*args == NULL
        || mdm_job_kick_call(x, 1, MDM_DDM_ROLLOUT, MDM_JOB_ANNOUNCE)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    /* the first of all of them that is not for events */

    (*args)[MDM_ARG_DDM_SET_NOTIFY] = mdm_api_flag(!nonotify);

    return MDM_OK;
}


mdm_int_t
mdm_api_ddm_read(mdm_exchange_t *x, const mdm_script_t *script,
    mdm_str_t **args)
{
    mdm_str_t  key;

    if (mdm_key_declarations(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, 1) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    *args = mdm_exchange_call(x, 0, script, &key, 0);

    return (*args == NULL) ? MDM_ERROR : MDM_OK;
}


mdm_int_t
mdm_api_changed(mdm_exchange_t *x, mdm_uint_t changed)
{
    x->kick = changed ? MDM_DDM_ROLLOUT : NULL;

    return mdm_exchange_empty(x, changed ? 204 : 304);
}


mdm_int_t
mdm_api_ddm_list(mdm_exchange_t *x, const char *what, size_t max)
{
    mdm_int_t   rc;
    mdm_str_t   name, *args;

    if (x->state != 0) {
        return mdm_api_names(x, x->calls[0].reply);
    }

    args = NULL;
    mdm_str_null(&name);

    rc = (max != 0) ? mdm_api_name(x, 0, max, &name) : MDM_OK;

    if (rc == MDM_OK) {
        rc = mdm_api_ddm_read(x, &mdm_script_ddm_list, &args);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    args[MDM_ARG_DDM_LIST_NAME] = name;

    return (mdm_printf(x->arena, &args[MDM_ARG_DDM_LIST_WHAT], "%s", what)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_api_names(mdm_exchange_t *x, const mdm_reply_t *reply)
{
    size_t          i;
    mdm_str_t       name;
    mdm_json_out_t  j;

    mdm_json_init(&j, x->arena, 64 + 48 * mdm_reply_size(reply));
    mdm_json_open(&j, NULL, '[');

    for (i = 0; i < mdm_reply_size(reply); i++) {
        name = mdm_reply_str(reply, i);
        mdm_json_id(&j, NULL, &name);
    }

    mdm_json_close(&j, ']');

    return mdm_api_json_answer(&j, x, 200);
}
