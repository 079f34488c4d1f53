
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET /v1/certificates/SHA256: one of the ledger, and how lists show one.
 */


#include "mdm_api.h"
#include "mdm_api_certificates.h"
#include "mdm_api_json.h"
#include "mdm_api_util.h"


#define MDM_API_PEM_LINE          64


enum {
    MDM_API_CERTIFICATE_BEGIN = 0,
    MDM_API_CERTIFICATE_GOT,
    MDM_API_CERTIFICATE_CHECKED
};


static mdm_int_t mdm_api_certificate_got(mdm_exchange_t *x,
    mdm_certificates_entry_t *entry);
static mdm_int_t mdm_api_certificate_checked(mdm_exchange_t *x,
    mdm_certificates_entry_t *entry);
static mdm_int_t mdm_api_certificate_answer(mdm_exchange_t *x,
    mdm_certificates_entry_t *entry);
static mdm_int_t mdm_api_certificate_pem(mdm_exchange_t *x,
    const mdm_str_t *der, mdm_str_t *pem);


void
mdm_api_certificate_row(mdm_json_out_t *j,
    const mdm_certificates_entry_t *entry, const mdm_str_t *id)
{
    mdm_str_t  purpose;

    mdm_json_open(j, NULL, '{');
    mdm_json_str(j, "sha256", &entry->sha256);

    if (id->len != 0) {
        mdm_json_id(j, "id", id);
    }

    mdm_json_opt_str(j, "state", &entry->state);
    mdm_json_opt_str(j, "ca", &entry->ca);
    mdm_json_opt_str(j, "certificate_serial", &entry->sn);
    mdm_json_opt_time(j, "not_before", &entry->from);
    mdm_json_opt_time(j, "not_after", &entry->ends);
    mdm_json_opt_time(j, "renew", &entry->renew);

    if (entry->found) {
        purpose = mdm_purpose_name(entry->c.purpose);

        mdm_json_str(j, "purpose", &purpose);
        mdm_json_opt_str(j, "key_sha256", &entry->spki);
        mdm_json_opt_str(j, "challenge_id", &entry->c.id);
        mdm_json_opt_str(j, "udid", &entry->c.udid);
        mdm_json_opt_str(j, "serial", &entry->c.serial);
        mdm_json_opt_str(j, "person", &entry->c.person);
    }

    mdm_json_close(j, '}');
}


mdm_int_t
mdm_api_certificates_entry(mdm_exchange_t *x, const mdm_reply_t *reply,
    const mdm_str_t *sha256, mdm_certificates_entry_t *entry)
{
    mdm_int_t  rc;

    memset(entry, 0, sizeof(mdm_certificates_entry_t));

    entry->sha256 = *sha256;

    rc = mdm_certificates_read(x, reply, entry);

    if (rc != MDM_DONE || x->status != 500) {
        return rc;
    }

    mdm_exchange_log(x, MDM_LOG_WARN, "certificate %.*s is left out of a "
                     "list: %.*s", mdm_fmt(sha256), mdm_fmt(&x->error));

    x->status = 0;
    mdm_str_null(&x->error);

    return MDM_DECLINED;
}


mdm_int_t
mdm_api_certificates_owner(mdm_exchange_t *x,
    const mdm_certificates_entry_t *entry, mdm_enrollment_t *en)
{
    mdm_int_t  rc;
    mdm_str_t  id;

    memset(en, 0, sizeof(mdm_enrollment_t));

    if (entry->claimed.len == 0) {
        return MDM_DECLINED;
    }

    rc = mdm_unescape(x->arena, &id, &entry->claimed);

    return (rc == MDM_OK)
           ? mdm_enrollment_from_id(x->arena, &id, &x->tenant,
                                    x->settings->store->partitions, en)
           : rc;
}


mdm_int_t
mdm_api_certificates_ask(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_enrollment_t *en)
{
    mdm_str_t  *args;

    args = mdm_exchange_call(x, i, &mdm_script_authenticate_check, &en->tag,
                             0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_AUTHENTICATE_CHECK_DEVICE] = en->device_key;

    return MDM_OK;
}


mdm_int_t
mdm_api_certificates_is(mdm_exchange_t *x,
    const mdm_certificates_entry_t *entry, const mdm_reply_t *reply,
    size_t slot)
{
    mdm_str_t  raw, hex;

    raw = mdm_reply_str(reply, slot);

    if (mdm_hex_str(x->arena, &hex, &raw) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_str_eq(&hex, &entry->sha256) ? MDM_OK : MDM_DECLINED;
}


mdm_int_t
mdm_api_certificates_answer(mdm_exchange_t *x, mdm_api_certificates_t *p)
{
    mdm_str_t        next;
    mdm_uint_t       i;
    mdm_json_out_t   j;

    mdm_json_init(&j, x->arena, 64 + 512 * (p->nrows + 1));
    mdm_json_open(&j, NULL, '{');
    mdm_json_open(&j, "certificates", '[');

    for (i = 0; i < p->nrows; i++) {
        mdm_api_certificate_row(&j, &p->rows[i].entry, &p->rows[i].id);
    }

    mdm_json_close(&j, ']');

    if (p->scan.more) {

        if (mdm_api_scan_write(x, &p->scan, &next) != MDM_OK) {
            return MDM_ERROR;
        }

        mdm_json_str(&j, "next_cursor", &next);
    }

    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, 200);
}


mdm_uint_t
mdm_api_certificates_fit(const mdm_api_certificates_t *p,
    const mdm_certificates_entry_t *entry)
{
    int64_t  ends;

    if ((p->ca.len != 0 && !mdm_str_eq(&p->ca, &entry->ca))
        || (p->sn.len != 0 && !mdm_str_eq_i(&p->sn, &entry->sn))
        || (p->state.len != 0 && !mdm_str_eq(&p->state, &entry->state)))
    {
        return 0;
    }

    return p->before == 0
           || (mdm_atoi(&entry->ends, &ends) == MDM_OK && ends < p->before);
}


mdm_int_t
mdm_api_certificate_get_step(mdm_exchange_t *x)
{
    size_t                     i;
    mdm_int_t                  rc;
    mdm_certificates_entry_t  *entry;

    switch (x->state) {

    case MDM_API_CERTIFICATE_GOT:
        return mdm_api_certificate_got(x, x->ctx);

    case MDM_API_CERTIFICATE_CHECKED:
        return mdm_api_certificate_checked(x, x->ctx);

    default: /* MDM_API_CERTIFICATE_BEGIN */
        break;
    }

    entry = mdm_arena_zalloc(x->arena, sizeof(mdm_certificates_entry_t));
    if (entry == NULL) {
        return MDM_ERROR;
    }

    x->ctx = entry;

    rc = mdm_api_param(x, 0, &entry->sha256);
    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    for (i = 0; rc == MDM_OK && i < entry->sha256.len; i++) {

        if (strchr("0123456789abcdef", entry->sha256.data[i]) == NULL
            || entry->sha256.data[i] == '\0')
        {
            rc = MDM_DECLINED;
        }
    }

    if (rc != MDM_OK || entry->sha256.len != 64) {
        return mdm_exchange_refuse(x, 400, "not a SHA-256: it has 64 digits, "
                                   "0-9 and a-f");
    }

    return mdm_exchange_enter(x, mdm_certificates_get, entry,
                              MDM_API_CERTIFICATE_GOT);
}


/* the ledger knows when it was pinned, its device if it still is */

static mdm_int_t
mdm_api_certificate_got(mdm_exchange_t *x, mdm_certificates_entry_t *entry)
{
    mdm_int_t         rc;
    mdm_str_t         format;
    mdm_enrollment_t  en;

    if (!entry->found) {
        return mdm_exchange_refuse(x, 404, "it is not in the ledger");
    }

    rc = mdm_api_arg(x, "format", &format);
    if (rc != MDM_OK) {
        return rc;
    }

    if ((format.len != 0 && !mdm_str_is(&format, "json"))
        || !mdm_str_is(&entry->state, "pinned"))
    {
        return mdm_api_certificate_answer(x, entry);
    }

    rc = mdm_api_certificates_owner(x, entry, &en);

    if (rc == MDM_DECLINED) {
        mdm_str_set(&entry->state, "replaced");
        return mdm_api_certificate_answer(x, entry);
    }

    return (rc == MDM_OK
            && mdm_exchange_calls(x, 1, MDM_API_CERTIFICATE_CHECKED)
               == MDM_CALL
            && mdm_api_certificates_ask(x, 0, &en) == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_api_certificate_checked(mdm_exchange_t *x,
    mdm_certificates_entry_t *entry)
{
    mdm_int_t           rc;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;

    rc = mdm_api_certificates_is(x, entry, reply,
                                 MDM_RET_AUTHENTICATE_CHECK_CERT);

    if (rc == MDM_DECLINED) {
        rc = mdm_api_certificates_is(x, entry, reply,
                                     MDM_RET_AUTHENTICATE_CHECK_NEXT);

        /* what comes next was claimed, but not pinned yet */

        if (rc == MDM_OK) {
            mdm_str_set(&entry->state, "issued");

        } else {
            mdm_str_set(&entry->state, "replaced");
        }
    }

    return (rc != MDM_ERROR) ? mdm_api_certificate_answer(x, entry)
                             : MDM_ERROR;
}


static mdm_int_t
mdm_api_certificate_answer(mdm_exchange_t *x, mdm_certificates_entry_t *entry)
{
    mdm_int_t       rc;
    mdm_str_t       format, pem;
    mdm_json_out_t  j;

    rc = mdm_api_arg(x, "format", &format);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_str_is(&format, "pem")) {

        return (mdm_api_certificate_pem(x, &entry->der, &pem) == MDM_OK)
               ? mdm_exchange_body(x, 200, "application/x-pem-file", &pem)
               : MDM_ERROR;
    }

    if (format.len != 0 && !mdm_str_is(&format, "json")) {
        return mdm_exchange_refuse(x, 400, "the argument \"format\" is "
                                   "neither json nor pem");
    }

    mdm_json_init(&j, x->arena, 1024);
    mdm_api_certificate_row(&j, entry, &entry->claimed);

    return mdm_api_json_answer(&j, x, 200);
}


static mdm_int_t
mdm_api_certificate_pem(mdm_exchange_t *x, const mdm_str_t *der,
    mdm_str_t *pem)
{
    u_char     *p;
    size_t      i, n;
    mdm_str_t   text;

    static const mdm_str_t  begin =
                               mdm_string("-----BEGIN CERTIFICATE-----\n");
    static const mdm_str_t  end = mdm_string("-----END CERTIFICATE-----\n");

    if (mdm_base64(x->arena, &text, der) != MDM_OK) {
        return MDM_ERROR;
    }

    p = mdm_arena_alloc(x->arena, begin.len + end.len + text.len
                                  + text.len / MDM_API_PEM_LINE + 1);
    if (p == NULL) {
        return MDM_ERROR;
    }

    pem->data = p;

    memcpy(p, begin.data, begin.len);
    p += begin.len;

    for (i = 0; i < text.len; i += n) {
        n = text.len - i;

        if (n > MDM_API_PEM_LINE) {
            n = MDM_API_PEM_LINE;
        }

        memcpy(p, text.data + i, n);
        p += n;
        *p++ = '\n';
    }

    memcpy(p, end.data, end.len);

    pem->len = (size_t) (p - pem->data) + end.len;

    return MDM_OK;
}
