
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * MDMServiceConfig: what Apple Configurator asks for before it prepares
 * devices; and what it is referred to, in the same location.
 */


#include "mdm_enroll.h"
#include "mdm_json_write.h"


static mdm_int_t mdm_enroll_config_urls(mdm_exchange_t *x);
static mdm_int_t mdm_enroll_config_anchors(mdm_exchange_t *x);
static mdm_int_t mdm_enroll_config_trust(mdm_exchange_t *x);
static mdm_uint_t mdm_enroll_config_roots(const mdm_exchange_t *x);
static mdm_int_t mdm_enroll_config_url(mdm_exchange_t *x, mdm_json_out_t *j,
    const char *name, const char *args);
static mdm_int_t mdm_enroll_config_answer(mdm_exchange_t *x,
    mdm_json_out_t *j);


mdm_int_t
mdm_enroll_config(mdm_exchange_t *x)
{
    if (x->query.len == 0) {
        return mdm_enroll_config_urls(x);
    }

    if (mdm_str_is(&x->query, "anchors")) {
        return mdm_enroll_config_anchors(x);
    }

    if (mdm_str_is(&x->query, "trust") && mdm_enroll_config_roots(x) != 0) {
        return mdm_enroll_config_trust(x);
    }

    return mdm_exchange_refuse(x, 404, "there is nothing of this name");
}


static mdm_int_t
mdm_enroll_config_urls(mdm_exchange_t *x)
{
    mdm_json_out_t             j;
    const mdm_enroll_block_t  *b;

    b = x->enrollment;

    mdm_json_init(&j, x->arena, 512);
    mdm_json_open(&j, NULL, '{');

    if (b->enroll_url.len != 0) {
        mdm_json_str(&j, "dep_enrollment_url", &b->enroll_url);
    }

    if (mdm_enroll_config_url(x, &j, "dep_anchor_certs_url", "anchors")
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (mdm_enroll_config_roots(x) != 0
        && mdm_enroll_config_url(x, &j, "trust_profile_url", "trust")
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_json_close(&j, '}');

    return mdm_enroll_config_answer(x, &j);
}


static mdm_int_t
mdm_enroll_config_url(mdm_exchange_t *x, mdm_json_out_t *j, const char *name,
    const char *args)
{
    mdm_str_t  url;

    if (mdm_printf(x->arena, &url, "%.*s?%s", mdm_fmt(&x->url), args)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_json_str(j, name, &url);

    return MDM_OK;
}


/* of what the server may be signed by: all of trust_certificate */

static mdm_int_t
mdm_enroll_config_anchors(mdm_exchange_t *x)
{
    mdm_uint_t      i;
    mdm_json_out_t  j;

    mdm_json_init(&j, x->arena, 512);
    mdm_json_open(&j, NULL, '[');

    for (i = 0; i < x->enrollment->ntrust; i++) {
        mdm_json_base64(&j, NULL, &x->enrollment->trust[i].der);
    }

    mdm_json_close(&j, ']');

    return mdm_enroll_config_answer(x, &j);
}


static mdm_int_t
mdm_enroll_config_trust(mdm_exchange_t *x)
{
    mdm_str_t      xml;
    mdm_profile_t  p;

    memset(&p, 0, sizeof(mdm_profile_t));
    p.block = x->enrollment;
    p.tenant = x->tenant;

    if (mdm_profile_trust(x->arena, &p, &xml) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_exchange_body(x, 200, MDM_PROFILE_TYPE, &xml);
}


static mdm_uint_t
mdm_enroll_config_roots(const mdm_exchange_t *x)
{
    mdm_uint_t  i, n;

    n = 0;

    for (i = 0; i < x->enrollment->ntrust; i++) {
        n += x->enrollment->trust[i].root;
    }

    return n;
}


static mdm_int_t
mdm_enroll_config_answer(mdm_exchange_t *x, mdm_json_out_t *j)
{
    mdm_str_t  body;

    if (mdm_json_end(j, &body) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_exchange_body(x, 200, "application/json; charset=UTF8", &body);
}
