
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Blocks mdm_ca { }: certificate authorities that issue identities.
 */


#ifndef _NGX_MDM_CA_H_INCLUDED_
#define _NGX_MDM_CA_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_ca.h"
#include "ngx_mdm_place.h"
#include "ngx_mdm_work.h"


typedef struct {
    mdm_ca_t                  core;        /* the CA, as the core knows it;
                                              first, see settings.cas */
    ngx_str_t                 name;

    ngx_str_t                 certificate;
    ngx_str_t                 certificate_key;
    ngx_str_t                 password_file;
    ngx_str_t                 ra_certificate;
    ngx_str_t                 ra_certificate_key;
    ngx_array_t              *previous;    /* of ngx_str_t, or NULL */
    ngx_str_t                 subject;

    ngx_uint_t                lifetime;    /* seconds, as what follows */
    ngx_uint_t                renew;
    ngx_uint_t                backdate;
    ngx_uint_t                key_minimum;
    ngx_uint_t                ledger_optional;

    ngx_array_t              *tenants;     /* of ngx_str_t */

    ngx_mdm_threads_t        *threads;     /* of "threads"; NULL: in place */
    ngx_str_t                 pool;        /* its name */
    ngx_uint_t                measured;    /* 1: the worker decides whether
                                              they are used */
    ngx_mdm_place_t           place;       /* of "mdm_ca" */
} ngx_mdm_ca_t;


/* setter of "mdm_ca", the block; conf is ngx_mdm_main_conf_t */
char *ngx_mdm_ca(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* the CA of this name, of an array of ngx_mdm_ca_t *, or NULL */
ngx_mdm_ca_t *ngx_mdm_ca_find(ngx_array_t *cas, ngx_str_t *name);

/* 1 if devices of this tenant are served, else 0 */
ngx_uint_t ngx_mdm_ca_serves(ngx_mdm_ca_t *ca, ngx_str_t *tenant);


/* ngx_mdm_ca_load.c: NGX_CONF_OK, or NGX_CONF_ERROR with the log told */

/* parses ca->subject */
char *ngx_mdm_ca_parse_subject(ngx_conf_t *cf, ngx_mdm_ca_t *ca);

/*
 * Sets what the block has left out, reads its files and checks what they hold,
 * when the block has been read.
 */
char *ngx_mdm_ca_finish(ngx_conf_t *cf, ngx_mdm_ca_t *ca);


/* ngx_mdm_ca_process.c */

/*
 * Measures a signature of each CA that is to be measured, and begins to look,
 * once a day, at which certificates are about to expire.  "cas" as above.
 * NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_mdm_ca_init_process(ngx_cycle_t *cycle, ngx_array_t *cas);

/*
 * How long a signature takes, microseconds; NGX_ERROR: the key does not sign.
 * From NGX_MDM_CA_SLOW on a thread is to make it.
 */
ngx_int_t ngx_mdm_ca_sign_time(EVP_PKEY *key, const EVP_MD *digest);

#define NGX_MDM_CA_SLOW       500

/* of an ngx_mdm_ca_t: see ngx_mdm_expiry_pt */
void ngx_mdm_ca_expiry(void *block, ngx_log_t *log, time_t now);


#endif /* _NGX_MDM_CA_H_INCLUDED_ */
