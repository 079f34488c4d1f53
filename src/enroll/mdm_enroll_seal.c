
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Seals what somebody carries: "time text", as a secret of the store's.
 */


#include "mdm_enroll_seal.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "mdm_scripts.h"


/* a host may be ahead of another by this much */
#define MDM_ENROLL_SEAL_SKEW   60


enum {
    MDM_ENROLL_SEAL_BEGIN = 0,
    MDM_ENROLL_SEAL_ASKED,
    MDM_ENROLL_SEAL_MADE
};


static mdm_int_t mdm_enroll_seal_step(mdm_exchange_t *x);
static mdm_int_t mdm_enroll_seal_ask(mdm_exchange_t *x);
static mdm_int_t mdm_enroll_seal_make(mdm_exchange_t *x);
static mdm_int_t mdm_enroll_seal_asked(mdm_exchange_t *x);
static const mdm_secret_keys_t *mdm_enroll_seal_keys(const mdm_exchange_t *x);
static mdm_int_t mdm_enroll_seal_place(mdm_exchange_t *x,
    mdm_enroll_seal_e use, const mdm_str_t *name, mdm_secret_place_t *place);


mdm_int_t
mdm_enroll_seal_key(mdm_exchange_t *x)
{
    if (mdm_enroll_seal_keys(x) != NULL) {
        return x->step(x);
    }

    return mdm_exchange_enter(x, mdm_enroll_seal_step, NULL, 0);
}


static mdm_int_t
mdm_enroll_seal_step(mdm_exchange_t *x)
{
    return (x->state == MDM_ENROLL_SEAL_BEGIN) ? mdm_enroll_seal_ask(x)
                                               : mdm_enroll_seal_asked(x);
}


static mdm_int_t
mdm_enroll_seal_ask(mdm_exchange_t *x)
{
    mdm_str_t  key;

    mdm_str_set(&key, "mdm:meta");

    return (mdm_exchange_calls(x, 1, MDM_ENROLL_SEAL_ASKED) == MDM_CALL
            && mdm_exchange_call(x, 0, &mdm_script_meta_seal_get, &key, 0)
               != NULL)
           ? MDM_CALL : MDM_ERROR;
}


/* nobody has needed it before */

static mdm_int_t
mdm_enroll_seal_make(mdm_exchange_t *x)
{
    u_char     raw[MDM_SECRET_RAW];
    mdm_str_t  key, *args;

    if (mdm_exchange_calls(x, 1, MDM_ENROLL_SEAL_MADE) != MDM_CALL) {
        return MDM_ERROR;
    }

    mdm_str_set(&key, "mdm:meta");

    args = mdm_exchange_call(x, 0, &mdm_script_meta_seal, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    if (RAND_bytes(raw, sizeof(raw)) != 1) {
        return mdm_arena_failed(x->arena, "RAND_bytes");
    }

    args = &args[MDM_ARG_META_SEAL_NEW];

    args->len = 2 * sizeof(raw);
    args->data = mdm_arena_alloc(x->arena, args->len);

    if (args->data != NULL) {
        mdm_hex(args->data, raw, sizeof(raw));
    }

    OPENSSL_cleanse(raw, sizeof(raw));

    return (args->data != NULL) ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_enroll_seal_asked(mdm_exchange_t *x)
{
    u_char              raw[MDM_SECRET_RAW];
    int64_t             encrypts;
    mdm_int_t           rc;
    mdm_str_t           text;
    const char         *why;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;

    encrypts = mdm_reply_int(reply, MDM_RET_META_SEAL_ENCRYPTS, -1);

    if (encrypts < 0) {
        return mdm_exchange_odd(x, 0);
    }

    if (encrypts != 0) {
        return mdm_exchange_refuse(x, 503, "the store has an "
                                   "\"encryption_key\" that this host lacks");
    }

    text = mdm_reply_str(reply, MDM_RET_META_SEAL_KEY);

    if (text.len == 0 && x->state == MDM_ENROLL_SEAL_ASKED) {
        return mdm_enroll_seal_make(x);
    }

    if (mdm_secret_key_read(raw, &text, &why) != MDM_OK) {
        return mdm_exchange_refuse(x, 500, "\"seal\" in mdm:meta %s", why);
    }

    rc = mdm_secret_keys_create(x->arena, raw, &x->seals);

    OPENSSL_cleanse(raw, sizeof(raw));

    return (rc == MDM_OK) ? mdm_exchange_leave(x) : MDM_ERROR;
}


/* those of the operator, else what has been asked for */

static const mdm_secret_keys_t *
mdm_enroll_seal_keys(const mdm_exchange_t *x)
{
    const mdm_secret_keys_t  *keys;

    keys = mdm_exchange_secrets(x);

    return (keys != NULL) ? keys : x->seals;
}


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

    keys = mdm_enroll_seal_keys(x);

    if (keys == NULL) {
        return MDM_ERROR;
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

    keys = mdm_enroll_seal_keys(x);

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
