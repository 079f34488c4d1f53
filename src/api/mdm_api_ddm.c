
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the API's calls about declarations share.
 */


#include "mdm_api_ddm.h"
#include "mdm_ddm_rollout.h"
#include "mdm_key.h"


/* names that a script gives at most; sets, and what one holds, are as few */
#define MDM_API_NAMES         1000

/* pages; more are none of the script's */
#define MDM_API_NAMES_PAGES   1000


typedef struct {
    mdm_str_t                 what;
    mdm_str_t                 name;
    mdm_uint_t                pages;       /* 1: it comes page by page, in
                                              order */
    mdm_str_t                *list;        /* the names so far */
    size_t                    n;
    size_t                    room;
    mdm_uint_t                calls;
} mdm_api_names_t;


static mdm_int_t mdm_api_name_check(mdm_exchange_t *x, const char *what,
    size_t max, const mdm_str_t *raw, mdm_str_t *key);
static mdm_int_t mdm_api_names_call(mdm_exchange_t *x, mdm_api_names_t *names);
static mdm_int_t mdm_api_names_take(mdm_exchange_t *x, mdm_api_names_t *names);
static mdm_int_t mdm_api_names_answer(mdm_exchange_t *x,
    mdm_api_names_t *names);


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
    mdm_int_t         rc;
    mdm_api_names_t  *names;

    if (x->state != 0) {
        return mdm_api_names_take(x, x->ctx);
    }

    names = mdm_arena_zalloc(x->arena, sizeof(mdm_api_names_t));
    if (names == NULL) {
        return MDM_ERROR;
    }

    x->ctx = names;

    if (mdm_printf(x->arena, &names->what, "%s", what) != MDM_OK) {
        return MDM_ERROR;
    }

    names->pages = (strcmp(what, "declarations") == 0);

    rc = (max != 0) ? mdm_api_name(x, 0, max, &names->name) : MDM_OK;

    return (rc == MDM_OK) ? mdm_api_names_call(x, names) : rc;
}


static mdm_int_t
mdm_api_names_call(mdm_exchange_t *x, mdm_api_names_t *names)
{
    mdm_int_t   rc;
    mdm_str_t  *args;

    args = NULL;

    rc = mdm_api_ddm_read(x, &mdm_script_ddm_list, &args);
    if (rc != MDM_OK) {
        return rc;
    }

    args[MDM_ARG_DDM_LIST_WHAT] = names->what;
    args[MDM_ARG_DDM_LIST_NAME] = names->name;

    if (names->n != 0) {
        args[MDM_ARG_DDM_LIST_AFTER] = names->list[names->n - 1];

        /* the last page brings all of them into the answer */

        x->heavy = 1;
    }

    return (mdm_api_number(x, &args[MDM_ARG_DDM_LIST_MOST], MDM_API_NAMES)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_api_names_take(mdm_exchange_t *x, mdm_api_names_t *names)
{
    size_t              i, n;
    mdm_str_t          *list;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;
    n = mdm_reply_size(reply);

    if (names->n + n > names->room) {
        names->room = 2 * (names->n + n);

        list = mdm_arena_alloc(x->arena, names->room * sizeof(mdm_str_t));
        if (list == NULL) {
            return MDM_ERROR;
        }

        if (names->n != 0) {
            memcpy(list, names->list, names->n * sizeof(mdm_str_t));
        }

        names->list = list;
    }

    for (i = 0; i < n; i++) {
        names->list[names->n++] = mdm_reply_str(reply, i);
    }

    /* an empty name is none, and would begin anew */

    if (names->pages && n >= MDM_API_NAMES
        && names->list[names->n - 1].len != 0)
    {
        return (++names->calls > MDM_API_NAMES_PAGES)
               ? mdm_exchange_odd(x, 0) : mdm_api_names_call(x, names);
    }

    return mdm_api_names_answer(x, names);
}


static mdm_int_t
mdm_api_names_answer(mdm_exchange_t *x, mdm_api_names_t *names)
{
    size_t          i;
    mdm_json_out_t  j;

    if (!names->pages && names->n > 1) {
        qsort(names->list, names->n, sizeof(mdm_str_t), mdm_str_order);
    }

    mdm_json_init(&j, x->arena, 64 + 48 * names->n);
    mdm_json_open(&j, NULL, '[');

    for (i = 0; i < names->n; i++) {
        mdm_json_id(&j, NULL, &names->list[i]);
    }

    mdm_json_close(&j, ']');

    return mdm_api_json_answer(&j, x, 200);
}
