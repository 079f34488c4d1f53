
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * CheckOut: a channel leaves.
 */


#include "mdm_checkin.h"
#include "mdm_topic.h"


mdm_int_t
mdm_checkin_checkout(mdm_exchange_t *x)
{
    mdm_str_t      *args;
    mdm_message_t  *m;

    static const mdm_str_t  event = mdm_string("mdm.CheckOut");

    if (x->state != 0) {
        return mdm_checkin_end(x);
    }

    m = x->ctx;

    args = mdm_message_call(x, &mdm_script_checkout, 0, 1);
    if (args == NULL) {
        return MDM_ERROR;
    }

    return (mdm_message_payload(x, &m->en.tag, &m->en.id_key, mdm_topic(&event),
                                &args[MDM_ARG_CHECKOUT_RAW])
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}
