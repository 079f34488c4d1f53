
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Certificates that servers ask us for, and that expire soon.
 */


#include "ngx_mdm_http.h"
#include "ngx_mdm_expiry.h"


/* days before the end of a certificate that are warned of */
#define NGX_MDM_HTTP_DAYS     90


static ngx_mdm_expiry_t  ngx_mdm_http_watch;


void
ngx_mdm_http_expiry_watch(ngx_cycle_t *cycle, ngx_mdm_http_conf_t *conf)
{
    ngx_uint_t               i;
    ngx_mdm_http_client_t  **client;

    client = conf->clients.elts;

    for (i = 0; i < conf->clients.nelts; i++) {

        if (client[i]->cert != NULL) {
            ngx_mdm_expiry_watch(&ngx_mdm_http_watch, cycle, &conf->clients,
                                 ngx_mdm_http_expiry);
            return;
        }
    }
}


void
ngx_mdm_http_expiry(void *block, ngx_log_t *log, time_t now)
{
    ngx_mdm_http_client_t *client = block;

    ngx_mdm_expiry_name_t  name;

    /* one that is inherited is that of another client */

    if (client->cert == NULL || client->certificate.len == 0) {
        return;
    }

    name.kind = "directive";
    name.name = &client->place.name;
    name.what = "certificate";
    name.file = &client->certificate;
    name.of = "";
    name.place = &client->place;

    ngx_mdm_expiry_log(&name, client->cert, NGX_MDM_HTTP_DAYS, log, now);
}
