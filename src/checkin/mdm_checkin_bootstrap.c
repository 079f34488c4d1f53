
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * SetBootstrapToken and GetBootstrapToken.  The token is the device's, on
 * whatever channel the message comes.
 */


#include "mdm_checkin.h"
#include "mdm_exchange_secret.h"
#include "mdm_topic.h"
#include "mdm_webhook.h"


#define MDM_BOOTSTRAP_TOKEN_MAX  65536

#define MDM_BOOTSTRAP_TRIES      4       /* attempts to seal one that is kept
                                            plain */


enum {
    MDM_BOOTSTRAP_BEGIN = 0,
    MDM_BOOTSTRAP_STORED,
    MDM_BOOTSTRAP_SEALED
};


static mdm_int_t mdm_checkin_bootstrap_stored(mdm_exchange_t *x);
static mdm_int_t mdm_checkin_bootstrap_call(mdm_exchange_t *x);


mdm_int_t
mdm_checkin_set_bootstrap_token(mdm_exchange_t *x)
{
    return (x->state == MDM_BOOTSTRAP_STORED)
           ? mdm_checkin_bootstrap_stored(x)
           : mdm_checkin_bootstrap_call(x);
}


static mdm_int_t
mdm_checkin_bootstrap_stored(mdm_exchange_t *x)
{
    int64_t              code;
    mdm_str_t            kept;
    mdm_message_t       *m;
    mdm_secret_where_t   where;

    m = x->ctx;

    code = mdm_reply_code(x->calls[0].reply, MDM_CODE_LOST);

    if (code == MDM_CODE_NONE) {
        return mdm_exchange_empty(x, 200);
    }

    if (code != MDM_CODE_PLAIN) {
        return mdm_message_refused(x, code);
    }

    /* it changes all the time: the device is to try again */

    if (m->tries++ == MDM_BOOTSTRAP_TRIES) {
        return mdm_exchange_unavailable(x);
    }

    /* whoever stored it in the clear: the new one is no repetition of it */

    if (x->settings->store->encryption_required) {
        return mdm_checkin_bootstrap_call(x);
    }

    kept = mdm_reply_str(x->calls[0].reply, MDM_RET_BOOTSTRAP_SET_TOKEN);

    mdm_where_token(&where, &m->en.tag, &m->en.device_key, "bootstrap");

    if (mdm_exchange_calls(x, 1, MDM_BOOTSTRAP_SEALED) != MDM_CALL
        || mdm_exchange_swap(x, 0, &where, &kept) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_checkin_bootstrap_call(mdm_exchange_t *x)
{
    uint64_t             topic;
    mdm_str_t            token, *args, *kept, *names;
    mdm_message_t       *m;
    mdm_secret_where_t   where;

    static const mdm_str_t  event = mdm_string("mdm.SetBootstrapToken");

    m = x->ctx;

    /* absent or empty: delete what is kept */

    mdm_str_null(&token);

    if (mdm_plist_data(m->plist, "BootstrapToken", &token) == MDM_ERROR
        || token.len > MDM_BOOTSTRAP_TOKEN_MAX)
    {
        return mdm_exchange_refuse(x, 400, "BootstrapToken is not data, or "
                                   "too long");
    }

    if (mdm_exchange_calls(x, 1, MDM_BOOTSTRAP_STORED) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_bootstrap_set, &m->en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_BOOTSTRAP_SET_DEVICE] = m->en.device_key;
    args[MDM_ARG_BOOTSTRAP_SET_CERT] = x->identity.digest;

    kept = &args[MDM_ARG_BOOTSTRAP_SET_TOKEN];
    names = &args[MDM_ARG_BOOTSTRAP_SET_NAMES];

    *kept = token;

    mdm_where_token(&where, &m->en.tag, &m->en.device_key, "bootstrap");

    if (mdm_exchange_seal(x, x->arena, &where, kept, names) != MDM_OK) {
        return MDM_ERROR;
    }

    if (m->tries != 0 && x->settings->store->encryption_required) {
        mdm_str_null(names);
    }

    /* the message is the token: only a webhook that may have it gets it */

    topic = mdm_topic(&event);

    if (mdm_webhook_payload(x, topic, 1)) {
        return (mdm_message_payload(x, &m->en.tag, &m->en.device_key, topic,
                                    &args[MDM_ARG_BOOTSTRAP_SET_RAW])
                == MDM_OK)
               ? MDM_CALL : MDM_ERROR;
    }

    return MDM_CALL;
}


mdm_int_t
mdm_checkin_get_bootstrap_token(mdm_exchange_t *x)
{
    int64_t              code;
    plist_t              dict;
    mdm_int_t            rc;
    mdm_str_t            token, body, *args;
    mdm_message_t       *m;
    mdm_secret_where_t   where;

    m = x->ctx;

    if (x->state == 0) {

        if (mdm_exchange_calls(x, 1, 1) != MDM_CALL) {
            return MDM_ERROR;
        }

        args = mdm_exchange_call(x, 0, &mdm_script_bootstrap_get, &m->en.tag,
                                 0);
        if (args == NULL) {
            return MDM_ERROR;
        }

        args[MDM_ARG_BOOTSTRAP_GET_DEVICE] = m->en.device_key;
        args[MDM_ARG_BOOTSTRAP_GET_CERT] = x->identity.digest;

        mdm_str_set(&args[MDM_ARG_BOOTSTRAP_GET_WITHHOLD], "0");

        if (x->settings->withhold_secrets) {
            mdm_str_set(&args[MDM_ARG_BOOTSTRAP_GET_WITHHOLD], "1");
        }

        return MDM_CALL;
    }

    code = mdm_reply_code(x->calls[0].reply, MDM_CODE_LOST);

    if (code != MDM_CODE_NONE) {
        return mdm_message_refused(x, code);
    }

    token = mdm_reply_str(x->calls[0].reply, MDM_RET_BOOTSTRAP_GET_TOKEN);

    if (token.len == 0) {

        if (mdm_reply_int(x->calls[0].reply, MDM_RET_BOOTSTRAP_GET_WITHHELD, 0)
            == 1)
        {
            mdm_exchange_log(x, MDM_LOG_NOTICE, "the bootstrap token of "
                             "\"%.*s\" is not given out: it is withheld, or "
                             "the device has checked out",
                             mdm_fmt(&m->en.device_key));
        }

        return mdm_exchange_empty(x, 200);
    }

    mdm_where_token(&where, &m->en.tag, &m->en.device_key, "bootstrap");

    rc = mdm_exchange_open(x, &where, &token);
    if (rc != MDM_OK) {
        return rc;
    }

    if (token.len == 0) {
        return mdm_exchange_empty(x, 200);
    }

    dict = plist_new_dict();
    if (dict == NULL) {
        return MDM_ERROR;
    }

    plist_dict_set_item(dict, "BootstrapToken",
                        plist_new_data((char *) token.data, token.len));

    rc = mdm_plist_xml(x->arena, dict, &body);

    plist_free(dict);

    if (rc != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_exchange_body(x, 200, "application/xml", &body);
}
