
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Purposes and bindings of certificates.
 */


#include "mdm_binding.h"
#include "mdm_ca.h"
#include "mdm_json.h"
#include "mdm_json_write.h"


static const mdm_str_t  mdm_purposes[MDM_PURPOSES] = {
    mdm_string("device"), mdm_string("user"), mdm_string("renew"),
    mdm_string("ota")
};


/* what is bound, by the names that it is kept by */

static const struct {
    const char               *name;
    size_t                    offset;
} mdm_bound[] = {
    { "udid", offsetof(mdm_challenge_t, udid) },
    { "serial", offsetof(mdm_challenge_t, serial) },
    { "person", offsetof(mdm_challenge_t, person) },
    { "enrollment", offsetof(mdm_challenge_t, enrollment) },
    { "way", offsetof(mdm_challenge_t, way) },
    { "replace", offsetof(mdm_challenge_t, replace) },
    { "keys", offsetof(mdm_challenge_t, keys) },
    { "link", offsetof(mdm_challenge_t, link) },
    { "gives", offsetof(mdm_challenge_t, gives) }
};

#define MDM_BOUND  (sizeof(mdm_bound) / sizeof(mdm_bound[0]))


mdm_str_t
mdm_purpose_name(mdm_uint_t purpose)
{
    return mdm_purposes[purpose];
}


mdm_int_t
mdm_purpose_read(const mdm_str_t *name, mdm_uint_t *purpose)
{
    mdm_uint_t  i;

    for (i = 0; i < MDM_PURPOSES; i++) {

        if (mdm_str_eq(name, &mdm_purposes[i])) {
            *purpose = i;
            return MDM_OK;
        }
    }

    return MDM_DECLINED;
}


mdm_int_t
mdm_challenge_bind(mdm_exchange_t *x, const mdm_secret_where_t *where,
    const mdm_challenge_t *c, mdm_str_t *bind)
{
    mdm_uint_t        i, n;
    mdm_json_out_t    j;
    const mdm_str_t  *value;

    mdm_str_set(bind, "");

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '{');

    n = 0;

    for (i = 0; i < MDM_BOUND; i++) {
        value = (const mdm_str_t *) ((const u_char *) c + mdm_bound[i].offset);

        n += (value->len != 0);

        mdm_json_opt_str(&j, mdm_bound[i].name, value);
    }

    mdm_json_close(&j, '}');

    if (n == 0) {
        return MDM_OK;
    }

    return (mdm_json_end(&j, bind) == MDM_OK)
           ? mdm_exchange_seal(x, x->arena, where, bind, NULL) : MDM_ERROR;
}


mdm_int_t
mdm_challenge_bound(mdm_exchange_t *x, const mdm_secret_where_t *where,
    const mdm_str_t *bind, mdm_challenge_t *c)
{
    json_t        *root, *value;
    mdm_int_t      rc;
    mdm_str_t      text, *dst;
    mdm_uint_t     i, n;
    json_error_t   error;

    for (i = 0; i < MDM_BOUND; i++) {
        dst = (mdm_str_t *) ((u_char *) c + mdm_bound[i].offset);
        mdm_str_null(dst);
    }

    if (bind->len == 0) {
        return MDM_OK;
    }

    text = *bind;

    rc = mdm_exchange_open(x, where, &text);
    if (rc != MDM_OK) {
        return rc;
    }

    rc = mdm_json_read(x->arena, &text, 0, &root, &error);
    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    n = 0;

    for (i = 0; rc == MDM_OK && i < MDM_BOUND; i++) {
        value = json_object_get(root, mdm_bound[i].name);

        if (value == NULL) {
            continue;
        }

        if (!json_is_string(value)) {
            n = 0;
            break;
        }

        dst = (mdm_str_t *) ((u_char *) c + mdm_bound[i].offset);

        text.data = (u_char *) (uintptr_t) json_string_value(value);
        text.len = json_string_length(value);

        if (mdm_str_dup(x->arena, dst, &text) != MDM_OK) {
            return MDM_ERROR;
        }

        n += (dst->len != 0);
    }

    /* whoever cannot be read is bound to nobody: that must not open it */

    if (n == 0) {
        return mdm_exchange_refuse(x, 500, "the bindings in %.*s in redis "
                                   "cannot be read", mdm_fmt(&where->tag));
    }

    return MDM_OK;
}


mdm_int_t
mdm_challenge_bound_listed(mdm_exchange_t *x, const mdm_secret_where_t *where,
    const char *what, const mdm_str_t *bind, mdm_challenge_t *c)
{
    mdm_int_t    rc;
    mdm_str_t   *dst;
    mdm_uint_t   i;

    rc = mdm_challenge_bound(x, where, bind, c);

    if (rc != MDM_DONE || x->status != 500) {
        return rc;
    }

    for (i = 0; i < MDM_BOUND; i++) {
        dst = (mdm_str_t *) ((u_char *) c + mdm_bound[i].offset);
        mdm_str_null(dst);
    }

    mdm_exchange_log(x, MDM_LOG_WARN, "%s %.*s is listed without its "
                     "bindings: %.*s", what, mdm_fmt(&c->id),
                     mdm_fmt(&x->error));

    x->status = 0;
    mdm_str_null(&x->error);

    return MDM_OK;
}


mdm_int_t
mdm_binding_read(mdm_exchange_t *x, const mdm_reply_t *reply, size_t slot,
    const mdm_str_t *key, mdm_binding_t *b)
{
    mdm_str_t           bind, purpose;
    mdm_secret_where_t  where;

    memset(b, 0, sizeof(mdm_binding_t));

    slot -= MDM_RET_CLAIM_CA;

    b->ca = mdm_reply_str(reply, slot + MDM_RET_CLAIM_CA);

    if (b->ca.len == 0) {
        return MDM_OK;
    }

    b->ledger = 1;
    b->renew = mdm_reply_str(reply, slot + MDM_RET_CLAIM_RENEW);

    purpose = mdm_reply_str(reply, slot + MDM_RET_CLAIM_PURPOSE);
    bind = mdm_reply_str(reply, slot + MDM_RET_CLAIM_BIND);

    if (mdm_purpose_read(&purpose, &b->c.purpose) != MDM_OK) {
        return mdm_exchange_refuse(x, 500, "the purpose in %.*s in redis "
                                   "cannot be read", mdm_fmt(key));
    }

    mdm_where_certificate(&where, key);

    return mdm_challenge_bound(x, &where, &bind, &b->c);
}


const char *
mdm_binding_refuses(const mdm_exchange_t *x, const mdm_binding_t *b,
    const mdm_enrollment_t *en, const mdm_str_t *stored, const mdm_str_t *said)
{
    if (!b->ledger) {
        return mdm_ca_ledger(x->settings->cas, x->settings->ncas,
                             &x->identity.der);
    }

    if (b->c.purpose == MDM_PURPOSE_OTA) {
        return "the certificate is for enrolling only";
    }

    if (b->c.purpose == MDM_PURPOSE_USER
        && en->type != MDM_TYPE_USER_ENROLLMENT_DEVICE)
    {
        return "the certificate is for User Enrollment only";
    }

    if (b->c.udid.len != 0 && !mdm_str_eq_i(&b->c.udid, &en->device)) {
        return "the certificate is bound to another device";
    }

    if (b->c.serial.len != 0
        && (!mdm_str_eq_i(&b->c.serial, said)
            || (stored->len != 0 && !mdm_str_eq_i(&b->c.serial, stored))))
    {
        return "the certificate is bound to another serial number";
    }

    return NULL;
}


mdm_uint_t
mdm_binding_names(const mdm_binding_t *b, mdm_uint_t known)
{
    return b->ledger
           && (b->c.udid.len != 0 || (known && b->c.serial.len != 0));
}


mdm_uint_t
mdm_binding_kept(const mdm_binding_t *b)
{
    return b->ledger && b->c.purpose != MDM_PURPOSE_RENEW
           && (mdm_str_is(&b->c.way, "ade") || mdm_str_is(&b->c.way, "ota"));
}


mdm_uint_t
mdm_binding_open(const mdm_binding_t *b)
{
    return b->ledger && b->c.udid.len == 0 && b->c.serial.len == 0;
}
