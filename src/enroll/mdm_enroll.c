
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * By which way does somebody come who wants to enroll?
 */


#include "mdm_enroll.h"
#include "mdm_enroll_seal.h"


static mdm_uint_t mdm_enroll_way(const mdm_exchange_t *x);


mdm_int_t
mdm_enroll(mdm_exchange_t *x)
{
    switch (mdm_enroll_way(x)) {

    case MDM_ENROLL_ADE:
        x->step = mdm_enroll_ade;
        break;

    case MDM_ENROLL_OTA:
        x->step = mdm_enroll_ota;
        break;

    case MDM_ENROLL_LINK:
        x->step = mdm_enroll_link;
        break;

    case MDM_ENROLL_CONFIG:
        x->step = mdm_enroll_config;
        break;

    default:
        return mdm_exchange_refuse(x, 403, "nobody enrolls here in this way");
    }

    /* a challenge, or the state of a login */

    if (x->step == mdm_enroll_ota
        || (x->step == mdm_enroll_ade && x->login && x->method == MDM_GET))
    {
        return mdm_enroll_seal_key(x);
    }

    return x->step(x);
}


static mdm_uint_t
mdm_enroll_way(const mdm_exchange_t *x)
{
    if (x->ways & MDM_ENROLL_CONFIG) {
        return (x->method == MDM_GET) ? MDM_ENROLL_CONFIG : 0;
    }

    /* the Profile Service tells a device of ADE, which has no challenge */

    if (x->method == MDM_POST) {
        return (x->ways & MDM_ENROLL_OTA) ? MDM_ENROLL_OTA
                                          : x->ways & MDM_ENROLL_ADE;
    }

    if ((x->ways & MDM_ENROLL_ADE)
        && (x->deviceinfo.len != 0 || x->ways == MDM_ENROLL_ADE
            || (x->path.len == 0 && x->query.len != 0)))
    {
        return MDM_ENROLL_ADE;
    }

    return (x->ways & MDM_ENROLL_OTA) ? MDM_ENROLL_OTA
                                      : x->ways & MDM_ENROLL_LINK;
}


const mdm_enroll_block_t *
mdm_enroll_block_of(const mdm_exchange_t *x, const mdm_str_t *name)
{
    mdm_uint_t                 i;
    const mdm_enroll_block_t  *block;

    block = mdm_enroll_block(x->settings, name);

    if (block == NULL || block->ntenants == 0) {
        return block;
    }

    for (i = 0; i < block->ntenants; i++) {

        if (mdm_str_eq(&block->tenants[i], &x->tenant)) {
            return block;
        }
    }

    return NULL;
}


const mdm_enroll_block_t *
mdm_enroll_block(const mdm_settings_t *settings, const mdm_str_t *name)
{
    mdm_uint_t  i;

    for (i = 0; i < settings->nenrollments; i++) {

        if (mdm_str_eq(&settings->enrollments[i]->name, name)) {
            return settings->enrollments[i];
        }
    }

    return NULL;
}
