
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * POST /v1/enrollments/ID[,ID…]/unenroll: a device is told to drop its
 * enrolment profile.  DELETE /v1/enrollments/ID: what is known of it is taken
 * away, slice by slice; a call that ends half-way is repeated.
 */


#include "mdm_api.h"
#include "mdm_api_json.h"
#include "mdm_api_util.h"
#include "mdm_enroll.h"
#include "mdm_key.h"


/* steps of a slice: see src/lua/forget.lua */
#define MDM_API_FORGET_BUDGET  "1000"

#define MDM_API_FORGET_ENABLED  -1
#define MDM_API_FORGET_MORE     2

/* octets of a PayloadIdentifier */
#define MDM_API_IDENTIFIER     255


/* of a thousand users with thousands of results each */
#define MDM_API_FORGET_SLICES  5000


typedef struct {
    mdm_enrollment_t          en;
    mdm_uint_t                slices;
} mdm_api_forget_t;


enum {
    MDM_API_FORGET_BEGIN = 0,
    MDM_API_FORGET_STARTED,
    MDM_API_FORGET_RELEASED,
    MDM_API_FORGET_SLICE
};


/* the other states are those of mdm_api_enqueue_step() */

enum {
    MDM_API_UNENROLL_BEGIN = 0,
    MDM_API_UNENROLL_LOOKED = 100
};


static mdm_int_t mdm_api_forget_begin(mdm_exchange_t *x);
static mdm_int_t mdm_api_forget_release(mdm_exchange_t *x,
    mdm_api_forget_t *forget);
static mdm_int_t mdm_api_forget_claim(mdm_exchange_t *x,
    mdm_api_forget_t *forget, mdm_uint_t i, const mdm_str_t *sha256);
static mdm_int_t mdm_api_forget_serial(mdm_exchange_t *x,
    mdm_api_forget_t *forget, mdm_uint_t i, const mdm_str_t *serial);
static mdm_int_t mdm_api_forget_slice(mdm_exchange_t *x,
    mdm_api_forget_t *forget);
static mdm_int_t mdm_api_forget_done(mdm_exchange_t *x,
    mdm_api_forget_t *forget);
static mdm_int_t mdm_api_unenroll_profile(mdm_exchange_t *x,
    mdm_str_t *identifier);
static mdm_int_t mdm_api_unenroll_block(mdm_exchange_t *x,
    mdm_str_t *identifier);
static mdm_int_t mdm_api_unenroll_command(mdm_exchange_t *x,
    const mdm_str_t *identifier);


mdm_int_t
mdm_api_forget_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_API_FORGET_BEGIN:
        return mdm_api_forget_begin(x);

    case MDM_API_FORGET_STARTED:
        return mdm_api_forget_release(x, x->ctx);

    case MDM_API_FORGET_RELEASED:
        return mdm_api_forget_slice(x, x->ctx);

    default: /* MDM_API_FORGET_SLICE */
        return mdm_api_forget_done(x, x->ctx);
    }
}


static mdm_int_t
mdm_api_forget_begin(mdm_exchange_t *x)
{
    mdm_int_t          rc;
    mdm_str_t         *args;
    mdm_uint_t         force;
    mdm_api_forget_t  *forget;

    forget = mdm_arena_zalloc(x->arena, sizeof(mdm_api_forget_t));
    if (forget == NULL) {
        return MDM_ERROR;
    }

    x->ctx = forget;
    force = 0;

    rc = mdm_api_enrollment(x, 0, &forget->en);

    if (rc == MDM_OK) {
        rc = mdm_api_arg_flag(x, "force", &force);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_exchange_calls(x, 1, MDM_API_FORGET_STARTED) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_forget_start, &forget->en.tag,
                             0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_FORGET_START_ID] = forget->en.id_key;
    args[MDM_ARG_FORGET_START_FORCE] = mdm_api_flag(force);

    return MDM_CALL;
}


/* its certificates are nobody's now, and its serial number leads to nobody */

static mdm_int_t
mdm_api_forget_release(mdm_exchange_t *x, mdm_api_forget_t *forget)
{
    size_t              k;
    int64_t             code;
    mdm_str_t           serial, sha256;
    mdm_uint_t          i, n;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;
    code = mdm_reply_code(reply, 0);

    if (code == 0) {
        return mdm_api_not_enrolled(x);
    }

    if (code == MDM_API_FORGET_ENABLED) {
        return mdm_exchange_refuse(x, 409, "it is enabled: unenroll it first, "
                                   "or say \"force=1\"");
    }

    serial = mdm_reply_str(reply, MDM_RET_FORGET_START_SERIAL);
    n = (serial.len != 0);

    for (k = MDM_RET_FORGET_START_DIGESTS;
         mdm_reply_str(reply, k).len != 0;
         k++)
    {
        n++;
    }

    if (n == 0 || !mdm_str_eq(&forget->en.id, &forget->en.device)) {
        return mdm_api_forget_slice(x, forget);
    }

    if (mdm_exchange_calls(x, n, MDM_API_FORGET_RELEASED) != MDM_CALL) {
        return MDM_ERROR;
    }

    i = 0;

    if (serial.len != 0
        && mdm_api_forget_serial(x, forget, i++, &serial) != MDM_OK)
    {
        return MDM_ERROR;
    }

    for (k = MDM_RET_FORGET_START_DIGESTS; i < n; k++) {
        sha256 = mdm_reply_str(reply, k);

        if (mdm_api_forget_claim(x, forget, i++, &sha256) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_forget_claim(mdm_exchange_t *x, mdm_api_forget_t *forget,
    mdm_uint_t i, const mdm_str_t *sha256)
{
    mdm_str_t  key, *args;

    if (mdm_key_certificate(x->arena, &key, &x->tenant, sha256) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, &mdm_script_claim_release, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_CLAIM_RELEASE_DEVICE] = forget->en.device_key;

    return MDM_OK;
}


static mdm_int_t
mdm_api_forget_serial(mdm_exchange_t *x, mdm_api_forget_t *forget,
    mdm_uint_t i, const mdm_str_t *serial)
{
    mdm_str_t  key, *args;

    if (mdm_key_serial(x->arena, &key, &x->tenant, serial) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, &mdm_script_serial_drop, &key, 1);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_SERIAL_DROP_DEVICES] = forget->en.device_key;

    return MDM_OK;
}


static mdm_int_t
mdm_api_forget_slice(mdm_exchange_t *x, mdm_api_forget_t *forget)
{
    mdm_str_t  *args;

    if (mdm_exchange_calls(x, 1, MDM_API_FORGET_SLICE) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_forget, &forget->en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_FORGET_ID] = forget->en.id_key;
    mdm_str_set(&args[MDM_ARG_FORGET_BUDGET], MDM_API_FORGET_BUDGET);

    return MDM_CALL;
}


static mdm_int_t
mdm_api_forget_done(mdm_exchange_t *x, mdm_api_forget_t *forget)
{
    int64_t  code;

    code = mdm_reply_code(x->calls[0].reply, 0);

    if (code == MDM_API_FORGET_MORE) {
        return (++forget->slices == MDM_API_FORGET_SLICES)
               ? mdm_exchange_unavailable(x) : mdm_api_forget_slice(x, forget);
    }

    if (code < 0) {
        return mdm_exchange_refuse(x, 409, "it has enrolled meanwhile");
    }

    /* 0: somebody else has done the same */

    mdm_exchange_log(x, MDM_LOG_NOTICE, "the enrollment was forgotten by an "
                     "administrator");

    return mdm_exchange_empty(x, 204);
}


/* a command like any other, which is made here */

mdm_int_t
mdm_api_unenroll_step(mdm_exchange_t *x)
{
    mdm_int_t  rc;
    mdm_str_t  identifier;

    mdm_str_null(&identifier);

    switch (x->state) {

    case MDM_API_UNENROLL_BEGIN:
        rc = mdm_api_unenroll_profile(x, &identifier);
        break;

    case MDM_API_UNENROLL_LOOKED:
        rc = mdm_api_unenroll_block(x, &identifier);
        break;

    default:
        return mdm_api_enqueue_step(x);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_unenroll_command(x, &identifier);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    x->state = 0;

    return mdm_api_enqueue_step(x);
}


/* MDM_OK: the call names it; else what the step is to return */

static mdm_int_t
mdm_api_unenroll_profile(mdm_exchange_t *x, mdm_str_t *identifier)
{
    mdm_int_t          rc;
    mdm_str_t         *args;
    mdm_enrollment_t   en;

    if (x->body.len != 0) {
        return mdm_exchange_refuse(x, 400, "this call has no body");
    }

    rc = mdm_api_arg(x, "profile", identifier);

    if (rc != MDM_OK || identifier->len != 0) {
        return rc;
    }

    if (x->param[0].len != 0
        && memchr(x->param[0].data, ',', x->param[0].len) != NULL)
    {
        return mdm_exchange_refuse(x, 400, "the argument \"profile\" is "
                                   "missing: one for all of them");
    }

    rc = mdm_api_enrollment(x, 0, &en);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_exchange_calls(x, 1, MDM_API_UNENROLL_LOOKED) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_enrollment_block, &en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_ENROLLMENT_BLOCK_DEVICE] = en.device_key;

    return MDM_CALL;
}


/* that of the block by which it has enrolled */

static mdm_int_t
mdm_api_unenroll_block(mdm_exchange_t *x, mdm_str_t *identifier)
{
    mdm_str_t                  name;
    const mdm_reply_t         *reply;
    const mdm_enroll_block_t  *block;

    reply = x->calls[0].reply;

    if (mdm_reply_int(reply, MDM_RET_ENROLLMENT_BLOCK_KNOWN, 0) != 1) {
        return mdm_api_not_enrolled(x);
    }

    name = mdm_reply_str(reply, MDM_RET_ENROLLMENT_BLOCK_NAME);
    block = mdm_enroll_block(x->settings, &name);

    if (block == NULL) {
        return mdm_exchange_refuse(x, 400, "the argument \"profile\" is "
                                   "missing: the device has enrolled by no "
                                   "mdm_enrollment that there is");
    }

    *identifier = block->identifier;

    return MDM_OK;
}


static mdm_int_t
mdm_api_unenroll_command(mdm_exchange_t *x, const mdm_str_t *identifier)
{
    mdm_json_out_t  j;

    if (identifier->len > MDM_API_IDENTIFIER || !mdm_utf8_valid(identifier)
        || mdm_utf8_control(identifier))
    {
        return mdm_exchange_refuse(x, 400, "the argument \"profile\" is "
                                   "not text of 1 to %d octets",
                                   MDM_API_IDENTIFIER);
    }

    mdm_json_init(&j, x->arena, 128);
    mdm_json_open(&j, NULL, '{');
    mdm_json_text(&j, "RequestType", "RemoveProfile");
    mdm_json_str(&j, "Identifier", identifier);
    mdm_json_close(&j, '}');

    mdm_str_set(&x->content_type, "application/json");

    return mdm_json_end(&j, &x->body);
}
