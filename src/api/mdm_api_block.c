
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * POST, DELETE /v1/enrollments/ID/block: nothing that a device sends is taken
 * any more.  That it is blocked is written where certificates are given first,
 * and taken away there last, so that a call that ends half-way is repeated.
 */


#include "mdm_api.h"
#include "mdm_api_util.h"
#include "mdm_block.h"
#include "mdm_ddm_system.h"
#include "mdm_key.h"
#include "mdm_quote.h"


typedef struct {
    mdm_enrollment_t          en;
    mdm_str_t                 key;         /* "mdm:{tenant/block}" */
    mdm_str_t                 reason;
    mdm_uint_t                unenroll;
    mdm_str_t                 answer;      /* see mdm_block_name() */
    mdm_str_t                 at;
    mdm_uint_t                lost;        /* 1: it is not enrolled after all */
} mdm_api_block_t;


enum {
    MDM_API_BLOCK_BEGIN = 0,
    MDM_API_BLOCK_LOOKED,
    MDM_API_BLOCK_PUT,
    MDM_API_BLOCK_SET,
    MDM_API_BLOCK_TAKEN_BACK
};


enum {
    MDM_API_UNBLOCK_BEGIN = 0,
    MDM_API_UNBLOCK_LOOKED,
    MDM_API_UNBLOCK_LIFTED,
    MDM_API_UNBLOCK_DROPPED
};


static mdm_int_t mdm_api_block_begin(mdm_exchange_t *x);
static mdm_int_t mdm_api_block_create(mdm_exchange_t *x,
    mdm_api_block_t **block);
static mdm_int_t mdm_api_block_read(mdm_exchange_t *x,
    mdm_api_block_t *block);
static mdm_int_t mdm_api_block_member(mdm_exchange_t *x,
    mdm_api_block_t *block, const char *name, const json_t *value);
static mdm_int_t mdm_api_block_put(mdm_exchange_t *x,
    mdm_api_block_t *block);
static mdm_block_e mdm_api_block_leave(const mdm_reply_t *device);
static mdm_int_t mdm_api_block_set(mdm_exchange_t *x,
    mdm_api_block_t *block);
static mdm_int_t mdm_api_block_done(mdm_exchange_t *x,
    mdm_api_block_t *block);
static mdm_int_t mdm_api_block_drop(mdm_exchange_t *x,
    mdm_api_block_t *block, mdm_int_t state);
static mdm_int_t mdm_api_unblock_begin(mdm_exchange_t *x);
static mdm_int_t mdm_api_unblock_lift(mdm_exchange_t *x,
    mdm_api_block_t *block);


mdm_int_t
mdm_api_block_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_API_BLOCK_BEGIN:
        return mdm_api_block_begin(x);

    case MDM_API_BLOCK_LOOKED:
        return mdm_api_block_put(x, x->ctx);

    case MDM_API_BLOCK_PUT:
        return mdm_api_block_set(x, x->ctx);

    case MDM_API_BLOCK_SET:
        return mdm_api_block_done(x, x->ctx);

    default: /* MDM_API_BLOCK_TAKEN_BACK */
        return mdm_api_not_enrolled(x);
    }
}


static mdm_int_t
mdm_api_block_begin(mdm_exchange_t *x)
{
    mdm_int_t         rc;
    mdm_str_t        *args;
    mdm_api_block_t  *block;

    rc = mdm_api_block_create(x, &block);

    if (rc == MDM_OK && x->body.len != 0) {
        rc = mdm_api_block_read(x, block);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_exchange_calls(x, 2, MDM_API_BLOCK_LOOKED) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_authenticate_check,
                             &block->en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_AUTHENTICATE_CHECK_DEVICE] = block->en.device_key;

    args = mdm_exchange_call(x, 1, &mdm_script_ddm_device, &block->en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_DEVICE_ID] = block->en.id_key;
    args[MDM_ARG_DDM_DEVICE_DEVICE] = block->en.device_key;

    return MDM_CALL;
}


/* for both calls; MDM_OK, MDM_DONE, MDM_ERROR */

static mdm_int_t
mdm_api_block_create(mdm_exchange_t *x, mdm_api_block_t **block)
{
    mdm_int_t         rc;
    mdm_api_block_t  *b;

    b = mdm_arena_zalloc(x->arena, sizeof(mdm_api_block_t));
    if (b == NULL) {
        return MDM_ERROR;
    }

    x->ctx = b;
    *block = b;

    rc = mdm_api_enrollment(x, 0, &b->en);
    if (rc != MDM_OK) {
        return rc;
    }

    if (!mdm_str_eq(&b->en.id, &b->en.device)) {
        return mdm_exchange_refuse(x, 400, "a device is blocked, not a user "
                                   "channel");
    }

    return (mdm_key_block(x->arena, &b->key, &x->tenant) == MDM_OK)
           ? mdm_api_number(x, &b->at, x->now) : MDM_ERROR;
}


static mdm_int_t
mdm_api_block_read(mdm_exchange_t *x, mdm_api_block_t *block)
{
    json_t      *root, *value;
    mdm_int_t    rc;
    const char  *name;

    rc = mdm_api_body(x, "a JSON object", &root);
    if (rc != MDM_OK) {
        return rc;
    }

    if (!json_is_object(root)) {
        return mdm_exchange_refuse(x, 400, "the body is not a JSON object");
    }

    json_object_foreach(root, name, value) {
        rc = mdm_api_block_member(x, block, name, value);

        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_block_member(mdm_exchange_t *x, mdm_api_block_t *block,
    const char *name, const json_t *value)
{
    mdm_str_t    text;
    mdm_quote_t  quote;

    if (strcmp(name, "unenroll") == 0) {

        if (!json_is_boolean(value)) {
            return mdm_exchange_refuse(x, 400, "\"unenroll\" is neither true "
                                       "nor false");
        }

        block->unenroll = json_is_true(value);

        return MDM_OK;
    }

    if (strcmp(name, "reason") == 0) {
        text.data = (u_char *) (uintptr_t) json_string_value(value);
        text.len = json_string_length(value);

        if (text.data == NULL || text.len > MDM_BLOCK_REASON
            || mdm_utf8_control(&text))
        {
            return mdm_exchange_refuse(x, 400, "\"reason\" is not a string of "
                                       "at most %d octets without control "
                                       "characters", MDM_BLOCK_REASON);
        }

        block->reason = text;

        return MDM_OK;
    }

    return mdm_exchange_refuse(x, 400, "unknown member \"%s\"",
                               mdm_quote(&quote, name, strlen(name)));
}


static mdm_int_t
mdm_api_block_put(mdm_exchange_t *x, mdm_api_block_t *block)
{
    mdm_str_t           serial, *args;
    const mdm_reply_t  *reply, *device;

    reply = x->calls[0].reply;
    device = x->calls[1].reply;

    if (mdm_reply_int(reply, MDM_RET_AUTHENTICATE_CHECK_KNOWN, 0) != 1) {
        return mdm_api_not_enrolled(x);
    }

    block->answer = mdm_block_name(block->unenroll
                                   ? mdm_api_block_leave(device)
                                   : MDM_BLOCK_REFUSE);

    serial = mdm_reply_str(reply, MDM_RET_AUTHENTICATE_CHECK_SERIAL);

    if (mdm_exchange_calls(x, 1, MDM_API_BLOCK_PUT) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_block_put, &block->key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_BLOCK_PUT_ID] = block->en.device_key;
    args[MDM_ARG_BLOCK_PUT_ANSWER] = block->answer;
    args[MDM_ARG_BLOCK_PUT_AT] = block->at;
    args[MDM_ARG_BLOCK_PUT_REASON] = block->reason;

    return (mdm_key_serial_number(x->arena, &args[MDM_ARG_BLOCK_PUT_SERIAL],
                                  &serial)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


/*
 * Systems that know the code drop what is managed, and nothing else follows
 * from it; others are told by 401.  Its version cannot change while it is
 * blocked.
 */

static mdm_block_e
mdm_api_block_leave(const mdm_reply_t *device)
{
    mdm_str_t   product, version;
    mdm_uint_t  system;

    static const mdm_str_t  since[MDM_DDM_SYSTEMS] = {
        mdm_string("17"), mdm_string("14"), mdm_string("17"),
        mdm_string("1.1"), mdm_string("10")
    };

    product = mdm_reply_str(device, MDM_RET_DDM_DEVICE_PRODUCT);
    version = mdm_reply_str(device, MDM_RET_DDM_DEVICE_OS);
    system = mdm_ddm_system(&product);

    return (system != MDM_DDM_SYSTEMS && version.len != 0
            && mdm_ddm_version_cmp(&version, &since[system]) >= 0)
           ? MDM_BLOCK_UNRECOGNIZED : MDM_BLOCK_REMOVE;
}


static mdm_int_t
mdm_api_block_set(mdm_exchange_t *x, mdm_api_block_t *block)
{
    mdm_str_t  *args;

    if (mdm_exchange_calls(x, 1, MDM_API_BLOCK_SET) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_block_set, &block->en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_BLOCK_SET_DEVICE] = block->en.device_key;
    args[MDM_ARG_BLOCK_SET_ANSWER] = block->answer;
    args[MDM_ARG_BLOCK_SET_AT] = block->at;
    args[MDM_ARG_BLOCK_SET_REASON] = block->reason;

    return MDM_CALL;
}


static mdm_int_t
mdm_api_block_done(mdm_exchange_t *x, mdm_api_block_t *block)
{
    if (mdm_reply_code(x->calls[0].reply, -1) < 0) {

        /* it was forgotten meanwhile */

        return mdm_api_block_drop(x, block, MDM_API_BLOCK_TAKEN_BACK);
    }

    mdm_exchange_log(x, MDM_LOG_NOTICE, "the device was blocked by an "
                     "administrator");

    return mdm_exchange_empty(x, 204);
}


static mdm_int_t
mdm_api_block_drop(mdm_exchange_t *x, mdm_api_block_t *block, mdm_int_t state)
{
    mdm_str_t  *args;

    if (mdm_exchange_calls(x, 1, state) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_block_drop, &block->key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_BLOCK_DROP_ID] = block->en.device_key;

    return MDM_CALL;
}


mdm_int_t
mdm_api_unblock_step(mdm_exchange_t *x)
{
    mdm_api_block_t  *block;

    block = x->ctx;

    switch (x->state) {

    case MDM_API_UNBLOCK_BEGIN:
        return mdm_api_unblock_begin(x);

    case MDM_API_UNBLOCK_LOOKED:
        return mdm_api_unblock_lift(x, block);

    case MDM_API_UNBLOCK_LIFTED:
        block->lost = (mdm_reply_code(x->calls[0].reply, -1) != 1);
        return mdm_api_block_drop(x, block, MDM_API_UNBLOCK_DROPPED);

    default: /* MDM_API_UNBLOCK_DROPPED */

        if (block->lost && mdm_reply_code(x->calls[0].reply, 0) != 1) {
            return mdm_exchange_refuse(x, 404, "the device is not blocked");
        }

        mdm_exchange_log(x, MDM_LOG_NOTICE, "the device is not blocked any "
                         "more");

        return mdm_exchange_empty(x, 204);
    }
}


static mdm_int_t
mdm_api_unblock_begin(mdm_exchange_t *x)
{
    mdm_int_t         rc;
    mdm_api_block_t  *block;

    static const mdm_str_t  none = mdm_null_string;

    rc = mdm_api_block_create(x, &block);
    if (rc != MDM_OK) {
        return rc;
    }

    return (mdm_exchange_calls(x, 1, MDM_API_UNBLOCK_LOOKED) == MDM_CALL
            && mdm_block_call(x, 0, &block->en.device_key, &none) == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_api_unblock_lift(mdm_exchange_t *x, mdm_api_block_t *block)
{
    mdm_str_t   *args;
    mdm_uint_t   listed;

    listed = (mdm_block_read(x->calls[0].reply, MDM_RET_BLOCK_GET_ANSWER)
              != MDM_BLOCK_NONE);

    if (mdm_exchange_calls(x, 1, MDM_API_UNBLOCK_LIFTED) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_block_lift, &block->en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_BLOCK_LIFT_DEVICE] = block->en.device_key;
    args[MDM_ARG_BLOCK_LIFT_LISTED] = mdm_api_flag(listed);

    return MDM_CALL;
}
