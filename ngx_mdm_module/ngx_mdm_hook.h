
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Webhooks: what is configured of them, and who delivers events in a worker.
 */


#ifndef _NGX_MDM_HOOK_H_INCLUDED_
#define _NGX_MDM_HOOK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mdm_metrics.h"
#include "mdm_webhook.h"
#include "ngx_mdm.h"
#include "ngx_mdm_http.h"
#include "ngx_mdm_place.h"
#include "ngx_mdm_store.h"
#include "ngx_mdm_work.h"


/* of a webhook, beside what the core knows of it */

typedef struct {
    ngx_mdm_http_client_t    *client;
    ngx_mdm_place_t           place;
} ngx_mdm_hook_side_t;

struct ngx_mdm_hook_conf_s {
    ngx_array_t               webhooks;    /* of mdm_webhook_t, and at the same
                                              index */
    ngx_array_t               sides;       /* of ngx_mdm_hook_side_t */
    ngx_array_t               groups;      /* of mdm_str_t */
    ngx_mdm_place_t           group_place; /* of the first one */
    ngx_uint_t                hold;        /* seconds */
    ngx_mdm_threads_t        *threads;     /* for large events */
};


/* ngx_mdm_hook_conf.c */

/* NULL: no memory */
ngx_mdm_hook_conf_t *ngx_mdm_hook_create_conf(ngx_conf_t *cf);

/* to be called when http has been read: what is not said gets its default */
void ngx_mdm_hook_init_conf(ngx_mdm_hook_conf_t *conf);

/* to be called in postconfiguration; NGX_OK, NGX_ERROR: it has said why */
ngx_int_t ngx_mdm_hook_init(ngx_conf_t *cf, ngx_mdm_hook_conf_t *conf);

/* what the core knows of it */
void ngx_mdm_hook_settings(ngx_mdm_hook_conf_t *conf,
    mdm_settings_t *settings);

/*
 * Somebody is to get events, of whom these settings keep none: the log says so.
 * NGX_CONF_OK or NGX_CONF_ERROR.
 */
char *ngx_mdm_hook_check_conf(ngx_conf_t *cf, ngx_mdm_hook_conf_t *conf,
    mdm_settings_t *settings);

/* setters */
char *ngx_mdm_hook_webhook(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_hook_group(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_hook_sec(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


/* ngx_mdm_hook_file.c */

/*
 * The HMAC with its key, which the pool frees, and headers, one a line: each
 * from a file.  They are never logged.  NGX_OK, or NGX_ERROR: the log says why.
 */
ngx_int_t ngx_mdm_hook_key_file(ngx_conf_t *cf, ngx_str_t *name,
    EVP_MAC_CTX **hmac);
ngx_int_t ngx_mdm_hook_header_file(ngx_conf_t *cf, ngx_str_t *name,
    mdm_webhook_t *webhook);


/* ngx_mdm_hook.c */

/* NGX_OK or NGX_ERROR */
ngx_int_t ngx_mdm_hook_init_process(ngx_cycle_t *cycle,
    ngx_mdm_hook_conf_t *conf);
void ngx_mdm_hook_exit_process(void);

/*
 * An exchange has written events, or found such as somebody has to get:
 * x->event_tags.  They are delivered after the current event.  1: it is the
 * first time that this worker hears of the tenant, so that somebody is to look
 * at all of it.
 */
ngx_uint_t ngx_mdm_hook_wake(ngx_mdm_store_t *store, mdm_exchange_t *x);


/* ngx_mdm_hook_count.c */

/* NGX_OK or NGX_ERROR */
ngx_int_t ngx_mdm_hook_count_init_process(ngx_cycle_t *cycle,
    ngx_mdm_hook_conf_t *conf);

/* an attempt has ended; "counts" may be NULL */
void ngx_mdm_hook_count(mdm_metrics_webhook_t *counts, const mdm_http_t *http);

/*
 * How many webhooks there are, and how many fail, as far as this worker knows:
 * its last attempts did, and events wait here for the next one.  NGX_OK;
 * NGX_DECLINED: there are none.
 */
ngx_int_t ngx_mdm_hook_state(ngx_uint_t *configured, ngx_uint_t *failing);


/* ngx_mdm_hook_once.c */

/* NGX_OK or NGX_ERROR */
ngx_int_t ngx_mdm_hook_once_init_process(ngx_cycle_t *cycle,
    ngx_mdm_hook_conf_t *conf);
void ngx_mdm_hook_once_exit_process(void);

/*
 * A request is done: if it was a message that changes nothing, and that a
 * webhook wants, that gets a copy.
 */
void ngx_mdm_hook_once(ngx_mdm_store_t *store, mdm_exchange_t *x);


#endif /* _NGX_MDM_HOOK_H_INCLUDED_ */
