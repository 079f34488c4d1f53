
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * POST /v1/enrollments/ID[,ID…]/unenroll: a device is told to drop its
 * enrolment profile.  DELETE /v1/enrollments/ID: what is known of it is taken
 * away, slice by slice; a call that ends half-way is repeated.
 *
 * What leads to it from other slots, the claims of its certificates and its
 * serial number, goes last, and only if nobody has laid claim to it since it
 * was marked, which is before the device is gone: one that enrolls meanwhile by
 * a claim from before the mark finds that it has changed, and begins again.
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
    const mdm_reply_t        *found;       /* by forget_start */
    mdm_uint_t                n;           /* keys that lead to it */
    mdm_uint_t                slices;
} mdm_api_forget_t;


enum {
    MDM_API_FORGET_BEGIN = 0,
    MDM_API_FORGET_STARTED,
    MDM_API_FORGET_MARKED,
    MDM_API_FORGET_SLICE,
    MDM_API_FORGET_RELEASED,
    MDM_API_FORGET_ENDED
};


/* the other states are those of mdm_api_enqueue_step() */

enum {
    MDM_API_UNENROLL_BEGIN = 0,
    MDM_API_UNENROLL_LOOKED = 100
};


static mdm_int_t mdm_api_forget_begin(mdm_exchange_t *x);
static mdm_int_t mdm_api_forget_started(mdm_exchange_t *x,
    mdm_api_forget_t *forget);
static mdm_int_t mdm_api_forget_leads(mdm_exchange_t *x,
    mdm_api_forget_t *forget, mdm_uint_t mark, mdm_int_t state);
static mdm_int_t mdm_api_forget_lead(mdm_exchange_t *x,
    const mdm_api_forget_t *forget, mdm_uint_t i, const mdm_script_t *script,
    const mdm_str_t *key);
static mdm_int_t mdm_api_forget_slice(mdm_exchange_t *x,
    mdm_api_forget_t *forget);
static mdm_int_t mdm_api_forget_sliced(mdm_exchange_t *x,
    mdm_api_forget_t *forget);
static mdm_int_t mdm_api_forget_end(mdm_exchange_t *x,
    mdm_api_forget_t *forget);
static mdm_int_t mdm_api_forget_done(mdm_exchange_t *x);
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
        return mdm_api_forget_started(x, x->ctx);

    case MDM_API_FORGET_MARKED:
        return mdm_api_forget_slice(x, x->ctx);

    case MDM_API_FORGET_SLICE:
        return mdm_api_forget_sliced(x, x->ctx);

    case MDM_API_FORGET_RELEASED:
        return mdm_api_forget_end(x, x->ctx);

    default: /* MDM_API_FORGET_ENDED */
        return mdm_api_forget_done(x);
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


static mdm_int_t
mdm_api_forget_started(mdm_exchange_t *x, mdm_api_forget_t *forget)
{
    size_t              k;
    int64_t             code;
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

    if (!mdm_str_eq(&forget->en.id, &forget->en.device)) {
        return mdm_api_forget_slice(x, forget);
    }

    forget->found = reply;
    forget->n = (mdm_reply_str(reply, MDM_RET_FORGET_START_SERIAL).len != 0);

    for (k = MDM_RET_FORGET_START_DIGESTS;
         mdm_reply_str(reply, k).len != 0;
         k++)
    {
        forget->n++;
    }

    return (forget->n != 0)
           ? mdm_api_forget_leads(x, forget, 1, MDM_API_FORGET_MARKED)
           : mdm_api_forget_slice(x, forget);
}


/* a call for each key that leads to it: marks it, or takes it away */

static mdm_int_t
mdm_api_forget_leads(mdm_exchange_t *x, mdm_api_forget_t *forget,
    mdm_uint_t mark, mdm_int_t state)
{
    size_t      k;
    mdm_str_t   serial, sha256, key;
    mdm_uint_t  i;

    if (mdm_exchange_calls(x, forget->n, state) != MDM_CALL) {
        return MDM_ERROR;
    }

    i = 0;
    serial = mdm_reply_str(forget->found, MDM_RET_FORGET_START_SERIAL);

    if (serial.len != 0
        && (mdm_key_serial(x->arena, &key, &x->tenant, &serial) != MDM_OK
            || mdm_api_forget_lead(x, forget, i++,
                                   mark ? &mdm_script_forget_mark
                                        : &mdm_script_forget_serial, &key)
               != MDM_OK))
    {
        return MDM_ERROR;
    }

    for (k = MDM_RET_FORGET_START_DIGESTS; i < forget->n; k++) {
        sha256 = mdm_reply_str(forget->found, k);

        if (mdm_key_certificate(x->arena, &key, &x->tenant, &sha256) != MDM_OK
            || mdm_api_forget_lead(x, forget, i++,
                                   mark ? &mdm_script_forget_mark
                                        : &mdm_script_forget_claim, &key)
               != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


/* the arguments of these scripts are the same */

static mdm_int_t
mdm_api_forget_lead(mdm_exchange_t *x, const mdm_api_forget_t *forget,
    mdm_uint_t i, const mdm_script_t *script, const mdm_str_t *key)
{
    mdm_str_t  *args;

    args = mdm_exchange_call(x, i, script, key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_FORGET_MARK_DEVICE] = forget->en.device_key;

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
mdm_api_forget_sliced(mdm_exchange_t *x, mdm_api_forget_t *forget)
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

    return (forget->n != 0)
           ? mdm_api_forget_leads(x, forget, 0, MDM_API_FORGET_RELEASED)
           : mdm_api_forget_done(x);
}


static mdm_int_t
mdm_api_forget_end(mdm_exchange_t *x, mdm_api_forget_t *forget)
{
    mdm_str_t  key;

    if (mdm_printf(x->arena, &key, "%.*s:e:%.*s", mdm_fmt(&forget->en.tag),
                   mdm_fmt(&forget->en.id_key))
        != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_API_FORGET_ENDED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    return (mdm_exchange_call(x, 0, &mdm_script_forget_end, &key, 0) != NULL)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_api_forget_done(mdm_exchange_t *x)
{
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
