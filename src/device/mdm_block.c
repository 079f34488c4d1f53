
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Refuses devices that are blocked.
 */


#include "mdm_block.h"
#include "mdm_key.h"


static const mdm_str_t  mdm_blocks[MDM_BLOCKS] = {
    mdm_string(""), mdm_string("refuse"), mdm_string("remove"),
    mdm_string("unrecognized")
};


static const mdm_str_t  mdm_block_code = mdm_string(
    "{\"code\":\"com.apple.unrecognized.device\"}"
);


mdm_str_t
mdm_block_name(mdm_block_e block)
{
    return mdm_blocks[block];
}


mdm_block_e
mdm_block_read(const mdm_reply_t *reply, size_t i)
{
    mdm_str_t   name;
    mdm_uint_t  k;

    /* whoever is not known to be free is blocked */

    if (mdm_reply_at(reply, i) == NULL) {
        return MDM_BLOCK_REFUSE;
    }

    name = mdm_reply_str(reply, i);

    for (k = 0; k < MDM_BLOCKS; k++) {

        if (mdm_str_eq(&name, &mdm_blocks[k])) {
            return (mdm_block_e) k;
        }
    }

    return MDM_BLOCK_REFUSE;
}


mdm_int_t
mdm_block_call(mdm_exchange_t *x, mdm_uint_t i, const mdm_str_t *id,
    const mdm_str_t *serial)
{
    mdm_str_t  key, *args;

    if (mdm_key_block(x->arena, &key, &x->tenant) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, &mdm_script_block_get, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_BLOCK_GET_ID] = *id;

    return mdm_key_serial_number(x->arena, &args[MDM_ARG_BLOCK_GET_SERIAL],
                                 serial);
}


mdm_int_t
mdm_block_refuse(mdm_exchange_t *x, mdm_block_e block)
{
    (void) mdm_exchange_refuse(x, (block == MDM_BLOCK_REMOVE) ? 401 : 403,
                               "the device is blocked");

    return (block == MDM_BLOCK_UNRECOGNIZED)
           ? mdm_exchange_body(x, 403, "application/json", &mdm_block_code)
           : MDM_DONE;
}
