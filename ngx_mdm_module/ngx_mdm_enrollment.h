
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Blocks mdm_enrollment { }: how devices enroll, and what their profile says.
 */


#ifndef _NGX_MDM_ENROLLMENT_H_INCLUDED_
#define _NGX_MDM_ENROLLMENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_enroll_block.h"
#include "ngx_mdm_ca.h"
#include "ngx_mdm_place.h"
#include "ngx_mdm_work.h"


typedef struct {
    mdm_enroll_block_t        core;        /* as the core knows it; first, see
                                              settings.enrollments */
    ngx_str_t                 name;

    ngx_str_t                 identifier;
    ngx_str_t                 display_name;
    ngx_str_t                 organization;
    ngx_str_t                 description;
    ngx_str_t                 topic;
    ngx_str_t                 server_url;
    ngx_str_t                 checkin_url;
    ngx_str_t                 enroll_url;

    ngx_uint_t                access_rights;
    ngx_uint_t                sign_message;
    ngx_uint_t                checkout;
    ngx_uint_t                pin;
    ngx_array_t              *capabilities;    /* of mdm_str_t */

    ngx_str_t                 ca_name;     /* of "identity" */
    ngx_str_t                 scep_url;
    ngx_mdm_ca_t             *ca;
    ngx_uint_t                keysize;
    ngx_uint_t                retries;
    ngx_uint_t                retry_delay;
    ngx_uint_t                fingerprint;
    ngx_mdm_place_t           identity_place;

    ngx_array_t              *trust;       /* of ngx_str_t, files */
    ngx_array_t              *apple;       /* of ngx_str_t, the same */
    ngx_array_t              *minimum;     /* of mdm_enroll_minimum_t */

    ngx_str_t                 sign;
    ngx_str_t                 sign_key;
    ngx_str_t                 sign_password;

    mdm_arena_t              *arena;       /* with the life of the
                                              configuration */
    ngx_mdm_threads_t        *threads;     /* that sign; NULL: in place */
    ngx_mdm_place_t           place;       /* of "mdm_enrollment" */
} ngx_mdm_enrollment_t;


/* setter of "mdm_enrollment"; cmd->offset is that of the array, see below */
char *ngx_mdm_enrollment(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* the block of this name, of an array of ngx_mdm_enrollment_t *, or NULL */
ngx_mdm_enrollment_t *ngx_mdm_enrollment_find(ngx_array_t *enrollments,
    ngx_str_t *name);

/*
 * Finds the CAs of all blocks, which may stand behind them.  NGX_CONF_OK, or
 * NGX_CONF_ERROR with the log told.
 */
char *ngx_mdm_enrollment_resolve(ngx_conf_t *cf, ngx_array_t *enrollments,
    ngx_array_t *cas);


/* ngx_mdm_enrollment_load.c: the same results */

/*
 * Sets what the block has left out, reads its files and checks what they hold,
 * when the block has been read.
 */
char *ngx_mdm_enrollment_finish(ngx_conf_t *cf, ngx_mdm_enrollment_t *en);


/* ngx_mdm_enrollment_process.c */

/*
 * Measures a signature of each block, and begins to look, once a day, at which
 * certificates are about to expire.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_mdm_enrollment_init_process(ngx_cycle_t *cycle,
    ngx_array_t *enrollments);

/* of an ngx_mdm_enrollment_t: see ngx_mdm_expiry_pt */
void ngx_mdm_enrollment_expiry(void *block, ngx_log_t *log, time_t now);


#endif /* _NGX_MDM_ENROLLMENT_H_INCLUDED_ */
