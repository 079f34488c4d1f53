
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * CheckOut: a channel leaves.
 */


#include "mdm_checkin.h"


mdm_int_t
mdm_checkin_checkout(mdm_exchange_t *x)
{
    mdm_str_t      *args;
    mdm_message_t  *m;

    if (x->state != 0) {
        return mdm_checkin_end(x);
    }

    m = x->ctx;

    args = mdm_message_call(x, &mdm_script_checkout, 0, 1);
    if (args == NULL) {
        return MDM_ERROR;
    }

    return (mdm_message_payload(x, &m->en.tag, &m->en.id_key,
                                &args[MDM_ARG_CHECKOUT_RAW])
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}
