
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Locations where devices come for a profile to enroll with: "mdm_enroll" and
 * what belongs to it.
 */


#ifndef _NGX_MDM_ENROLL_WAY_H_INCLUDED_
#define _NGX_MDM_ENROLL_WAY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_mdm_enrollment.h"
#include "ngx_mdm_place.h"


/* of a location */

typedef struct {
    ngx_str_t                 name;        /* of the block; data is NULL: it is
                                              not set, empty: off */
    ngx_mdm_place_t           place;       /* of "mdm_enroll" */
    ngx_mdm_enrollment_t     *enrollment;  /* NULL: nobody enrolls here */
    ngx_uint_t                ways;        /* MDM_ENROLL_LINK … */
    ngx_http_complex_value_t *person;      /* NULL: nobody is asked */
    ngx_uint_t                named;       /* it has $remote_user, which is what
                                              a client says where nginx has not
                                              asked */
    ngx_http_complex_value_t *login;       /* NULL: there is none */
    ngx_mdm_place_t           login_place;
} ngx_mdm_way_conf_t;


/* nothing is set */
void ngx_mdm_way_create_conf(ngx_mdm_way_conf_t *conf);

/*
 * Merges all but "mdm_enroll" itself, which a location does not inherit: "same"
 * is 1 for a block that is a part of one.  NGX_CONF_OK or NGX_CONF_ERROR: the
 * log says why.
 */
char *ngx_mdm_way_merge_conf(ngx_conf_t *cf, ngx_array_t *enrollments,
    ngx_mdm_way_conf_t *prev, ngx_mdm_way_conf_t *conf, ngx_uint_t same);


/*
 * Checks what is merged: "sealed" is 1 where the store has a key to seal with.
 * NGX_CONF_OK or NGX_CONF_ERROR: the log says why.
 */
char *ngx_mdm_way_check_conf(ngx_conf_t *cf, ngx_mdm_way_conf_t *conf,
    ngx_uint_t sealed);


/*
 * Setters of "mdm_enroll", "mdm_enroll_person" and "mdm_enroll_login";
 * cmd->offset is that of
 * ngx_mdm_way_conf_t.
 */
char *ngx_mdm_way(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_way_person(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_way_login(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_MDM_ENROLL_WAY_H_INCLUDED_ */
