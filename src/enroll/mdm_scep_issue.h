
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A PKIOperation: what its steps know of it, and the steps that decide whether
 * it is given a certificate, sign that, and store it.
 */


#ifndef _MDM_SCEP_ISSUE_H_INCLUDED_
#define _MDM_SCEP_ISSUE_H_INCLUDED_


#include "mdm_certificates.h"
#include "mdm_link.h"
#include "mdm_scep_message.h"


typedef enum {
    MDM_SCEP_START = 0,
    MDM_SCEP_OPENED,
    MDM_SCEP_ANSWERED,

    /* those of mdm_scep_issue() */

    MDM_SCEP_ISSUE,
    MDM_SCEP_SIGNER,
    MDM_SCEP_PINNED,
    MDM_SCEP_LOOKED,
    MDM_SCEP_FREE,
    MDM_SCEP_TAKEN,
    MDM_SCEP_SPENT,
    MDM_SCEP_BLOCK,
    MDM_SCEP_OWNED,
    MDM_SCEP_BACK,
    MDM_SCEP_KEPT,
    MDM_SCEP_SIGNED,
    MDM_SCEP_STORED,

    /* those of mdm_scep_poll() */

    MDM_SCEP_POLLED,
    MDM_SCEP_POLL_READ
} mdm_scep_state_e;


/* of a PKIOperation; what a call of work touches is in here */

typedef struct {
    const mdm_scep_t         *scep;
    int64_t                   now;
    mdm_str_t                 der;
    mdm_scep_message_t        message;
    mdm_ca_issue_t            issue;
    mdm_int_t                 rc;          /* of what was done last */
    mdm_uint_t                read;        /* 1: it is a message */
    const char               *why;         /* for the log */
    const char               *text;        /* for the client; NULL: nothing */
    mdm_scep_fail_e           fail;
    mdm_str_t                 reply;

    mdm_uint_t                ours;        /* 1: the signer's certificate is of
                                              this CA or a previous one */
    mdm_str_t                 signer;      /* SHA-256 of it, hex */
    mdm_str_t                 signer_raw;
    mdm_uint_t                renewal;     /* 1: its device renews it, */
    mdm_str_t                 tag;         /* whose partition this is, */
    mdm_str_t                 serial;      /* and which has told this serial
                                              number, or none */
    mdm_uint_t                challenge;   /* 1: one that is right came */

    /* the steps that are entered */

    mdm_certificates_entry_t  entry;       /* of the signer's certificate */
    mdm_challenge_take_t      take;
    mdm_link_spend_t          spend;       /* of the challenge's link */
    mdm_certificates_owner_t  owner;
    mdm_certificates_renew_t  kept;        /* where no challenge was taken */
    mdm_certificates_issued_t issued;

    X509                     *made;        /* what was signed here, or NULL */
    mdm_str_t                 made_der;    /* the same */
} mdm_scep_ctx_t;


/*
 * The step from MDM_SCEP_ISSUE on.  MDM_OK: issued.der is a certificate that
 * is stored; MDM_DECLINED: it is to be refused, with fail, why and text;
 * otherwise what a step returns.
 */
mdm_int_t mdm_scep_issue(mdm_exchange_t *x);


/* mdm_scep_poll.c */

/* the same of a CertPoll: issued.der is what its transaction has come to */
mdm_int_t mdm_scep_poll(mdm_exchange_t *x);

/*
 * Fills in call i, which keeps what the transaction has come to: the
 * certificate is stored.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_scep_poll_keep(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_scep_ctx_t *ctx);


#endif /* _MDM_SCEP_ISSUE_H_INCLUDED_ */
