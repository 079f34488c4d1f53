
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A certificate authority: what a block mdm_ca has, the checks of its
 * certificates, the template of subjects, and the certificates it issues.
 */


#ifndef _MDM_CA_H_INCLUDED_
#define _MDM_CA_H_INCLUDED_


#include <openssl/evp.h>
#include <openssl/x509.h>

#include "mdm_base.h"


/* octets of a serial number */
#define MDM_CA_SERIAL         16

/* RDNs of a subject, at most */
#define MDM_CA_RDNS           16


/* the parsed template of subjects */
typedef struct mdm_ca_subject_s  mdm_ca_subject_t;


/* read-only while serving, and read by many threads at once */

typedef struct mdm_ca_s {
    mdm_str_t                 name;

    X509                     *cert;
    EVP_PKEY                 *key;
    STACK_OF(X509)           *chain;       /* to the root; may be empty */

    X509                     *ra;          /* NULL: there is none */
    EVP_PKEY                 *ra_key;

    STACK_OF(X509)           *previous;    /* CAs whose certificates are renewed
                                              here; NULL: none */
    const mdm_ca_subject_t   *subject;
    const EVP_MD             *digest;
    int64_t                   lifetime;    /* seconds, as what follows */
    int64_t                   renew;       /* before the end */
    int64_t                   backdate;
    mdm_uint_t                key_minimum; /* bits of an RSA key */
    mdm_uint_t                ledger_optional; /* 1: certificates that are not
                                              in the ledger are taken, too */
} mdm_ca_t;


/* what is to be certified; texts may be empty */

typedef struct {
    EVP_PKEY                 *key;         /* public */
    u_char                    serial[MDM_CA_SERIAL];
    int64_t                   from;        /* Unix seconds */
    int64_t                   until;
    mdm_str_t                 id;          /* UDID or EnrollmentID */
    mdm_str_t                 device_serial;
    mdm_str_t                 person;
    mdm_str_t                 challenge_id;
} mdm_ca_issue_t;


/*
 * A random serial number of always MDM_CA_SERIAL octets when it is encoded.
 * MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_ca_serial(u_char *serial);

/*
 * The dates of a certificate that is issued at "now": backdated, for its
 * lifetime, and within those of the CA.  MDM_OK; MDM_DECLINED: the CA has
 * expired.
 */
mdm_int_t mdm_ca_dates(const mdm_ca_t *ca, int64_t now, int64_t *from,
    int64_t *until);

/*
 * Issues a client certificate with this subject, these dates (cut to those of
 * the CA) and nothing that a requester has asked for.  Takes a signature: work.
 * MDM_OK: *der and *made, the same, are owned by the arena; MDM_ERROR.
 */
mdm_int_t mdm_ca_issue(mdm_arena_t *arena, const mdm_ca_t *ca,
    const mdm_ca_issue_t *issue, mdm_str_t *der, X509 **made);


/* mdm_ca_subject.c */

/*
 * Parses a template such as "CN=${id},serialNumber=${serial},O=Example": RDNs
 * separated by ",", of names or OIDs of attributes and texts with variables
 * ${id}, ${serial}, ${person} and ${challenge_id}; "\" takes away the meaning
 * of the next character.  MDM_OK: it is owned by the arena; MDM_DECLINED with
 * *why, a constant, and *at, the offset in the text; MDM_ERROR: no memory.
 */
mdm_int_t mdm_ca_subject_parse(mdm_arena_t *arena, const mdm_str_t *text,
    mdm_ca_subject_t **subject, const char **why, size_t *at);

/*
 * The subject of a certificate, to be freed by the caller.  An RDN whose value
 * is empty is left out; a CN is then the id of the challenge or, as the only
 * RDN of a subject that were empty else, that or the serial number.  A variable
 * that is not UTF-8, or holds control characters, counts as empty.  NULL: no
 * memory.
 */
X509_NAME *mdm_ca_subject_name(mdm_arena_t *arena,
    const mdm_ca_subject_t *subject, const mdm_ca_issue_t *issue);


/* mdm_ca_check.c */

/*
 * Can this be an issuing CA at Unix time "now"?  CA:TRUE, keyCertSign, RSA of
 * 2048 to 4096 bits or EC P-256 or P-384, a key that fits, and dates; "chain"
 * leads on from it, each a CA that has signed the one before, and may end
 * before the root.  MDM_OK or MDM_DECLINED with *why, a constant.
 */
mdm_int_t mdm_ca_check(X509 *cert, EVP_PKEY *key, STACK_OF(X509) *chain,
    int64_t now, const char **why);

/*
 * Can this be the CA's registration authority?  Issued by the CA, RSA,
 * digitalSignature and keyEncipherment, a key that fits, and dates.  The same
 * results.
 */
mdm_int_t mdm_ca_check_ra(X509 *ra, EVP_PKEY *key, X509 *ca, int64_t now,
    const char **why);

/* is this a CA at all, expired or not, such as a previous one?  the same */
mdm_int_t mdm_ca_check_previous(X509 *cert, const char **why);

/* 1 if the last of the chain (or the CA itself) is a root, else 0 */
mdm_uint_t mdm_ca_rooted(X509 *cert, STACK_OF(X509) *chain);

/* 1 if "cert" is issued and signed by "ca", whatever the dates, else 0 */
mdm_uint_t mdm_ca_issued(X509 *cert, X509 *ca);

/*
 * One CA may serve several tenants, whose ledgers know which certificate is
 * whose.  Why a certificate (DER) that is in no ledger of its tenant is refused
 * although TLS has taken it, a constant: one of these CAs, or a previous one,
 * has issued it, and does not say that its ledger is optional.  NULL: it is
 * not.  Verifies one signature at most: where CAs have one name and no key
 * identifiers, the others count as if they had issued it.
 */
const char *mdm_ca_ledger(const mdm_ca_t *const *cas, mdm_uint_t n,
    const mdm_str_t *der);

/* when the certificate ends, Unix seconds; 0: it cannot be told */
int64_t mdm_ca_ends(X509 *cert);


#endif /* _MDM_CA_H_INCLUDED_ */
