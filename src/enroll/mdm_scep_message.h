
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * SCEP, RFC 8894: what a client asks for, the messages it sends, and those that
 * it is sent.
 */


#ifndef _MDM_SCEP_MESSAGE_H_INCLUDED_
#define _MDM_SCEP_MESSAGE_H_INCLUDED_


#include "mdm_ca.h"
#include "mdm_ca_request.h"
#include "mdm_cms.h"
#include "mdm_envelope.h"


/* bytes of a message, decoded, and of what identifies one */
#define MDM_SCEP_SIZE         (1024 * 1024)
#define MDM_SCEP_TRANSACTION  256
#define MDM_SCEP_NONCE        64

/* seconds that the clock of a client may be wrong by */
#define MDM_SCEP_TIME         (24 * 3600)


typedef enum {
    MDM_SCEP_UNKNOWN = 0,
    MDM_SCEP_GET_CA_CAPS,
    MDM_SCEP_GET_CA_CERT,
    MDM_SCEP_PKI_OPERATION
} mdm_scep_operation_e;


/* messageType; what is not listed is refused */

#define MDM_SCEP_CERT_REP     3
#define MDM_SCEP_RENEWAL_REQ  17
#define MDM_SCEP_PKCS_REQ     19
#define MDM_SCEP_CERT_POLL    20


typedef enum {
    MDM_SCEP_BAD_ALG = 0,
    MDM_SCEP_BAD_MESSAGE_CHECK,
    MDM_SCEP_BAD_REQUEST,
    MDM_SCEP_BAD_TIME,
    MDM_SCEP_BAD_CERT_ID
} mdm_scep_fail_e;


typedef enum {
    MDM_SCEP_CHALLENGE_ONCE = 0,
    MDM_SCEP_CHALLENGE_STATIC,
    MDM_SCEP_CHALLENGE_NONE
} mdm_scep_challenge_e;


/* settings of a location, read-only while serving */

typedef struct mdm_scep_s {
    const mdm_ca_t           *ca;
    mdm_uint_t                sha1;        /* 1: accepted and offered */
    mdm_uint_t                des3;        /* 1: the same */
    const mdm_envelope_des_t *des;         /* NULL: single DES is refused */
    mdm_uint_t                challenge;   /* mdm_scep_challenge_e */
    mdm_str_t                 secret;      /* of MDM_SCEP_CHALLENGE_STATIC */
    mdm_str_t                 caps;        /* answer of GetCACaps, */
    mdm_str_t                 certs;       /* of GetCACert, */
    mdm_str_t                 certs_type;  /* and its Content-Type */
} mdm_scep_t;


/* a pkiMessage; all of it lives as long as the arena */

typedef struct {
    mdm_cms_message_t         outer;
    mdm_str_t                 transaction;
    mdm_str_t                 nonce;       /* empty: none that can be sent
                                              back */
    mdm_uint_t                type;        /* 0: it cannot be read */
    mdm_envelope_t            envelope;
    mdm_ca_request_t          request;     /* of types 17 and 19 */
    mdm_str_t                 subject;     /* of type 20: that of the request
                                              that it asks for, DER; empty: it
                                              does not say, or names another
                                              CA */
    mdm_scep_fail_e           fail;        /* with MDM_DECLINED */
} mdm_scep_message_t;


/*
 * Reads the query of a request: the operation and, still encoded, the message,
 * which is empty if there is none.
 */
mdm_scep_operation_e mdm_scep_query(const mdm_str_t *query,
    mdm_str_t *message);

/*
 * Decodes the message of a GET: percent-encoding ("+" stays), then base64 of
 * either alphabet, with or without padding.  MDM_OK; MDM_DECLINED: it is none;
 * MDM_ERROR: no memory.
 */
mdm_int_t mdm_scep_decode(mdm_arena_t *arena, const mdm_str_t *message,
    mdm_str_t *der);

/*
 * Reads the outside of a message, and verifies that it is its signer's, whoever
 * that is.  MDM_OK: it can be answered, also if it is refused; MDM_DECLINED: it
 * cannot, *why is a constant; MDM_ERROR.
 */
mdm_int_t mdm_scep_read(mdm_arena_t *arena, const mdm_str_t *der, int64_t now,
    mdm_scep_message_t *message, const char **why);

/*
 * Opens it and reads the request inside.  MDM_OK; MDM_DECLINED: message->fail
 * is what to answer, *why a constant for the log, which the client is not to
 * see: for all that depends on what is encrypted it hears one thing, after one
 * time.  MDM_ERROR.  Takes an RSA decryption: work.
 */
mdm_int_t mdm_scep_open(mdm_arena_t *arena, const mdm_scep_t *scep,
    int64_t now, mdm_scep_message_t *message, const char **why);


/* mdm_scep_reply.c */

/*
 * Prepares what is always answered alike: scep->caps, certs and certs_type, by
 * the other settings.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_scep_prepare(mdm_arena_t *arena, mdm_scep_t *scep);

/*
 * The CertRep that brings a certificate, or the one that refuses it.  Both take
 * a signature: work.  made: the same as "cert", or NULL.  "text" is a constant,
 * UTF-8.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_scep_success(mdm_arena_t *arena, const mdm_scep_t *scep,
    const mdm_scep_message_t *message, const mdm_str_t *cert, X509 *made,
    mdm_str_t *der);
mdm_int_t mdm_scep_failure(mdm_arena_t *arena, const mdm_scep_t *scep,
    const mdm_scep_message_t *message, mdm_scep_fail_e fail, const char *text,
    mdm_str_t *der);

/* the name that RFC 8894 gives a failure, such as "badAlg" */
const char *mdm_scep_fail_name(mdm_scep_fail_e fail);

/* what a client is told of it where nothing else is said */
const char *mdm_scep_fail_text(mdm_scep_fail_e fail);


#endif /* _MDM_SCEP_MESSAGE_H_INCLUDED_ */
