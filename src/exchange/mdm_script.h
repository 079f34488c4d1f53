
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The Redis scripts of src/lua, embedded at build time by
 * scripts/embed-lua, one object a file, named mdm_script_<file>.
 * "--@include NAME" in a script is replaced by src/lua/_NAME.lua.
 */


#ifndef _MDM_SCRIPT_H_INCLUDED_
#define _MDM_SCRIPT_H_INCLUDED_


#include "mdm_base.h"


typedef struct {
    mdm_str_t                 name;
    mdm_str_t                 body;
    mdm_str_t                 sha1;        /* 40 lower-case hex digits */
    mdm_uint_t                write;       /* 1 unless its first line says
                                              "--@readonly" */
    mdm_uint_t                durable;     /* 1 if what it writes must not be
                                              lost: 0 if readonly or with
                                              "--@volatile" */
    mdm_uint_t                onekey;      /* 1: it touches KEYS[1] only, by
                                              "--@onekey" */
    mdm_uint_t                index;       /* place in mdm_scripts */
} mdm_script_t;


/* all of them, in the order of their names, closed by NULL */

extern const mdm_script_t *const  mdm_scripts[];
extern const mdm_uint_t           mdm_nscripts;


extern const mdm_script_t  mdm_script_audit;
extern const mdm_script_t  mdm_script_auth;
extern const mdm_script_t  mdm_script_authenticate;
extern const mdm_script_t  mdm_script_authenticate_check;
extern const mdm_script_t  mdm_script_bootstrap_get;
extern const mdm_script_t  mdm_script_bootstrap_set;
extern const mdm_script_t  mdm_script_checkout;
extern const mdm_script_t  mdm_script_claim;
extern const mdm_script_t  mdm_script_claim_get;
extern const mdm_script_t  mdm_script_claim_release;
extern const mdm_script_t  mdm_script_command_delete;
extern const mdm_script_t  mdm_script_command_get;
extern const mdm_script_t  mdm_script_ddm_apply;
extern const mdm_script_t  mdm_script_ddm_body;
extern const mdm_script_t  mdm_script_ddm_declaration_delete;
extern const mdm_script_t  mdm_script_ddm_declaration_get;
extern const mdm_script_t  mdm_script_ddm_declaration_put;
extern const mdm_script_t  mdm_script_ddm_declaration_touch;
extern const mdm_script_t  mdm_script_ddm_device;
extern const mdm_script_t  mdm_script_ddm_force;
extern const mdm_script_t  mdm_script_ddm_get;
extern const mdm_script_t  mdm_script_ddm_give;
extern const mdm_script_t  mdm_script_ddm_given;
extern const mdm_script_t  mdm_script_ddm_items;
extern const mdm_script_t  mdm_script_ddm_job;
extern const mdm_script_t  mdm_script_ddm_job_get;
extern const mdm_script_t  mdm_script_ddm_list;
extern const mdm_script_t  mdm_script_ddm_manifest;
extern const mdm_script_t  mdm_script_ddm_rev;
extern const mdm_script_t  mdm_script_ddm_set;
extern const mdm_script_t  mdm_script_ddm_set_get;
extern const mdm_script_t  mdm_script_ddm_set_put;
extern const mdm_script_t  mdm_script_ddm_since;
extern const mdm_script_t  mdm_script_ddm_state;
extern const mdm_script_t  mdm_script_ddm_status;
extern const mdm_script_t  mdm_script_ddm_tell;
extern const mdm_script_t  mdm_script_ddm_tokens;
extern const mdm_script_t  mdm_script_ddm_walk;
extern const mdm_script_t  mdm_script_ddm_watcher_get;
extern const mdm_script_t  mdm_script_ddm_watcher_put;
extern const mdm_script_t  mdm_script_enqueue;
extern const mdm_script_t  mdm_script_enrollment_get;
extern const mdm_script_t  mdm_script_enrollment_query;
extern const mdm_script_t  mdm_script_idle;
extern const mdm_script_t  mdm_script_jobs_add;
extern const mdm_script_t  mdm_script_jobs_done;
extern const mdm_script_t  mdm_script_jobs_list;
extern const mdm_script_t  mdm_script_meta;
extern const mdm_script_t  mdm_script_migrate;
extern const mdm_script_t  mdm_script_migrate_bootstrap;
extern const mdm_script_t  mdm_script_pin;
extern const mdm_script_t  mdm_script_pin_reset;
extern const mdm_script_t  mdm_script_probe;
extern const mdm_script_t  mdm_script_queue_clear;
extern const mdm_script_t  mdm_script_queue_list;
extern const mdm_script_t  mdm_script_report;
extern const mdm_script_t  mdm_script_secret_swap;
extern const mdm_script_t  mdm_script_secrets_release;
extern const mdm_script_t  mdm_script_serial_claim;
extern const mdm_script_t  mdm_script_serial_drop;
extern const mdm_script_t  mdm_script_serial_get;
extern const mdm_script_t  mdm_script_status_get;
extern const mdm_script_t  mdm_script_status_query;
extern const mdm_script_t  mdm_script_status_report;
extern const mdm_script_t  mdm_script_status_report_swap;
extern const mdm_script_t  mdm_script_store_adopt;
extern const mdm_script_t  mdm_script_store_id;
extern const mdm_script_t  mdm_script_token_update;


#endif /* _MDM_SCRIPT_H_INCLUDED_ */
