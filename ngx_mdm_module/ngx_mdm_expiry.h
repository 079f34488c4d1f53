
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Certificates of blocks that expire soon: one worker says so once a day.
 */


#ifndef _NGX_MDM_EXPIRY_H_INCLUDED_
#define _NGX_MDM_EXPIRY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/x509.h>

#include "ngx_mdm_place.h"


/* warns of what a block has; "log" is cf->log or the cycle's */
typedef void (*ngx_mdm_expiry_pt)(void *block, ngx_log_t *log, time_t now);


/* of a kind of blocks; static, and zero before it is used */

typedef struct {
    /* a timer's debug line prints the fourth field of its data as a socket */
    ngx_array_t              *blocks;
    ngx_mdm_expiry_pt         look;
    void                     *unused;
    ngx_socket_t              fd;

    ngx_event_t               timer;
} ngx_mdm_expiry_t;


/* how a line calls a certificate: KIND "NAME": WHAT "FILE"OF … in PLACE */

typedef struct {
    const char               *kind;
    ngx_str_t                *name;
    const char               *what;
    ngx_str_t                *file;
    const char               *of;
    ngx_mdm_place_t          *place;
} ngx_mdm_expiry_name_t;


/*
 * Has "look" called once a day from now on for each block, of which the array
 * has pointers, if this is the first worker.
 */
void ngx_mdm_expiry_watch(ngx_mdm_expiry_t *expiry, ngx_cycle_t *cycle,
    ngx_array_t *blocks, ngx_mdm_expiry_pt look);

/* a warning if the certificate has expired, or will within so many days */
void ngx_mdm_expiry_log(const ngx_mdm_expiry_name_t *name, X509 *cert,
    ngx_uint_t days, ngx_log_t *log, time_t now);


#endif /* _NGX_MDM_EXPIRY_H_INCLUDED_ */
