
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Certificates of blocks that expire soon.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_expiry.h"

#include <ngx_event.h>

#include "mdm_ca.h"


#define NGX_MDM_EXPIRY_DAY    (24 * 3600)


static void ngx_mdm_expiry_handler(ngx_event_t *ev);


void
ngx_mdm_expiry_watch(ngx_mdm_expiry_t *expiry, ngx_cycle_t *cycle,
    ngx_array_t *blocks, ngx_mdm_expiry_pt look)
{
    /* one worker says it for all */

    if (ngx_worker != 0) {
        return;
    }

    expiry->blocks = blocks;
    expiry->look = look;
    expiry->fd = (ngx_socket_t) -1;

    expiry->timer.handler = ngx_mdm_expiry_handler;
    expiry->timer.data = expiry;
    expiry->timer.log = cycle->log;
    expiry->timer.cancelable = 1;

    ngx_add_timer(&expiry->timer, NGX_MDM_EXPIRY_DAY * 1000);
}


static void
ngx_mdm_expiry_handler(ngx_event_t *ev)
{
    void              **block;
    ngx_uint_t          i;
    ngx_mdm_expiry_t   *expiry;

    expiry = ev->data;
    block = expiry->blocks->elts;

    ngx_log_debug1(NGX_LOG_DEBUG_CORE, ev->log, 0, "mdm expiry: %ui blocks",
                   expiry->blocks->nelts);

    for (i = 0; i < expiry->blocks->nelts; i++) {
        expiry->look(block[i], ngx_cycle->log, ngx_time());
    }

    if (!ngx_exiting) {
        ngx_add_timer(ev, NGX_MDM_EXPIRY_DAY * 1000);
    }
}


void
ngx_mdm_expiry_log(const ngx_mdm_expiry_name_t *name, X509 *cert,
    ngx_uint_t days, ngx_log_t *log, time_t now)
{
    time_t  left;

    left = (time_t) mdm_ca_ends(cert) - now;

    if (left <= 0) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "%s \"%V\": %s \"%V\"%s has expired in %s:%ui",
                      name->kind, name->name, name->what, name->file, name->of,
                      name->place->file, name->place->line);
        return;
    }

    if (left < (time_t) days * NGX_MDM_EXPIRY_DAY) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "%s \"%V\": %s \"%V\"%s expires within %T days in "
                      "%s:%ui", name->kind, name->name, name->what, name->file,
                      name->of, left / NGX_MDM_EXPIRY_DAY + 1,
                      name->place->file, name->place->line);
    }
}
