
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * ReturnToService: a device asks whether it is to erase itself.
 */


#include "mdm_checkin.h"


/* an answer with Enabled true would erase the device */

static const mdm_str_t  mdm_no_return_to_service = mdm_string(
    MDM_CHECKIN_PLIST
    "<dict>\n"
    "\t<key>ReturnToService</key>\n"
    "\t<dict>\n"
    "\t\t<key>Enabled</key>\n"
    "\t\t<false/>\n"
    "\t</dict>\n"
    "</dict>\n"
    "</plist>\n"
);


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
