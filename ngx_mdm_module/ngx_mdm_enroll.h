
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Locations where devices come for a certificate: "mdm_scep" and what belongs
 * to it.
 */


#ifndef _NGX_MDM_ENROLL_H_INCLUDED_
#define _NGX_MDM_ENROLL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_scep_message.h"
#include "ngx_mdm_ca.h"
#include "ngx_mdm_place.h"


/* of a location */

typedef struct {
    ngx_str_t                 name;        /* of the CA; data is NULL: it is
                                              not set, empty: off */
    ngx_mdm_place_t           place;       /* of "mdm_scep" */
    ngx_mdm_ca_t             *ca;          /* NULL: it is no SCEP server */

    ngx_uint_t                legacy;      /* NGX_MDM_SCEP_… */
    mdm_envelope_des_t       *des;

    ngx_uint_t                challenge;   /* mdm_scep_challenge_e */
    ngx_mdm_place_t           challenge_place;
    ngx_str_t                 secret;

    mdm_scep_t                scep;        /* as the core knows it */
} ngx_mdm_enroll_conf_t;


/* nothing is set */
void ngx_mdm_enroll_create_conf(ngx_mdm_enroll_conf_t *conf);

/*
 * Merges all but "mdm_scep" itself, which a location does not inherit: "same"
 * is 1 for a block that is a part of one.  NGX_CONF_OK or NGX_CONF_ERROR: the
 * log says why.
 */
char *ngx_mdm_enroll_merge_conf(ngx_conf_t *cf, ngx_array_t *cas,
    ngx_mdm_enroll_conf_t *prev, ngx_mdm_enroll_conf_t *conf, ngx_uint_t same);

/*
 * Looks at the location of a SCEP server: "guarded" is 1 if "mdm_auth" lets
 * only devices in.  The same results.
 */
char *ngx_mdm_enroll_check_conf(ngx_conf_t *cf, ngx_mdm_enroll_conf_t *conf,
    ngx_uint_t guarded);


/*
 * 1 if auth_basic or auth_request has let in the request: only then is its
 * $remote_user more than what the client says.
 */
ngx_uint_t ngx_mdm_enroll_named(ngx_http_request_t *r);


/*
 * Setters of "mdm_scep", "mdm_scep_legacy" and "mdm_scep_challenge";
 * cmd->offset is that of ngx_mdm_enroll_conf_t.
 */
char *ngx_mdm_scep(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_scep_legacy(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_scep_challenge(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_MDM_ENROLL_H_INCLUDED_ */
