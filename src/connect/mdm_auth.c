
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdm_auth: tells whether a certificate belongs to an enrolled device.
 */


#include "mdm_auth.h"
#include "mdm_enrollment.h"
#include "mdm_key.h"
#include "mdm_message.h"


static mdm_int_t mdm_auth_device(mdm_exchange_t *x);


mdm_int_t
mdm_auth(mdm_exchange_t *x)
{
    int64_t    code;
    mdm_str_t  key, enabled;

    switch (x->state) {

    case 0:

        if (x->identity.source == MDM_IDENTITY_NONE) {
            return mdm_exchange_refuse(x, 403, "no client certificate");
        }

        if (x->identity.source == MDM_IDENTITY_SIGNATURE) {

            /* it covers a body, and there is none */

            return mdm_exchange_refuse(x, 403, "a signature does not open a "
                                       "file");
        }

        if (mdm_key_certificate(x->arena, &key, &x->tenant,
                                &x->identity.sha256)
            != MDM_OK
            || mdm_exchange_calls(x, 1, 1) != MDM_CALL
            || mdm_exchange_call(x, 0, &mdm_script_claim_get, &key, 0)
               == NULL)
        {
            return MDM_ERROR;
        }

        return MDM_CALL;

    case 1:
        return mdm_auth_device(x);

    default:

        code = mdm_reply_code(x->calls[0].reply, MDM_CODE_UNKNOWN);

        if (code == MDM_CODE_UNKNOWN) {
            return mdm_exchange_unknown(x, "the device is not enrolled");
        }

        if (code != MDM_CODE_NONE) {
            return mdm_exchange_refuse(x, 403, "the certificate is not the "
                                       "one pinned to the device");
        }

        enabled = mdm_reply_str(x->calls[0].reply, MDM_RET_AUTH_ENABLED);

        if (!mdm_str_is(&enabled, "1")) {
            return mdm_exchange_refuse(x, 403, "the device is not enabled");
        }

        return mdm_exchange_empty(x, 200);
    }
}


static mdm_int_t
mdm_auth_device(mdm_exchange_t *x)
{
    mdm_str_t         owner, id, *args;
    mdm_enrollment_t  en;

    owner = mdm_reply_str(x->calls[0].reply, MDM_RET_CLAIM_GET_DEVICE);

    if (owner.len == 0) {
        return mdm_exchange_unknown(x, "the certificate belongs to no "
                                    "device");
    }

    if (mdm_unescape(x->arena, &id, &owner) != MDM_OK
        || mdm_enrollment_from_id(x->arena, &id, &x->tenant,
                                  x->settings->store->partitions, &en)
           != MDM_OK
        || mdm_exchange_calls(x, 1, 2) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    x->enrollment_id = en.id;

    args = mdm_exchange_call(x, 0, &mdm_script_auth, &en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_AUTH_ID] = en.device_key;
    args[MDM_ARG_AUTH_DEVICE] = en.device_key;
    args[MDM_ARG_AUTH_CERT] = x->identity.digest;

    return MDM_CALL;
}
