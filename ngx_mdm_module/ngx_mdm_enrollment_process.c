
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Blocks mdm_enrollment in a worker: how long a signature takes, and what
 * expires soon.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_enrollment.h"
#include "ngx_mdm_expiry.h"


/* days before the end of a certificate that are warned of */
#define NGX_MDM_ENROLLMENT_DAYS  14


static ngx_int_t ngx_mdm_enrollment_measure(ngx_mdm_enrollment_t *en,
    ngx_log_t *log);


static ngx_mdm_expiry_t  ngx_mdm_enrollment_watch;


ngx_int_t
ngx_mdm_enrollment_init_process(ngx_cycle_t *cycle, ngx_array_t *enrollments)
{
    ngx_uint_t              i, signs;
    ngx_mdm_enrollment_t  **en;

    en = enrollments->elts;
    signs = 0;

    for (i = 0; i < enrollments->nelts; i++) {

        if (en[i]->core.sign == NULL) {
            continue;
        }

        signs = 1;

        if (ngx_mdm_enrollment_measure(en[i], cycle->log) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (signs) {
        ngx_mdm_expiry_watch(&ngx_mdm_enrollment_watch, cycle, enrollments,
                             ngx_mdm_enrollment_expiry);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mdm_enrollment_measure(ngx_mdm_enrollment_t *en, ngx_log_t *log)
{
    ngx_int_t  time;

    time = ngx_mdm_ca_sign_time(en->core.sign_key, EVP_sha256());

    if (time == NGX_ERROR) {
        ngx_log_error(NGX_LOG_EMERG, log, 0, "mdm enrollment \"%V\": the key "
                      "of \"sign\" does not sign", &en->name);
        return NGX_ERROR;
    }

    /* what strangers send is verified there, too */

    if (time < NGX_MDM_CA_SLOW && en->core.apple == NULL) {
        en->threads = NULL;
    }

    if (ngx_worker == 0) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "mdm enrollment \"%V\": a signature takes %i.%02i ms, %s",
                      &en->name, time / 1000, time / 10 % 100,
                      (en->threads != NULL) ? "a thread pool is used"
                                            : "no thread pool is used");
    }

    return NGX_OK;
}


void
ngx_mdm_enrollment_expiry(void *block, ngx_log_t *log, time_t now)
{
    ngx_mdm_enrollment_t *en = block;

    ngx_mdm_expiry_name_t  name;

    if (en->core.sign == NULL) {
        return;
    }

    name.kind = "mdm enrollment";
    name.name = &en->name;
    name.what = "certificate";
    name.file = &en->sign;
    name.of = " of \"sign\"";
    name.place = &en->place;

    ngx_mdm_expiry_log(&name, en->core.sign, NGX_MDM_ENROLLMENT_DAYS, log, now);
}
