
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The configuration: created, merged, and the setters of directives that need
 * more than a slot.
 */


#ifndef _NGX_MDM_CONF_H_INCLUDED_
#define _NGX_MDM_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_mdm_module.h"


/* of the module context; what they return is nginx's convention */

void *ngx_mdm_create_main_conf(ngx_conf_t *cf);
char *ngx_mdm_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_mdm_create_loc_conf(ngx_conf_t *cf);
char *ngx_mdm_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);

/*
 * Makes the settings that jobs of each store go by: its own, where its block
 * has them, or those of the http level.  To be called in postconfiguration.
 * NGX_OK, or NGX_ERROR: the log says why.
 */
ngx_int_t ngx_mdm_conf_jobs(ngx_conf_t *cf, ngx_mdm_main_conf_t *mmcf);

/*
 * Looks at a location that has been merged: what cannot be is refused, what
 * nginx would carry out, though hardly meant, is warned of.  NGX_CONF_OK or
 * NGX_CONF_ERROR: it has said why.
 */
char *ngx_mdm_conf_check(ngx_conf_t *cf, ngx_mdm_loc_conf_t *conf);

/* 1 if the location does anything of ours */
#define ngx_mdm_active(conf)                                                  \
    ((conf)->checkin || (conf)->connect || (conf)->api || (conf)->auth        \
     || (conf)->auth_request || (conf)->enroll.ca != NULL                     \
     || (conf)->way.enrollment != NULL)

/* the directive that makes it do so */
#define ngx_mdm_active_place(conf)                                            \
    (((conf)->handler.file != NULL) ? &(conf)->handler : &(conf)->auth_place)


/* setters */

/* mdm_checkin, … mdm_auth_request: a flag that makes a content handler */
char *ngx_mdm_handler_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* mdm_metrics, mdm_health: a flag that no other handler may stand beside */
char *ngx_mdm_handler_alone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* mdm_scep: the name of a CA, that makes a content handler */
char *ngx_mdm_handler_scep(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* mdm_enroll: the name of a block and ways, that make a content handler */
char *ngx_mdm_handler_way(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* mdm_auth: a flag */
char *ngx_mdm_auth_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* the name of a store, in a server or a location */
char *ngx_mdm_store_named(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* as ngx_conf_set_enum_slot(), but says which words there are */
char *ngx_mdm_conf_enum(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* as ngx_conf_set_sec_slot(), of an ngx_uint_t */
char *ngx_mdm_conf_sec(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* mdm_threads */
char *ngx_mdm_threads(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_MDM_CONF_H_INCLUDED_ */
