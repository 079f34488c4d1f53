
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a block mdm_enrollment has: how devices of one kind enroll, and what
 * their profile says.
 */


#ifndef _MDM_ENROLL_BLOCK_H_INCLUDED_
#define _MDM_ENROLL_BLOCK_H_INCLUDED_


#include <openssl/evp.h>
#include <openssl/x509.h>

#include "mdm_base.h"
#include "mdm_ca.h"


/* ways in, a bit each: "mdm_enroll" */

#define MDM_ENROLL_LINK       0x01
#define MDM_ENROLL_OTA        0x02
#define MDM_ENROLL_ADE        0x04
#define MDM_ENROLL_CONFIG     0x08

/* "mdm_enroll_allow" */

typedef enum {
    MDM_ENROLL_ALLOW_LIST = 0,   /* whose serial number is listed, or who comes
                                    with a link or as a person */
    MDM_ENROLL_ALLOW_ANY
} mdm_enroll_allow_e;

/* "mdm_enroll_replace": may what came by ade or ota take a pin's place? */

typedef enum {
    MDM_ENROLL_REPLACE_ANY = 0,
    MDM_ENROLL_REPLACE_NONE
} mdm_enroll_replace_e;


/* "minimum_os": of what can be told to update, in Setup Assistant */

typedef struct {
    mdm_str_t                 system;      /* iOS, iPadOS, macOS, tvOS,
                                              visionOS, watchOS */
    mdm_str_t                 version;
    mdm_str_t                 build;       /* as what follows, empty: none */
    mdm_str_t                 beta;        /* token of a beta program */
    mdm_str_t                 description; /* and what it is called */
} mdm_enroll_minimum_t;


/* "identity scep" */

typedef struct {
    const mdm_ca_t           *ca;
    mdm_str_t                 url;
    mdm_str_t                 fingerprint; /* SHA-1, or empty: none is sent */
    mdm_uint_t                keysize;
    mdm_uint_t                retries;
    mdm_uint_t                retry_delay; /* seconds */
} mdm_enroll_scep_t;


/* one of "trust_certificate" */

typedef struct {
    mdm_str_t                 der;
    mdm_str_t                 name;        /* to be shown, UTF-8 */
    mdm_str_t                 sha256;      /* of the DER, hex */
    mdm_uint_t                root;        /* 1: it is its own issuer */
} mdm_enroll_trust_t;


/* see mdm_profile_prepare() */

typedef struct mdm_profile_form_s  mdm_profile_form_t;


/* read-only while serving, and read by many threads at once */

typedef struct mdm_enroll_block_s {
    mdm_str_t                 name;
    const mdm_str_t          *tenants;     /* whose devices its CA serves; */
    mdm_uint_t                ntenants;    /* 0: those of all */

    /* texts are UTF-8 without control characters; some may be empty */

    mdm_str_t                 identifier;
    mdm_str_t                 display_name;
    mdm_str_t                 organization;
    mdm_str_t                 description;
    mdm_str_t                 topic;       /* empty: that of the tenant's only
                                              push certificate */
    mdm_str_t                 server_url;
    mdm_str_t                 checkin_url; /* empty: the same */
    mdm_uint_t                access_rights;
    mdm_str_t                *capabilities;    /* as the profile has them */
    mdm_uint_t                ncapabilities;
    mdm_uint_t                sign_message;
    mdm_uint_t                checkout;
    mdm_uint_t                pin;

    mdm_enroll_scep_t         scep;

    mdm_str_t                 enroll_url;  /* without "/" at its end; empty:
                                              there are no links */
    mdm_enroll_trust_t       *trust;
    mdm_uint_t                ntrust;

    X509                     *sign;        /* NULL: profiles are plain */
    EVP_PKEY                 *sign_key;
    STACK_OF(X509)           *sign_chain;  /* without a root */

    X509_STORE               *apple;       /* "apple_ca"; NULL: none */

    mdm_enroll_minimum_t     *minimum;
    mdm_uint_t                nminimum;

    const mdm_profile_form_t *form;        /* of its profile; NULL: none */
} mdm_enroll_block_t;


#endif /* _MDM_ENROLL_BLOCK_H_INCLUDED_ */
