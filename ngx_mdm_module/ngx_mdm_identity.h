
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The device's certificate: from TLS, from a trusted proxy's header, or from
 * Mdm-Signature.
 */


#ifndef _NGX_MDM_IDENTITY_H_INCLUDED_
#define _NGX_MDM_IDENTITY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_exchange.h"
#include "ngx_mdm_place.h"


#define NGX_MDM_CERTIFICATE_TLS        0x01
#define NGX_MDM_CERTIFICATE_HEADER     0x02
#define NGX_MDM_CERTIFICATE_SIGNATURE  0x04

#define NGX_MDM_HTTP_TOO_EARLY         425      /* RFC 8470 */


/* part of the location's configuration */

typedef struct {
    ngx_uint_t                sources;     /* bits; 0: not set */
    ngx_str_t                 header;      /* name as written */
    ngx_str_t                 trusted_certificate;   /* full name */
    ngx_array_t              *trusted_proxies;   /* ngx_cidr_t, or
                                                    NGX_CONF_UNSET_PTR */
    X509_STORE               *trusted;     /* freed by a pool cleanup */
    ngx_str_t                 crl;         /* full name; empty: no check */
    ngx_uint_t                crl_loaded;  /* 1: "trusted" has it */

    ngx_mdm_place_t           certificate_place;   /* mdm_certificate */
    ngx_mdm_place_t           trusted_place;       /* mdm_trusted_certificate */
    ngx_mdm_place_t           crl_place;
} ngx_mdm_identity_conf_t;


/* what the check of a signature has found; freed with the exchange */

typedef struct {
    ngx_uint_t                checked;     /* 0: not yet */
    mdm_int_t                 rc;          /* of mdm_cms_verify() */
    X509                     *signer;
    const char               *reason;
} ngx_mdm_signature_t;


/* setters of mdm_certificate, mdm_trusted_certificate, mdm_trusted_proxy */
char *ngx_mdm_identity_certificate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_mdm_identity_trusted_certificate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_mdm_identity_trusted_proxy(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* setter of mdm_crl; the file is read when merging */
char *ngx_mdm_identity_crl(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Makes a new store of the CAs and the lists of "conf", which an outer level
 * may have without the lists, and sets conf->trusted.  NGX_OK; NGX_ERROR: it
 * has said why.
 */
ngx_int_t ngx_mdm_identity_crl_store(ngx_conf_t *cf,
    ngx_mdm_identity_conf_t *conf);

/*
 * Reads the PEM file of CA certificates; the store is freed with the
 * configuration.  NULL: it has said why.
 */
X509_STORE *ngx_mdm_identity_store(ngx_conf_t *cf,
    ngx_mdm_identity_conf_t *conf);

void ngx_mdm_identity_create_conf(ngx_mdm_identity_conf_t *conf);

/* NGX_CONF_OK or NGX_CONF_ERROR; default: mdm_certificate tls */
char *ngx_mdm_identity_merge_conf(ngx_conf_t *cf,
    ngx_mdm_identity_conf_t *prev, ngx_mdm_identity_conf_t *conf);

/*
 * To be called after merging for a location that asks for certificates
 * (mdm_checkin, mdm_connect, mdm_auth, mdm_auth_request; "place" is of one of
 * them): NGX_CONF_ERROR if a source lacks what it needs.  Other locations may
 * be incomplete.
 */
char *ngx_mdm_identity_check_conf(ngx_conf_t *cf,
    ngx_mdm_identity_conf_t *conf, ngx_mdm_place_t *place);

/*
 * The Mdm-Signature of a request, where one is looked at and it came once;
 * else empty.
 */
void ngx_mdm_identity_signed(ngx_http_request_t *r,
    ngx_mdm_identity_conf_t *conf, mdm_str_t *signature);

/*
 * Checks that it is one of x->body.  May run in a thread: touches x->arena and
 * *result only.
 */
void ngx_mdm_identity_verify(ngx_mdm_identity_conf_t *conf, mdm_exchange_t *x,
    const mdm_str_t *signature, ngx_mdm_signature_t *result);

/*
 * Finds the verified certificate of a request and fills in x->identity,
 * allocated from x->arena or kept with the TLS connection, which outlives
 * the request.  x->kind, x->now and, but for mdm_auth, x->body must be set;
 * mdm_auth does not look at a signature, as it reads no body.  "signature"
 * is the check's result, which is made here if it was not yet.
 * NGX_OK: x->identity.source tells (MDM_IDENTITY_NONE: there is none, also no
 * unverified one: that is refused unless another source has one).
 * NGX_DECLINED: what came is refused; *status is the HTTP status (400: not
 * decodable or sent twice; 403: not accepted; 425: TLS early data) and *why
 * a text for the log.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_mdm_identity(ngx_http_request_t *r,
    ngx_mdm_identity_conf_t *conf, mdm_exchange_t *x,
    ngx_mdm_signature_t *signature, ngx_uint_t *status, ngx_str_t *why);


#endif /* _NGX_MDM_IDENTITY_H_INCLUDED_ */
