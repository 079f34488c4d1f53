
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * POST /v1/enrollment-profiles/NAME: a profile to enroll with, with a challenge
 * of its own.
 */


#include "mdm_api.h"
#include "mdm_api_util.h"
#include "mdm_enroll.h"
#include "mdm_quote.h"


static mdm_int_t mdm_api_profile_args(mdm_exchange_t *x,
    mdm_enroll_grant_t *g);
static mdm_int_t mdm_api_profile_text(mdm_exchange_t *x, const char *name,
    mdm_str_t *value);


mdm_int_t
mdm_api_profile_step(mdm_exchange_t *x)
{
    mdm_int_t            rc;
    mdm_str_t            name;
    mdm_quote_t          quote;
    mdm_enroll_grant_t  *g;

    g = mdm_arena_zalloc(x->arena, sizeof(mdm_enroll_grant_t));
    if (g == NULL) {
        return MDM_ERROR;
    }

    rc = mdm_api_param(x, 0, &name);
    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    g->block = (rc == MDM_OK) ? mdm_enroll_block_of(x, &name) : NULL;

    if (g->block == NULL) {
        return mdm_exchange_refuse(x, 404, "there is no mdm_enrollment \"%s\"",
                                   mdm_quote(&quote, (char *) x->param[0].data,
                                             x->param[0].len));
    }

    rc = mdm_api_profile_args(x, g);
    if (rc != MDM_OK) {
        return rc;
    }

    g->c.purpose = MDM_PURPOSE_DEVICE;
    mdm_str_set(&g->c.way, "api");

    return mdm_enroll_profile(x, g);
}


static mdm_int_t
mdm_api_profile_args(mdm_exchange_t *x, mdm_enroll_grant_t *g)
{
    mdm_int_t  rc;

    if (x->body.len != 0) {
        return mdm_exchange_refuse(x, 400, "a body has no use in this call");
    }

    rc = mdm_api_arg_flag(x, "plain", &g->plain);

    if (rc == MDM_OK) {
        rc = mdm_api_profile_text(x, "serial", &g->c.serial);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_profile_text(x, "udid", &g->c.udid);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_profile_text(x, "person", &g->c.person);
    }

    return rc;
}


static mdm_int_t
mdm_api_profile_text(mdm_exchange_t *x, const char *name, mdm_str_t *value)
{
    mdm_int_t  rc;

    rc = mdm_api_arg(x, name, value);
    if (rc != MDM_OK) {
        return rc;
    }

    if (value->len > MDM_CHALLENGE_NAME || !mdm_utf8_valid(value)
        || mdm_utf8_control(value))
    {
        return mdm_exchange_refuse(x, 400, "the argument \"%s\" is not a text "
                                   "of up to %d octets without control "
                                   "characters", name, MDM_CHALLENGE_NAME);
    }

    return MDM_OK;
}
