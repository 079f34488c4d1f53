
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * SCEP (RFC 8894) as Apple's client does it.  Nothing here is shared with the
 * module, whose server it is a witness of.
 */


#ifndef _MDMSIM_SCEP_H_INCLUDED_
#define _MDMSIM_SCEP_H_INCLUDED_


#include "mdmsim_fetch.h"
#include "mdmsim_rsa.h"
#include "mdmsim_stat.h"
#include "mdmsim_store.h"

#include <openssl/cms.h>


#define SIM_SCEP_NONCE  16

/* messageType */
#define SIM_SCEP_REPLY    3
#define SIM_SCEP_RENEWAL  17
#define SIM_SCEP_REQUEST  19
#define SIM_SCEP_POLL     20


/* how an exchange ended; an error if it is not the first one */

typedef enum {
    SIM_SCEP_ISSUED = 0,
    SIM_SCEP_PENDING,      /* for longer than the device asks */
    SIM_SCEP_REFUSED,      /* FAILURE */
    SIM_SCEP_NETWORK,      /* no answer */
    SIM_SCEP_STATUS,       /* of HTTP, not 200 */
    SIM_SCEP_SERVER,       /* capabilities or certificates of no use */
    SIM_SCEP_WRONG         /* a reply that is none */
} sim_scep_e;


/* what a server says of itself; the pointers lead into "certs" */

typedef struct {
    STACK_OF(X509)           *certs;
    X509                     *recipient;   /* of requests */
    X509                     *signer;      /* of replies */
    X509                     *issuer;
    int                       post;
    int                       renewal;
    const char               *digest;
    const char               *cipher;
} sim_scep_server_t;


/* one device that asks for one certificate */

typedef struct {
    const sim_option_t       *opt;
    OSSL_LIB_CTX             *lib;         /* knows DES, if that is needed */
    sim_fetch_t               fetch;
    sim_scep_server_t         server;
    sim_device_t              device;
    const char               *challenge;   /* NULL: none */

    EVP_PKEY                 *key;         /* to be certified */
    sim_stored_t              present;     /* of a renewal, or empty */
    X509_NAME                *subject;
    X509                     *signer;      /* of the requests */
    EVP_PKEY                 *signer_key;
    char                      id[41];      /* transactionID */
    uint8_t                   nonce[SIM_SCEP_NONCE];
    sim_buf_t                 message;     /* to be sent */
    int                       sent;        /* 1: it was, and no more */
    sim_buf_t                 answer;      /* or empty: s->end says why */
    uint64_t                  latency;     /* ns, of that */

    X509                     *issued;
    sim_scep_e                end;
    int                       status;      /* pkiStatus */
    int                       fail_info;
    uint32_t                  pending;     /* replies */
    uint32_t                  retries;     /* of requests without answer */
    uint32_t                  warnings;
    char                      why[512];
    char                      warning[256];
} sim_scep_t;


/* notes how and why it ends; SIM_ERROR */
int sim_scep_fail(sim_scep_t *s, sim_scep_e end, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* what devices forgive, but servers should not do */
void sim_scep_warn(sim_scep_t *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* mdmsim_scep_server.c */

/* the answer to GetCACaps: chooses digest, cipher and method */
int sim_scep_caps(sim_scep_t *s, const char *text, size_t len);
/* the answer to GetCACert: chooses who reads requests and signs replies */
int sim_scep_certs(sim_scep_t *s, const char *type, const char *body,
    size_t len);

/* mdmsim_scep_request.c */

/* the subject, the transaction and who signs: s->key and s->present are set */
void sim_scep_begin(sim_scep_t *s);
/* s->message, of that type, in DER; takes a new nonce */
void sim_scep_request(sim_scep_t *s, int type);

/* mdmsim_scep_reply.c */

/* SIM_OK: s->issued; SIM_AGAIN: PENDING; SIM_ERROR */
int sim_scep_reply(sim_scep_t *s, const char *data, size_t len);
const char *sim_scep_fail_info(int n);

/* mdmsim_scep_attr.c */

int sim_scep_attr_add(CMS_SignerInfo *si, const char *oid, int type,
    const void *data, size_t len);
/* the value, if the attribute is there once, has one value of that type */
const ASN1_STRING *sim_scep_attr(CMS_SignerInfo *si, const char *oid,
    int type);

/* mdmsim_scep_device.c */

/* the server is asked what it is, and the request made but not sent */
int sim_scep_ready(sim_scep_t *s);
/* the request is sent, and its answer kept, which is not looked at yet */
void sim_scep_send(sim_scep_t *s);
/* those if they were not done, then all else; s->end says how it ends */
void sim_scep_device(sim_scep_t *s);
void sim_scep_clean(sim_scep_t *s);

/* mdmsim_scep.c: the fleet */

void sim_scep(const sim_option_t *opt, sim_scep_stat_t *stat);


#define SIM_OID_TYPE       "2.16.840.1.113733.1.9.2"
#define SIM_OID_STATUS     "2.16.840.1.113733.1.9.3"
#define SIM_OID_FAIL_INFO  "2.16.840.1.113733.1.9.4"
#define SIM_OID_NONCE      "2.16.840.1.113733.1.9.5"
#define SIM_OID_RECIPIENT  "2.16.840.1.113733.1.9.6"
#define SIM_OID_ID         "2.16.840.1.113733.1.9.7"
#define SIM_OID_FAIL_TEXT  "1.3.6.1.5.5.7.24.1"


#endif /* _MDMSIM_SCEP_H_INCLUDED_ */
