
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A block mdm_enrollment for unit tests and fuzzers: "main".
 */


#ifndef _MDM_UNIT_ENROLLMENT_H_INCLUDED_
#define _MDM_UNIT_ENROLLMENT_H_INCLUDED_


#include "mdm_enroll_block.h"


static const mdm_ca_t  enrollment_ca = { .name = mdm_string("devices") };

static const mdm_enroll_block_t  enrollment_main = {
    .name = mdm_string("main"),
    .identifier = mdm_string("com.example.mdm"),
    .display_name = mdm_string("Example"),
    .organization = mdm_string("Example Ltd"),
    .topic = mdm_string("com.apple.mgmt.External.x"),
    .server_url = mdm_string("https://mdm.example/mdm"),
    .access_rights = 8191,
    .checkout = 1,
    .enroll_url = mdm_string("https://mdm.example/enroll"),
    .scep = {
        .ca = &enrollment_ca,
        .url = mdm_string("https://mdm.example/scep"),
        .keysize = 2048,
        .retries = 3,
        .retry_delay = 10
    }
};

static const mdm_enroll_block_t *const  enrollments[] = { &enrollment_main };


#endif /* _MDM_UNIT_ENROLLMENT_H_INCLUDED_ */
