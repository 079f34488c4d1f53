
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The messages that change nothing here: UserAuthenticate, GetToken,
 * ReturnToService.
 */


#include "mdm_checkin.h"


static mdm_int_t mdm_checkin_auth(mdm_exchange_t *x);


#define MDM_PLIST_HEAD                                                        \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                            \
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "                 \
    "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"                   \
    "<plist version=\"1.0\">\n"


static const mdm_str_t  mdm_no_challenge = mdm_string(
    MDM_PLIST_HEAD
    "<dict>\n"
    "\t<key>DigestChallenge</key>\n"
    "\t<string></string>\n"
    "</dict>\n"
    "</plist>\n"
);


/* an answer with Enabled true would erase the device */

static const mdm_str_t  mdm_no_return_to_service = mdm_string(
    MDM_PLIST_HEAD
    "<dict>\n"
    "\t<key>ReturnToService</key>\n"
    "\t<dict>\n"
    "\t\t<key>Enabled</key>\n"
    "\t\t<false/>\n"
    "\t</dict>\n"
    "</dict>\n"
    "</plist>\n"
);


/*
 * The pin check alone.  MDM_OK: the certificate is the device's; else what
 * the step is to return.
 */

static mdm_int_t
mdm_checkin_auth(mdm_exchange_t *x)
{
    int64_t  code;

    if (x->state == 0) {
        return (mdm_message_call(x, &mdm_script_auth, 0, 1) == NULL)
               ? MDM_ERROR : MDM_CALL;
    }

    code = mdm_reply_code(x->calls[0].reply, MDM_CODE_LOST);

    return (code == MDM_CODE_NONE) ? MDM_OK : mdm_message_refused(x, code);
}


mdm_int_t
mdm_checkin_user_authenticate(mdm_exchange_t *x)
{
    mdm_int_t       rc;
    mdm_str_t       digest;
    mdm_message_t  *m;

    m = x->ctx;

    if (!mdm_enrollment_user(&m->en)) {
        return mdm_exchange_refuse(x, 400, "UserID is missing");
    }

    rc = mdm_checkin_auth(x);
    if (rc != MDM_OK) {
        return rc;
    }

    if (x->settings->user_authenticate == MDM_USER_AUTHENTICATE_REFUSE) {

        /* the user is not managed for this login session */

        return mdm_exchange_empty(x, 410);
    }

    if (mdm_plist_string(m->plist, "DigestResponse", &digest) == MDM_OK) {
        return mdm_exchange_empty(x, 200);
    }

    return mdm_exchange_body(x, 200, "application/xml", &mdm_no_challenge);
}


mdm_int_t
mdm_checkin_get_token(mdm_exchange_t *x)
{
    mdm_int_t       rc;
    mdm_str_t       service;
    mdm_message_t  *m;

    m = x->ctx;

    rc = mdm_checkin_auth(x);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_plist_string(m->plist, "TokenServiceType", &service) != MDM_OK) {
        return mdm_exchange_refuse(x, 400, "TokenServiceType is missing");
    }

    return mdm_exchange_refuse(x, 400, "no token for the service \"%.*s\"",
                               mdm_fmt(&service));
}


mdm_int_t
mdm_checkin_return_to_service(mdm_exchange_t *x)
{
    mdm_int_t  rc;

    rc = mdm_checkin_auth(x);
    if (rc != MDM_OK) {
        return rc;
    }

    return mdm_exchange_body(x, 200, "application/xml",
                             &mdm_no_return_to_service);
}
