
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * UserAuthenticate: a user logs in to a shared device, or to a Mac.
 */


#include "mdm_checkin.h"


static const mdm_str_t  mdm_no_challenge = mdm_string(
    MDM_CHECKIN_PLIST
    "<dict>\n"
    "\t<key>DigestChallenge</key>\n"
    "\t<string></string>\n"
    "</dict>\n"
    "</plist>\n"
);


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
