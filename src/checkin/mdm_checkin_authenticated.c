
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What an Authenticate leaves with the enrollment: what the message says, and
 * what the certificate is bound to.
 */


#include "mdm_checkin.h"
#include "mdm_gives.h"


static const mdm_checkin_field_t  mdm_authenticate_fields[] = {
    { "Topic", mdm_string("topic"), 0 },
    { "SerialNumber", mdm_string("serial"), 0 },
    { "DeviceName", mdm_string("name"), 0 },
    { "Model", mdm_string("model"), 0 },
    { "ModelName", mdm_string("model_name"), 0 },
    { "ProductName", mdm_string("product"), 0 },
    { "OSVersion", mdm_string("os"), 0 },
    { "BuildVersion", mdm_string("build"), 0 },
    { "IMEI", mdm_string("imei"), 0 },
    { "MEID", mdm_string("meid"), 0 },
    { NULL, mdm_null_string, 0 }
};


/* of the binding */

static const struct {
    mdm_str_t                 name;
    size_t                    offset;
} mdm_authenticate_bound[] = {
    { mdm_string("person"), offsetof(mdm_challenge_t, person) },
    { mdm_string("enrollment"), offsetof(mdm_challenge_t, enrollment) },
    { mdm_string("way"), offsetof(mdm_challenge_t, way) },
    { mdm_string("keys"), offsetof(mdm_challenge_t, keys) }
};

#define MDM_AUTHENTICATE_BOUND                                                \
    (sizeof(mdm_authenticate_bound) / sizeof(mdm_authenticate_bound[0]))


mdm_int_t
mdm_checkin_authenticated(mdm_exchange_t *x, mdm_uint_t renewal,
    mdm_str_t **pairs, mdm_uint_t *n, mdm_uint_t *given)
{
    mdm_str_t              *gives, *fields, *all;
    mdm_uint_t              i, nfields;
    const mdm_str_t        *value;
    mdm_message_t          *m;
    const mdm_challenge_t  *c;

    m = x->ctx;
    c = &m->binding.c;

    if (mdm_gives_pairs(x->arena, &c->gives, &gives, given) != MDM_OK
        || mdm_checkin_fields_authenticate(x->arena, m->plist, &fields,
                                           &nfields)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    all = mdm_arena_alloc(x->arena,
                          (2 * *given + nfields
                           + 2 * MDM_AUTHENTICATE_BOUND) * sizeof(mdm_str_t));
    if (all == NULL) {
        return MDM_ERROR;
    }

    if (*given != 0) {
        memcpy(all, gives, 2 * *given * sizeof(mdm_str_t));
    }

    if (nfields != 0) {
        memcpy(all + 2 * *given, fields, nfields * sizeof(mdm_str_t));
    }

    *pairs = all;
    *n = 2 * *given + nfields;

    for (i = 0; i < MDM_AUTHENTICATE_BOUND; i++) {
        value = (const mdm_str_t *) ((const u_char *) c
                                     + mdm_authenticate_bound[i].offset);

        /* by which way it came, a renewal does not change */

        if (value->len != 0 && !(renewal && value == &c->way)) {
            all[(*n)++] = mdm_authenticate_bound[i].name;
            all[(*n)++] = *value;
        }
    }

    return MDM_OK;
}


mdm_int_t
mdm_checkin_fields_authenticate(mdm_arena_t *arena, plist_t message,
    mdm_str_t **pairs, mdm_uint_t *n)
{
    return mdm_checkin_fields(arena, message, mdm_authenticate_fields, pairs,
                              n);
}
