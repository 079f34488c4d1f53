
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Makes the InstallProfile that renews a device's certificate.
 */


#include "mdm_key.h"
#include "mdm_number.h"
#include "mdm_renew.h"


/* seconds until the job looks what is wrong */
#define MDM_RENEW_AGAIN       "3600"


enum {
    MDM_RENEW_BEGIN = 0,
    MDM_RENEW_MADE,
    MDM_RENEW_KEPT,
    MDM_RENEW_DROPPED
};


static mdm_int_t mdm_renew_begin(mdm_exchange_t *x, mdm_renew_t *r);
static mdm_int_t mdm_renew_made(mdm_exchange_t *x, mdm_renew_t *r);
static mdm_int_t mdm_renew_command(mdm_exchange_t *x, mdm_renew_t *r);
static mdm_int_t mdm_renew_kept(mdm_exchange_t *x, mdm_renew_t *r);
static mdm_int_t mdm_renew_cannot(mdm_exchange_t *x, mdm_renew_t *r,
    const char *why);
static mdm_int_t mdm_renew_drop(mdm_exchange_t *x, mdm_renew_t *r,
    const char *seconds);


mdm_int_t
mdm_renew_build(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_RENEW_BEGIN:
        return mdm_renew_begin(x, x->ctx);

    case MDM_RENEW_MADE:
        return mdm_renew_made(x, x->ctx);

    case MDM_RENEW_KEPT:
        return mdm_renew_kept(x, x->ctx);

    default: /* MDM_RENEW_DROPPED */
        return mdm_exchange_leave(x);
    }
}


static mdm_int_t
mdm_renew_begin(mdm_exchange_t *x, mdm_renew_t *r)
{
    mdm_enroll_grant_t  *g;

    if (r->name.len == 0) {
        return mdm_renew_drop(x, r, "");
    }

    g = &r->grant;

    memset(g, 0, sizeof(mdm_enroll_grant_t));

    g->block = mdm_enroll_block_of(x, &r->name);

    if (g->block == NULL) {
        return mdm_renew_cannot(x, r, "there is no such mdm_enrollment");
    }

    g->c.udid = r->device;
    g->c.serial = r->serial;
    g->c.person = r->person;
    g->c.purpose = MDM_PURPOSE_RENEW;
    mdm_str_set(&g->c.way, "renew");

    g->keys = r->keys;
    g->quiet = 1;

    return mdm_exchange_enter(x, mdm_enroll_build, g, MDM_RENEW_MADE);
}


static mdm_int_t
mdm_renew_made(mdm_exchange_t *x, mdm_renew_t *r)
{
    mdm_str_t           *args;
    mdm_secret_where_t   where;

    if (r->grant.why != NULL) {
        return mdm_renew_cannot(x, r, r->grant.why);
    }

    if (mdm_renew_command(x, r) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_RENEW_KEPT) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_renewal_built, &r->tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_RENEWAL_BUILT_ID] = r->id;
    args[MDM_ARG_RENEWAL_BUILT_UUID] = r->uuid;
    args[MDM_ARG_RENEWAL_BUILT_BODY] = r->made;

    mdm_where_command(&where, &r->tag, &r->uuid);

    return (mdm_exchange_seal(x, x->arena, &where,
                              &args[MDM_ARG_RENEWAL_BUILT_BODY], NULL)
            == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_RENEWAL_BUILT_ENDS],
                        r->grant.challenge.ends)
               == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


/* the UUID is one of ours, which needs no escape */

static mdm_int_t
mdm_renew_command(mdm_exchange_t *x, mdm_renew_t *r)
{
    mdm_str_t  data;

    return (mdm_base64(x->arena, &data, &r->grant.profile) == MDM_OK
            && mdm_printf(x->arena, &r->made,
                   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                   "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
                   "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
                   "<plist version=\"1.0\">\n"
                   "<dict>\n"
                   "\t<key>Command</key>\n"
                   "\t<dict>\n"
                   "\t\t<key>RequestType</key>\n"
                   "\t\t<string>InstallProfile</string>\n"
                   "\t\t<key>Payload</key>\n"
                   "\t\t<data>%.*s</data>\n"
                   "\t</dict>\n"
                   "\t<key>CommandUUID</key>\n"
                   "\t<string>%.*s</string>\n"
                   "</dict>\n"
                   "</plist>\n", mdm_fmt(&data), mdm_fmt(&r->uuid))
               == MDM_OK)
           ? MDM_OK : MDM_ERROR;
}


static mdm_int_t
mdm_renew_kept(mdm_exchange_t *x, mdm_renew_t *r)
{
    mdm_int_t            rc;
    mdm_secret_where_t   where;
    const mdm_reply_t   *reply;

    reply = x->calls[0].reply;

    switch (mdm_reply_code(reply, 0)) {

    case 1:
        r->body = r->made;
        break;

    case 2:

        /* another exchange of the device was first: it may have that one */

        r->body = mdm_reply_str(reply, MDM_RET_RENEWAL_BUILT_BODY);

        mdm_where_command(&where, &r->tag, &r->uuid);

        rc = mdm_exchange_open(x, &where, &r->body);

        if (rc == MDM_DECLINED) {
            mdm_str_null(&r->body);
            return mdm_renew_cannot(x, r, "what is kept is not encrypted");
        }

        if (rc != MDM_OK) {
            return rc;
        }

        break;

    default:
        break;
    }

    return mdm_exchange_leave(x);
}


static mdm_int_t
mdm_renew_cannot(mdm_exchange_t *x, mdm_renew_t *r, const char *why)
{
    mdm_exchange_log(x, MDM_LOG_ERROR, "mdm renew: no profile of \"%.*s\" is "
                     "made for \"%.*s\": %s", mdm_fmt(&r->name),
                     mdm_fmt(&r->id), why);

    return mdm_renew_drop(x, r, MDM_RENEW_AGAIN);
}


static mdm_int_t
mdm_renew_drop(mdm_exchange_t *x, mdm_renew_t *r, const char *seconds)
{
    mdm_str_t  *args;

    if (mdm_exchange_calls(x, 1, MDM_RENEW_DROPPED) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_renewal_drop, &r->tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_RENEWAL_DROP_ID] = r->id;
    args[MDM_ARG_RENEWAL_DROP_UUID] = r->uuid;
    args[MDM_ARG_RENEWAL_DROP_SECONDS].data = (u_char *) (uintptr_t) seconds;
    args[MDM_ARG_RENEWAL_DROP_SECONDS].len = strlen(seconds);

    return MDM_CALL;
}
