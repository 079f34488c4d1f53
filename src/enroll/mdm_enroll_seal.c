
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Seals what somebody carries: "time text", as a secret of the store's.
 */


#include "mdm_enroll_seal.h"


/* a host may be ahead of another by this much */
#define MDM_ENROLL_SEAL_SKEW   60


static mdm_int_t mdm_enroll_seal_place(mdm_exchange_t *x,
    mdm_enroll_seal_e use, const mdm_str_t *name, mdm_secret_place_t *place);


/* no key of redis is called so: what is sealed there opens nowhere else */

static mdm_int_t
mdm_enroll_seal_place(mdm_exchange_t *x, mdm_enroll_seal_e use,
    const mdm_str_t *name, mdm_secret_place_t *place)
{
    if (mdm_printf(x->arena, &place->key, "enroll %.*s", mdm_fmt(&x->tenant))
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_printf(x->arena, &place->field, "%s %.*s",
                      (use == MDM_ENROLL_STATE) ? "state" : "challenge",
                      mdm_fmt(name));
}


mdm_int_t
mdm_enroll_seal(mdm_exchange_t *x, mdm_enroll_seal_e use,
    const mdm_str_t *name, const mdm_str_t *text, mdm_str_t *token)
{
    mdm_str_t                 value, sealed;
    mdm_secret_place_t        place;
    const mdm_secret_keys_t  *keys;

    keys = mdm_exchange_secrets(x);

    if (keys == NULL || keys->n == 0) {
        return MDM_DECLINED;
    }

    if (mdm_enroll_seal_place(x, use, name, &place) != MDM_OK
        || mdm_printf(x->arena, &value, "%lld %.*s", (long long) x->now,
                      mdm_fmt(text))
           != MDM_OK
        || mdm_secret_seal(x->arena, keys, &place, &value, &sealed) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_base64url_encode(x->arena, token, &sealed);
}


mdm_int_t
mdm_enroll_open(mdm_exchange_t *x, mdm_enroll_seal_e use,
    const mdm_str_t *name, const mdm_str_t *token, mdm_str_t *text,
    const char **why)
{
    u_char                   *p;
    int64_t                   time;
    mdm_int_t                 rc, under;
    mdm_str_t                 sealed, value, number, reason;
    mdm_secret_place_t        place;
    const mdm_secret_keys_t  *keys;

    keys = mdm_exchange_secrets(x);

    under = -1;
    *why = "it is not one of ours";

    if (keys == NULL || token->len > MDM_ENROLL_SEAL_MAX) {
        return MDM_DECLINED;
    }

    rc = mdm_base64url_decode(x->arena, &sealed, token);

    if (rc == MDM_OK) {
        rc = mdm_enroll_seal_place(x, use, name, &place);
    }

    if (rc == MDM_OK) {
        rc = mdm_secret_open(x->arena, keys, &place, &sealed, &value, &under,
                             &reason);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    /* what is not sealed comes out as it is */

    if (under < 0) {
        return MDM_DECLINED;
    }

    p = memchr(value.data, ' ', value.len);
    if (p == NULL) {
        return MDM_DECLINED;
    }

    number.data = value.data;
    number.len = (size_t) (p - value.data);

    if (mdm_atoi(&number, &time) != MDM_OK) {
        return MDM_DECLINED;
    }

    if (x->now - time > MDM_ENROLL_SEAL_TTL
        || time - x->now > MDM_ENROLL_SEAL_SKEW)
    {
        *why = "it has expired";
        return MDM_DECLINED;
    }

    text->data = p + 1;
    text->len = value.len - number.len - 1;

    return MDM_OK;
}
