
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * URLs, requests and responses.
 */


#ifndef _MDMSIM_HTTP_H_INCLUDED_
#define _MDMSIM_HTTP_H_INCLUDED_


#include "mdmsim_cert.h"

#include <sys/socket.h>
#include <sys/types.h>


#define SIM_MAX_HEADER       32768    /* bytes of a response's header */


typedef struct {
    int                       tls;
    socklen_t                 addrlen;
    struct sockaddr_storage   addr;
    char                      host[272];   /* with the port */
    char                      name[256];   /* for SNI, empty: an address */
    char                      address[64];
    char                      path[1024];
    char                      url[1400];
} sim_target_t;


typedef struct {
    int                       state;
    int                       status;
    int                       close;       /* the connection ends after it */
    int                       chunked;
    int                       has_length;
    size_t                    scanned;     /* of the header */
    size_t                    pos;         /* next byte to parse */
    size_t                    body;        /* offset in the buffer */
    size_t                    body_len;
    uint64_t                  rest;        /* of the body or the chunk */
} sim_http_t;


/* resolves; ends the program on a bad URL or one that is not loopback */
void sim_target_parse(const sim_option_t *opt, const char *url,
    sim_target_t *t);

void sim_http_request(const sim_option_t *opt, const sim_target_t *t,
    sim_ca_t *ca, uint32_t device, int checkin, const sim_buf_t *body,
    int close, sim_buf_t *out);
void sim_http_reset(sim_http_t *h);
/*
 * Reads on in the buffer.  SIM_OK: the answer is whole, its body at
 * buf->data + h->body.  SIM_AGAIN: more is needed.  SIM_ERROR: not HTTP, or
 * over a limit.
 */
int sim_http_parse(sim_http_t *h, sim_buf_t *buf, uint64_t max_body);
/* the peer closed: SIM_OK if that ends the body */
int sim_http_eof(sim_http_t *h);


#endif /* _MDMSIM_HTTP_H_INCLUDED_ */
