
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Asks for what is known of the one device that a call is for.
 */


#include "mdm_api_target.h"
#include "mdm_ddm_system.h"
#include "mdm_enrollment.h"


static mdm_uint_t mdm_api_target_is(const mdm_str_t *type, mdm_type_e other);


mdm_int_t
mdm_api_target_call(mdm_exchange_t *x, const mdm_str_t *tag,
    const mdm_str_t *id, mdm_int_t state)
{
    mdm_str_t  *args;

    if (mdm_exchange_calls(x, 1, state) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_ddm_device, tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_DEVICE_ID] = *id;

    x->own_failures = 1;

    return MDM_CALL;
}


void
mdm_api_target_read(const mdm_call_t *call, mdm_schema_target_t *target)
{
    mdm_str_t           product, version, type, supervised;
    const mdm_reply_t  *reply;

    if (call->rc != MDM_CALL_OK) {
        memset(target, 0, sizeof(mdm_schema_target_t));
        target->system = MDM_SCHEMA_SYSTEMS;
        return;
    }

    reply = call->reply;
    product = mdm_reply_str(reply, MDM_RET_DDM_DEVICE_PRODUCT);
    version = mdm_reply_str(reply, MDM_RET_DDM_DEVICE_OS);
    type = mdm_reply_str(reply, MDM_RET_DDM_DEVICE_TYPE);
    supervised = mdm_reply_str(reply, MDM_RET_DDM_DEVICE_SUPERVISED);

    mdm_api_target_set(target, &product, &version, &type, &supervised);
}


void
mdm_api_target_set(mdm_schema_target_t *target, const mdm_str_t *product,
    const mdm_str_t *version, const mdm_str_t *type,
    const mdm_str_t *supervised)
{
    memset(target, 0, sizeof(mdm_schema_target_t));

    /* both count systems in the same order */

    target->system = mdm_ddm_system(product);
    target->version = mdm_schema_version(version);
    target->unsupervised = mdm_str_is(supervised, "0");

    target->shared = mdm_api_target_is(type, MDM_TYPE_SHARED_IPAD);
    target->user = target->shared
                   || mdm_api_target_is(type, MDM_TYPE_USER)
                   || mdm_api_target_is(type, MDM_TYPE_USER_ENROLLMENT);
    target->enrollment = mdm_api_target_is(type, MDM_TYPE_USER_ENROLLMENT)
                         || mdm_api_target_is(type,
                                         MDM_TYPE_USER_ENROLLMENT_DEVICE);
}


static mdm_uint_t
mdm_api_target_is(const mdm_str_t *type, mdm_type_e other)
{
    mdm_str_t  name;

    name = mdm_type_name(other);

    return mdm_str_eq(type, &name);
}
