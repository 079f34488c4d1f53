
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A call of kind "http": a request to another server, and its answer.
 */


#ifndef _MDM_HTTP_H_INCLUDED_
#define _MDM_HTTP_H_INCLUDED_


#include "mdm_base.h"


/* what became of an HTTP request */

typedef enum {
    MDM_HTTP_OFF = 0,            /* built without it, or there is no client */
    MDM_HTTP_ANSWERED,           /* status, and what came with it */

    /* there is no answer: */
    MDM_HTTP_TIMEOUT,
    MDM_HTTP_UNREACHABLE,        /* no connection to the server or the proxy */
    MDM_HTTP_RESOLVE,            /* the name has no address */
    MDM_HTTP_TLS,                /* the server is not who it should be, or does
                                    not take our certificate */
    MDM_HTTP_PROXY,              /* the proxy refuses */
    MDM_HTTP_RESET,              /* the connection was lost: the request may
                                    have been carried out */
    MDM_HTTP_TOO_LARGE,          /* the answer has more bytes than "limit" */
    MDM_HTTP_ODD,                /* what came is no answer, or the URL is
                                    none */
    MDM_HTTP_BUSY                /* too many wait, or the worker ends: it was
                                    not sent */
} mdm_http_e;


typedef struct {
    mdm_str_t                 name;
    mdm_str_t                 value;
} mdm_http_header_t;


/*
 * An HTTP request to another server.  What goes in stays where it is until the
 * call has ended.  rc of its call is MDM_CALL_OK however it ends.
 */

typedef struct {
    const void               *client;      /* of the configuration
                                              (ngx_mdm_http_client_t); NULL:
                                              that of http { } */
    mdm_str_t                 method;      /* "POST" */
    mdm_str_t                 url;         /* https:, or http: if whoever
                                              configures it wrote that */
    const mdm_http_header_t  *headers;
    mdm_uint_t                nheaders;
    mdm_str_t                 body;
    mdm_uint_t                timeout;     /* ms; 0: that of the client */
    size_t                    limit;       /* bytes of the answer's body, 0:
                                              MDM_HTTP_LIMIT, MDM_HTTP_LIMIT_MAX
                                              at most */

    mdm_http_e                outcome;
    mdm_uint_t                status;      /* of an answer, and of one that is
                                              too large; else 0 */
    int64_t                   retry_after; /* seconds; 0: none is given */
    mdm_str_t                 answer;      /* its body, owned by the runner,
                                              valid until the exchange ends */
    mdm_str_t                 reason;      /* why there is no answer: printable
                                              ASCII */
    mdm_uint_t                ms;          /* that it took */
} mdm_http_t;

#define MDM_HTTP_LIMIT        (64 * 1024)
#define MDM_HTTP_LIMIT_MAX    (16 * 1024 * 1024)


#endif /* _MDM_HTTP_H_INCLUDED_ */
