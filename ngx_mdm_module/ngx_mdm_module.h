
/*
 * Copyright (C) ngx_mdm_module authors
 */


#ifndef _NGX_MDM_MODULE_H_INCLUDED_
#define _NGX_MDM_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_exchange.h"
#include "ngx_mdm.h"
#include "ngx_mdm_enroll.h"
#include "ngx_mdm_enroll_way.h"
#include "ngx_mdm_identity.h"
#include "ngx_mdm_place.h"
#include "ngx_mdm_redis.h"
#include "ngx_mdm_round.h"
#include "ngx_mdm_store.h"


typedef struct {
    ngx_mdm_store_t          *store;
    ngx_str_t                 store_name;  /* to be found when merging */
    ngx_mdm_place_t           store_place; /* of the name */
    ngx_http_complex_value_t *tenant;
    ngx_array_t              *tenants;     /* of ngx_str_t, sorted, those that
                                              may be asked for; NULL: any */
    ngx_mdm_place_t           tenants_place;
    ngx_array_t              *origins;     /* of ngx_str_t, mdm_api_origin;
                                              NULL: none but our own */
    ngx_mdm_identity_conf_t   identity;
    ngx_mdm_threads_t        *threads;     /* NULL: work is done in place */

    ngx_flag_t                checkin;
    ngx_flag_t                connect;
    ngx_flag_t                api;
    ngx_flag_t                metrics;
    ngx_flag_t                health;
    ngx_flag_t                auth;
    ngx_flag_t                auth_request;
    ngx_mdm_place_t           handler;     /* of that of mdm_checkin,
                                              mdm_connect, mdm_api, mdm_scep,
                                              mdm_enroll, mdm_auth_request,
                                              mdm_metrics and mdm_health which
                                              is on; the last one */
    ngx_mdm_place_t           auth_place;
    ngx_mdm_enroll_conf_t     enroll;      /* mdm_scep… */
    ngx_mdm_way_conf_t        way;         /* mdm_enroll… */
    ngx_uint_t                unprefixed;  /* the location's name is no prefix
                                              of the path */

    size_t                    api_body;    /* bytes */

    mdm_settings_t            settings;    /* for the core; the store's among
                                              them are copied of it */
} ngx_mdm_loc_conf_t;


/* of a request */

typedef struct ngx_mdm_ctx_s  ngx_mdm_ctx_t;

typedef void (*ngx_mdm_done_pt)(ngx_mdm_ctx_t *ctx);
typedef void (*ngx_mdm_body_pt)(ngx_mdm_ctx_t *ctx, ngx_int_t rc);

struct ngx_mdm_ctx_s {
    ngx_http_request_t       *request;
    mdm_exchange_t           *exchange;
    ngx_mdm_done_pt           handler;     /* the exchange that has waited is
                                              done */

    ngx_mdm_signature_t       signature;   /* of the body */

    ngx_mdm_round_t           round;       /* the current one */
    ngx_mdm_redis_check_t     check;       /* of the store, behind them */
    ngx_msec_t                sent;        /* start of the current round */
    ngx_msec_t                redis_time;  /* of all rounds, ms */
    ngx_uint_t                rounds;

    unsigned                  done:1;
    unsigned                  first:1;     /* made before the body was read */
    unsigned                  reading:1;   /* nginx reads the body now */
    unsigned                  identified:1;
    unsigned                  gone:1;      /* the client has gone: nobody wants
                                              an answer */
    unsigned                  blocked:1;   /* nginx keeps the request until
                                              the round or the thread that has
                                              it has ended */
};


/* ngx_mdm_request.c */

/* the content handler of all directives that make one */
ngx_int_t ngx_mdm_handler(ngx_http_request_t *r);


/* ngx_mdm_body_read.c */

/*
 * As ngx_http_read_client_request_body(), but what goes to a temporary file
 * comes in pieces.  The handler is called for each request with a body that has
 * not come as a whole yet: it begins with ngx_mdm_body_more(), which is 1 if it
 * is to return at once; it is then called again at the end.
 */
ngx_int_t ngx_mdm_body_read(ngx_http_request_t *r,
    ngx_http_client_body_handler_pt handler);
ngx_uint_t ngx_mdm_body_more(ngx_http_request_t *r);

/* ngx_mdm_body.c */

/*
 * Sets x->body once nginx has read it, and checks the signature of a large one.
 * NGX_OK: it is there, or the exchange is done, 503; NGX_DONE: a thread is at
 * it, and handler(ctx, rc) will be called with NGX_OK, an HTTP status, or
 * NGX_ERROR if a client of the API has gone meanwhile; or an HTTP status.
 */
ngx_int_t ngx_mdm_body(ngx_mdm_ctx_t *ctx, ngx_mdm_body_pt handler);


/* ngx_mdm_exchange.c */

/*
 * Makes the context and the exchange of a request, with the settings and the
 * time.  done() is called when an exchange that has waited is done, with the
 * response filled in; it takes the request up again.  NGX_OK; an HTTP status.
 */
ngx_int_t ngx_mdm_create_ctx(ngx_http_request_t *r, ngx_mdm_done_pt done,
    ngx_mdm_ctx_t **ctx);

/*
 * Finds the device's certificate; one that is refused ends the exchange.
 * NGX_OK; NGX_ERROR: no memory.
 */
ngx_int_t ngx_mdm_identify(ngx_mdm_ctx_t *ctx);

/*
 * Runs the exchange until it is done or waits for calls.  NGX_DONE: it waits,
 * and the handler of ctx will be called; NGX_OK: the response is filled in.
 */
ngx_int_t ngx_mdm_run(ngx_mdm_ctx_t *ctx);

/*
 * What a request has waited for has ended: the log is its own again, and nginx
 * need not keep it any more.
 */
void ngx_mdm_awake(ngx_mdm_ctx_t *ctx);


/* ngx_mdm_response.c */

/* sends what the exchange says; what a handler returns */
ngx_int_t ngx_mdm_send(ngx_http_request_t *r, mdm_exchange_t *x);

/*
 * Sets a header of the response, in the place of one of this name.  The name
 * must live as long as the request.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_mdm_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);

/* the header of a 503; NGX_OK or NGX_ERROR */
ngx_int_t ngx_mdm_retry_after(ngx_http_request_t *r, ngx_uint_t seconds);


/* ngx_mdm_api.c */

/* fills in the path, the query and the user of an API request */
void ngx_mdm_api_request(ngx_http_request_t *r, mdm_exchange_t *x);

/* the path of the API that is asked for, without the location's prefix */
void ngx_mdm_api_path(ngx_http_request_t *r, mdm_str_t *api);

/* the answer to a body that is too large, 413; the exchange is done then */
void ngx_mdm_api_refuse_body(ngx_mdm_ctx_t *ctx);


/* ngx_mdm_enroll_request.c */

/*
 * Fills in what the core knows of a request of mdm_enroll; one that is refused
 * ends the exchange.  NGX_OK; NGX_ERROR: no memory.
 */
ngx_int_t ngx_mdm_enroll_request(ngx_mdm_ctx_t *ctx);


/* ngx_mdm_access.c */

ngx_int_t ngx_mdm_access_handler(ngx_http_request_t *r);

/* the content handler of mdm_auth_request: 204, 403 or 503 */
ngx_int_t ngx_mdm_access_request(ngx_http_request_t *r);


/* ngx_mdm_log_certificate.c */

/* names the certificate in lines of nginx's own; NGX_OK or NGX_ERROR */
ngx_int_t ngx_mdm_log_init(ngx_conf_t *cf);


/* ngx_mdm_variable.c */

ngx_int_t ngx_mdm_add_variables(ngx_conf_t *cf);


#endif /* _NGX_MDM_MODULE_H_INCLUDED_ */
