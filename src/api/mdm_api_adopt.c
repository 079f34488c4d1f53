
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * PUT /v1/enrollments/ID/enrollment?name=: a device that has enrolled in some
 * other way, by a profile with the identifier of ours, counts as one that has
 * enrolled by a block mdm_enrollment.
 */


#include <stdlib.h>

#include "mdm_api.h"
#include "mdm_api_util.h"
#include "mdm_deflate.h"
#include "mdm_exchange_secret.h"
#include "mdm_key.h"
#include "mdm_plist.h"
#include "mdm_quote.h"
#include "mdm_renew.h"


typedef struct {
    mdm_enrollment_t          en;
    const mdm_enroll_block_t *block;
    mdm_str_t                 keys;

    /* what the work has */

    mdm_str_t                 result;      /* of ProfileList */
    mdm_uint_t                compressed;
    mdm_limits_t              limits;
    mdm_uint_t                listed;      /* 1: the profile is in it */
} mdm_api_adopt_t;


enum {
    MDM_API_ADOPT_BEGIN = 0,
    MDM_API_ADOPT_LOOKED,
    MDM_API_ADOPT_READ,
    MDM_API_ADOPT_DONE
};


static mdm_int_t mdm_api_adopt_begin(mdm_exchange_t *x);
static mdm_int_t mdm_api_adopt_looked(mdm_exchange_t *x,
    mdm_api_adopt_t *adopt);
static mdm_int_t mdm_api_adopt_topic(mdm_exchange_t *x,
    mdm_api_adopt_t *adopt);
static mdm_int_t mdm_api_adopt_work(mdm_arena_t *arena, void *data);
static mdm_uint_t mdm_api_adopt_lists(plist_t root,
    const mdm_str_t *identifier);
static mdm_int_t mdm_api_adopt_set(mdm_exchange_t *x, mdm_api_adopt_t *adopt);


mdm_int_t
mdm_api_adopt_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_API_ADOPT_BEGIN:
        return mdm_api_adopt_begin(x);

    case MDM_API_ADOPT_LOOKED:
        return mdm_api_adopt_looked(x, x->ctx);

    case MDM_API_ADOPT_READ:
        return mdm_api_adopt_set(x, x->ctx);

    default: /* MDM_API_ADOPT_DONE */

        if (mdm_reply_code(x->calls[0].reply, -1) < 0) {
            return mdm_api_not_enrolled(x);
        }

        x->kick = MDM_RENEW_JOB;

        return mdm_exchange_empty(x, 204);
    }
}


static mdm_int_t
mdm_api_adopt_begin(mdm_exchange_t *x)
{
    mdm_int_t         rc;
    mdm_str_t         name, key, *args;
    mdm_quote_t       quote;
    mdm_api_adopt_t  *adopt;

    adopt = mdm_arena_zalloc(x->arena, sizeof(mdm_api_adopt_t));
    if (adopt == NULL) {
        return MDM_ERROR;
    }

    x->ctx = adopt;

    if (x->body.len != 0) {
        return mdm_exchange_refuse(x, 400, "a body has no use in this call");
    }

    rc = mdm_api_enrollment(x, 0, &adopt->en);

    if (rc == MDM_OK) {
        rc = mdm_api_arg(x, "name", &name);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (name.len == 0) {
        return mdm_exchange_refuse(x, 400, "the argument \"name\" is missing");
    }

    if (!mdm_str_eq(&adopt->en.id, &adopt->en.device)) {
        return mdm_exchange_refuse(x, 400, "a user has no certificate: adopt "
                                   "the device");
    }

    adopt->block = mdm_enroll_block_of(x, &name);

    if (adopt->block == NULL) {
        return mdm_exchange_refuse(x, 404, "there is no mdm_enrollment \"%s\"",
                                   mdm_quote(&quote, (char *) name.data,
                                             name.len));
    }

    if (mdm_exchange_calls(x, 2, MDM_API_ADOPT_LOOKED) != MDM_CALL
        || mdm_key_push(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_call(x, 1, &mdm_script_push_cert_get, &key, 0) == NULL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_adopt_look, &adopt->en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_ADOPT_LOOK_DEVICE] = adopt->en.device_key;

    return MDM_CALL;
}


static mdm_int_t
mdm_api_adopt_looked(mdm_exchange_t *x, mdm_api_adopt_t *adopt)
{
    int64_t              code;
    mdm_int_t            rc;
    mdm_str_t            uuid, z;
    const mdm_reply_t   *reply;
    mdm_secret_where_t   where;

    reply = x->calls[0].reply;
    code = mdm_reply_code(reply, -1);

    if (code < 0) {
        return mdm_api_not_enrolled(x);
    }

    if (code == 0) {
        return mdm_exchange_refuse(x, 409, "the device has not answered to "
                                   "ProfileList of late: send it that command "
                                   "first");
    }

    rc = mdm_api_adopt_topic(x, adopt);
    if (rc != MDM_OK) {
        return rc;
    }

    uuid = mdm_reply_str(reply, MDM_RET_ADOPT_LOOK_UUID);
    z = mdm_reply_str(reply, MDM_RET_ADOPT_LOOK_Z);

    adopt->compressed = mdm_str_is(&z, "1");
    adopt->result = mdm_reply_str(reply, MDM_RET_ADOPT_LOOK_BODY);
    adopt->limits.depth = x->settings->plist_depth;
    adopt->limits.nodes = x->settings->plist_nodes;

    mdm_where_result(&where, &adopt->en.tag, &adopt->en.id_key, &uuid,
                     adopt->compressed);

    rc = mdm_exchange_open(x, &where, &adopt->result);

    return (rc == MDM_OK)
           ? mdm_exchange_work_alone(x, MDM_API_ADOPT_READ,
                                     mdm_api_adopt_work, adopt)
           : rc;
}


/* MDM_OK: it is the device's, too; else what the step returns */

static mdm_int_t
mdm_api_adopt_topic(mdm_exchange_t *x, mdm_api_adopt_t *adopt)
{
    mdm_int_t    rc;
    mdm_str_t    topic, own;
    const char  *why;

    rc = mdm_enroll_topic(x, adopt->block, x->calls[1].reply, &topic, &why);

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 409, "%s", why);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    own = mdm_reply_str(x->calls[0].reply, MDM_RET_ADOPT_LOOK_TOPIC);

    if (!mdm_str_eq(&own, &topic)) {
        return mdm_exchange_refuse(x, 409, "the device has enrolled with "
                                   "another topic than that of the "
                                   "mdm_enrollment");
    }

    return mdm_enroll_keys(x, adopt->block, &topic, &adopt->keys);
}


static mdm_int_t
mdm_api_adopt_work(mdm_arena_t *arena, void *data)
{
    mdm_api_adopt_t *adopt = data;

    plist_t      root;
    mdm_int_t    rc;
    mdm_str_t    text;
    const char  *why;

    text = adopt->result;

    if (adopt->compressed && mdm_inflate(arena, &text, &text) != MDM_OK) {
        return MDM_ERROR;
    }

    rc = mdm_plist_parse(arena, &text, &adopt->limits, &root, &why);

    if (rc == MDM_OK) {
        adopt->listed = mdm_api_adopt_lists(root, &adopt->block->identifier);
    }

    return (rc == MDM_ERROR) ? MDM_ERROR : MDM_OK;
}


static mdm_uint_t
mdm_api_adopt_lists(plist_t root, const mdm_str_t *identifier)
{
    plist_t           list, one;
    mdm_str_t         text;
    mdm_uint_t        listed;
    plist_array_iter  iter;

    list = plist_dict_get_item(root, "ProfileList");

    if (list == NULL || plist_get_node_type(list) != PLIST_ARRAY) {
        return 0;
    }

    listed = 0;
    iter = NULL;

    plist_array_new_iter(list, &iter);

    do {
        plist_array_next_item(list, iter, &one);

        if (one != NULL && plist_get_node_type(one) == PLIST_DICT
            && mdm_plist_string(one, "PayloadIdentifier", &text) == MDM_OK
            && mdm_str_eq(&text, identifier))
        {
            listed = 1;
        }

    } while (one != NULL && !listed);

    free(iter);

    return listed;
}


static mdm_int_t
mdm_api_adopt_set(mdm_exchange_t *x, mdm_api_adopt_t *adopt)
{
    mdm_str_t  *args;

    if (!adopt->listed) {
        return mdm_exchange_refuse(x, 409, "the device does not list the "
                                   "profile \"%.*s\" of the mdm_enrollment",
                                   mdm_fmt(&adopt->block->identifier));
    }

    if (mdm_exchange_calls(x, 1, MDM_API_ADOPT_DONE) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_adopt, &adopt->en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_ADOPT_DEVICE] = adopt->en.device_key;
    args[MDM_ARG_ADOPT_NAME] = adopt->block->name;
    args[MDM_ARG_ADOPT_KEYS] = adopt->keys;

    return MDM_CALL;
}
