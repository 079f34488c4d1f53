
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads what devices sign before they are enrolled.
 */


#include <openssl/err.h>

#include "mdm_enroll_device.h"
#include "mdm_key.h"
#include "mdm_number.h"
#include "mdm_owned.h"


static mdm_int_t mdm_enroll_device_ours(mdm_arena_t *arena,
    mdm_enroll_device_t *device);
static mdm_uint_t mdm_enroll_device_issued(const mdm_enroll_device_t *device,
    X509 *signer);


mdm_int_t
mdm_enroll_device(mdm_exchange_t *x, const mdm_str_t *der,
    mdm_enroll_device_t **device)
{
    mdm_enroll_device_t  *d;

    d = mdm_arena_zalloc(x->arena, sizeof(mdm_enroll_device_t));
    if (d == NULL) {
        return MDM_ERROR;
    }

    d->der = *der;
    d->apple = x->enrollment->apple;
    d->limits.depth = x->settings->plist_depth;
    d->limits.nodes = x->settings->plist_nodes;
    d->now = x->now;

    *device = d;

    return MDM_OK;
}


mdm_int_t
mdm_enroll_device_work(mdm_arena_t *arena, void *data)
{
    mdm_enroll_device_t *d = data;

    d->rc = mdm_machine_info_verify(arena, &d->der, d->apple, &d->message,
                                    &d->why);

    if (d->rc == MDM_DECLINED && d->ncas != 0) {
        d->rc = mdm_enroll_device_ours(arena, d);
    }

    if (d->rc == MDM_OK) {
        d->rc = mdm_machine_info_read(arena, &d->message.content, &d->limits,
                                      &d->info, &d->why);
    }

    return (d->rc == MDM_ERROR) ? MDM_ERROR : MDM_OK;
}


/* the certificate of the signer has been issued here, and has not ended */

static mdm_int_t
mdm_enroll_device_ours(mdm_arena_t *arena, mdm_enroll_device_t *d)
{
    u_char             *hex;
    mdm_int_t           rc;
    mdm_str_t           der;
    const char         *why;
    mdm_cms_options_t   options;

    memset(&options, 0, sizeof(mdm_cms_options_t));
    options.anybody = 1;

    rc = mdm_cms_read(arena, &d->der, &options, d->now, &d->message, &why);
    if (rc != MDM_OK) {
        return rc;
    }

    if (!mdm_enroll_device_issued(d, d->message.signer)
        || mdm_ca_ends(d->message.signer) <= d->now)
    {
        return MDM_DECLINED;
    }

    hex = mdm_arena_alloc(arena, 3 * MDM_SHA256);

    if (hex == NULL
        || mdm_certificate_der(arena, d->message.signer, &der) != MDM_OK
        || mdm_certificate_sha256(&der, hex + 2 * MDM_SHA256, hex) != MDM_OK)
    {
        return MDM_ERROR;
    }

    d->ours = 1;
    d->signer.data = hex;
    d->signer.len = 2 * MDM_SHA256;

    return MDM_OK;
}


static mdm_uint_t
mdm_enroll_device_issued(const mdm_enroll_device_t *d, X509 *signer)
{
    int         i;
    mdm_uint_t  n, issued;

    issued = 0;

    for (n = 0; !issued && n < d->ncas; n++) {
        issued = mdm_ca_issued(signer, d->cas[n]->cert);

        for (i = 0; !issued && i < sk_X509_num(d->cas[n]->previous); i++) {
            issued = mdm_ca_issued(signer,
                                   sk_X509_value(d->cas[n]->previous, i));
        }
    }

    return issued;
}


mdm_int_t
mdm_enroll_told(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_machine_info_t *info, const char *way, const char *why)
{
    mdm_str_t       key, *args;
    mdm_json_out_t  j;

    if (mdm_key_profiles(x->arena, &key, &x->tenant) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, &mdm_script_enroll_told, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    mdm_str_set(&args[MDM_ARG_ENROLL_TOLD_NAME], "mdm.EnrollRefused");

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '{');
    mdm_json_str(&j, "serial", &info->serial);
    mdm_json_opt_str(&j, "product", &info->product);
    mdm_json_text(&j, "way", way);
    mdm_json_str(&j, "enrollment", &x->enrollment->name);
    mdm_json_text(&j, "why", why);
    mdm_json_close(&j, '}');

    if (mdm_json_end(&j, &args[MDM_ARG_ENROLL_TOLD_DATA]) != MDM_OK
        || mdm_key_id(x->arena, &args[MDM_ARG_ENROLL_TOLD_ID], &info->udid)
           != MDM_OK
        || mdm_owned_name(x->arena, &args[MDM_ARG_ENROLL_TOLD_SERIAL],
                          &info->serial)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_itoa(x->arena, &args[MDM_ARG_ENROLL_TOLD_ONCE],
                    MDM_ENROLL_TOLD);
}
