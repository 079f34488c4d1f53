
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * One request after the other, for threads that may wait.
 */


#ifndef _MDMSIM_FETCH_H_INCLUDED_
#define _MDMSIM_FETCH_H_INCLUDED_


#include "mdmsim_http.h"

#include <openssl/ssl.h>


typedef struct {
    const sim_option_t       *opt;
    const sim_target_t       *target;
    SSL_CTX                  *ctx;         /* NULL: plain HTTP */
    SSL                      *ssl;
    int                       fd;          /* -1: none */
    sim_http_t                http;        /* of the answer */
    sim_buf_t                 out;
    sim_buf_t                 in;
    const char               *header;      /* a line to be sent, or NULL */
    char                      type[128];   /* Content-Type, as it came */
    char                      location[4096];
    char                      why[256];    /* what was wrong */
} sim_fetch_t;


/* what several threads may share; NULL where the target has no TLS */
SSL_CTX *sim_fetch_ctx(const sim_option_t *opt, const sim_target_t *target);
void sim_fetch_init(sim_fetch_t *f, const sim_option_t *opt,
    const sim_target_t *target, SSL_CTX *ctx);
/*
 * GET, or POST where there is a body; "query", if it is not NULL, goes behind
 * the path of the target.  SIM_OK: there is an answer, of any status, with its
 * body at f->in.data + f->http.body; SIM_ERROR: there is none.
 */
int sim_fetch(sim_fetch_t *f, const char *query, const char *type,
    const sim_buf_t *body);
void sim_fetch_close(sim_fetch_t *f);
void sim_fetch_free(sim_fetch_t *f);


#endif /* _MDMSIM_FETCH_H_INCLUDED_ */
