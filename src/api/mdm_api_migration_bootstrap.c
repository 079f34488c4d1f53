
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * PUT /migration with a SetBootstrapToken: a token that another server has
 * escrowed.
 */


#include "mdm_api_migration.h"
#include "mdm_checkin.h"
#include "mdm_exchange_secret.h"


#define MDM_API_BOOTSTRAP_MAX  65536


mdm_int_t
mdm_api_migration_bootstrap(mdm_exchange_t *x, const mdm_enrollment_t *en,
    plist_t message, mdm_int_t state)
{
    mdm_str_t            token, *args;
    mdm_secret_where_t   where;

    if (mdm_plist_data(message, "BootstrapToken", &token) != MDM_OK
        || token.len == 0 || token.len > MDM_API_BOOTSTRAP_MAX)
    {
        return mdm_exchange_refuse(x, 400, "BootstrapToken is missing, not "
                                   "data, or too long");
    }

    if (mdm_exchange_calls(x, 1, state) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_migrate_bootstrap, &en->tag,
                             0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_MIGRATE_BOOTSTRAP_DEVICE] = en->device_key;
    args[MDM_ARG_MIGRATE_BOOTSTRAP_TOKEN] = token;

    mdm_where_token(&where, &en->tag, &en->device_key, "bootstrap");

    if (mdm_exchange_seal(x, x->arena, &where,
                          &args[MDM_ARG_MIGRATE_BOOTSTRAP_TOKEN], NULL)
        != MDM_OK
        || mdm_message_payload(x, &en->tag, &en->device_key, 0,
                               &args[MDM_ARG_MIGRATE_BOOTSTRAP_RAW])
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
}


mdm_int_t
mdm_api_migration_bootstrap_answer(mdm_exchange_t *x)
{
    switch (mdm_reply_code(x->calls[0].reply, MDM_CODE_LOST)) {

    case MDM_CODE_NONE:
        return mdm_exchange_empty(x, 200);

    case MDM_CODE_UNKNOWN:
        return mdm_exchange_refuse(x, 409, "the device is not enrolled: "
                                   "migrate it first");

    default:
        return mdm_exchange_odd(x, 0);
    }
}
