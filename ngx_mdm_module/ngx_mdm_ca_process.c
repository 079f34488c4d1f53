
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * CAs in a worker: how long a signature takes, and what expires soon.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_ca.h"
#include "ngx_mdm_expiry.h"

#include <time.h>

#include <openssl/err.h>


/* signatures that are timed */
#define NGX_MDM_CA_TRIES      3

/* days before the end of a certificate that are warned of */
#define NGX_MDM_CA_DAYS       90


static ngx_int_t ngx_mdm_ca_measure(ngx_mdm_ca_t *ca, ngx_log_t *log);
static void ngx_mdm_ca_expires(ngx_mdm_ca_t *ca, ngx_log_t *log, time_t now,
    const char *what, ngx_str_t *file, X509 *cert);


static ngx_mdm_expiry_t  ngx_mdm_ca_watch;


ngx_int_t
ngx_mdm_ca_init_process(ngx_cycle_t *cycle, ngx_array_t *cas)
{
    ngx_uint_t      i;
    ngx_mdm_ca_t  **ca;

    ca = cas->elts;

    for (i = 0; i < cas->nelts; i++) {
        if (ca[i]->measured
            && ngx_mdm_ca_measure(ca[i], cycle->log) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (cas->nelts != 0) {
        ngx_mdm_expiry_watch(&ngx_mdm_ca_watch, cycle, cas, ngx_mdm_ca_expiry);
    }

    return NGX_OK;
}


/* the slower of the keys decides */

static ngx_int_t
ngx_mdm_ca_measure(ngx_mdm_ca_t *ca, ngx_log_t *log)
{
    ngx_int_t   time, ra;
    ngx_uint_t  slow;

    time = ngx_mdm_ca_sign_time(ca->core.key, ca->core.digest);
    ra = (ca->core.ra_key != NULL)
         ? ngx_mdm_ca_sign_time(ca->core.ra_key, ca->core.digest) : 0;

    if (time == NGX_ERROR || ra == NGX_ERROR) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "mdm ca \"%V\": the key does not sign", &ca->name);
        return NGX_ERROR;
    }

    if (ra > time) {
        time = ra;
    }

    slow = (time >= NGX_MDM_CA_SLOW);

    if (slow && ca->threads == NULL) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "mdm ca \"%V\": a signature takes %i.%i ms, in which "
                      "the worker does nothing else: nginx was built without "
                      "threads", &ca->name, time / 1000, time / 100 % 10);
        return NGX_OK;
    }

    if (!slow) {
        ca->threads = NULL;
    }

    if (ngx_worker != 0) {
        return NGX_OK;
    }

    if (slow) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "mdm ca \"%V\": a signature takes %i.%i ms, thread pool "
                      "\"%V\" is used", &ca->name, time / 1000,
                      time / 100 % 10, &ca->pool);

    } else {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "mdm ca \"%V\": a signature takes %i.%02i ms, no thread "
                      "pool is used", &ca->name, time / 1000,
                      time / 10 % 100);
    }

    return NGX_OK;
}


/* the first one makes what later ones use again */

ngx_int_t
ngx_mdm_ca_sign_time(EVP_PKEY *key, const EVP_MD *digest)
{
    int               i, ok;
    size_t            len;
    u_char            sig[1024];
    ngx_int_t         time, least;
    EVP_MD_CTX       *ctx;
    struct timespec   from, to;

    static const u_char  text[] = "mdm ca";

    ok = 1;
    least = NGX_MAX_INT_T_VALUE;

    /* the first one has more to do, and others want the CPU, too */

    for (i = 0; ok && i < NGX_MDM_CA_TRIES; i++) {
        ctx = EVP_MD_CTX_new();
        if (ctx == NULL) {
            return NGX_ERROR;
        }

        (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);

        len = sizeof(sig);

        ok = (EVP_DigestSignInit(ctx, NULL, digest, NULL, key) == 1
              && EVP_DigestSign(ctx, sig, &len, text, sizeof(text)) == 1);

        (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);

        EVP_MD_CTX_free(ctx);

        time = (ngx_int_t) ((to.tv_sec - from.tv_sec) * 1000000
                            + (to.tv_nsec - from.tv_nsec) / 1000);

        least = ngx_min(least, time);
    }

    ERR_clear_error();

    return ok ? least : NGX_ERROR;
}


void
ngx_mdm_ca_expiry(void *block, ngx_log_t *log, time_t now)
{
    ngx_mdm_ca_t *ca = block;

    int  i;

    ngx_mdm_ca_expires(ca, log, now, "certificate", &ca->certificate,
                       ca->core.cert);

    for (i = 0; i < sk_X509_num(ca->core.chain); i++) {
        ngx_mdm_ca_expires(ca, log, now, "chain in", &ca->certificate,
                           sk_X509_value(ca->core.chain, i));
    }

    if (ca->core.ra != NULL) {
        ngx_mdm_ca_expires(ca, log, now, "ra_certificate",
                           &ca->ra_certificate, ca->core.ra);
    }
}


static void
ngx_mdm_ca_expires(ngx_mdm_ca_t *ca, ngx_log_t *log, time_t now,
    const char *what, ngx_str_t *file, X509 *cert)
{
    ngx_mdm_expiry_name_t  name;

    name.kind = "mdm ca";
    name.name = &ca->name;
    name.what = what;
    name.file = file;
    name.of = "";
    name.place = &ca->place;

    ngx_mdm_expiry_log(&name, cert, NGX_MDM_CA_DAYS, log, now);
}
