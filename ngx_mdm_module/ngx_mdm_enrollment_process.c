
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Blocks mdm_enrollment in a worker: how long a signature takes, and what
 * expires soon.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_enrollment.h"

#include <ngx_event.h>


/* days before the end of a certificate that are warned of */
#define NGX_MDM_ENROLLMENT_DAYS  14

#define NGX_MDM_ENROLLMENT_DAY   (24 * 3600)


typedef struct {
    /* a timer's debug line prints the fourth field of its data as a socket */
    ngx_event_t              *timer;
    ngx_array_t              *enrollments;
    void                     *unused;
    ngx_socket_t              fd;
} ngx_mdm_enrollment_watch_t;


static ngx_int_t ngx_mdm_enrollment_measure(ngx_mdm_enrollment_t *en,
    ngx_log_t *log);
static void ngx_mdm_enrollment_timer_handler(ngx_event_t *ev);


static ngx_event_t                 ngx_mdm_enrollment_timer;
static ngx_mdm_enrollment_watch_t  ngx_mdm_enrollment_watch;


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

    /* one worker says it for all */

    if (!signs || ngx_worker != 0) {
        return NGX_OK;
    }

    ngx_mdm_enrollment_watch.timer = &ngx_mdm_enrollment_timer;
    ngx_mdm_enrollment_watch.enrollments = enrollments;
    ngx_mdm_enrollment_watch.fd = (ngx_socket_t) -1;

    ngx_mdm_enrollment_timer.handler = ngx_mdm_enrollment_timer_handler;
    ngx_mdm_enrollment_timer.data = &ngx_mdm_enrollment_watch;
    ngx_mdm_enrollment_timer.log = cycle->log;
    ngx_mdm_enrollment_timer.cancelable = 1;

    ngx_add_timer(&ngx_mdm_enrollment_timer, NGX_MDM_ENROLLMENT_DAY * 1000);

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


static void
ngx_mdm_enrollment_timer_handler(ngx_event_t *ev)
{
    ngx_uint_t                   i;
    ngx_mdm_enrollment_t       **en;
    ngx_mdm_enrollment_watch_t  *watch;

    watch = ev->data;
    en = watch->enrollments->elts;

    ngx_log_debug1(NGX_LOG_DEBUG_CORE, ev->log, 0, "mdm enrollment timer: %ui",
                   watch->enrollments->nelts);

    for (i = 0; i < watch->enrollments->nelts; i++) {
        if (en[i]->core.sign != NULL) {
            ngx_mdm_enrollment_expiry(en[i], ngx_cycle->log, ngx_time());
        }
    }

    if (!ngx_exiting) {
        ngx_add_timer(ev, NGX_MDM_ENROLLMENT_DAY * 1000);
    }
}


void
ngx_mdm_enrollment_expiry(ngx_mdm_enrollment_t *en, ngx_log_t *log, time_t now)
{
    time_t  left;

    left = (time_t) mdm_ca_ends(en->core.sign) - now;

    if (left <= 0) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "mdm enrollment \"%V\": certificate \"%V\" of \"sign\" "
                      "has expired in %s:%ui", &en->name, &en->sign,
                      en->place.file, en->place.line);
        return;
    }

    if (left < NGX_MDM_ENROLLMENT_DAYS * NGX_MDM_ENROLLMENT_DAY) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "mdm enrollment \"%V\": certificate \"%V\" of \"sign\" "
                      "expires within %T days in %s:%ui", &en->name, &en->sign,
                      left / NGX_MDM_ENROLLMENT_DAY + 1, en->place.file,
                      en->place.line);
    }
}
